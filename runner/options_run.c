/* The options that choose tasks, and where repositories are kept. */
#include "base/memory.h"
#include "base/number.h"
#include "runner/options_table.h"

int apply_cache(struct options *options, const char *value, struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--cache: expected a folder");
    options->cache = value;
    return 0;
}

int apply_cache_size(struct options *options, const char *value,
                     struct error *err)
{
    if (number_size_bytes(value, &options->cache_bytes))
        return error_set(err, ERROR_USAGE,
                         "--cache-size: expected a size such as 20G, got '%s'",
                         value);
    return 0;
}

static int take_count(const char *value, const char *name, int64_t *out,
                      struct error *err)
{
    if (!number_int64(value, out) && *out >= 1 && *out <= PLAN_TASKS_MAX)
        return 0;
    return error_set(err, ERROR_USAGE, "%s: expected 1 to %d, got '%s'", name,
                     PLAN_TASKS_MAX, value);
}

int apply_limit(struct options *options, const char *value, struct error *err)
{
    return take_count(value, "--limit", &options->limit, err);
}

int apply_sample(struct options *options, const char *value, struct error *err)
{
    return take_count(value, "--sample", &options->sample, err);
}

int apply_seed(struct options *options, const char *value, struct error *err)
{
    (void)err;
    options->seed = value;
    return 0;
}

/* "2/4" */
int apply_shard(struct options *options, const char *value, struct error *err)
{
    CLEANUP(mem_free) char *number = mem_string(value);
    char *slash = strchr(number, '/');
    int64_t count = 0;
    int64_t which = 0;

    if (slash)
        *slash = '\0';
    if (!slash || number_int64(number, &which) ||
        number_int64(slash + 1, &count) || count < 1 || count > SHARDS_MAX ||
        which < 1 || which > count)
        return error_set(err, ERROR_USAGE,
                         "--shard: expected I/N such as 1/4, got '%s'", value);
    options->shard = (struct shard){(size_t)which, (size_t)count};
    return 0;
}

int apply_durations(struct options *options, const char *value,
                    struct error *err)
{
    (void)err;
    options->durations = value;
    return 0;
}

static int add(struct option_list *list, const char *value, const char *name,
               struct error *err)
{
    if (list->count == OPTIONS_LIST_MAX)
        return error_set(err, ERROR_USAGE, "%s: at most %d times", name,
                         OPTIONS_LIST_MAX);
    list->items[list->count++] = value;
    return 0;
}

int apply_retry(struct options *options, const char *value, struct error *err)
{
    size_t length = strcspn(value, ":");
    bool failed = length == 6 && !strncmp(value, "failed", 6);
    bool error = length == 5 && !strncmp(value, "error", 5);

    if ((!failed && !error) || (value[length] && !value[length + 1]))
        return error_set(err, ERROR_USAGE,
                         "--retry: expected failed, failed:REASON, error or "
                         "error:KIND, got '%s'",
                         value);
    if (error && value[length] &&
        strcmp(error_kind_name(error_kind_from_name(value + length + 1)),
               value + length + 1) != 0)
        return error_set(err, ERROR_USAGE,
                         "--retry: '%s' is no kind of error; docs/reports.md "
                         "has them",
                         value + length + 1);
    return add(&options->retry, value, "--retry", err);
}

int apply_rerun(struct options *options, const char *value, struct error *err)
{
    return add(&options->rerun, value, "--rerun", err);
}

int apply_shards(struct options *options, const char *value, struct error *err)
{
    if (!number_int64(value, &options->shards) && options->shards >= 1 &&
        options->shards <= SHARDS_MAX)
        return 0;
    return error_set(err, ERROR_USAGE, "--shards: expected 1 to %d, got '%s'",
                     SHARDS_MAX, value);
}

int apply_matrix(struct options *options, const char *value, struct error *err)
{
    if (strcmp(value, "github") != 0)
        return error_set(err, ERROR_USAGE,
                         "--matrix: expected github, got '%s'", value);
    options->matrix = value;
    return 0;
}

int apply_follow(struct options *options, const char *value, struct error *err)
{
    (void)value;
    (void)err;
    options->follow = true;
    return 0;
}

int apply_progress(struct options *options, const char *value,
                   struct error *err)
{
    static const char *const words[] = {"auto", "plain", "live", "github",
                                        "gitlab"};

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!strcmp(words[i], value)) {
            options->progress = (enum progress_form)i;
            return 0;
        }
    }
    return error_set(err, ERROR_USAGE,
                     "--progress: expected auto, plain, live, github or "
                     "gitlab, got '%s'",
                     value);
}
