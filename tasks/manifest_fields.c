#include "tasks/manifest_fields.h"

#include "base/memory.h"
#include "tasks/manifest_rules.h"
#include "tasks/suggest.h"

#define KEYS_MAX 64 /* of a block */

/* ---- model ------------------------------------------------------------- */

#define PRICE(name) offsetof(struct model_price, name)
#define MODEL(name) offsetof(struct model_settings, name)

static const struct field price_fields[] = {
    {.key = "input",
     .type = FIELD_MONEY,
     .offset = PRICE(input),
     .maximum = FIELD_COST_MAX,
     .otherwise = "unknown",
     .meaning = "of fresh input"},
    {.key = "cached_input",
     .type = FIELD_MONEY,
     .offset = PRICE(cached_input),
     .maximum = FIELD_COST_MAX,
     .otherwise = "as `input`",
     .meaning = "of input that the provider had cached"},
    {.key = "cache_write",
     .type = FIELD_MONEY,
     .offset = PRICE(cache_write),
     .maximum = FIELD_COST_MAX,
     .otherwise = "as `input`",
     .meaning = "of input that the provider puts into its cache"},
    {.key = "output",
     .type = FIELD_MONEY,
     .offset = PRICE(output),
     .maximum = FIELD_COST_MAX,
     .otherwise = "unknown",
     .meaning = "of output, reasoning included"},
};

const struct block price_block = {
    .name = "price",
    .meaning = "What a million tokens cost, in US dollars. Without prices the "
               "cost of a run is unknown, never 0.",
    BLOCK_FIELDS(price_fields),
};

static const char *const providers[] = {"openai", "compatible", "scripted",
                                        NULL};
static const char *const apis[] = {"responses", NULL};
static const char *const efforts[] = {"none", "minimal", "low", "medium",
                                      "high", "xhigh",   "max", NULL};

static const char *const compactions[] = {"auto", "endpoint", "trigger",
                                          "summary", NULL};

