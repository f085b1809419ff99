#include "base/json.h"
#include "tasks/manifest_fields.h"
#include "tests/unit/manifest.h"

static void check_strings(const struct strings *strings, const char *joined,
                          const char *name)
{
    struct buffer out;

    buffer_init(&out, 10000);
    for (size_t i = 0; i < strings->count; i++)
        buffer_addf(&out, "%s%s", i ? " " : "", strings->items[i]);
    tap_string(out.data, joined, "%s", name);
    buffer_free(&out);
}

static void check_environment(const struct environment *environment,
                              const char *joined, const char *name)
{
    struct buffer out;

    buffer_init(&out, 10000);
    for (size_t i = 0; i < environment->count; i++)
        buffer_addf(&out, "%s%s=%s", i ? " " : "", environment->items[i].name,
                    environment->items[i].value);
    tap_string(out.data, joined, "%s", name);
    buffer_free(&out);
}

static void check_step(const struct task_steps *steps, size_t index,
                       const char *name, const char *run, int64_t timeout_ms)
{
    if (!tap_ok(index < steps->count, "there is step %zu", index))
        return;
    tap_string(steps->items[index].name, name, "its name");
    if (run)
        tap_string(steps->items[index].run, run, "its command");
    tap_int(steps->items[index].timeout_ms, timeout_ms, "its timeout");
}

static char *here(const char *path)
{
    CLEANUP(mem_free) char *directory = getcwd(NULL, 0);

    return mem_format("%s/%s", directory, path);
}

/* ---- good manifests ---------------------------------------------------- */

static void check_full_model(const struct model_settings *model)
{
    tap_int(model->provider, MODEL_COMPATIBLE, "provider");
    tap_string(model->name, "local-model", "model name");
    tap_string(model->base_url, "http://127.0.0.1:8080/v1", "base_url");
    tap_string(model->key_env, "LOCAL_KEY", "key_env");
    tap_string(model->reasoning_effort, "medium", "reasoning_effort");
    tap_int(model->price.input, 1250000, "input price");
    tap_int(model->price.cached_input, 125000, "cached price");
    tap_int(model->price.cache_write, 1500000, "cache write price");
    tap_int(model->price.output, 10000000, "output price");
    tap_int(model->request_timeout_ms, 900000, "request_timeout");
    tap_int(model->idle_timeout_ms, 90000, "idle_timeout");
    tap_int(model->max_retries, 0, "max_retries");
    tap_string(model->script, NULL, "no script");
}

static void check_full_run(const struct run_settings *run)
{
    tap_int(run->jobs, 8, "jobs");
    tap_int(run->budget_cost_microusd, 50000000, "cost of the run");
    tap_int(run->budget_tokens, 40000000, "tokens of the run");
    tap_int(run->budget_time_ms, 6 * 3600000, "time of the run");
    tap_int(run->failures_percent, 25, "failures");
    tap_ok(run->fail_fast, "fail_fast");
}

static void check_full_sandbox(const struct sandbox_settings *sandbox)
{
    check_strings(&sandbox->read, "/opt/toolchain", "read");
    check_strings(&sandbox->write, "/var/cache/npm", "write");
    check_environment(&sandbox->env, "CI=1 EMPTY=", "env");
    check_strings(&sandbox->pass_env, "GOFLAGS LANG", "pass_env");
    tap_int(sandbox->memory_bytes, 512 << 20, "memory");
    tap_int(sandbox->pids, 64, "pids");
    tap_int(sandbox->output_bytes, 256 << 10, "output");
    tap_int(sandbox->command_timeout_ms, 120000, "command_timeout");
}

