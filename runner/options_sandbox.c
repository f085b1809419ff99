/* The options of `nightjar sandbox`. */
#include "base/memory.h"
#include "base/number.h"
#include "runner/options_table.h"

#define PIDS_MAX 100000
#define CPU_MILLI_MAX ((int64_t)1024000)

static int add(struct option_list *list, const char *value, const char *name,
               struct error *err)
{
    if (list->count == OPTIONS_LIST_MAX)
        return error_set(err, ERROR_USAGE, "%s: at most %d times", name,
                         OPTIONS_LIST_MAX);
    list->items[list->count++] = value;
    return 0;
}

int apply_workspace(struct options *options, const char *value,
                    struct error *err)
{
    if (!*value || *value == ':')
        return error_set(err, ERROR_USAGE,
                         "--workspace: expected DIR or DIR:INSIDE");
    options->sandbox.workspace = value;
    return 0;
}

int apply_network(struct options *options, const char *value, struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE,
                         "--network: expected none, open or hosts");
    options->sandbox.network = value;
    return 0;
}

static int add_path(struct option_list *list, const char *value,
                    const char *name, struct error *err)
{
    if (*value != '/' || !value[1])
        return error_set(err, ERROR_USAGE,
                         "%s: expected an absolute path below /, got '%s'",
                         name, value);
    return add(list, value, name, err);
}

int apply_read(struct options *options, const char *value, struct error *err)
{
    return add_path(&options->sandbox.read, value, "--read", err);
}

int apply_write(struct options *options, const char *value, struct error *err)
{
    return add_path(&options->sandbox.write, value, "--write", err);
}

int apply_env(struct options *options, const char *value, struct error *err)
{
    if (!strchr(value, '=') || *value == '=')
        return error_set(err, ERROR_USAGE,
                         "--env: expected NAME=VALUE, got '%s'", value);
    return add(&options->sandbox.env, value, "--env", err);
}

static int take_size(const char *value, const char *name, int64_t least,
                     int64_t *out, struct error *err)
{
    if (number_size_bytes(value, out) || (*out && *out < least))
        return error_set(err, ERROR_USAGE,
                         "%s: expected a size such as 512M or 2G, got '%s'",
                         name, value);
    return 0;
}

int apply_memory(struct options *options, const char *value, struct error *err)
{
    return take_size(value, "--memory", 1 << 20,
                     &options->sandbox.limits.memory_bytes, err);
}

int apply_disk(struct options *options, const char *value, struct error *err)
{
    return take_size(value, "--disk", 4096, &options->sandbox.limits.disk_bytes,
                     err);
}

int apply_file_size(struct options *options, const char *value,
                    struct error *err)
{
    return take_size(value, "--file-size", 1,
                     &options->sandbox.limits.file_bytes, err);
}

int apply_pids(struct options *options, const char *value, struct error *err)
{
    int64_t *pids = &options->sandbox.limits.pids;

    if (number_int64(value, pids) || *pids < 1 || *pids > PIDS_MAX)
        return error_set(err, ERROR_USAGE, "--pids: expected 1 to %d, got '%s'",
                         PIDS_MAX, value);
    return 0;
}

int apply_cpu(struct options *options, const char *value, struct error *err)
{
    int64_t micro;

    if (number_micro(value, &micro) || micro < 10000 ||
        micro / 1000 > CPU_MILLI_MAX)
        return error_set(err, ERROR_USAGE,
                         "--cpu: expected processors such as 2 or 0.5, "
                         "got '%s'",
                         value);
    options->sandbox.limits.cpu_milli = micro / 1000;
    return 0;
}

static int take_time(const char *value, const char *name, int64_t *out,
                     struct error *err)
{
    int64_t seconds;

    /* Bare numbers are seconds here, as for timeout(1). */
    if (!number_int64(value, &seconds) && seconds > 0 &&
        seconds <= INT64_MAX / 1000) {
        *out = seconds * 1000;
        return 0;
    }
    if (number_duration_ms(value, out) || *out < 1)
        return error_set(err, ERROR_USAGE,
                         "%s: expected a time such as 90s or 10m, got '%s'",
                         name, value);
    return 0;
}

int apply_cpu_time(struct options *options, const char *value,
                   struct error *err)
{
    return take_time(value, "--cpu-time", &options->sandbox.limits.cpu_time_ms,
                     err);
}

int apply_timeout(struct options *options, const char *value, struct error *err)
{
    return take_time(value, "--timeout", &options->sandbox.timeout_ms, err);
}

static int take_layers(const char *value, const char *name, unsigned *out,
                       struct error *err)
{
    while (*value) {
        size_t length = strcspn(value, ",");
        CLEANUP(mem_free) char *word = mem_bytes(value, length);
        unsigned layer = sandbox_layer_from_name(word);

        if (!layer)
            return error_set(err, ERROR_USAGE,
                             "%s: expected namespaces, landlock, seccomp or "
                             "cgroup, got '%s'",
                             name, word);
        *out |= layer;
        value += length + (value[length] == ',');
    }
    return 0;
}

int apply_require(struct options *options, const char *value, struct error *err)
{
    /* The default is replaced by the first, not added to. */
    options->sandbox.require_given = true;
    return take_layers(value, "--require", &options->sandbox.require, err);
}

int apply_without(struct options *options, const char *value, struct error *err)
{
    return take_layers(value, "--without", &options->sandbox.without, err);
}

int apply_json(struct options *options, const char *value, struct error *err)
{
    (void)value;
    (void)err;
    options->json = true;
    return 0;
}
