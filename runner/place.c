#include "runner/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "runner/lingering.h"
#include "runner/task_record.h"
#include "tasks/cache.h"
#include "tasks/checkout.h"
#include "tasks/event.h"
#include "tasks/workspace.h"

#define BRANCH "nightjar"

/* ---- environment ------------------------------------------------------- */

static void make_environment(struct place *place)
{
    struct command_environment *variables = &place->environment;
    const struct task *task = place->task;
    const struct sandbox_settings *sandbox = &task->sandbox;

    environment_init(variables, place->sandbox, sandbox->network.hosts.items,
                     sandbox->network.hosts.count);
    for (size_t i = 0; i < sandbox->pass_env.count; i++) {
        const char *value = getenv(sandbox->pass_env.items[i]);

        if (value)
            environment_set(variables, sandbox->pass_env.items[i], value);
    }
    for (size_t i = 0; i < sandbox->env.count; i++)
        environment_set(variables, sandbox->env.items[i].name,
                        sandbox->env.items[i].value);
    for (size_t i = 0; i < task->variables.count; i++)
        environment_set(variables, task->variables.items[i].name,
                        task->variables.items[i].value);
    task_record_variables(task, sandbox_home(place->sandbox), variables);
}

/* Before any command has run in it. */
static int write_record(const struct place_request *request,
                        const struct place *place, struct error *err)
{
    CLEANUP(mem_free) char *home = mem_format("%s/home", place->scratch);

    return request->existing ? 0 : task_record_write(place->task, home, err);
}

/* ---- network ------------------------------------------------------------ */

static const struct network_setting *setting_of(const struct task *task,
                                                const struct task_step *step)
{
    return step && step->network.mode != NETWORK_UNSET ? &step->network
                                                       : &task->sandbox.network;
}

/* One sandbox serves setup and agent, or setup and checks. Where all want the
 * same word it is that; otherwise the proxy, whose list changes with who
 * runs. */
static enum sandbox_network choose_network(const struct task *task)
{
    const struct task_steps *const lists[] = {&task->setup, &task->verify};
    enum network_mode mode = task->sandbox.network.mode;

    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (size_t j = 0; j < lists[i]->count; j++) {
            if (setting_of(task, &lists[i]->items[j])->mode != mode)
                return SANDBOX_NETWORK_PROXY;
        }
    }
    return mode == NETWORK_OPEN   ? SANDBOX_NETWORK_OPEN
           : mode == NETWORK_LIST ? SANDBOX_NETWORK_PROXY
                                  : SANDBOX_NETWORK_NONE;
}

int place_allow(struct place *place, const struct task_step *step,
                struct error *err)
{
    static const char *const everything[] = {"*"};
    const struct network_setting *network;

    if (!place->sandbox)
        return 0;
    network = setting_of(place->task, step);
    if (place->network == network || !sandbox_proxy_port(place->sandbox))
        return 0;
    place->network = network;
    if (network->mode == NETWORK_OPEN)
        return sandbox_set_hosts(place->sandbox, everything, 1, err);
    return sandbox_set_hosts(place->sandbox, network->hosts.items,
                             network->hosts.count, err);
}

/* ---- what the sandbox tells ---------------------------------------------- */

static void note(const struct place *place, const struct sandbox_notice *notice)
{
    static const char *const types[] = {
        [SANDBOX_CALL_REFUSED] = "syscall_refused",
        [SANDBOX_LIMIT_REACHED] = "limit_reached",
        [SANDBOX_HOST] = "network_used",
    };
    struct json event = link_begin(place->link, types[notice->type]);

    json_member_int(&event, "attempt", place->attempt);
    json_member_string(&event, "purpose", place->purpose);
    if (notice->type == SANDBOX_CALL_REFUSED)
        json_member_string(&event, "call", notice->text);
    if (notice->type == SANDBOX_LIMIT_REACHED) {
        CLEANUP(mem_free)
        char *text =
            sandbox_limit_text(sandbox_limits(place->sandbox), notice->limit);

        json_member_string(&event, "limit", sandbox_limit_name(notice->limit));
        json_member_string(&event, "message", text);
    }
    if (notice->type == SANDBOX_HOST) {
        json_member_string(&event, "host", notice->text);
        json_member_int(&event, "port", notice->port);
        json_member_int(&event, "connections", notice->connections);
        json_member_int(&event, "refusals", notice->refusals);
        json_member_int(&event, "bytes_sent", notice->bytes_sent);
        json_member_int(&event, "bytes_received", notice->bytes_received);
        if (notice->refusals)
            json_member_string(&event, "reason", notice->reason);
    }
    link_send(place->link, &event);
}

