#include "runner/lane.h"

#include "base/clock.h"

#define THOUSAND 1000
#define MINUTE_MS 60000

/* ---- rates ------------------------------------------------------------- */

/* Thousandths that the bucket holds. */
static int64_t bucket_size(const struct lane_bucket *bucket)
{
    int64_t most = bucket->per_minute / LANE_BURST_DIVISOR;

    return (most ? most : 1) * THOUSAND;
}

static void bucket_init(struct lane_bucket *bucket, int64_t per_minute,
                        int64_t now)
{
    *bucket = (struct lane_bucket){.per_minute = per_minute, .filled = now};
    if (per_minute > 0)
        bucket->level = bucket_size(bucket);
}

static void bucket_fill(struct lane_bucket *bucket, int64_t now)
{
    int64_t size = bucket_size(bucket);
    int64_t passed = now - bucket->filled;
    __int128 level = bucket->level;
    __int128 added;

    if (passed <= 0)
        return;
    added = (__int128)passed * bucket->per_minute * THOUSAND + bucket->rest;
    level += added / MINUTE_MS;
    bucket->rest = (int64_t)(added % MINUTE_MS);
    bucket->level = level > size ? size : (int64_t)level;
    bucket->filled = now;
}

/* One that is larger than the bucket goes when it is full. */
static int64_t bucket_opens(struct lane_bucket *bucket, int64_t now,
                            int64_t amount)
{
    int64_t size;
    __int128 lacking;

    if (bucket->per_minute <= 0)
        return now;
    bucket_fill(bucket, now);
    size = bucket_size(bucket);
    lacking = (__int128)amount * THOUSAND;
    lacking = (lacking > size ? size : lacking) - bucket->level;
    if (lacking <= 0)
        return now;
    lacking = lacking * MINUTE_MS / ((__int128)bucket->per_minute * THOUSAND);
    return now + (lacking > MINUTE_MS ? MINUTE_MS : (int64_t)lacking) + 1;
}

static void bucket_take(struct lane_bucket *bucket, int64_t amount)
{
    __int128 level = (__int128)bucket->level - (__int128)amount * THOUSAND;

    if (bucket->per_minute > 0)
        bucket->level =
            level < -(INT64_MAX / 2) ? -(INT64_MAX / 2) : (int64_t)level;
}

/* ---- the lane ---------------------------------------------------------- */

void lane_init(struct lane *lane, const struct lane_limits *limits, int64_t now)
{
    *lane = (struct lane){.limit = limits->in_flight};
    bucket_init(&lane->requests, limits->requests_per_minute, now);
    bucket_init(&lane->tokens, limits->tokens_per_minute, now);
}

static bool is_full(const struct lane *lane)
{
    return (lane->limit >= 0 && lane->in_flight >= lane->limit) ||
           (lane->window && lane->in_flight >= lane->window);
}

int64_t lane_opens(struct lane *lane, int64_t now, int64_t tokens)
{
    int64_t at = lane->closed_until;

    if (is_full(lane))
        return CLOCK_NEVER;
    if (lane->gap_ms && lane->next > at && now < lane->spread_until)
        at = lane->next;
    if (at > now)
        return at;
    at = bucket_opens(&lane->requests, now, 1);
    if (at <= now)
        at = bucket_opens(&lane->tokens, now, tokens);
    return at;
}

void lane_enter(struct lane *lane, int64_t now, int64_t tokens)
{
    lane->in_flight++;
    lane->next = now + lane->gap_ms;
    bucket_take(&lane->requests, 1);
    bucket_take(&lane->tokens, tokens);
}

void lane_leave(struct lane *lane, int64_t tokens, int64_t real)
{
    lane->in_flight--;
    bucket_take(&lane->tokens, real - tokens);
}

void lane_succeeded(struct lane *lane)
{
    if (!lane->window)
        return;
    if (lane->window < lane->ceiling) {
        lane->window++;
    } else if (++lane->succeeded >= lane->window) {
        lane->window++;
        lane->succeeded = 0;
    }
}

void lane_throttled(struct lane *lane, int64_t sent, int64_t now,
                    int64_t wait_ms)
{
    int64_t until =
        now + (wait_ms < LANE_CLOSED_MS_MAX ? wait_ms : LANE_CLOSED_MS_MAX);

    if (until > lane->closed_until)
        lane->closed_until = until;
    if (sent >= lane->cut_at) {
        /* The one that was refused was in flight, too. */
        lane->ceiling = lane->in_flight > 2 ? lane->in_flight : 2;
        lane->window = lane->ceiling / 2;
        lane->succeeded = 0;
        lane->cut_at = now;
    }
    lane->gap_ms = LANE_SPREAD_MS / lane->window;
    lane->spread_until = lane->closed_until + LANE_SPREAD_MS;
}
