/* The options of reports, and of the commands that read runs. */
#include "runner/options_table.h"

int apply_report(struct options *options, const char *value, struct error *err)
{
    return option_add(&options->reports, value, "--report", err);
}

int apply_from(struct options *options, const char *value, struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "--from: expected a run directory");
    options->from = value;
    return 0;
}

int apply_author(struct options *options, const char *value, struct error *err)
{
    const char *open = strchr(value, '<');

    if (!open || open == value || !strchr(open, '>') || strpbrk(value, "\r\n"))
        return error_set(err, ERROR_USAGE,
                         "--author: expected 'Name <mail>', got '%s'", value);
    options->author = value;
    return 0;
}

int apply_ci(struct options *options, const char *value, struct error *err)
{
    if (strcmp(value, "github") != 0)
        return error_set(err, ERROR_USAGE, "--ci: expected github, got '%s'",
                         value);
    options->ci = true;
    return 0;
}

int apply_fetch(struct options *options, const char *value, struct error *err)
{
    (void)value;
    (void)err;
    options->fetch = true;
    return 0;
}

int apply_otlp(struct options *options, const char *value, struct error *err)
{
    (void)value;
    (void)err;
    options->otlp = true;
    return 0;
}

int apply_no_pager(struct options *options, const char *value,
                   struct error *err)
{
    (void)value;
    (void)err;
    options->no_pager = true;
    return 0;
}

static int take_text(const char **text, const char *value, const char *name,
                     struct error *err)
{
    if (!*value)
        return error_set(err, ERROR_USAGE, "%s: expected a text", name);
    *text = value;
    return 0;
}

int apply_prompt(struct options *options, const char *value, struct error *err)
{
    return take_text(&options->prompt, value, "--prompt", err);
}

int apply_repo(struct options *options, const char *value, struct error *err)
{
    return take_text(&options->repo, value, "--repo", err);
}

int apply_model(struct options *options, const char *value, struct error *err)
{
    return take_text(&options->model, value, "--model", err);
}

int apply_setup(struct options *options, const char *value, struct error *err)
{
    return option_add(&options->setup, value, "--setup", err);
}

int apply_verify(struct options *options, const char *value, struct error *err)
{
    return option_add(&options->verify, value, "--verify", err);
}