static const struct field model_fields[] = {
    {.key = "provider",
     .type = FIELD_ENUM,
     .offset = MODEL(provider),
     .names = providers,
     .fallback = "openai",
     .meaning = "`compatible` is another server that speaks the same "
                "protocol; `scripted` plays turns from a file, for demos and "
                "tests"},
    {.key = "api",
     .type = FIELD_ENUM,
     .offset = FIELD_NOWHERE,
     .names = apis,
     .fallback = "responses",
     .meaning = "the protocol"},
    {.key = "name",
     .type = FIELD_TEXT,
     .offset = MODEL(name),
     .minimum = 1,
     .maximum = 200,
     .otherwise = "`gpt-5.5` for `openai`, `scripted` for `scripted`; "
                  "`compatible` needs one",
     .meaning = "the model's name, as the provider knows it"},
    {.key = "base_url",
     .type = FIELD_TEXT,
     .offset = MODEL(base_url),
     .minimum = 1,
     .maximum = 2000,
     .rule = rule_base_url,
     .pattern = "^[Hh][Tt][Tt][Pp][Ss]?://",
     .otherwise = "`https://api.openai.com/v1` for `openai`; `compatible` "
                  "needs one",
     .meaning = "the server; http only on this machine"},
    {.key = "key_env",
     .type = FIELD_TEXT,
     .offset = MODEL(key_env),
     .minimum = 1,
     .maximum = 200,
     .rule = rule_variable,
     .pattern = FIELD_VARIABLE_PATTERN,
     .otherwise = "`OPENAI_API_KEY` for `openai`, none for the others",
     .meaning = "the environment variable that holds the key"},
    {.key = "reasoning_effort",
     .type = FIELD_CHOICE,
     .offset = MODEL(reasoning_effort),
     .names = efforts,
     .otherwise = "the provider's",
     .meaning = "how much the model thinks; sent only when set"},
    {.key = "price",
     .type = FIELD_BLOCK,
     .offset = MODEL(price),
     .block = &price_block,
     .meaning = "US dollars for a million tokens"},
    {.key = "request_timeout",
     .type = FIELD_DURATION,
     .offset = MODEL(request_timeout_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .fallback = "20m",
     .meaning = "of a whole response"},
    {.key = "idle_timeout",
     .type = FIELD_DURATION,
     .offset = MODEL(idle_timeout_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .fallback = "5m",
     .meaning = "between two bytes of a response"},
    {.key = "max_retries",
     .type = FIELD_INTEGER,
     .offset = MODEL(max_retries),
     .maximum = 50,
     .fallback = "8",
     .meaning = "how often a request is tried again"},
    {.key = "max_output_tokens",
     .type = FIELD_COUNT,
     .offset = MODEL(max_output_tokens),
     .minimum = 256,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "the provider's; 32k where a limit needs one",
     .meaning = "of one response, reasoning included"},
    {.key = "context_window",
     .type = FIELD_COUNT,
     .offset = MODEL(context_window),
     .minimum = 1000,
     .maximum = FIELD_TOKENS_MAX,
     .fallback = "272000",
     .meaning = "tokens that the model can see at once"},
    {.key = "compact_at",
     .type = FIELD_PERCENT,
     .offset = MODEL(compact_percent),
     .minimum = 1,
     .maximum = 100,
     .fallback = "90%",
     .meaning = "share of the window from which on the conversation is "
                "compacted"},
    {.key = "compaction",
     .type = FIELD_ENUM,
     .offset = MODEL(compaction),
     .names = compactions,
     .fallback = "auto",
     .meaning = "how: `endpoint` and `trigger` are the provider's own ways, "
                "`summary` is a summary by the model; `auto` is `endpoint` for "
                "`openai`, with `summary` where the server has none, and "
                "`summary` for the others"},
    {.key = "compaction_model",
     .type = FIELD_TEXT,
     .offset = MODEL(compaction_model),
     .minimum = 1,
     .maximum = 200,
     .otherwise = "the same model",
     .meaning = "the model that writes summaries, on the same server"},
    {.key = "compaction_price",
     .type = FIELD_BLOCK,
     .offset = MODEL(compaction_price),
     .block = &price_block,
     .meaning = "US dollars for a million of its tokens"},
    {.key = "cache_key_rate",
     .type = FIELD_INTEGER,
     .offset = MODEL(cache_key_rate),
     .minimum = 1,
     .maximum = 1000000,
     .fallback = "15",
     .meaning = "requests a minute that the provider serves well for one "
                "prompt cache key; tasks that share a prefix are spread over "
                "more keys when they would send more"},
    {.key = "requests",
     .type = FIELD_INTEGER,
     .offset = MODEL(requests),
     .minimum = 1,
     .maximum = 1000000,
     .otherwise = "no limit",
     .meaning = "how many requests the server gets at once, from all tasks"},
    {.key = "requests_per_minute",
     .type = FIELD_COUNT,
     .offset = MODEL(requests_per_minute),
     .minimum = 1,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "no limit",
     .meaning = "from all tasks together; a sixth of it may come at once"},
    {.key = "tokens_per_minute",
     .type = FIELD_COUNT,
     .offset = MODEL(tokens_per_minute),
     .minimum = 1,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "no limit",
     .meaning = "input and output tokens of all tasks together; a sixth of it "
                "may come at once"},
    {.key = "script",
     .type = FIELD_TEXT,
     .offset = MODEL(script),
     .minimum = 1,
     .maximum = 4000,
     .otherwise = "`scripted` needs one, the others have none",
     .meaning = "the file of turns to play, relative to the manifest"},
};

static const struct block model_block = {
    .name = "model",
    .meaning = "Which model works on the tasks, and how it is reached.",
    BLOCK_FIELDS(model_fields),
};

/* ---- run --------------------------------------------------------------- */

#define RUN(name) offsetof(struct run_settings, name)

static const struct field run_budget_fields[] = {
    {.key = "cost_usd",
     .type = FIELD_MONEY,
     .offset = RUN(budget_cost_microusd),
     .minimum = 1,
     .maximum = FIELD_COST_MAX,
     .otherwise = "no limit",
     .meaning = "US dollars"},
    {.key = "tokens",
     .type = FIELD_COUNT,
     .offset = RUN(budget_tokens),
     .minimum = 1,
     .maximum = FIELD_TOKENS_MAX,
     .otherwise = "no limit",
     .meaning = "input and output tokens together"},
    {.key = "time",
     .type = FIELD_DURATION,
     .offset = RUN(budget_time_ms),
     .minimum = 1,
     .maximum = FIELD_MS_MAX,
     .otherwise = "no limit",
     .meaning = "from the run's start"},
};

static const struct block run_budget_block = {
    .name = "run_budget",
    .meaning = "Limits of the whole run, over all its tasks.",
    BLOCK_FIELDS(run_budget_fields),
};

static const struct field run_fields[] = {
    {.key = "jobs",
     .type = FIELD_INTEGER,
     .offset = RUN(jobs),
     .maximum = 1024,
     .fallback = "0",
     .meaning = "tasks at once; 0 for as many as there are processors"},
    {.key = "budget",
     .type = FIELD_BLOCK,
     .offset = 0,
     .block = &run_budget_block,
     .meaning = "at a limit no more tasks start, and running ones end"},
    {.key = "failures",
     .type = FIELD_PERCENT,
     .offset = RUN(failures_percent),
     .maximum = 100,
     .otherwise = "never",
     .meaning = "stop when that share of the tasks has failed"},
    {.key = "fail_fast",
     .type = FIELD_BOOLEAN,
     .offset = RUN(fail_fast),
     .fallback = "false",
     .meaning = "stop at the first task that fails"},
    {.key = "pilot",
     .type = FIELD_INTEGER,
     .offset = RUN(pilot),
     .maximum = 100000,
     .fallback = "0",
     .meaning = "run so many tasks first, spread over all of them, and tell "
                "what they make one expect of the rest"},
    {.key = "clones_per_host",
     .type = FIELD_INTEGER,
     .offset = RUN(clones_per_host),
     .minimum = 1,
     .maximum = 1024,
     .fallback = "4",
     .meaning = "how many fetches a host of repositories gets at once"},
};

static const struct block run_block = {
    .name = "run",
    .meaning = "How the tasks are run together. Of several manifests, the "
               "first one's counts.",
    BLOCK_FIELDS(run_fields),
};

/* ---- manifest ---------------------------------------------------------- */

#define TOP(name) offsetof(struct manifest_source, name)

static const struct field top_fields[] = {
    {.key = "version",
     .type = FIELD_INTEGER,
     .flags = FIELD_REQUIRED,
     .offset = FIELD_NOWHERE,
     .minimum = 1,
     .maximum = 1,
     .meaning = "of this format"},
    {.key = "name",
     .type = FIELD_TEXT,
     .offset = TOP(name),
     .minimum = 1,
     .maximum = 200,
     .otherwise = "the file's name",
     .meaning = "what reports call the run"},
    {.key = "params",
     .type = FIELD_PAIRS,
     .flags = FIELD_LINES,
     .offset = TOP(params),
     .maximum = MANIFEST_VALUE_MAX,
     .maximum_items = MANIFEST_NAMES_MAX,
     .name_rule = rule_name,
     .pattern = "^[A-Za-z_][A-Za-z0-9_-]*$",
     .fallback = "{}",
     .meaning = "values for templates; `-p name=value` replaces one"},
    {.key = "model",
     .type = FIELD_BLOCK,
     .offset = TOP(model),
     .block = &model_block,
     .meaning = "the model and its server"},
    {.key = "run",
     .type = FIELD_BLOCK,
     .offset = TOP(run),
     .block = &run_block,
     .meaning = "how the tasks are run together"},
    {.key = "defaults",
     .type = FIELD_BLOCK,
     .flags = FIELD_DEFAULTS,
     .offset = TOP(defaults),
     .block = &task_block,
     .meaning = "what all tasks have in common"},
    {.key = "tasks",
     .type = FIELD_TASKS,
     .flags = FIELD_REQUIRED,
     .offset = TOP(tasks),
     .minimum = 1,
     .maximum = 100000,
     .block = &task_block,
     .meaning = "what is to be done"},
};

const struct block manifest_block = {
    .name = "manifest",
    .meaning = "The top level.",
    BLOCK_FIELDS(top_fields),
};

/* ---- looking up -------------------------------------------------------- */

static bool hidden(const struct field *field, bool in_defaults)
{
    return in_defaults && field->flags & FIELD_TASK_ONLY;
}

const struct field *block_find(const struct block *block, const char *key,
                               bool in_defaults)
{
    for (size_t i = 0; i < block->count; i++) {
        if (!strcmp(block->fields[i].key, key) &&
            !hidden(&block->fields[i], in_defaults))
            return &block->fields[i];
    }
    return NULL;
}

const char *block_suggest(const struct block *block, const char *key,
                          bool in_defaults)
{
    const char *known[KEYS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < block->count && count < KEYS_MAX; i++) {
        if (!hidden(&block->fields[i], in_defaults))
            known[count++] = block->fields[i].key;
    }
    return suggest(key, known, count);
}
