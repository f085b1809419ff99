/* Loading a manifest in a test, with its problems as people see them. */
#ifndef NIGHTJAR_TESTS_UNIT_MANIFEST_H
#define NIGHTJAR_TESTS_UNIT_MANIFEST_H

#include "base/memory.h"
#include "tasks/manifest.h"
#include "tests/tap.h"

#define GOOD "tests/data/manifests/good/"

struct loaded {
    struct plan plan;
    struct problems problems;
    struct buffer text; /* the problems as people see them */
    int status;
};

static inline void loaded_free(struct loaded *loaded)
{
    plan_free(&loaded->plan);
    problems_free(&loaded->problems);
    buffer_free(&loaded->text);
}

static inline void format_problems(struct loaded *loaded)
{
    buffer_init(&loaded->text, 1 << 20);
    for (size_t i = 0; i < loaded->problems.count; i++)
        problem_format(&loaded->problems.items[i], &loaded->text);
}

static inline struct loaded load(const char *path, const struct params *params)
{
    struct loaded loaded = {0};

    plan_init(&loaded.plan);
    loaded.status = manifest_load(&loaded.plan, path, params, &loaded.problems);
    format_problems(&loaded);
    return loaded;
}

static inline struct loaded parse_bytes(const char *path, struct span text)
{
    struct loaded loaded = {0};

    plan_init(&loaded.plan);
    loaded.status =
        manifest_parse(&loaded.plan, path, text, NULL, &loaded.problems);
    format_problems(&loaded);
    return loaded;
}

static inline struct loaded parse(const char *text)
{
    return parse_bytes("t.yaml", (struct span){text, strlen(text)});
}

static inline bool is_good(const struct loaded *loaded, size_t tasks,
                           const char *name)
{
    tap_string(loaded->text.data, "", "%s has no problems", name);
    return tap_int((int64_t)loaded->plan.count, (int64_t)tasks,
                   "%s: number of tasks", name) &&
           !loaded->status;
}

#endif
