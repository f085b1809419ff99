/* runner/agent/budget: what a request may take. */
#include "runner/agent/budget.h"

#include "base/clock.h"
#include "tests/tap.h"

static const struct task_budget unlimited = {-1, -1, -1, -1};
static const struct run_settings no_run = {.budget_cost_microusd = -1,
                                           .budget_tokens = -1};
static struct error err;

static struct model_settings model_at(int64_t input, int64_t output)
{
    return (struct model_settings){
        .name = "m",
        .max_output_tokens = -1,
        .price = {input, -1, -1, output},
    };
}

static int plan(struct task_budget limits, struct agent_totals totals,
                const struct model_settings *model, int64_t input,
                struct reservation *reservation)
{
    const struct budget budget = {
        .limits = &limits, .run = &no_run, .totals = totals};

    return budget_plan(&budget, model, input, 0, reservation, &err);
}

static void test_limits(void)
{
    const struct model_settings model = model_at(1000000, 10000000);
    struct reservation got;
    struct task_budget limits = unlimited;

    tap_int(plan(unlimited, (struct agent_totals){0}, &model, 5000, &got), 0,
            "no limit");
    tap_int(got.max_output_tokens, 0, "nothing to bound");
    limits.output_tokens = 1000;
    tap_int(plan(limits, (struct agent_totals){.output_tokens = 400}, &model,
                 5000, &got),
            0, "output: room for 600");
    tap_int(got.max_output_tokens, 600, "which is what is asked for");
    tap_int(plan(limits, (struct agent_totals){.output_tokens = 745}, &model,
                 5000, &got),
            -1, "output: less than is worth a request");
    tap_string(err.text, "the budget of 1000 output tokens is spent", "so");
    tap_int(err.kind, ERROR_BUDGET, "of that kind");
    limits = unlimited;
    limits.input_tokens = 10000;
    tap_int(plan(limits, (struct agent_totals){.input_tokens = 5000}, &model,
                 5000, &got),
            0, "input: just enough");
    tap_int(plan(limits, (struct agent_totals){.input_tokens = 5001}, &model,
                 5000, &got),
            -1, "input: one too many");
    limits = unlimited;
    limits.turns = 3;
    tap_int(plan(limits, (struct agent_totals){.turns = 2}, &model, 1, &got), 0,
            "the last turn");
    tap_int(plan(limits, (struct agent_totals){.turns = 3}, &model, 1, &got),
            -1, "no turn left");
}

static void test_cost(void)
{
    /* A dollar for a million of input, ten of output. */
    struct model_settings model = model_at(1000000, 10000000);
    struct task_budget limits = unlimited;
    struct reservation got;

    limits.cost_microusd = 100000;
    tap_int(plan(limits, (struct agent_totals){0}, &model, 10000, &got), 0,
            "ten cents");
    tap_int(got.max_output_tokens, 9000, "pay for input and 9,000 of output");
    tap_int(got.cost_microusd, 100000, "and all is reserved");
    tap_int(plan(limits, (struct agent_totals){.cost_microusd = 95000}, &model,
                 10000, &got),
            -1, "not even the input");
    tap_contains(err.text, "0.100000 US dollars", "how much it was");
    model.price.cache_write = 1250000;
    tap_int(plan(limits, (struct agent_totals){0}, &model, 10000, &got), 0,
            "a price of what enters the cache");
    tap_int(got.max_output_tokens, 8750, "is the worst case");
    model.price.output = 0;
    tap_int(plan(limits, (struct agent_totals){0}, &model, 10000, &got), 0,
            "output for nothing");
    tap_int(got.max_output_tokens, BUDGET_OUTPUT_DEFAULT, "is bounded too");
    model.price.input = -1;
    tap_int(plan(limits, (struct agent_totals){0}, &model, 1, &got), -1,
            "no price");
    tap_contains(err.text, "price of the model 'm' is unknown", "says so");
    model.price = (struct model_price){INT64_MAX, -1, -1, INT64_MAX};
    tap_int(plan(limits, (struct agent_totals){0}, &model, INT64_MAX, &got), -1,
            "the largest numbers");
}

static void test_run(void)
{
    const struct model_settings model = model_at(1, 1);
    const struct run_settings run = {.budget_cost_microusd = -1,
                                     .budget_tokens = 1000000};
    const struct budget budget = {.limits = &unlimited, .run = &run};
    struct reservation got;

    tap_ok(budget_of_run(&budget), "the run has a limit");
    tap_int(budget_plan(&budget, &model, 100, 0, &got, &err), 0, "planned");
    tap_int(got.output_tokens, BUDGET_OUTPUT_DEFAULT,
            "with an output that can be reserved");
    tap_int(budget_plan(&budget, &model, 100, 500, &got, &err), 0, "less");
    tap_int(got.output_tokens, 500, "is less");
}

static void near(struct budget *budget, int64_t input, int64_t left_ms,
                 const char *want, const char *name)
{
    const struct model_settings model = model_at(1000000, 1000000);
    struct buffer text;
    bool told;

    buffer_init(&text, 4096);
    told = budget_near(budget, &model, input, left_ms, 1000, &text);
    if (want)
        tap_contains(text.length ? text.data : "", want, "%s", name);
    else
        tap_ok(!told, "%s", name);
    buffer_free(&text);
}

static void test_near(void)
{
    struct task_budget limits = unlimited;
    struct budget budget = {.limits = &limits, .run = &no_run};

    limits.turns = 10;
    budget.totals.turns = 7;
    near(&budget, 10, 900, NULL, "70 %: nothing");
    budget.totals.turns = 8;
    near(&budget, 10, 900, "used: turns. Bring", "80 %: told");
    budget.totals.turns = 9;
    near(&budget, 10, 900, NULL, "once");
    near(&budget, 10, 100, "used: time.", "of the time too");
    limits.input_tokens = 1000;
    budget.totals.input_tokens = 100;
    near(&budget, 290, 900, NULL, "room for three more");
    near(&budget, 310, 900, "used: input tokens.", "room for two");
}

static void test_count(void)
{
    const struct model_settings priced = model_at(1000000, 1000000);
    const struct model_settings unknown = model_at(-1, -1);
    const struct model_usage usage = {.input_tokens = 1000,
                                      .output_tokens = 10};
    struct budget budget = {.limits = &unlimited, .run = &no_run};

    tap_int(budget_count(&budget, &priced, &usage), 1010, "its cost");
    tap_int(budget_count(&budget, &unknown, &usage), -1, "not known");
    tap_int(budget.totals.input_tokens, 2000, "tokens are, all the same");
    tap_int(budget.totals.cost_microusd, -1, "and the sum is not");
}

int main(void)
{
    test_limits();
    test_cost();
    test_run();
    test_near();
    test_count();
    return tap_done();
}