static void check_full_policy(const struct policy *policy)
{
    const struct approve_rule *rules = policy->approve;
    const struct patch_policy *patch = &policy->patch;

    if (tap_int((int64_t)policy->approve_count, 3, "three rules")) {
        tap_int(rules[0].tool, RULE_TOOL_EXEC, "tool of the first");
        check_strings(&rules[0].argv, "git push *", "argv");
        tap_int((int64_t)rules[0].paths.count, 0, "no paths");
        tap_int(rules[0].decision, RULE_DENY, "decision");
        tap_string(rules[0].because, "patches leave by the report", "because");
        tap_int((int64_t)rules[0].line, 68, "line of the first");
        tap_int(rules[1].tool, RULE_TOOL_PATCH, "tool of the second");
        check_strings(&rules[1].paths, "docs/**", "paths");
        tap_int(rules[1].decision, RULE_ALLOW, "decision");
        tap_string(rules[1].because, NULL, "no because");
        tap_int(rules[2].tool, RULE_TOOL_ANY, "tool of the third");
        tap_int((int64_t)rules[2].line, 70, "line of the third");
    }
    check_strings(&patch->protect, "infra/**", "protect");
    check_strings(&patch->allow, "src/** tests/**", "allow");
    tap_int(patch->max_files, 40, "max_files");
    tap_int(patch->max_lines, 2000, "max_lines");
    tap_int(patch->max_file_size_bytes, 64 << 10, "max_file_size");
    tap_ok(patch->binary, "binary");
    tap_int(patch->secrets, SECRETS_REPORT, "secrets");
}

static void check_full_steps(const struct task *task)
{
    tap_int((int64_t)task->setup.count, 2, "setup steps");
    check_step(&task->setup, 0, "install", "npm ci", 300000);
    check_step(&task->setup, 1, "npm run prepare", "npm run prepare", 120000);
    tap_int((int64_t)task->verify.count, 4, "verify steps");
    check_step(&task->verify, 0,
               "npm test -- --reporter=a-reporter-with-a-name-that-is-far-to",
               NULL, 120000);
    check_step(&task->verify, 1, "types", "npx tsc", 1500);
    check_step(&task->verify, 2, "npm run prepare", "npm run prepare", 120000);
    check_step(&task->verify, 3, "npm run prepare (2)", "npm run prepare",
               120000);
}

static void check_full_task(const struct task *task)
{
    tap_string(task->id, "bump-api-1.10", "id");
    tap_string(task->suite, "nightly-modernise", "suite");
    tap_string(task->file, GOOD "full.yaml", "file");
    tap_int((int64_t)task->line, 25, "line");
    tap_string(task->matrix_cell, "api, 1.10", "matrix_cell");
    tap_string(task->repo, "https://git.example.org/acme/api.git", "repo");
    tap_string(task->ref, "1.10", "ref keeps its digits");
    tap_string(task->directory, "src/api", "directory");
    tap_int(task->depth, 50, "depth");
    tap_ok(task->submodules, "submodules");
    tap_string(task->prompt,
               "Replace the calls of foo by bar 2.x in api.\n"
               "You are bump-api-1.10; braces of two\nlines stay.\n",
               "prompt");
    tap_string(task->instructions, "Keep 3 lines.", "instructions");
    tap_int(task->tools, TOOL_EXEC | TOOL_PATCH, "tools");
    tap_int(task->verify_expect, VERIFY_FAIL_THEN_PASS, "verify_expect");
    check_strings(&task->verify_pin, "tests/** *.lock", "verify_pin");
    tap_int(task->fix_attempts, 5, "fix_attempts");
    tap_int(task->attempts, 3, "attempts");
    tap_int(task->changes, CHANGES_ANY, "changes");
    tap_string(task->output_schema, "{\"type\": \"object\"}\n",
               "output_schema");
    tap_int(task->timeout_ms, 5400000, "timeout");
    tap_int(task->budget.turns, 30, "turns");
    tap_int(task->budget.input_tokens, 4000000, "input_tokens");
    tap_int(task->budget.output_tokens, 200000, "output_tokens");
    tap_int(task->budget.cost_microusd, 2500000, "cost_usd");
    check_environment(&task->variables,
                      "NIGHTJAR_MATRIX_REPO=api NIGHTJAR_MATRIX_BRANCH=1.10 "
                      "NIGHTJAR_PARAM_TARGET=bar 2.x "
                      "NIGHTJAR_PARAM_LONG_TEXT=two\nlines "
                      "NIGHTJAR_PARAM_COUNT=3 "
                      "NIGHTJAR_TASK_ID=bump-api-1.10",
                      "variables");
}

