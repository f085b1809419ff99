#include "runner/agent/budget.h"

#include <inttypes.h>

static int64_t left_of(int64_t limit, int64_t used)
{
    if (limit < 0)
        return INT64_MAX;
    return used < limit ? limit - used : 0;
}

static int spent(struct error *err, const char *what, int64_t limit)
{
    return error_set(err, ERROR_BUDGET, "the budget of %" PRId64 " %s is spent",
                     limit, what);
}

static int spent_money(struct error *err, int64_t limit)
{
    return error_set(err, ERROR_BUDGET,
                     "the budget of %" PRId64 ".%06" PRId64 " US dollars is "
                     "spent: the next request could cost more than is left",
                     limit / 1000000, limit % 1000000);
}

bool budget_of_run(const struct budget *budget)
{
    return budget->run && (budget->run->budget_tokens >= 0 ||
                           budget->run->budget_cost_microusd >= 0);
}

static bool cost_is_limited(const struct budget *budget)
{
    return budget->limits->cost_microusd >= 0 ||
           (budget->run && budget->run->budget_cost_microusd >= 0);
}

/* The dearest that input can be. */
static int64_t input_price(const struct model_price *price)
{
    return price->cache_write > price->input ? price->cache_write
                                             : price->input;
}

static int64_t price_of(int64_t tokens, int64_t price)
{
    __int128 cost = ((__int128)tokens * price + 999999) / 1000000;

    return cost > INT64_MAX ? INT64_MAX : (int64_t)cost;
}

/* How much output the money pays for once the input is paid. */
static int64_t affordable(const struct model_price *price, int64_t money,
                          int64_t input)
{
    __int128 left = (__int128)money - price_of(input, input_price(price));

    if (left < 0)
        return -1;
    if (money == INT64_MAX || !price->output)
        return INT64_MAX;
    left = left * 1000000 / price->output;
    return left > INT64_MAX ? INT64_MAX : (int64_t)left;
}

static int plan_cost(const struct budget *budget,
                     const struct model_settings *model, int64_t *output,
                     struct reservation *reservation, struct error *err)
{
    const struct model_price *price = &model->price;
    int64_t limit = budget->limits->cost_microusd;
    int64_t most;

    if (price->input < 0 || price->output < 0) {
        error_set(err, ERROR_BUDGET,
                  "a cost is limited but the price of the model '%s' is "
                  "unknown",
                  model->name);
        return error_hint(err, "set its price in the manifest, such as "
                               "model.price: {input: 1.25, output: 10}");
    }
    most = affordable(price, left_of(limit, budget->totals.cost_microusd),
                      reservation->input_tokens);
    if (most < BUDGET_OUTPUT_MIN)
        return spent_money(err, limit);
    if (most < *output)
        *output = most;
    reservation->cost_microusd =
        price_of(reservation->input_tokens, input_price(price)) +
        price_of(*output, price->output);
    return 0;
}

int budget_plan(const struct budget *budget, const struct model_settings *model,
                int64_t input, int64_t asked, struct reservation *reservation,
                struct error *err)
{
    const struct task_budget *limits = budget->limits;
    const struct agent_totals *totals = &budget->totals;
    bool bounded = limits->output_tokens >= 0 || cost_is_limited(budget) ||
                   budget_of_run(budget);
    int64_t most = left_of(limits->output_tokens, totals->output_tokens);
    int64_t output = asked                          ? asked
                     : model->max_output_tokens > 0 ? model->max_output_tokens
                                                    : BUDGET_OUTPUT_DEFAULT;

    *reservation = (struct reservation){.input_tokens = input};
    if (limits->turns >= 0 && totals->turns >= limits->turns)
        return spent(err, "turns", limits->turns);
    if (left_of(limits->input_tokens, totals->input_tokens) < input)
        return error_set(err, ERROR_BUDGET,
                         "the budget of %" PRId64 " input tokens is spent: the "
                         "next request could take %" PRId64 ", and %" PRId64
                         " are left",
                         limits->input_tokens, input,
                         left_of(limits->input_tokens, totals->input_tokens));
    if (most < BUDGET_OUTPUT_MIN)
        return spent(err, "output tokens", limits->output_tokens);
    if (most < output)
        output = most;
    if (cost_is_limited(budget) &&
        plan_cost(budget, model, &output, reservation, err))
        return -1;
    reservation->output_tokens = bounded ? output : 0;
    if (bounded || asked || model->max_output_tokens > 0)
        reservation->max_output_tokens = output;
    return 0;
}

static void add(int64_t *sum, int64_t value)
{
    if (__builtin_add_overflow(*sum, value, sum))
        *sum = INT64_MAX;
}

int64_t budget_count(struct budget *budget, const struct model_settings *model,
                     const struct model_usage *usage)
{
    struct agent_totals *totals = &budget->totals;
    int64_t cost = model_cost_microusd(&model->price, usage);

    add(&totals->input_tokens, usage->input_tokens);
    add(&totals->output_tokens, usage->output_tokens);
    if (cost < 0)
        totals->cost_microusd = -1;
    else if (totals->cost_microusd >= 0)
        add(&totals->cost_microusd, cost);
    return cost;
}

/* ---- near a limit ------------------------------------------------------ */

struct nearing {
    const char *what;
    int64_t limit;
    int64_t used;
    int64_t next; /* what the next request takes; 0: unknown */
};

static bool is_near(struct budget *budget, unsigned bit,
                    const struct nearing *kind)
{
    int64_t left = kind->limit - kind->used;

    if (kind->limit <= 0 || budget->told & 1U << bit)
        return false;
    if ((__int128)kind->used * 100 <
            (__int128)kind->limit * BUDGET_NEAR_PERCENT &&
        (!kind->used || left / BUDGET_NEAR_REQUESTS >= kind->next))
        return false;
    budget->told |= 1U << bit;
    return true;
}

bool budget_near(struct budget *budget, const struct model_settings *model,
                 int64_t input, int64_t left_ms, int64_t timeout_ms,
                 struct buffer *out)
{
    const struct task_budget *limits = budget->limits;
    const struct agent_totals *totals = &budget->totals;
    const struct nearing kinds[] = {
        {"turns", limits->turns, totals->turns, 0},
        {"input tokens", limits->input_tokens, totals->input_tokens, input},
        {"output tokens", limits->output_tokens, totals->output_tokens,
         BUDGET_OUTPUT_MIN},
        {"money", limits->cost_microusd, totals->cost_microusd,
         model->price.input > 0 ? price_of(input, input_price(&model->price))
                                : 0},
        {"time", timeout_ms, timeout_ms - left_ms, 0},
    };
    size_t before = out->length;

    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (is_near(budget, i, &kinds[i]))
            buffer_addf(out, "%s%s",
                        out->length > before ? ", "
                                             : "Most of your budget is "
                                               "used: ",
                        kinds[i].what);
    }
    if (out->length == before)
        return false;
    buffer_add_string(out, ". Bring the work to a state that is worth keeping, "
                           "and end with your final message soon: at the limit "
                           "the task ends as it stands.");
    return true;
}
