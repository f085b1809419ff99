/* base/number and base/clock. */
#include <limits.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/number.h"
#include "tests/tap.h"

typedef int reader(const char *text, int64_t *out);

static void reads(reader *read, const char *text, int64_t want)
{
    int64_t got = -77;

    tap_int(read(text, &got), 0, "'%s' is read", text);
    tap_int(got, want, "'%s' is %lld", text, (long long)want);
}

static void refuses(reader *read, const char *text)
{
    int64_t got = -77;

    int line = (int)strcspn(text, "\n"); /* of a check's name */

    tap_int(read(text, &got), -1, "'%.*s' is refused", line, text);
    tap_int(got, -77, "'%.*s' leaves the result alone", line, text);
}

/* What no quantity may be. */
static void refuses_rubbish(reader *read)
{
    static const char *const texts[] = {
        "",    " ",   "a",        "-",   "+",    ".",   "1 ",
        " 1",  "1x",  "1..2",     "--1", "0x10", "1e3", "1,5",
        "\t1", "1\n", "\xD9\xA1", "nan", "inf",  "1-",  "- 1"};

    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        refuses(read, texts[i]);
}

static void test_int64(void)
{
    refuses_rubbish(number_int64);
    reads(number_int64, "0", 0);
    reads(number_int64, "-0", 0);
    reads(number_int64, "+5", 5);
    reads(number_int64, "007", 7);
    reads(number_int64, "9223372036854775807", INT64_MAX);
    reads(number_int64, "-9223372036854775808", INT64_MIN);
    refuses(number_int64, "9223372036854775808");
    refuses(number_int64, "-9223372036854775809");
    refuses(number_int64, "99999999999999999999999999");
    refuses(number_int64, "1.5");
    refuses(number_int64, "+-5");
}

static void test_micro(void)
{
    refuses_rubbish(number_micro);
    reads(number_micro, "0", 0);
    reads(number_micro, "12", 12000000);
    reads(number_micro, "2.50", 2500000);
    reads(number_micro, "0.000001", 1);
    reads(number_micro, "9223372036854.775807", INT64_MAX);
    refuses(number_micro, "9223372036854.775808");
    refuses(number_micro, "9223372036855");
    refuses(number_micro, "0.0000001");
    refuses(number_micro, "-1");
    refuses(number_micro, "+1");
    refuses(number_micro, "1.");
    refuses(number_micro, ".5");
    refuses(number_micro, "99999999999999999999999999");
}

static void test_duration(void)
{
    refuses_rubbish(number_duration_ms);
    reads(number_duration_ms, "1500ms", 1500);
    reads(number_duration_ms, "90s", 90000);
    reads(number_duration_ms, "10m", 600000);
    reads(number_duration_ms, "2h", 7200000);
    reads(number_duration_ms, "1h30m", 5400000);
    reads(number_duration_ms, "1m2s3ms", 62003);
    reads(number_duration_ms, "0.5s", 500);
    reads(number_duration_ms, "0s", 0);
    reads(number_duration_ms, "0.1ms", 1);
    reads(number_duration_ms, "9223372036854ms", 9223372036854);
    reads(number_duration_ms, "9223372036854.775807ms", 9223372036855);
    refuses(number_duration_ms, "9223372036855ms");
    refuses(number_duration_ms, "9223372036854ms1ms");
    refuses(number_duration_ms, "9223372036854h");
    refuses(number_duration_ms, "10");
    refuses(number_duration_ms, "1h30");
    refuses(number_duration_ms, "1d");
    refuses(number_duration_ms, "-1s");
    refuses(number_duration_ms, "1 s");
    refuses(number_duration_ms, "s");
    refuses(number_duration_ms, "1S");
}

static void test_size(void)
{
    refuses_rubbish(number_size_bytes);
    reads(number_size_bytes, "512", 512);
    reads(number_size_bytes, "64K", 65536);
    reads(number_size_bytes, "512M", 536870912);
    reads(number_size_bytes, "2G", 2147483648);
    reads(number_size_bytes, "1.5K", 1536);
    reads(number_size_bytes, "8589G", 8589LL << 30);
    refuses(number_size_bytes, "8590G"); /* in millionths over 2^63 */
    refuses(number_size_bytes, "0.1K");
    refuses(number_size_bytes, "1KB");
    refuses(number_size_bytes, "1k");
    refuses(number_size_bytes, "1.5");
    refuses(number_size_bytes, "-1K");
    refuses(number_size_bytes, "9223372036854G");
}

