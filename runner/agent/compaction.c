#include "runner/agent/compaction.h"

#include "base/clock.h"
#include "base/memory.h"
#include "runner/agent/exchange.h"
#include "runner/agent/record.h"

#define KEPT_BYTES 80000 /* of messages that we told: about 20,000 tokens */
#define SUMMARY_TOKENS 8000
#define TRIES_MAX 12
#define FUTILE_MAX 3

static const char ask_for_summary[] =
    "The conversation is about to be cut: what stands before this message "
    "will be gone, and the work goes on from what you write now. Write down "
    "for your successor, in plain text and without calling a tool:\n"
    "- what was found out about the repository, with paths, names and "
    "commands that matter\n"
    "- what has been changed so far, file by file, and why\n"
    "- what was tried and failed, with the error\n"
    "- what is left to do, and the next step\n"
    "- what the task demands that must not be forgotten\n"
    "No pleasantries; nothing that can be seen by a look at the files.";

static const char before_summary[] =
    "The conversation was cut here because it became too long. The work was "
    "at this point, as you noted it yourself. The working copy is as you left "
    "it. Go on from here; do not start again.\n\n";

struct compaction {
    struct agent *agent;
    enum model_compaction form;
    size_t first;         /* item from which on the conversation is shown */
    struct exchange took; /* cost and time alone */
    struct model_reply reply;
};

bool compaction_is_due(const struct agent *agent)
{
    const struct model_settings *model = agent->task->model;
    int64_t limit = model->context_window * model->compact_percent / 100;

    return model->context_window > 0 &&
           agent->conversation->items > agent->conversation->prefix_items &&
           exchange_input_estimate(agent) >= limit;
}

/* ---- the request ------------------------------------------------------- */

/* Runs it, and keeps what it took. */
static int run(struct compaction *compaction, struct exchange *exchange,
               struct error *err)
{
    int status = exchange_run(exchange, &compaction->reply, err);

    compaction->took =
        (struct exchange){.cost_microusd = exchange->cost_microusd,
                          .duration_ms = exchange->duration_ms};
    return status;
}

/* A conversation with the prefix and the items from `first` on. */
static void copy_from(const struct conversation *from, size_t first,
                      struct conversation *copy)
{
    const struct span head = {from->body.data, from->items ? from->list[0].at
                                                           : from->body.length};

    conversation_init(copy, head, NULL);
    for (size_t i = 0; i < from->items; i++) {
        if (i < from->prefix_items || i >= first)
            conversation_restore(copy, conversation_item(from, i),
                                 from->list[i].origin);
    }
}

static int ask_model(struct compaction *compaction,
                     struct model_settings *settings, struct error *err)
{
    struct exchange exchange;
    struct agent *agent = compaction->agent;
    CLEANUP(conversation_free) struct conversation copy;

    copy_from(agent->conversation, compaction->first, &copy);
    if (compaction->form == COMPACTION_TRIGGER)
        conversation_restore(&copy, SPAN("{\"type\":\"compaction_trigger\"}"),
                             ORIGIN_TOLD);
    else
        conversation_add_message(&copy, "user", SPAN(ask_for_summary));
    exchange = (struct exchange){
        .agent = agent,
        .settings = settings,
        .conversation = &copy,
        .input = agent->context_tokens +
                 (int64_t)(copy.body.length > agent->context_bytes
                               ? copy.body.length - agent->context_bytes
                               : 0),
        .output = SUMMARY_TOKENS};
    return run(compaction, &exchange, err);
}

/* With a model of its own, whose name stands first in the head. */
static int ask_other_model(struct compaction *compaction, struct error *err)
{
    struct exchange exchange;
    struct agent *agent = compaction->agent;
    struct model_settings settings = *agent->task->model;
    CLEANUP(conversation_free) struct conversation copy;
    CLEANUP(buffer_free) struct buffer head = {0};
    struct json json;

    settings.name = settings.compaction_model;
    settings.price = settings.compaction_price;
    buffer_init(&head, 4096);
    json = json_to(&head);
    json_object(&json);
    json_member_string(&json, "model", settings.name);
    json_member_bool(&json, "store", false);
    json_member_bool(&json, "stream", true);
    json_key(&json, "input");
    buffer_add_byte(&head, '[');
    conversation_init(&copy, buffer_span(&head), NULL);
    for (size_t i = 0; i < agent->conversation->items; i++) {
        struct span item = conversation_item(agent->conversation, i);

        /* Reasoning is sealed for the model that it came from. */
        if ((i < agent->conversation->prefix_items || i >= compaction->first) &&
            !memmem(item.data, item.length, "\"type\":\"reasoning\"", 18))
            conversation_restore(&copy, item, ORIGIN_TOLD);
    }
    conversation_add_message(&copy, "user", SPAN(ask_for_summary));
    exchange = (struct exchange){.agent = agent,
                                 .settings = &settings,
                                 .conversation = &copy,
                                 .input = (int64_t)copy.body.length,
                                 .output = SUMMARY_TOKENS};
    return run(compaction, &exchange, err);
}