static void test_full(void)
{
    CLEANUP(loaded_free) struct loaded loaded = load(GOOD "full.yaml", NULL);
    const struct task *task = &loaded.plan.tasks[1];

    if (!is_good(&loaded, 4, "full.yaml"))
        return;
    tap_string(loaded.plan.name, "nightly-modernise", "name of the plan");
    check_full_run(&loaded.plan.run);
    check_full_model(task->model);
    check_full_task(task);
    check_full_steps(task);
    check_full_sandbox(&task->sandbox);
    check_full_policy(&task->policy);
    tap_ok(loaded.plan.tasks[0].model == loaded.plan.tasks[3].model &&
               loaded.plan.tasks[0].verify.items ==
                   loaded.plan.tasks[3].verify.items &&
               loaded.plan.tasks[0].instructions !=
                   loaded.plan.tasks[3].instructions,
           "what has no template is shared");
}

static void check_default_limits(const struct task *task)
{
    tap_int(task->fix_attempts, 2, "fix_attempts");
    tap_int(task->attempts, 1, "attempts");
    tap_int(task->timeout_ms, 1800000, "timeout");
    tap_int(task->budget.turns, 60, "turns");
    tap_int(task->budget.input_tokens, -1, "no input_tokens");
    tap_int(task->budget.output_tokens, -1, "no output_tokens");
    tap_int(task->budget.cost_microusd, -1, "no cost_usd");
    tap_int(task->sandbox.memory_bytes, (int64_t)2 << 30, "memory");
    tap_int(task->sandbox.pids, 512, "pids");
    tap_int(task->sandbox.output_bytes, 1 << 20, "output");
    tap_int(task->sandbox.command_timeout_ms, 600000, "command_timeout");
    tap_int((int64_t)(task->sandbox.read.count + task->sandbox.write.count +
                      task->sandbox.env.count + task->sandbox.pass_env.count),
            0, "empty lists of the sandbox");
    tap_int((int64_t)task->policy.approve_count, 0, "no rules");
    check_strings(&task->policy.patch.protect, ".github/** **/CODEOWNERS",
                  "protect");
    tap_int((int64_t)task->policy.patch.allow.count, 0, "no allow");
    tap_int(task->policy.patch.max_files, -1, "no max_files");
    tap_int(task->policy.patch.max_lines, -1, "no max_lines");
    tap_int(task->policy.patch.max_file_size_bytes, 1 << 20, "max_file_size");
    tap_ok(!task->policy.patch.binary, "binary");
    tap_int(task->policy.patch.secrets, SECRETS_FAIL, "secrets");
}

static void check_default_model(const struct model_settings *model)
{
    tap_int(model->provider, MODEL_OPENAI, "provider");
    tap_string(model->name, "gpt-5.5", "model name");
    tap_string(model->base_url, "https://api.openai.com/v1", "base_url");
    tap_string(model->key_env, "OPENAI_API_KEY", "key_env");
    tap_string(model->reasoning_effort, NULL, "no reasoning_effort");
    tap_int(model->price.input, -1, "no input price");
    tap_int(model->price.output, -1, "no output price");
    tap_int(model->request_timeout_ms, 1200000, "request_timeout");
    tap_int(model->idle_timeout_ms, 300000, "idle_timeout");
    tap_int(model->max_retries, 8, "max_retries");
}

static void test_minimal(void)
{
    CLEANUP(loaded_free) struct loaded loaded = load(GOOD "minimal.yaml", NULL);
    const struct task *task = loaded.plan.tasks;
    const struct run_settings *run = &loaded.plan.run;

    if (!is_good(&loaded, 1, "minimal.yaml"))
        return;
    tap_string(task->id, "minimal", "id from the file's name");
    tap_string(task->suite, "minimal", "suite from the file's name");
    tap_string(task->matrix_cell, "", "no matrix_cell");
    tap_string(task->repo, "/srv/project", "repo");
    tap_string(task->ref, NULL, "no ref");
    tap_string(task->directory, ".", "directory");
    tap_int(task->depth, 0, "depth");
    tap_ok(!task->submodules, "submodules");
    tap_string(task->instructions, NULL, "no instructions");
    tap_int(task->tools, TOOL_ALL, "tools");
    tap_int((int64_t)(task->setup.count + task->verify.count +
                      task->verify_pin.count),
            0, "no steps");
    tap_int(task->verify_expect, VERIFY_PASS, "verify_expect");
    tap_int(task->changes, CHANGES_REQUIRED, "changes");
    tap_string(task->output_schema, NULL, "no output_schema");
    check_environment(&task->variables, "NIGHTJAR_TASK_ID=minimal",
                      "variables");
    check_default_limits(task);
    check_default_model(task->model);
    tap_int(run->jobs, 0, "jobs");
    tap_int(run->budget_cost_microusd, -1, "no cost of the run");
    tap_int(run->budget_tokens, -1, "no tokens of the run");
    tap_int(run->budget_time_ms, -1, "no time of the run");
    tap_int(run->failures_percent, -1, "failures");
    tap_ok(!run->fail_fast, "fail_fast");
}