static void test_count(void)
{
    refuses_rubbish(number_count);
    reads(number_count, "4000", 4000);
    reads(number_count, "200k", 200000);
    reads(number_count, "200K", 200000);
    reads(number_count, "2M", 2000000);
    reads(number_count, "1.5M", 1500000);
    refuses(number_count, "1.5");
    refuses(number_count, "0.0001k");
    refuses(number_count, "1m");
    refuses(number_count, "9223372036854M");
}

static void test_percent(void)
{
    refuses_rubbish(number_percent);
    reads(number_percent, "25%", 25);
    reads(number_percent, "0%", 0);
    reads(number_percent, "100%", 100);
    refuses(number_percent, "101%");
    refuses(number_percent, "25");
    refuses(number_percent, "2.5%");
    refuses(number_percent, "%");
    refuses(number_percent, "-1%");
    refuses(number_percent, "1%%");
}

static void test_go_duration(void)
{
    refuses_rubbish(number_go_duration_ms);
    reads(number_go_duration_ms, "6m0s", 360000);
    reads(number_go_duration_ms, "1h2m3.5s", 3723500);
    reads(number_go_duration_ms, "12ms", 12);
    reads(number_go_duration_ms, "7.66s", 7660);
    reads(number_go_duration_ms, "5", 5000);
    reads(number_go_duration_ms, "0.25", 250);
    reads(number_go_duration_ms, "0", 0);
    reads(number_go_duration_ms, "0s", 0);
    reads(number_go_duration_ms, "1ns", 1);
    reads(number_go_duration_ms, "1001us", 2);
    reads(number_go_duration_ms, "1001\xC2\xB5s", 2);
    reads(number_go_duration_ms, "1.123456789s", 1124);
    reads(number_go_duration_ms, "59.999999999s", 60000);
    refuses(number_go_duration_ms, "5m6");
    refuses(number_go_duration_ms, "0s5");
    refuses(number_go_duration_ms, "-5s");
    refuses(number_go_duration_ms, "1d");
    refuses(number_go_duration_ms, "9223372036854h9223372036854h");
    refuses(number_go_duration_ms, "99999999999999999999s");
}

static void prints(int64_t utc_ms, const char *want)
{
    char text[CLOCK_RFC3339_BYTES];

    clock_rfc3339(utc_ms, text);
    tap_string(text, want, "%lld ms since 1970", (long long)utc_ms);
}

static void test_dates(void)
{
    prints(0, "1970-01-01T00:00:00.000Z");
    prints(1, "1970-01-01T00:00:00.001Z");
    prints(999, "1970-01-01T00:00:00.999Z");
    prints(951782400000, "2000-02-29T00:00:00.000Z");
    prints(1795221000123, "2026-11-21T00:30:00.123Z");
    prints(253402300799999, "9999-12-31T23:59:59.999Z");
}

static void test_deadlines(void)
{
    int64_t before = clock_now_ms();
    int64_t hour = clock_deadline(3600000);
    int left;

    tap_ok(hour >= before + 3600000, "a deadline is in the future");
    left = clock_left_ms(hour);
    tap_ok(left <= 3600000 && left > 0, "so much is left at most");
    tap_ok(clock_now_ms() >= before, "the clock does not go back");
    tap_ok(clock_deadline(-1) == CLOCK_NEVER, "negative is never");
    tap_ok(clock_deadline(INT64_MAX) == CLOCK_NEVER, "overflow is never");
    tap_int(clock_left_ms(CLOCK_NEVER), -1, "never is -1 for poll");
    tap_int(clock_left_ms(before - 1), 0, "past is 0");
    tap_int(clock_left_ms(0), 0, "long past is 0");
    tap_int(clock_left_ms(CLOCK_NEVER - 1), INT_MAX, "far is INT_MAX");
    tap_ok(clock_earlier(5, CLOCK_NEVER) == 5, "the earlier of two");
    tap_ok(clock_earlier(CLOCK_NEVER, 5) == 5, "in any order");
    tap_ok(clock_utc_ms() > 1700000000000, "the wall clock is after 2023");
}

int main(void)
{
    test_int64();
    test_micro();
    test_duration();
    test_size();
    test_count();
    test_percent();
    test_go_duration();
    test_dates();
    test_deadlines();
    return tap_done();
}