static int ask_endpoint(struct compaction *compaction, struct error *err)
{
    struct exchange exchange;
    struct agent *agent = compaction->agent;
    const struct conversation *conversation = agent->conversation;
    CLEANUP(buffer_free) struct buffer body = {0};
    struct json json;

    buffer_init(&body, CONVERSATION_BYTES_MAX);
    json = json_to(&body);
    json_object(&json);
    json_member_string(&json, "model", agent->task->model->name);
    json_member_string(&json, "prompt_cache_key", agent->prefix_key);
    json_key(&json, "input");
    json_array(&json);
    for (size_t i = 0; i < conversation->items; i++) {
        if (i < conversation->prefix_items || i >= compaction->first)
            json_raw(&json, conversation_item(conversation, i));
    }
    json_end(&json);
    json_end(&json);
    if (json.full)
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the conversation is larger than %zu bytes",
                         CONVERSATION_BYTES_MAX);
    exchange = (struct exchange){.agent = agent,
                                 .settings = agent->task->model,
                                 .body = buffer_span(&body),
                                 .input = exchange_input_bound(agent),
                                 .output = SUMMARY_TOKENS};
    return run(compaction, &exchange, err);
}

static int ask(struct compaction *compaction, struct error *err)
{
    struct model_settings settings = *compaction->agent->task->model;

    if (compaction->form == COMPACTION_ENDPOINT)
        return ask_endpoint(compaction, err);
    if (compaction->form == COMPACTION_SUMMARY && settings.compaction_model)
        return ask_other_model(compaction, err);
    return ask_model(compaction, &settings, err);
}

/* ---- trying ------------------------------------------------------------ */

/* Leaves out the older half of what is still shown, up to where a response
 * starts, so that no call loses its output. False: nothing is left. */
static bool shed(struct compaction *compaction)
{
    const struct conversation *conversation = compaction->agent->conversation;
    size_t left = conversation->items - compaction->first;
    size_t at = compaction->first + (left + 1) / 2;

    for (; at < conversation->items; at++) {
        if (conversation->list[at].origin == ORIGIN_MODEL &&
            conversation->list[at - 1].origin != ORIGIN_MODEL)
            break;
    }
    if (!left)
        return false;
    compaction->first = at;
    return true;
}

/* A server without the provider's way says so with a 4xx. */
static bool has_no_such_way(const struct compaction *compaction,
                            const struct error *err)
{
    return compaction->agent->task->model->compaction == COMPACTION_AUTO &&
           compaction->form != COMPACTION_SUMMARY &&
           (err->kind == ERROR_REQUEST || err->kind == ERROR_PROTOCOL);
}

static int try_until_short(struct compaction *compaction, struct error *err)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        if (!ask(compaction, err))
            return 0;
        if (has_no_such_way(compaction, err))
            compaction->form = COMPACTION_SUMMARY;
        else if (err->kind != ERROR_CONTEXT_LENGTH || !shed(compaction))
            return -1;
    }
    return -1;
}

static enum model_compaction first_form(const struct model_settings *model)
{
    if (model->compaction != COMPACTION_AUTO)
        return model->compaction;
    return model->provider == MODEL_OPENAI && !model->compaction_model
               ? COMPACTION_ENDPOINT
               : COMPACTION_SUMMARY;
}

/* ---- the new conversation ---------------------------------------------- */

/* What stands in for all that is gone: the provider's item, or the summary. */
static int find_result(const struct compaction *compaction, struct span *item,
                       struct buffer *summary, struct error *err)
{
    const struct model_reply *reply = &compaction->reply;

    *item = (struct span){NULL, 0};
    for (size_t i = 0; i < reply->count; i++) {
        const struct model_item *one = &reply->items[i];

        if (one->type == ITEM_OTHER &&
            memmem(one->raw.data, one->raw.length, "\"compaction", 11))
            *item = one->raw;
        if (one->type == ITEM_MESSAGE && one->text)
            buffer_add_string(summary, one->text);
    }
    if (compaction->form == COMPACTION_SUMMARY ? summary->length > 0
                                               : item->data != NULL)
        return 0;
    return error_set(err, ERROR_PROTOCOL, "model: the compaction gave nothing");
}

/* Of the messages that we told, the newest that fit. */
static size_t first_kept(const struct conversation *conversation)
{
    size_t bytes = 0;
    size_t first = conversation->items;

    for (size_t i = conversation->items; i > conversation->prefix_items; i--) {
        const struct conversation_item *item = &conversation->list[i - 1];

        if (item->origin != ORIGIN_TOLD)
            continue;
        bytes += item->length;
        if (bytes > KEPT_BYTES)
            break;
        first = i - 1;
    }
    return first;
}

static void add_list(struct buffer *text, const char *before,
                     const struct strings *list)
{
    for (size_t i = 0; i < list->count; i++)
        buffer_addf(text, "%s%s", i ? ", " : before, list->items[i]);
    if (list->count)
        buffer_add_byte(text, '\n');
}

