/* The options that choose tasks, and where repositories are kept. */
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
