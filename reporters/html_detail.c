#include "reporters/html_parts.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/memory.h"
#include "reporters/clean.h"
#include "reporters/figures.h"

#define DETAIL_BYTES_MAX ((size_t)16 << 20)
#define FILE_BYTES_MAX ((size_t)64 << 20)
#define LINE_MAX_BYTES 600
#define TEXT_MAX_BYTES 4000
#define NOTES_MAX 40
#define EVENTS_MAX 400  /* of an attempt, in the page */
#define ATTEMPTS_MAX 20 /* in the page; the last ones */

struct detail {
    struct json json;
    const struct outcome_task *task;
    const struct report_options *options;
    size_t most;   /* bytes of all of it, about */
    size_t events; /* of them for the events of one attempt */
};

/* One thing that an attempt did; the first that is set says which. */
struct moment {
    int64_t ended_ms;
    size_t order;
    const struct outcome_turn *turn;
    const struct outcome_call *call;
    const struct outcome_step *step;
};

static int compare_moments(const void *a, const void *b)
{
    const struct moment *one = a;
    const struct moment *other = b;

    if (one->ended_ms != other->ended_ms)
        return one->ended_ms < other->ended_ms ? -1 : 1;
    return (one->order > other->order) - (one->order < other->order);
}

static void write_turn(struct json *json, const struct outcome_turn *turn)
{
    json_member_string(json, "kind", "turn");
    json_member_int(json, "number", turn->number);
    json_member_int(json, "ms", turn->duration_ms);
    json_member_int(json, "input", turn->input_tokens);
    json_member_int(json, "cached", turn->cached_tokens);
    json_member_int(json, "output", turn->output_tokens);
    json_key(json, "cost");
    if (turn->cost_microusd < 0)
        json_null(json);
    else
        json_int(json, turn->cost_microusd);
}

static void write_call(struct json *json, const struct outcome_call *call)
{
    json_member_string(json, "kind", "call");
    json_member_int(json, "ms", call->duration_ms);
    clean_member(json, "tool", call->tool, LINE_MAX_BYTES);
    clean_member(json, "call", call->call, LINE_MAX_BYTES);
    clean_member(json, "summary", call->summary, LINE_MAX_BYTES);
    json_member_bool(json, "allowed", call->allowed);
    json_member_bool(json, "reviewed", call->reviewed);
    clean_member(json, "rule", call->rule ? call->rule : "", LINE_MAX_BYTES);
    clean_member(json, "reason", call->reason, LINE_MAX_BYTES);
}

static void write_step(struct json *json, const struct outcome_step *step,
                       size_t most)
{
    json_member_string(json, "kind", "step");
    json_member_int(json, "ms", step->duration_ms);
    json_member_string(json, "phase", outcome_phase_name(step->phase));
    clean_member(json, "name", step->name, LINE_MAX_BYTES);
    json_member_string(json, "result", outcome_result_name(step->result));
    json_member_int(json, "status", step->exit_status);
    clean_member(json, "output", step->output, most);
}

static int64_t since(int64_t ended_ms, const struct outcome_attempt *attempt)
{
    return ended_ms > attempt->started_ms && attempt->started_ms >= 0
               ? ended_ms - attempt->started_ms
               : 0;
}

static size_t gather(const struct outcome_attempt *attempt,
                     struct moment *moments)
{
    size_t count = 0;

    for (size_t i = 0; i < attempt->turn_count; i++, count++)
        moments[count] = (struct moment){.ended_ms = attempt->turns[i].ended_ms,
                                         .order = count,
                                         .turn = &attempt->turns[i]};
    for (size_t i = 0; i < attempt->call_count; i++, count++)
        moments[count] = (struct moment){.ended_ms = attempt->calls[i].ended_ms,
                                         .order = count,
                                         .call = &attempt->calls[i]};
    for (size_t i = 0; i < attempt->step_count; i++, count++)
        moments[count] = (struct moment){.ended_ms = attempt->steps[i].ended_ms,
                                         .order = count,
                                         .step = &attempt->steps[i]};
    qsort(moments, count, sizeof(*moments), compare_moments);
    return count;
}

static void write_moment(const struct detail *detail,
                         const struct outcome_attempt *attempt,
                         const struct moment *moment, struct buffer *out)
{
    struct json json = json_to(out);

    json_object(&json);
    json_member_int(&json, "end", since(moment->ended_ms, attempt));
    if (moment->turn)
        write_turn(&json, moment->turn);
    else if (moment->call)
        write_call(&json, moment->call);
    else
        write_step(&json, moment->step, detail->events / 4);
    json_end(&json);
}

/* The last events tell how it ended: from there back as many as fit, written in
 * the order in which they happened. Returns how many do not. */
static size_t write_events(struct detail *detail,
                           const struct outcome_attempt *attempt,
                           const struct moment *moments, size_t count)
{
    struct buffer *texts = mem_array(count, sizeof(*texts));
    struct json *json = &detail->json;
    size_t first = count;
    size_t used = 0;

    while (first && count - first < EVENTS_MAX) {
        struct buffer *text = &texts[first - 1];

        buffer_init(text, DETAIL_BYTES_MAX);
        write_moment(detail, attempt, &moments[first - 1], text);
        used += text->length;
        if (used > detail->events) {
            buffer_free(text);
            break;
        }
        first--;
    }
    json_key(json, "events");
    json_array(json);
    for (size_t i = first; i < count; i++) {
        json_raw(json, buffer_span(&texts[i]));
        buffer_free(&texts[i]);
    }
    json_end(json);
    free(texts);
    return first;
}

