#include "runner/init.h"

#include "base/json.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "runner/reports.h"

#define TEXT_BYTES_MAX ((size_t)8 << 20)

/* Characters that YAML takes for line breaks or does not print. */
static bool needs_escape(uint32_t code)
{
    return (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

/* A JSON string is a YAML string in double quotes, so whatever the text is, it
 * stays a value. */
static void put_value(struct buffer *out, const char *before, const char *text)
{
    CLEANUP(buffer_free) struct buffer value = {0};
    struct json json = json_to(&value);
    uint32_t code;

    buffer_init(&value, TEXT_BYTES_MAX);
    json_string(&json, text);
    buffer_add_string(out, before);
    for (size_t at = 0; at < value.length;) {
        size_t taken = utf8_decode(value.data + at, value.length - at, &code);

        if (needs_escape(code))
            buffer_addf(out, "\\u%04x", (unsigned)code);
        else
            buffer_add(out, value.data + at, taken);
        at += taken;
    }
    buffer_add_byte(out, '\n');
    out->dropped += value.dropped;
}

static void put_model(struct buffer *out, const struct options *options)
{
    buffer_add_string(out, "model:\n");
    put_value(out, "  name: ", options->model ? options->model : "gpt-5.5");
    if (options->model_url) {
        buffer_add_string(out, "  provider: compatible\n");
        put_value(out, "  base_url: ", options->model_url);
    }
}

/* Without a price no cost is known, and no limit of it can hold. */
static void put_limits(struct buffer *out)
{
    buffer_add_string(
        out, "  # USD per million tokens, for costs and their limit:\n"
             "  # price: {input: 1.25, cached_input: 0.125, output: 10}\n"
             "# run: {budget: {cost_usd: 5}}\n");
}

static void put_verify(struct buffer *out, const struct options *options)
{
    if (!options->verify.count) {
        buffer_add_string(out,
                          "    # A task is proven by its checks:\n"
                          "    # verify: [{name: tests, run: make test}]\n");
        return;
    }
    buffer_add_string(out, "    verify:\n");
    for (size_t i = 0; i < options->verify.count; i++) {
        buffer_addf(out, "      - name: check %zu\n", i + 1);
        put_value(out, "        run: ", options->verify.items[i]);
    }
}

static void put_task(struct buffer *out, const struct options *options,
                     const char *prompt)
{
    put_value(out, "  - id: ", options->task ? options->task : "task");
    put_value(out, "    repo: ", options->repo ? options->repo : ".");
    put_value(out, "    prompt: ",
              strstr(prompt, "{{") ? "{{ param.prompt }}" : prompt);
    if (options->setup.count)
        buffer_add_string(out, "    setup:\n");
    for (size_t i = 0; i < options->setup.count; i++)
        put_value(out, "      - ", options->setup.items[i]);
    put_verify(out, options);
}

int init_command(const struct options *options)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    const char *prompt = options->prompt
                             ? options->prompt
                             : "`make test` fails. Find the cause and fix it.";
    struct error err;

    buffer_init(&text, TEXT_BYTES_MAX);
    buffer_add_string(&text,
                      "# Check it with 'nightjar check', see 'nightjar schema "
                      "--markdown'.\nversion: 1\n");
    put_model(&text, options);
    put_limits(&text);
    /* What a parameter holds is not looked at for templates. */
    if (strstr(prompt, "{{"))
        put_value(&text, "params:\n  prompt: ", prompt);
    buffer_add_string(&text, "tasks:\n");
    put_task(&text, options, prompt);
    if (text.dropped) {
        error_set(&err, ERROR_USAGE, "the texts are too long for a manifest");
        return report_failure(&err);
    }
    return reports_put(buffer_span(&text), &err) ? report_failure(&err) : 0;
}