static void check_merged_own(const struct task *task)
{
    tap_string(task->ref, "release", "ref is replaced");
    tap_int(task->tools, 0, "tools: []");
    tap_string(task->prompt, "Own prompt.", "prompt is replaced");
    tap_int((int64_t)task->verify.count, 0, "a list is replaced");
    check_step(&task->setup, 0, "make deps", "make deps", 30000);
    tap_int(task->budget.turns, 5, "budget is merged: turns");
    tap_int(task->budget.cost_microusd, 1, "budget is merged: cost_usd");
    check_environment(&task->sandbox.env, "CI=true LEVEL=2 EXTRA=x",
                      "env is merged");
    tap_int(task->sandbox.memory_bytes, 1 << 30, "sandbox is merged: memory");
    tap_int(task->sandbox.pids, 99, "sandbox is merged: pids");
    tap_int(task->policy.patch.max_files, 3, "patch is merged: max_files");
    tap_int(task->policy.patch.max_lines, 70, "patch is merged: max_lines");
    tap_int((int64_t)task->policy.approve_count, 1, "rules are inherited");
}

static void test_merge(void)
{
    CLEANUP(loaded_free) struct loaded loaded = load(GOOD "merge.yaml", NULL);
    const struct task *tasks = loaded.plan.tasks;

    if (!is_good(&loaded, 4, "merge.yaml"))
        return;
    tap_string(tasks[0].repo, "git@git.example.org:acme/api.git", "repo");
    tap_string(tasks[0].prompt, "Shared prompt.", "prompt is inherited");
    tap_int(tasks[0].tools, TOOL_EXEC, "tools are inherited");
    check_step(&tasks[0].verify, 0, "make check", "make check", 20000);
    check_step(&tasks[0].verify, 1, "make lint", "make lint", 45000);
    check_environment(&tasks[0].sandbox.env, "CI=true LEVEL=1",
                      "env is inherited, and not changed by another task");
    check_merged_own(&tasks[1]);
    tap_string(tasks[2].prompt, "Triage filed.\nThen stop.\n",
               "prompt_file wins over the defaults' prompt");
    tap_int((int64_t)tasks[2].policy.approve_count, 0, "approve: []");
    tap_int((int64_t)tasks[2].policy.patch.protect.count, 0, "protect: []");
    tap_int(tasks[2].policy.patch.max_files, 7, "max_files is inherited");
    tap_int((int64_t)tasks[3].sandbox.pass_env.count, 0, "pass_env: []");
}

static void test_matrix(void)
{
    static const char *const cells[] = {
        "apple, cat, pink, circle",
        "apple, dog, green, circle",
        "pear, cat, pink",
        "pear, dog, green",
        "banana",
        "banana, cat",
        "macos-latest, 12, staging",
        "macos-latest, 14, staging",
        "macos-latest, 14, production",
        "macos-latest, 16, staging",
        "macos-latest, 16, production",
        "windows-latest, 12, staging",
        "windows-latest, 12, production",
        "windows-latest, 14, staging",
        "windows-latest, 14, production",
        "windows-latest, 14",
        "windows-latest, 16, 6",
        "ubuntu-latest, 14",
        "ubuntu-latest, 16",
        "macos-latest, 12",
        "macos-latest, 14",
        "macos-latest, 16",
        "windows-latest, 12",
        "windows-latest, 14",
        "windows-latest, 16",
        "ubuntu-latest, 12",
        "ubuntu-latest, 14",
        "ubuntu-latest, 16",
        "windows-latest, 17",
        "production, site-a",
        "staging, site-b",
        "linux",
        "bsd",
    };
    CLEANUP(loaded_free) struct loaded loaded = load(GOOD "matrix.yaml", NULL);
    const struct task *tasks = loaded.plan.tasks;

    if (!is_good(&loaded, ARRAY_LENGTH(cells), "matrix.yaml"))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(cells); i++)
        tap_string(tasks[i].matrix_cell, cells[i], "cell %zu", i);
    tap_string(tasks[0].id, "matrix-1-apple-cat-pink-circle", "a made id");
    tap_string(tasks[5].prompt, "matrix-1-banana-cat", "task.id in a text");
    tap_string(tasks[6].id, "exclude-macos-latest-12-staging", "a written id");
    check_environment(&tasks[4].variables,
                      "NIGHTJAR_MATRIX_FRUIT=banana "
                      "NIGHTJAR_TASK_ID=matrix-1-banana",
                      "a value that is not there is no variable");
}