static void write_attempt(struct detail *detail,
                          const struct outcome_attempt *attempt)
{
    struct json *json = &detail->json;
    size_t all =
        attempt->turn_count + attempt->call_count + attempt->step_count;
    CLEANUP(mem_free) struct moment *moments = mem_array(all, sizeof(*moments));
    size_t count = gather(attempt, moments);

    json_object(json);
    json_member_int(json, "number", attempt->number);
    json_member_int(json, "dropped",
                    (int64_t)write_events(detail, attempt, moments, count));
    json_member_int(json, "ms",
                    since(count ? moments[count - 1].ended_ms : 0, attempt));
    json_end(json);
}

/* Of more attempts the last ones. */
static void write_attempts(struct detail *detail)
{
    const struct outcome_task *task = detail->task;
    size_t shown =
        task->attempt_count < ATTEMPTS_MAX ? task->attempt_count : ATTEMPTS_MAX;

    detail->events = detail->most / 2 / (shown ? shown : 1);
    json_key(&detail->json, "attempts");
    json_array(&detail->json);
    for (size_t i = task->attempt_count - shown; i < task->attempt_count; i++)
        write_attempt(detail, &task->attempts[i]);
    json_end(&detail->json);
}

static void write_notes(struct json *json, const char *key,
                        const struct outcome_notes *notes)
{
    json_key(json, key);
    json_array(json);
    for (size_t i = 0; notes && i < notes->count && i < NOTES_MAX; i++) {
        json_object(json);
        clean_member(json, "path", notes->items[i].path, LINE_MAX_BYTES);
        clean_member(json, "rule", notes->items[i].rule, LINE_MAX_BYTES);
        clean_member(json, "message", notes->items[i].message, LINE_MAX_BYTES);
        json_end(json);
    }
    json_end(json);
}

static void write_file(struct detail *detail, const char *key, const char *name,
                       size_t most)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *whole = NULL;

    buffer_init(&text, FILE_BYTES_MAX);
    if (report_read(detail->options, detail->task, name, &text))
        return;
    whole = mem_bytes(text.data, strlen(text.data));
    clean_member(&detail->json, key, whole, most);
}

static void write_plan(struct json *json, const struct outcome_task *task)
{
    json_key(json, "plan");
    json_array(json);
    for (size_t i = 0; i < task->plan_count; i++) {
        json_object(json);
        clean_member(json, "step", task->plan[i].step, LINE_MAX_BYTES);
        clean_member(json, "status", task->plan[i].status, LINE_MAX_BYTES);
        json_end(json);
    }
    json_end(json);
}

static void write_figures(struct detail *detail)
{
    const struct outcome_usage *usage = &detail->task->usage;
    struct json *json = &detail->json;
    char input[FIGURE_BYTES];
    char output[FIGURE_BYTES];
    char text[4 * FIGURE_BYTES];

    figure_cost(text, sizeof(text),
                usage->cost_known ? usage->cost_microusd : -1);
    json_member_string(json, "cost", text);
    figure_count(input, sizeof(input), usage->input_tokens);
    figure_count(output, sizeof(output), usage->output_tokens);
    snprintf(text, sizeof(text), "%s in (%d%% cached), %s out", input,
             figure_cached_percent(usage), output);
    json_member_string(json, "tokens", text);
}

static void write_task(struct detail *detail)
{
    const struct outcome_task *task = detail->task;
    struct json *json = &detail->json;

    json_object(json);
    json_member_string(json, "verdict", verdict_name(task->verdict));
    clean_member(json, "reason", task->reason, LINE_MAX_BYTES);
    clean_member(json, "message", task->message, TEXT_MAX_BYTES);
    clean_member(json, "hint", task->hint ? task->hint : "", TEXT_MAX_BYTES);
    clean_member(json, "repo", task->repo, LINE_MAX_BYTES);
    clean_member(json, "ref", task->ref ? task->ref : "", LINE_MAX_BYTES);
    clean_member(json, "commit", task->commit ? task->commit : "",
                 LINE_MAX_BYTES);
    write_figures(detail);
    write_notes(json, "violations",
                task->patch ? &task->patch->violations : NULL);
    write_notes(json, "findings", task->patch ? &task->patch->findings : NULL);
    write_plan(json, task);
    write_attempts(detail);
    write_file(detail, "final", "final.md", detail->most / 8);
    write_file(detail, "patch", "patch.diff", detail->most * 3 / 8);
    json_end(json);
}

void html_detail(struct html *html, const struct outcome_task *task,
                 const struct report_options *options, size_t number,
                 size_t most)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct detail detail = {.task = task, .options = options, .most = most};

    buffer_init(&text, DETAIL_BYTES_MAX);
    detail.json = json_to(&text);
    write_task(&detail);
    if (detail.json.full) {
        html->full = true;
        return;
    }
    html_putf(html, "<script type=\"application/json\" id=\"d%zu\">", number);
    /* In JSON these stand in strings alone, where an escape says the same; and
     * without "<" nothing can end the element. */
    for (size_t i = 0; i < text.length; i++) {
        if (strchr("<>&", text.data[i]))
            html_putf(html, "\\u%04x", (unsigned char)text.data[i]);
        else
            html->full = buffer_add_byte(html->out, text.data[i]) || html->full;
    }
    html_put(html, "</script>\n");
}
