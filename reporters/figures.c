#include "reporters/figures.h"

#include <inttypes.h>
#include <stdio.h>

void figure_count(char *out, size_t size, int64_t count)
{
    static const char units[] = " kMGTP";
    size_t unit = 0;
    int64_t tenths = count > INT64_MAX / 10 ? INT64_MAX : count * 10;

    while (tenths >= 10000 && units[unit + 1]) {
        tenths /= 1000;
        unit++;
    }
    if (!unit)
        snprintf(out, size, "%" PRId64, count);
    else
        snprintf(out, size, "%" PRId64 ".%d%c", tenths / 10, (int)(tenths % 10),
                 units[unit]);
}

void figure_duration(char *out, size_t size, int64_t duration_ms)
{
    if (duration_ms < 0)
        snprintf(out, size, "-");
    else if (duration_ms < 60000)
        snprintf(out, size, "%d.%ds", (int)(duration_ms / 1000),
                 (int)(duration_ms % 1000 / 100));
    else if (duration_ms < 3600000)
        snprintf(out, size, "%dm%02ds", (int)(duration_ms / 60000),
                 (int)(duration_ms / 1000 % 60));
    else
        snprintf(out, size, "%" PRId64 "h%02dm", duration_ms / 3600000,
                 (int)(duration_ms / 60000 % 60));
}

void figure_cost(char *out, size_t size, int64_t microusd)
{
    int64_t cents = (microusd + 5000) / 10000;

    if (microusd < 0)
        snprintf(out, size, "?");
    else if (microusd && microusd < 100000)
        snprintf(out, size, "$0.%04d", (int)((microusd + 50) / 100));
    else
        snprintf(out, size, "$%" PRId64 ".%02d", cents / 100,
                 (int)(cents % 100));
}

int figure_cached_percent(const struct outcome_usage *usage)
{
    if (usage->cached_tokens >= usage->input_tokens)
        return usage->cached_tokens ? 100 : 0;
    return (int)((double)usage->cached_tokens * 100 /
                 (double)usage->input_tokens);
}

void figure_verdicts(char *out, size_t size, const struct run_outcome *outcome)
{
    size_t used = 0;

    snprintf(out, size, "no tasks");
    for (int i = 0; i < VERDICTS && used < size; i++) {
        if (outcome->counts[i])
            used += (size_t)snprintf(out + used, size - used, "%s%zu %s",
                                     used ? ", " : "", outcome->counts[i],
                                     verdict_name((enum verdict)i));
    }
}
