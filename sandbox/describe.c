/* A sandbox in words. */
#include <inttypes.h>

#include "base/memory.h"
#include "sandbox/mounts.h"

/* ---- names ------------------------------------------------------------------
 */

static const char *const layer_names[] = {"namespaces", "landlock", "seccomp",
                                          "cgroup"};

const char *sandbox_layer_name(unsigned index)
{
    return index < ARRAY_LENGTH(layer_names) ? layer_names[index] : NULL;
}

unsigned sandbox_layer_from_name(const char *name)
{
    for (unsigned i = 0; i < ARRAY_LENGTH(layer_names); i++) {
        if (!strcmp(name, layer_names[i]))
            return 1U << i;
    }
    return 0;
}

const char *sandbox_limit_name(enum sandbox_limit limit)
{
    static const char *const names[SANDBOX_LIMITS] = {
        [SANDBOX_LIMIT_MEMORY] = "memory",       [SANDBOX_LIMIT_PIDS] = "pids",
        [SANDBOX_LIMIT_CPU_TIME] = "cpu_time",   [SANDBOX_LIMIT_DISK] = "disk",
        [SANDBOX_LIMIT_FILE_SIZE] = "file_size",
    };

    return limit < SANDBOX_LIMITS ? names[limit] : NULL;
}

/* ---- words for people
 * ---------------------------------------------------------- */

static char *bytes_text(int64_t bytes)
{
    if (bytes >> 30 && !(bytes & (((int64_t)1 << 30) - 1)))
        return mem_format("%" PRId64 " GiB", bytes >> 30);
    if (bytes >> 20 && !(bytes & (((int64_t)1 << 20) - 1)))
        return mem_format("%" PRId64 " MiB", bytes >> 20);
    return mem_format("%" PRId64 " bytes", bytes);
}

char *sandbox_limit_text(const struct sandbox_limits *limits,
                         enum sandbox_limit limit)
{
    CLEANUP(mem_free) char *bytes = NULL;

    switch (limit) {
    case SANDBOX_LIMIT_MEMORY:
        bytes = bytes_text(limits->memory_bytes);
        return mem_format("the memory limit of %s was reached", bytes);
    case SANDBOX_LIMIT_DISK:
        bytes = bytes_text(limits->disk_bytes);
        return mem_format("the disk limit of %s was reached", bytes);
    case SANDBOX_LIMIT_FILE_SIZE:
        bytes = bytes_text(limits->file_bytes);
        return mem_format("the file size limit of %s was reached", bytes);
    case SANDBOX_LIMIT_PIDS:
        return mem_format("the limit of %" PRId64 " processes was reached",
                          limits->pids);
    case SANDBOX_LIMIT_CPU_TIME:
        return mem_format(
            "the processor time limit of %" PRId64 ".%03d s was reached",
            limits->cpu_time_ms / 1000, (int)(limits->cpu_time_ms % 1000));
    default:
        return mem_string("");
    }
}

static void describe_limits(const struct sandbox_limits *limits,
                            struct buffer *out)
{
    const struct {
        const char *name;
        int64_t bytes;
    } sizes[] = {{"memory", limits->memory_bytes},
                 {"disk", limits->disk_bytes},
                 {"file size", limits->file_bytes}};

    buffer_add_string(out, "limits:    ");
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        CLEANUP(mem_free) char *bytes = bytes_text(sizes[i].bytes);

        if (sizes[i].bytes)
            buffer_addf(out, " %s %s,", sizes[i].name, bytes);
    }
    if (limits->cpu_milli)
        buffer_addf(out, " %" PRId64 ".%03d processors,",
                    limits->cpu_milli / 1000, (int)(limits->cpu_milli % 1000));
    buffer_addf(out, " %" PRId64 " processes\n", limits->pids);
}

int sandbox_describe(const struct sandbox_spec *spec, struct buffer *out,
                     struct error *err)
{
    static const char *const networks[] = {
        [SANDBOX_NETWORK_NONE] = "none (own loopback only)",
        [SANDBOX_NETWORK_PROXY] = "listed hosts, by the egress proxy",
        [SANDBOX_NETWORK_OPEN] = "open: the host's",
    };
    struct mounts mounts;

    if (mounts_plan(spec, &mounts, err))
        return -1;
    buffer_addf(out, "namespaces: user mount pid%s ipc uts cgroup\n",
                spec->network == SANDBOX_NETWORK_OPEN ? "" : " network");
    buffer_addf(out, "network:    %s\n", networks[spec->network]);
    buffer_addf(out, "user:       %d inside, no capabilities, no_new_privs\n",
                SANDBOX_UID);
    describe_limits(&spec->limits, out);
    buffer_add_string(out, "filter:     allow list of system calls\n");
    mounts_describe(&mounts, out);
    mounts_free(&mounts);
    return 0;
}
