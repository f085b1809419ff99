#include "runner/model/tape.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"

#define EXCHANGE_BYTES_MAX ((size_t)1 << 30)
#define SHOWN_BYTES 2000 /* of each side of a difference */
#define CONTEXT_BYTES 200
#define DIFFERENCES_MAX 20

struct tape {
    char *folder; /* of the task */
    bool replay;
    int64_t attempt;
    int64_t number; /* of the last exchange */
    const struct secrets *secrets;
};

static char *exchange_path(struct tape *tape)
{
    return mem_format("%s/%" PRId64 "-%04" PRId64 ".json", tape->folder,
                      tape->attempt, ++tape->number);
}

/* ---- the folder -------------------------------------------------------- */

static bool is_empty(const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;
    bool empty = true;

    while (directory && (entry = readdir(directory)))
        empty &= !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
    if (directory)
        closedir(directory);
    return empty;
}

static int prepare_recording(const char *folder, int64_t *started_ms,
                             struct error *err)
{
    CLEANUP(mem_free) char *path = mem_format("%s/recording.json", folder);
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json json;

    if (!is_empty(folder)) {
        error_set(err, ERROR_USAGE, "%s is not empty", folder);
        return error_hint(err, "give --record a folder that is new or empty");
    }
    *started_ms = clock_utc_ms();
    buffer_init(&text, 4096);
    json = json_to(&text);
    json_object(&json);
    json_member_string(&json, "format", "nightjar-recording");
    json_member_int(&json, "version", 1);
    json_member_string(&json, "nightjar", NIGHTJAR_VERSION);
    json_member_int(&json, "started_ms", *started_ms);
    json_end(&json);
    buffer_add_byte(&text, '\n');
    if (file_make_directories(AT_FDCWD, folder, err))
        return -1;
    return file_replace(AT_FDCWD, path, buffer_span(&text), err);
}

static int read_recording(const char *folder, int64_t *started_ms,
                          struct error *err)
{
    CLEANUP(mem_free) char *path = mem_format("%s/recording.json", folder);
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(json_free) cJSON *json = NULL;

    buffer_init(&text, 65536);
    if (file_read(AT_FDCWD, path, &text, err)) {
        err->kind = ERROR_USAGE;
        return error_hint(err, "--replay wants what --record made");
    }
    json = json_parse(text.data, text.length, err);
    if (!json || json_get_int64(json, "version", 0) != 1)
        return error_set(err, ERROR_USAGE, "%s is no recording of version 1",
                         path);
    *started_ms = json_get_int64(json, "started_ms", 0);
    return 0;
}

int tape_prepare(const struct tape_settings *settings, int64_t *started_ms,
                 struct error *err)
{
    return settings->replay
               ? read_recording(settings->folder, started_ms, err)
               : prepare_recording(settings->folder, started_ms, err);
}

struct tape *tape_open(const struct tape_settings *settings, const char *task,
                       int64_t attempt, const struct secrets *secrets,
                       struct error *err)
{
    struct tape *tape = mem_alloc(sizeof(*tape));

    tape->folder = mem_format("%s/%s", settings->folder, task);
    tape->replay = settings->replay;
    tape->attempt = attempt;
    tape->secrets = secrets;
    if (!tape->replay && file_make_directories(AT_FDCWD, tape->folder, err)) {
        tape_close(tape);
        return NULL;
    }
    return tape;
}

void tape_close(struct tape *tape)
{
    if (!tape)
        return;
    free(tape->folder);
    free(tape);
}

bool tape_plays(const struct tape *tape)
{
    return tape && tape->replay;
}

/* ---- recording --------------------------------------------------------- */

int tape_record(struct tape *tape, struct span request, struct span response,
                const struct error *failed, struct error *err)
{
    CLEANUP(mem_free) char *path = exchange_path(tape);
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json json;

    buffer_init(&text, EXCHANGE_BYTES_MAX);
    json = json_to(&text);
    json_object(&json);
    json_key(&json, "request");
    json_raw(&json, request);
    if (failed) {
        json_member_string(&json, "error", error_kind_name(failed->kind));
        json_member_string(&json, "message", failed->text);
    } else {
        json_key(&json, "response");
        json_bytes(&json, response.data, response.length);
    }
    json_end(&json);
    if (json.full || buffer_add_byte(&text, '\n'))
        return error_set(err, ERROR_IO, "%s: too large", path);
    secrets_mask(tape->secrets, text.data, text.length);
    return file_replace(AT_FDCWD, path, buffer_span(&text), err);
}

/* ---- comparing --------------------------------------------------------- */

/* The text without what differs each time: how long a command took, which is
 * ours to leave out since we wrote it. */
static void normalise(struct span text, struct buffer *out)
{
    static const char label[] = "Wall time: ";
    const char *end = text.data + text.length;

    for (const char *at = text.data; at < end;) {
        const char *found =
            memmem(at, (size_t)(end - at), label, strlen(label));

        if (!found) {
            buffer_add(out, at, (size_t)(end - at));
            return;
        }
        found += strlen(label);
        buffer_add(out, at, (size_t)(found - at));
        while (found < end && (isdigit((unsigned char)*found) || *found == '.'))
            found++;
        at = found;
    }
}