void place_note(struct place *place)
{
    struct sandbox_notice notice;

    while (place->sandbox && sandbox_next_notice(place->sandbox, &notice))
        note(place, &notice);
}

/* ---- opening ----------------------------------------------------------- */

static struct sandbox_spec make_spec(const struct task *task,
                                     const char *workspace, const char *scratch,
                                     struct sandbox_identity identity)
{
    const struct sandbox_settings *sandbox = &task->sandbox;
    struct sandbox_spec spec = {
        .workspace = workspace,
        .scratch = scratch,
        .read = sandbox->read.items,
        .read_count = sandbox->read.count,
        .write = sandbox->write.items,
        .write_count = sandbox->write.count,
        .identity = identity,
        .network = choose_network(task),
        .limits = {.memory_bytes = sandbox->memory_bytes,
                   .pids = sandbox->pids,
                   .disk_bytes = sandbox->disk_bytes},
    };

    /* The same bits by construction: both tables are in this order. */
    spec.require = sandbox->require | SANDBOX_SECCOMP;
    if (sandbox->cpu_micro > 0)
        spec.limits.cpu_milli = sandbox->cpu_micro / 1000;
    if (sandbox->cpu_time_ms > 0)
        spec.limits.cpu_time_ms = sandbox->cpu_time_ms;
    if (sandbox->file_bytes > 0)
        spec.limits.file_bytes = sandbox->file_bytes;
    return spec;
}

int place_describe(const struct task *task, struct buffer *out,
                   struct error *err)
{
    struct sandbox_spec spec =
        make_spec(task, "(the checkout)", "(its folder)", sandbox_identity());

    return sandbox_describe(&spec, out, err);
}

/* A checkout of its own: of any tree. */
static int check_out_plain(const struct place_request *request,
                           struct place *place, struct sandbox_spec *spec,
                           struct error *err)
{
    const struct task *task = request->task;
    struct workspace_request workspace = {
        .mirror = request->mirror,
        .tree = request->tree,
        .directory = place->directory,
        .branch = BRANCH,
        .owner = place->identity.uid,
        .group = place->identity.gid,
    };

    spec->workspace = place->directory;
    spec->lower = NULL;
    if (request->existing)
        return 0;
    if (workspace_create(&workspace, err))
        return -1;
    return task->submodules ? workspace_add_submodules(&workspace, task->repo,
                                                       place->scratch,
                                                       request->deadline, err)
                            : 0;
}

static int make_own(const struct place *place, const char *path,
                    struct error *err)
{
    if ((mkdir(path, 0755) && errno != EEXIST) ||
        (!geteuid() && chown(path, place->identity.uid, place->identity.gid)))
        return error_set_errno(err, ERROR_IO, errno, "make %s", path);
    return 0;
}

/* The commit's shared checkout. A mirror that cannot be read is fetched anew,
 * once. */
static int share_checkout(const struct place_request *request,
                          struct place *place, struct error *err)
{
    const struct checkout_request checkout = {
        .mirror = request->mirror,
        .branch = BRANCH,
        .borrowed = SANDBOX_OBJECTS,
        .submodules = request->task->submodules,
        .url = request->task->repo,
        .scratch = place->scratch,
        .inside = SANDBOX_UID,
        .since = request->remote->cache->fresh_since,
        .deadline = request->deadline};
    struct mirror_request remote = *request->remote;

