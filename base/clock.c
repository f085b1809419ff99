#include "base/clock.h"

#include <limits.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

static int64_t frozen_at = -1;

int64_t clock_utc_ms(void)
{
    return frozen_at < 0 ? read_clock(CLOCK_REALTIME) : frozen_at;
}

int64_t clock_elapsed_ms(int64_t began)
{
    return frozen_at < 0 ? clock_now_ms() - began : 0;
}

void clock_freeze(int64_t utc_ms)
{
    frozen_at = utc_ms > 0 ? utc_ms : 0;
}

bool clock_is_frozen(void)
{
    return frozen_at >= 0;
}

int64_t clock_deadline(int64_t timeout_ms)
{
    int64_t deadline;

    if (timeout_ms < 0 ||
        __builtin_add_overflow(clock_now_ms(), timeout_ms, &deadline))
        return CLOCK_NEVER;
    return deadline;
}

int clock_left_ms(int64_t deadline)
{
    int64_t left;

    if (deadline == CLOCK_NEVER)
        return -1;
    left = deadline - clock_now_ms();
    if (left < 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

int64_t clock_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void clock_rfc3339(int64_t utc_ms, char out[static CLOCK_RFC3339_BYTES])
{
    time_t seconds = (time_t)(utc_ms / 1000);
    struct tm parts;
    char date[CLOCK_RFC3339_BYTES];

    if (!gmtime_r(&seconds, &parts) ||
        !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &parts))
        memcpy(date, "1970-01-01T00:00:00", sizeof("1970-01-01T00:00:00"));
    snprintf(out, CLOCK_RFC3339_BYTES, "%.19s.%03dZ", date,
             (int)(utc_ms % 1000 < 0 ? 0 : utc_ms % 1000));
}
