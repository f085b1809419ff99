/* What a person or a CI log sees while a run goes on, on standard error.
 * Untrusted text is made printable.
 *
 * On a terminal the last lines are a picture that is drawn again and again
 * (activity.h), with what has ended above it: each time in one write, no line
 * wider than the terminal. Elsewhere there is one line for each change; where
 * the CI can fold lines, those of a task are kept until it ends and told
 * together, so that tasks at once do not mix. */
#ifndef NIGHTJAR_RUNNER_PROGRESS_H
#define NIGHTJAR_RUNNER_PROGRESS_H

#include "base/json.h"

enum verbosity { PROGRESS_QUIET, PROGRESS_NORMAL, PROGRESS_VERBOSE };

enum progress_form {
    PROGRESS_AUTO, /* what fits the terminal and the environment */
    PROGRESS_PLAIN,
    PROGRESS_LIVE,
    PROGRESS_GITHUB, /* ::group:: of GitHub Actions */
    PROGRESS_GITLAB, /* sections of GitLab CI */
};

struct activity;
struct progress_group;

struct progress {
    enum verbosity verbosity;
    enum progress_form form;
    bool color;
    size_t done;
    size_t total;
    struct activity *activity; /* of PROGRESS_LIVE */
    size_t drawn;              /* lines of the picture on the terminal */
    bool changed;              /* since it was drawn */
    int64_t drawn_at;          /* base/clock.h */
    struct progress_group *groups;
    size_t group_count;
};

/* Chooses a form where it is to be chosen, and begins. `total`: tasks. */
void progress_start(struct progress *progress, size_t total);

/* Tells about one event of the journal. */
void progress_event(struct progress *progress, const cJSON *event);

/* Draws the picture again when it is time, and when that is next. */
void progress_tick(struct progress *progress);
int64_t progress_deadline(const struct progress *progress);

/* Takes the picture away; tells what was not told. */
void progress_end(struct progress *progress);

#endif