    remote.deadline = request->deadline;
    if (!checkout_share(&checkout, &place->lower, err))
        return 0;
    if (err->kind != ERROR_REPOSITORY)
        return -1;
    return mirror_renew(request->mirror, &remote, err) ||
                   checkout_share(&checkout, &place->lower, err)
               ? -1
               : 0;
}

/* What lies below, and room for what changes. */
static int prepare_overlay(const struct place_request *request,
                           struct place *place, struct sandbox_spec *spec,
                           struct error *err)
{
    CLEANUP(mem_free) char *upper = mem_format("%s/upper", place->overlay);
    CLEANUP(mem_free) char *work = mem_format("%s/work", place->overlay);

    if (share_checkout(request, place, err) ||
        make_own(place, place->overlay, err) || make_own(place, upper, err) ||
        make_own(place, work, err))
        return -1;
    place->upper = open(upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->upper < 0)
        return error_set_errno(err, ERROR_IO, errno, "open %s", upper);
    spec->workspace = place->overlay;
    spec->lower = place->lower.path;
    spec->objects = mirror_objects(request->mirror);
    return 0;
}

/* Then the files are the commit's: what is wanted may differ. */
static int change_files(const struct place_request *request,
                        struct place *place, struct error *err)
{
    const struct checkout_change change = {
        .mirror = request->mirror,
        .from = mirror_commit(request->mirror),
        .to = request->tree,
        .root = place->root,
        .owner = place->identity.uid,
        .group = place->identity.gid,
    };

    return strcmp(change.from.hex, change.to.hex)
               ? checkout_change(&change, err)
               : 0;
}

static void note_sandbox(const struct place_request *request,
                         const struct sandbox_state *state)
{
    struct json event = link_begin(request->link, "sandbox_ready");

    json_member_int(&event, "attempt", request->attempt);
    json_member_string(&event, "purpose", request->purpose);
    json_member_bool(&event, "overlay", state->overlay);
    json_key(&event, "layers");
    json_array(&event);
    for (unsigned i = 0; sandbox_layer_name(i); i++) {
        if (state->layers & 1U << i)
            json_string(&event, sandbox_layer_name(i));
    }
    json_end(&event);
    json_key(&event, "missing");
    json_array(&event);
    for (unsigned i = 0; sandbox_layer_name(i); i++) {
        CLEANUP(mem_free)
        char *text =
            mem_format("%s: %s", sandbox_layer_name(i), state->missing[i]);

        if (!(state->layers & 1U << i))
            json_string(&event, text);
    }
    json_end(&event);
    json_key(&event, "limited_by");
    json_object(&event);
    json_member_string(&event, "memory", state->memory_by);
    json_member_string(&event, "pids", state->pids_by);
    json_member_string(&event, "cpu", state->cpu_by);
    json_member_string(&event, "disk", state->disk_by);
    json_end(&event);
    link_send(request->link, &event);
}

