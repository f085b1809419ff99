/* What goes on in a run, from its events: for the live view and for `nightjar
 * status`. Pure but for the clock that its caller gives; bounded by the tasks
 * that run at once. */
#ifndef NIGHTJAR_RUNNER_ACTIVITY_H
#define NIGHTJAR_RUNNER_ACTIVITY_H

#include "base/json.h"
#include "tasks/outcome.h"

#define ACTIVITY_DOING_MAX 200 /* bytes */
#define ACTIVITY_RUNNING_MAX 1024

/* A task that is being worked on. */
struct activity_task {
    char id[TASK_ID_MAX + 1];
    char doing[ACTIVITY_DOING_MAX]; /* a command, or a word; untrusted */
    int64_t attempt;
    int64_t turn;
    int64_t tokens;
    int64_t cost_microusd;
    int64_t began; /* milliseconds since 1970 */
};

struct activity {
    int64_t planned; /* tasks */
    int64_t jobs;
    size_t done[VERDICTS]; /* by verdict */
    int64_t tokens;
    int64_t cost_microusd;
    bool cost_known;
    int64_t busy_ms; /* of the tasks that are done, together */
    int64_t worked;  /* how many of them were worked on */
    int64_t began;   /* milliseconds since 1970; 0: not yet */
    int64_t last;    /* of the last event */
    bool finished;
    void *ended; /* tasks that are done, for tsearch */
    struct activity_task running[ACTIVITY_RUNNING_MAX];
    size_t running_count;
};

void activity_init(struct activity *activity);
void activity_free(struct activity *activity); /* what it points to */

/* Takes an event of the journal. */
void activity_event(struct activity *activity, const cJSON *event);

size_t activity_done(const struct activity *activity);

/* How long the rest may take, by how long tasks took until now; -1: nobody
 * knows yet. */
int64_t activity_left_ms(const struct activity *activity, int64_t now_ms);

struct activity_style {
    size_t columns; /* no line is wider; 0: as wide as they are */
    size_t rows;    /* at most so many lines; 0: all */
};

/* Adds the picture: totals, then a line for each running task, the one that
 * began first first. Untrusted text is made printable. Returns the lines. */
size_t activity_draw(const struct activity *activity, int64_t now_ms,
                     const struct activity_style *style, struct buffer *out);

/* `nightjar status` */
struct options;
int status_command(const struct options *options);

#endif