/* One side, from shortly before the first byte that differs. */
static void add_side(struct buffer *diff, char sign, struct span text,
                     size_t from)
{
    size_t length = text.length > from ? text.length - from : 0;

    buffer_addf(diff, "%c%s", sign, from ? "…" : "");
    buffer_add(diff, text.data + (length ? from : 0),
               length < SHOWN_BYTES ? length : SHOWN_BYTES);
    buffer_addf(diff, "%s\n", length > SHOWN_BYTES ? "…" : "");
}

static bool add_difference(struct buffer *diff, const char *name,
                           struct span recorded, struct span request)
{
    CLEANUP(buffer_free) struct buffer before = {0};
    CLEANUP(buffer_free) struct buffer now = {0};
    size_t same = 0;

    buffer_init(&before, EXCHANGE_BYTES_MAX);
    buffer_init(&now, EXCHANGE_BYTES_MAX);
    normalise(recorded, &before);
    normalise(request, &now);
    if (span_equal(buffer_span(&before), buffer_span(&now)))
        return false;
    while (same < before.length && same < now.length &&
           before.data[same] == now.data[same])
        same++;
    buffer_addf(diff, "@@ %s, byte %zu @@\n", name, same);
    same = same > CONTEXT_BYTES ? same - CONTEXT_BYTES : 0;
    add_side(diff, '-', buffer_span(&before), same);
    add_side(diff, '+', buffer_span(&now), same);
    return true;
}

/* An item's bytes: a value that cJSON has parsed, written again. Both sides
 * go through this, so that the same item gives the same bytes. */
static void add_value(struct buffer *out, const cJSON *value)
{
    struct json json = json_to(out);

    buffer_clear(out);
    if (value)
        json_value(&json, value);
}

struct comparing {
    struct buffer *diff;
    size_t differences;
    bool fatal; /* one of them is more than an output */
};

static bool is_output(const cJSON *item)
{
    const char *type = json_get_text(item, "type", "");
    size_t length = strlen(type);

    return length > 12 && !strcmp(type + length - 12, "_call_output");
}

static void compare_values(struct comparing *comparing, const char *name,
                           const cJSON *recorded, const cJSON *request,
                           bool output)
{
    struct buffer unshown = {0};
    CLEANUP(buffer_free) struct buffer before = {0};
    CLEANUP(buffer_free) struct buffer now = {0};

    buffer_init(&unshown, EXCHANGE_BYTES_MAX);
    buffer_init(&before, EXCHANGE_BYTES_MAX);
    buffer_init(&now, EXCHANGE_BYTES_MAX);
    add_value(&before, recorded);
    add_value(&now, request);
    if (!add_difference(comparing->differences < DIFFERENCES_MAX
                            ? comparing->diff
                            : &unshown,
                        name, buffer_span(&before), buffer_span(&now)))
        return;
    buffer_free(&unshown);
    comparing->differences++;
    comparing->fatal |= !output;
}

static void compare_items(struct comparing *comparing, const cJSON *recorded,
                          const cJSON *request)
{
    const cJSON *before = recorded ? recorded->child : NULL;
    const cJSON *now = request ? request->child : NULL;

    for (int i = 0; before || now; i++) {
        CLEANUP(mem_free) char *name = mem_format("input[%d]", i);

        compare_values(comparing, name, before, now,
                       is_output(before) && is_output(now));
        before = before ? before->next : NULL;
        now = now ? now->next : NULL;
    }
}

static void compare(struct comparing *comparing, const cJSON *recorded,
                    const cJSON *request)
{
    const cJSON *member;

    cJSON_ArrayForEach(member, recorded)
    {
        if (strcmp(member->string, "input") != 0)
            compare_values(comparing, member->string, member,
                           json_get(request, member->string), false);
    }
    cJSON_ArrayForEach(member, request)
    {
        if (!json_get(recorded, member->string))
            compare_values(comparing, member->string, NULL, member, false);
    }
    compare_items(comparing, json_get_array(recorded, "input"),
                  json_get_array(request, "input"));
}

/* ---- playing ----------------------------------------------------------- */

static int check_request(const cJSON *exchange, struct span request,
                         struct buffer *drift, const char *path,
                         struct error *err)
{
    CLEANUP(json_free)
    cJSON *now = json_parse(request.data, request.length, err);
    struct comparing comparing = {.diff = drift};

    if (!now)
        return error_context(err, "own request");
    compare(&comparing, json_get_object(exchange, "request"), now);
    if (!comparing.fatal)
        return 0;
    error_set(err, ERROR_DRIFT, "the request is not the recorded one (%s): %s",
              path, drift->data);
    return error_hint(err, "the whole difference is in drift.diff; record "
                           "anew if it is meant");
}

int tape_play(struct tape *tape, struct span request, struct buffer *response,
              struct buffer *drift, struct error *err)
{
    CLEANUP(mem_free) char *path = exchange_path(tape);
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(json_free) cJSON *exchange = NULL;
    const char *body;

    buffer_init(&text, EXCHANGE_BYTES_MAX);
    if (file_read(AT_FDCWD, path, &text, err))
        return error_set(err, ERROR_DRIFT,
                         "the recording ends before the task does: there is "
                         "no %s",
                         path);
    exchange = json_parse(text.data, text.length, err);
    if (!exchange)
        return error_context(err, "%s", path);
    if (check_request(exchange, request, drift, path, err))
        return -1;
    body = json_get_string(exchange, "response");
    if (!body)
        return error_set(
            err,
            error_kind_from_name(json_get_text(exchange, "error", "internal")),
            "%s", json_get_text(exchange, "message", ""));
    buffer_add_string(response, body);
    return 0;
}