static void test_other_good(void)
{
    CLEANUP(loaded_free)
    struct loaded anchors = load(GOOD "anchors.yaml", NULL);
    CLEANUP(loaded_free) struct loaded ids = load(GOOD "ids.yaml", NULL);
    CLEANUP(loaded_free)
    struct loaded scripted = load(GOOD "scripted.yaml", NULL);
    CLEANUP(mem_free) char *script = here(GOOD "turns.yaml");
    CLEANUP(mem_free) char *repo = here(GOOD "a/b/c");

    if (is_good(&anchors, 2, "anchors.yaml")) {
        tap_string(anchors.plan.tasks[0].prompt, "Fix \"one\".\n", "one");
        tap_string(anchors.plan.tasks[1].prompt, "Fix \"two\".\n", "two");
        check_step(&anchors.plan.tasks[0].verify, 1, "make lint", "make lint",
                   600000);
        tap_int((int64_t)anchors.plan.tasks[1].verify.count, 1, "an alias");
    }
    if (is_good(&ids, 3, "ids.yaml")) {
        tap_string(ids.plan.tasks[0].id, "Nightly-modernise-1-acme-api",
                   "an id made of name, number and matrix");
        tap_string(ids.plan.tasks[2].id, "Nightly-modernise-2",
                   "an id made of name and number");
    }
    if (is_good(&scripted, 1, "scripted.yaml")) {
        const struct task *task = scripted.plan.tasks;

        tap_int(task->model->provider, MODEL_SCRIPTED, "scripted");
        tap_string(task->model->name, "scripted", "its name");
        tap_string(task->model->key_env, NULL, "no key");
        tap_string(task->model->script, script, "the script beside it");
        tap_string(task->repo, repo, "a relative path");
        tap_string(task->directory, "a/b", "a directory without detours");
        tap_string(task->prompt, "10", "a quoted number");
    }
}

/* ---- several manifests, filter ----------------------------------------- */

static void test_two_manifests(void)
{
    static const char first[] = "version: 1\nname: one\nrun: {jobs: 3}\n"
                                "tasks: [{id: a, repo: /r, prompt: p}]\n";
    static const char second[] = "version: 1\nname: two\nrun: {jobs: 5}\n"
                                 "tasks:\n"
                                 "  - {id: b, repo: /r, prompt: p}\n";
    static const char third[] = "version: 1\ntasks:\n"
                                "  - {id: c, repo: /r, prompt: p}\n"
                                "  - {id: a, repo: /r, prompt: p}\n";
    struct loaded loaded = {0};

    plan_init(&loaded.plan);
    tap_int(manifest_parse(&loaded.plan, "one.yaml",
                           (struct span){first, strlen(first)}, NULL,
                           &loaded.problems),
            0, "the first");
    tap_int(manifest_parse(&loaded.plan, "two.yaml",
                           (struct span){second, strlen(second)}, NULL,
                           &loaded.problems),
            0, "the second");
    tap_string(loaded.plan.name, "one", "the first one's name");
    tap_int(loaded.plan.run.jobs, 3, "the first one's run");
    tap_string(loaded.plan.tasks[1].suite, "two", "its own suite");
    tap_int((int64_t)loaded.plan.manifests, 2, "manifests");
    tap_int(manifest_parse(&loaded.plan, "three.yaml",
                           (struct span){third, strlen(third)}, NULL,
                           &loaded.problems),
            -1, "the third");
    format_problems(&loaded);
    tap_string(loaded.text.data,
               "three.yaml:4:10: tasks[1].id: the id \"a\" is taken by the "
               "task at one.yaml:4\n",
               "an id of another manifest");
    loaded_free(&loaded);
}

