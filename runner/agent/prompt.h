/* The first items of a conversation: what the model is told before it works.
 *
 * Least changing first: instructions, what the sandbox allows, the task's
 * instructions, what the repository says to agents, the environment, then the
 * task. Nothing before the task's prompt names a date, an id, a host path or
 * anything random, so all tasks of a manifest at one commit share that prefix
 * byte for byte, and with it the provider's cache. */
#ifndef NIGHTJAR_RUNNER_AGENT_PROMPT_H
#define NIGHTJAR_RUNNER_AGENT_PROMPT_H

#include "runner/agent/conversation.h"
#include "tasks/documents.h"
#include "tasks/task.h"

/* What a sandbox is like from inside. */
struct prompt_place {
    const char *workspace;
    const char *home;
    const char *temporary;
    const char *shell;
};

#define PROMPT_KEY_BYTES 48

/* Of a running task, about so many requests a minute. */
#define PROMPT_REQUESTS_A_MINUTE 2

struct prompt_request {
    const struct task *task;
    const struct documents *documents;
    const struct prompt_place *place;
    size_t index; /* of the task in its plan: which of the keys it uses */
    int64_t jobs; /* tasks at once; 0: few */
};

/* A part of the prompt, for people. */
struct prompt_part {
    const char *name;
    size_t at; /* in the body */
    size_t length;
};

#define PROMPT_PARTS_MAX 16

struct prompt {
    struct buffer head;         /* up to the list of items */
    char key[PROMPT_KEY_BYTES]; /* what tasks of the same prefix share */
    struct buffer items;        /* the prefix' items, a line each */
    struct prompt_part parts[PROMPT_PARTS_MAX]; /* of the items */
    size_t part_count;
};

/* Makes everything that stands before the first turn. The key is made of the
 * shared part: the same on every machine. Where more tasks run at once than a
 * key takes (cache_key_rate), they are spread over several. */
void prompt_make(const struct prompt_request *request, struct prompt *prompt);
void prompt_free(struct prompt *prompt);

/* Starts the conversation with it. */
void prompt_begin(const struct prompt *prompt,
                  struct conversation *conversation, struct link *link);

#endif