/* The directory where commands start must be one, before anything runs. */
static int check_directory(struct place *place, struct error *err)
{
    CLEANUP(fd_close)
    int fd = file_open_beneath(place->root, place->task->directory,
                               O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return error_set_errno(err, ERROR_REPOSITORY, errno,
                               "directory '%s' of the repository",
                               place->task->directory);
    return 0;
}

static int open_sandbox(const struct place_request *request,
                        struct place *place, struct error *err)
{
    struct sandbox_spec spec = make_spec(request->task, place->directory,
                                         place->scratch, place->identity);
    bool no_overlay = !request->task->sandbox.overlay;

    spec.filter = request->filter;
    spec.passage = request->passage;
    spec.no_overlay = &no_overlay;
    if (request->existing)
        no_overlay = access(place->overlay, F_OK) != 0;
    if (!no_overlay && prepare_overlay(request, place, &spec, err))
        return -1;
    if (!no_overlay)
        place->sandbox = sandbox_open(&spec, err);
    if (place->sandbox)
        return 0;
    if (!no_overlay)
        return -1;
    if (request->existing && !access(place->overlay, F_OK))
        return error_set(err, ERROR_SANDBOX,
                         "the workspace is an overlay, which this host does "
                         "not give now");
    fd_reset(&place->upper);
    checkout_close(&place->lower);
    /* That it is there says that it is used, to whoever goes on. */
    if (!request->existing && file_remove_tree(AT_FDCWD, place->overlay, err))
        return -1;
    if (check_out_plain(request, place, &spec, err))
        return -1;
    place->sandbox = sandbox_open(&spec, err);
    return place->sandbox ? 0 : -1;
}

const char *place_shell(void)
{
    return access("/bin/bash", X_OK) ? "/bin/sh" : "/bin/bash";
}

/* Who owns the files of a sandbox that was there before. */
static void take_identity(struct place *place)
{
    CLEANUP(mem_free) char *home = mem_format("%s/home", place->scratch);
    struct stat info;

    if (!lstat(home, &info) && !geteuid())
        place->identity = (struct sandbox_identity){info.st_uid, info.st_gid};
}

int place_open(const struct place_request *request, struct place *place,
               struct error *err)
{
    CLEANUP(mem_free) char *process = NULL;

    *place = (struct place){
        .task = request->task,
        .link = request->link,
        .purpose = request->purpose,
        .attempt = request->attempt,
        .deadline = request->deadline,
        .scratch = mem_string(request->scratch),
        .directory = mem_format("%s/workspace", request->scratch),
        .overlay = mem_format("%s/overlay", request->scratch),
        .lower = {.use = -1},
        .root = -1,
        .upper = -1,
        .identity = sandbox_identity()};
    place->shell = place_shell();
    if (mkdir(place->scratch, 0700) && !(request->existing && errno == EEXIST))
        return error_set_errno(err, ERROR_IO, errno, "mkdir %s",
                               place->scratch);
    if (request->existing)
        take_identity(place);
    process = mem_format("%s/process", place->scratch);
    place->rebooted = request->existing && lingering_rebooted(process);
    if ((request->existing && lingering_wait(process, err)) ||
        open_sandbox(request, place, err) ||
        lingering_note(process, sandbox_first_process(place->sandbox), err))
        return -1;
    place->root = dup(sandbox_workspace(place->sandbox));
    if (place->root < 0)
        return error_set_errno(err, ERROR_IO, errno, "dup");
    if ((place->lower.path && !request->existing &&
         change_files(request, place, err)) ||
        check_directory(place, err) || write_record(request, place, err))
        return -1;
    make_environment(place);
    note_sandbox(request, sandbox_state(place->sandbox));
    return 0;
}

void place_close(struct place *place)
{
    struct error ignored;

    /* Then all that they did is counted; a sandbox that is gone has told. */
    if (place->sandbox)
        sandbox_end_commands(place->sandbox, &ignored);
    place_note(place);
    sandbox_close(place->sandbox);
    fd_reset(&place->root);
    fd_reset(&place->upper);
    environment_free(&place->environment);
    /* What stays, the supervisor removes with the task's scratch folder. */
    if (place->scratch && !place->keep)
        file_remove_tree(AT_FDCWD, place->scratch, &ignored);
    free(place->scratch);
    free(place->directory);
    free(place->overlay);
    checkout_close(&place->lower);
    *place = (struct place){.lower = {.use = -1}, .root = -1, .upper = -1};
}

/* ---- steps ------------------------------------------------------------- */

/* Until the process has exited, or the deadline. */
static int attend(struct place *place, struct sandbox_process *process,
                  struct output *output, int64_t deadline, struct error *err)
{
    bool ended = false;

    for (;;) {
        struct pollfd waits[2];

        if (sandbox_poll(place->sandbox, process, err))
            return -1;
        output_read(output, process->output, &ended);
        if (process->exited || clock_now_ms() >= deadline)
            return 0;
        waits[0] = (struct pollfd){ended ? -1 : process->output, POLLIN, 0};
        waits[1] = (struct pollfd){sandbox_events(place->sandbox), POLLIN, 0};
        if (poll(waits, 2, clock_left_ms(deadline)) < 0 && errno != EINTR)
            return error_set_errno(err, ERROR_SANDBOX, errno, "poll");
    }
}

static int run_command(struct place *place, const struct task_step *step,
                       int64_t deadline, struct step_run *run,
                       struct error *err)
{
    const struct task *task = place->task;
    const char *root = sandbox_directory(place->sandbox);
    const char *const argv[] = {"/bin/sh", "-c", step->run, NULL};
    CLEANUP(mem_free)
    char *directory = strcmp(task->directory, ".")
                          ? mem_format("%s/%s", root, task->directory)
                          : mem_string(root);
    struct sandbox_command command = {
        .argv = argv,
        .environment = (const char *const *)place->environment.items,
        .directory = directory};
    CLEANUP(sandbox_process_close)
    struct sandbox_process process = {.input = -1, .output = -1, .errors = -1};

    if (place_allow(place, step, err) ||
        sandbox_start(place->sandbox, &command, &process, err) ||
        attend(place, &process, &run->output, deadline, err))
        return -1;
    if (!process.exited) {
        run->result = STEP_TIMEOUT;
        return sandbox_signal(place->sandbox, &process, SIGKILL, err);
    }
    run->status = process.status;
    run->limit = process.limit;
    run->result = WIFSIGNALED(process.status)        ? STEP_KILLED
                  : WEXITSTATUS(process.status) == 0 ? STEP_PASSED
                                                     : STEP_FAILED;
    return 0;
}

static void note_step(struct place *place, const struct task_step *step,
                      const char *phase, int64_t round, int64_t duration_ms,
                      const struct step_run *run)
{
    static const char *const results[] = {"passed", "failed", "timeout",
                                          "killed"};
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json event = link_begin(place->link, "step_finished");

    buffer_init(&text, EVENT_OUTPUT_MAX * 4);
    output_render(&run->output, EVENT_OUTPUT_MAX, &text);
    json_member_int(&event, "attempt", place->attempt);
    json_member_string(&event, "phase", phase);
    json_member_int(&event, "round", round);
    json_member_string(&event, "name", step->name);
    json_member_string(&event, "result", results[run->result]);
    if (run->result == STEP_KILLED)
        json_member_int(&event, "signal", WTERMSIG(run->status));
    else if (run->result != STEP_TIMEOUT)
        json_member_int(&event, "exit_status", WEXITSTATUS(run->status));
    json_member_text(&event, "limit", sandbox_limit_name(run->limit));
    json_member_int(&event, "duration_ms", duration_ms);
    json_key(&event, "output");
    json_bytes(&event, text.data, text.length);
    json_member_int(&event, "output_bytes", (int64_t)run->output.total);
    link_send(place->link, &event);
}

int place_run_step(struct place *place, const struct task_step *step,
                   const char *phase, int64_t round, struct step_run *run,
                   struct error *err)
{
    int64_t began = clock_now_ms();
    int64_t timeout = step->timeout_ms >= 0
                          ? step->timeout_ms
                          : place->task->sandbox.command_timeout_ms;
    int64_t own = clock_deadline(timeout);

    memset(run, 0, sizeof(*run));
    output_init(&run->output, (size_t)place->task->sandbox.output_bytes);
    if (run_command(place, step, clock_earlier(own, place->deadline), run,
                    err)) {
        if (err->kind != ERROR_IO)
            return -1;
        /* The command could not be started: that is its failure. */
        output_add(&run->output, err->text, strlen(err->text));
        run->result = STEP_FAILED;
        run->status = 127 << 8;
    }
    place_note(place);
    note_step(place, step, phase, round, clock_elapsed_ms(began), run);
    if (run->result == STEP_TIMEOUT && place->deadline <= own)
        return error_set(err, ERROR_TIMEOUT,
                         "the time of the attempt was over during %s step '%s'",
                         phase, step->name);
    return 0;
}

bool step_missed_a_program(const struct step_run *run)
{
    return run->result == STEP_FAILED && WIFEXITED(run->status) &&
           WEXITSTATUS(run->status) == 127;
}