static void test_filter(void)
{
    CLEANUP(loaded_free) struct loaded loaded = load(GOOD "matrix.yaml", NULL);
    const char *items[] = {"only-*", "again-linux"};
    struct strings globs = {items, 2};

    plan_filter(&loaded.plan, &globs);
    if (!tap_int((int64_t)loaded.plan.count, 3, "three are kept"))
        return;
    tap_string(loaded.plan.tasks[0].id, "only-production-site-a", "the first");
    tap_string(loaded.plan.tasks[2].id, "again-linux", "the last");
    globs.count = 0;
    plan_filter(&loaded.plan, &globs);
    tap_int((int64_t)loaded.plan.count, 0, "no glob, no task");
}

/* ---- schema and reference ---------------------------------------------- */

static size_t count_members(const cJSON *object)
{
    return cJSON_IsObject(object) ? (size_t)cJSON_GetArraySize(object) : 0;
}

/* The schema of a block has the table's keys, each described, and no more. */
static void check_block_schema(const cJSON *schema, const struct block *block,
                               bool in_defaults)
{
    const cJSON *properties = json_get_object(schema, "properties");
    size_t count = 0;

    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];
        const cJSON *property = json_get_object(properties, field->key);

        if (in_defaults && field->flags & FIELD_TASK_ONLY)
            continue;
        count++;
        tap_string(json_get_string(property, "description"), field->meaning,
                   "%s.%s is described", block->name, field->key);
        tap_ok(!field->fallback == !json_get(property, "default"),
               "%s.%s has the table's default", block->name, field->key);
    }
    tap_int((int64_t)count_members(properties), (int64_t)count,
            "%s has no other key", block->name);
    tap_ok(cJSON_IsFalse(json_get(schema, "additionalProperties")),
           "%s takes no other key", block->name);
}

static void check_definitions(const cJSON *root, const struct block *block)
{
    const cJSON *definitions = json_get_object(root, "$defs");

    for (size_t i = 0; i < block->count; i++) {
        const struct field *field = &block->fields[i];
        bool defaults = field->flags & FIELD_DEFAULTS;

        if (!field->block)
            continue;
        check_block_schema(
            json_get(definitions, defaults ? "defaults" : field->block->name),
            field->block, defaults);
        if (!defaults)
            check_definitions(root, field->block);
    }
}

static void test_schema(void)
{
    struct buffer schema;
    struct buffer again;
    struct error err;
    CLEANUP(json_free) cJSON *root = NULL;
    const cJSON *model;

    buffer_init(&schema, 1 << 20);
    buffer_init(&again, 1 << 20);
    manifest_write_schema(&schema);
    manifest_write_schema(&again);
    tap_ok(span_equal(buffer_span(&schema), buffer_span(&again)),
           "the same bytes each time");
    tap_contains(schema.data, "\n  \"properties\": {\n    \"version\": {\n",
                 "indented by two blanks");
    root = json_parse(schema.data, schema.length, &err);
    if (tap_ok(root != NULL, "the schema is JSON")) {
        tap_string(json_get_string(root, "$schema"),
                   "https://json-schema.org/draft/2020-12/schema", "$schema");
        check_block_schema(root, &manifest_block, false);
        check_definitions(root, &manifest_block);
        model = json_get(json_get(root, "$defs"), "model");
        model = json_get(json_get(model, "properties"), "max_retries");
        tap_int(json_get_int64(model, "maximum", -1), 50, "a range");
        tap_int(json_get_int64(model, "default", -1), 8, "a default");
    }
    buffer_free(&schema);
    buffer_free(&again);
}

static void test_reference(void)
{
    struct buffer text;

    buffer_init(&text, 1 << 20);
    manifest_write_reference(&text);
    for (size_t i = 0; i < task_block.count; i++) {
        CLEANUP(mem_free)
        char *row = mem_format("\n| `%s` | ", task_block.fields[i].key);

        tap_contains(text.data, row, "a row for %s", task_block.fields[i].key);
    }
    tap_contains(text.data,
                 "\n| `memory` | a size such as 64K or 2G, at least 16M | `2G` "
                 "| of all processes together |\n",
                 "a whole row");
    tap_contains(text.data, "\n### patch\n\n", "a section for a block");
    buffer_free(&text);
}

int main(void)
{
    test_full();
    test_minimal();
    test_merge();
    test_matrix();
    test_other_good();
    test_two_manifests();
    test_filter();
    test_schema();
    test_reference();
    return tap_done();
}