/* A message that the next compaction leaves out: it makes its own. */
static void add_passing(struct conversation *conversation, struct span text)
{
    size_t before = conversation->items;

    conversation_add_message(conversation, "user", text);
    if (conversation->items > before)
        conversation->list[before].origin = ORIGIN_OUTPUT;
}

/* What must not get lost with the rest. */
static void restate(struct agent *agent)
{
    const struct task *task = agent->task;
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, (size_t)4 << 20);
    if (agent->plan)
        buffer_addf(&text, "Your plan, as you last noted it: %s\n",
                    agent->plan);
    add_list(&text, "Must not be changed: ", &task->policy.patch.protect);
    add_list(&text, "Only these may be changed: ", &task->policy.patch.allow);
    if (task->output_schema)
        buffer_addf(&text,
                    "The final message must be JSON of this schema, and "
                    "nothing else: %s\n",
                    task->output_schema);
    if (text.length)
        add_passing(agent->conversation, buffer_span(&text));
}

static void rebuild(struct compaction *compaction, struct span item,
                    const struct buffer *summary)
{
    struct conversation *conversation = compaction->agent->conversation;
    struct link *link = conversation->link;
    size_t first = first_kept(conversation);
    struct conversation kept;

    conversation_init(&kept, (struct span){"", 0}, NULL);
    for (size_t i = first; i < conversation->items; i++) {
        if (conversation->list[i].origin == ORIGIN_TOLD)
            conversation_restore(&kept, conversation_item(conversation, i),
                                 ORIGIN_TOLD);
    }
    conversation->link = NULL; /* one line of the transcript has all of it */
    conversation_rewind(conversation);
    for (size_t i = 0; i < kept.items; i++)
        conversation_restore(conversation, conversation_item(&kept, i),
                             ORIGIN_TOLD);
    if (item.data) {
        conversation_restore(conversation, item, ORIGIN_MODEL);
    } else {
        CLEANUP(mem_free)
        char *text = mem_format("%s%s", before_summary, summary->data);

        add_passing(conversation, (struct span){text, strlen(text)});
    }
    restate(compaction->agent);
    conversation->link = link;
    conversation_free(&kept);
}

/* ---- whole ------------------------------------------------------------- */

static void note(const struct compaction *compaction, const char *reason,
                 int64_t before)
{
    static const char *const forms[] = {
        [COMPACTION_ENDPOINT] = "endpoint",
        [COMPACTION_TRIGGER] = "trigger",
        [COMPACTION_SUMMARY] = "summary",
    };
    const struct agent *agent = compaction->agent;
    const struct conversation *conversation = agent->conversation;
    const struct model_usage *usage = &compaction->reply.usage;
    struct json event = link_begin(agent->link, "compacted");

    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "form", forms[compaction->form]);
    json_member_string(&event, "reason", reason);
    json_member_int(&event, "tokens_before", before);
    json_member_int(&event, "tokens_after", exchange_input_estimate(agent));
    exchange_put(&event, &compaction->took, usage);
    link_send(agent->link, &event);
    event = link_begin(agent->link, "prefix_broken");
    json_member_int(&event, "attempt", agent->attempt);
    json_member_int(&event, "turn", agent->turn);
    json_member_string(&event, "cause", "compaction");
    json_member_int(
        &event, "byte",
        conversation->items > conversation->prefix_items
            ? (int64_t)conversation->list[conversation->prefix_items].at
            : (int64_t)conversation->body.length);
    link_send(agent->link, &event);
}

/* Without a count of it, all that is there now is estimated anew. */
static void forget_count(struct agent *agent)
{
    agent->context_tokens = 0;
    agent->context_bytes = 0;
    agent->compactions++;
    agent->since_compaction = 0;
}

/* Whether compacting again would only go round in a circle. */
static bool is_futile(struct agent *agent)
{
    if (!agent->compactions)
        return false;
    if (!agent->since_compaction)
        return true;
    if (agent->since_compaction > 1)
        agent->futile_compactions = 0;
    else
        agent->futile_compactions++;
    return agent->futile_compactions >= FUTILE_MAX;
}

int compact(struct agent *agent, const char *reason, struct error *err)
{
    CLEANUP(buffer_free) struct buffer summary = {0};
    struct compaction compaction = {.agent = agent,
                                    .form = first_form(agent->task->model),
                                    .first = agent->conversation->prefix_items,
                                    .reply = {.count = 0}};
    int64_t before = exchange_input_estimate(agent);
    struct span item;
    int status;

    if (is_futile(agent))
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the conversation does not fit the model's window, "
                         "also when it is compacted");
    if (agent->conversation->items == agent->conversation->prefix_items)
        return error_set(err, ERROR_CONTEXT_LENGTH,
                         "the task's first request does not fit the model's "
                         "window");
    buffer_init(&summary, MODEL_REPLY_BYTES_MAX);
    status = try_until_short(&compaction, err) ||
             find_result(&compaction, &item, &summary, err);
    if (!status) {
        rebuild(&compaction, item, &summary);
        forget_count(agent);
        note(&compaction, reason, before);
        record_compacted(agent);
    }
    model_reply_free(&compaction.reply);
    return status ? error_context(err, "compaction") : 0;
}
