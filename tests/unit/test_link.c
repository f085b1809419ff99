/* runner/link and runner/worker_table: what a worker sends, and what becomes
 * of one that breaks a rule. */
#include "runner/link.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "runner/worker_table.h"
#include "tasks/event.h"
#include "tests/tap.h"

#define TASK "fix-login"

static struct error err;
static const struct task task = {.id = TASK};

/* A supervisor's view of one worker, in a run directory of its own. */
struct scene {
    struct run_directory directory;
    struct worker worker;
    int end; /* the worker's */
    char *root;
    struct buffer events; /* the lines that were accepted */
    size_t count;
};

static void must(bool held, const char *what)
{
    if (!held) {
        printf("Bail out! %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

/* As worker_start opens it. */
static int open_transcript(struct scene *scene)
{
    CLEANUP(fd_close)
    int folder = run_directory_task(&scene->directory, TASK, &err);
    int file = openat(folder, "transcript.jsonl",
                      O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

    must(file >= 0, "transcript");
    return file;
}

static void open_scene(struct scene *scene)
{
    static int number;
    CLEANUP(mem_free) char *path = NULL;
    int ends[2];

    memset(scene, 0, sizeof(*scene));
    scene->root = mem_format("%s/scene-%d", getenv("TMPDIR"), number++);
    path = mem_format("%s/run", scene->root);
    must(!run_directory_create(&scene->directory, path, &err), err.text);
    must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), "pair");
    scene->end = ends[1];
    scene->worker = (struct worker){.task = &task,
                                    .pidfd = -1,
                                    .socket = ends[0],
                                    .artifact_fd = -1,
                                    .transcript = open_transcript(scene)};
    buffer_init(&scene->worker.received,
                LINK_TRANSCRIPT_MAX + 2 * WORKER_RECEIVE_BYTES);
    buffer_init(&scene->events, (size_t)16 << 20);
}

static void close_scene(struct scene *scene)
{
    worker_free(&scene->worker);
    run_directory_close(&scene->directory);
    buffer_free(&scene->events);
    fd_reset(&scene->end);
    mem_free(&scene->root);
}

static int on_event(void *context, struct worker *worker, const cJSON *event,
                    struct span line, struct error *error)
{
    struct scene *scene = context;

    (void)worker;
    (void)event;
    (void)error;
    scene->count++;
    return buffer_add_span(&scene->events, line);
}

/* ---- what is in the folder ---------------------------------------------- */

static struct buffer found;
static size_t root_length;

static int note(const char *path, const struct stat *info, int type,
                struct FTW *place)
{
    (void)place;
    if (type != FTW_D && (info->st_size || !strstr(path, "/transcript.jsonl")))
        buffer_addf(&found, "%s ", path + root_length + 1);
    return 0;
}

/* All files under the scene's root but the journal, in no order: so one at
 * most, or several that are looked for. */
static const char *files_of(const struct scene *scene)
{
    buffer_free(&found);
    buffer_init(&found, 10000);
    root_length = strlen(scene->root);
    nftw(scene->root, note, 16, FTW_PHYS);
    return found.data;
}

static void file_is(const struct scene *scene, const char *name,
                    struct span want, const char *what)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", scene->root, name);
    struct buffer got;

    buffer_init(&got, (size_t)16 << 20);
    if (file_read(AT_FDCWD, path, &got, &err))
        buffer_add_string(&got, err.text);
    tap_bytes(got.data, got.length, want.data, want.length, "%s", what);
    buffer_free(&got);
}

/* ---- sending ------------------------------------------------------------ */

/* Knows one question. */
static int on_ask(void *context, struct worker *worker, const cJSON *ask,
                  struct error *error)
{
    struct scene *scene = context;

    (void)error;
    scene->count++;
    if (strcmp(json_get_text(ask, "ask", ""), "reserve") != 0)
        worker_fault(worker, "asked what it may not");
    else
        worker_answer(worker, false);
    return 0;
}

static void receive(struct scene *scene)
{
    const struct worker_handler handler = {on_event, on_ask, scene};

    must(!worker_receive(&scene->worker, &scene->directory, &handler, &err),
         err.text);
}

static void send_bytes(struct scene *scene, const void *data, size_t length)
{
    must(send(scene->end, data, length, MSG_NOSIGNAL) == (ssize_t)length,
         "send");
    receive(scene);
}

static void send_head(struct scene *scene, uint32_t kind, size_t length)
{
    struct link_head head = {kind, (uint32_t)length};

    send_bytes(scene, &head, sizeof(head));
}

static void send_frame(struct scene *scene, uint32_t kind, struct span content)
{
    CLEANUP(mem_free) char *frame = mem_alloc(8 + content.length);
    struct link_head head = {kind, (uint32_t)content.length};

    memcpy(frame, &head, sizeof(head));
    if (content.length)
        memcpy(frame + sizeof(head), content.data, content.length);
    send_bytes(scene, frame, sizeof(head) + content.length);
}

#define EVENT(type, task) "{\"type\":\"" type "\",\"task\":\"" task "\"}\n"
#define GOOD_EVENT EVENT("turn_finished", TASK)

/* ---- a worker that keeps the rules -------------------------------------- */

static const char large[] = "0123456789";

/* The worker's side, in a process of its own as in a run. */
static void work(int fd, const struct secrets *secrets)
{
    struct link link;
    struct json event;
    CLEANUP(mem_free) char *text = mem_alloc(700001);

    for (size_t i = 0; i < 700000; i++)
        text[i] = large[i % 10];
    link_init(&link, fd, NULL, TASK, secrets);
    event = link_begin(&link, "attempt_started");
    json_member_int(&event, "attempt", 2);
    json_member_string(&event, "note", "has hunter22 in it");
    link_send(&link, &event);
    event = link_begin(&link, "repository_ready");
    json_member_string(&event, "commit",
                       "0123456789abcdef0123456789abcdef01234567");
    link_send(&link, &event);
    link_transcript(&link, SPAN("{\"a\":\"hunter22\"}"));
    link_transcript(&link, SPAN("{}"));
    link_artifact(&link, "final.md", SPAN("the password is hunter22"));
    link_artifact(&link, "output.json", SPAN(""));
    link_artifact(&link, "patch.diff", (struct span){text, 700000});
    link_transcript(&link, (struct span){"", LINK_TRANSCRIPT_MAX + 1});
    event = link_begin(&link, "attempt_finished");
    json_member_string(&event, "verdict", "passed");
    link_send(&link, &event);
    link_free(&link);
}

static void receive_all(struct scene *scene)
{
    struct pollfd ready = {scene->worker.socket, POLLIN, 0};

    while (!scene->worker.ended && !*scene->worker.fault) {
        must(poll(&ready, 1, 60000) == 1, "poll");
        receive(scene);
    }
}

static void check_files(const struct scene *scene)
{
    CLEANUP(mem_free) char *text = mem_alloc(700001);

    for (size_t i = 0; i < 700000; i++)
        text[i] = large[i % 10];
    file_is(scene, "run/tasks/" TASK "/final.md",
            SPAN("the password is ********"), "a file, masked");
    file_is(scene, "run/tasks/" TASK "/output.json", SPAN(""), "an empty one");
    file_is(scene, "run/tasks/" TASK "/patch.diff", (struct span){text, 700000},
            "one of many frames");
    file_is(scene, "run/tasks/" TASK "/transcript.jsonl",
            SPAN("{\"a\":\"********\"}\n{}\n{\"type\":\"nightjar.left_out\"}"
                 "\n"),
            "the transcript");
    tap_ok(!strstr(files_of(scene), ".part"), "no part of a file is left");
}

static void test_good(void)
{
    struct secrets secrets = {0};
    struct scene scene;
    int status = -1;
    pid_t child;

    open_scene(&scene);
    secrets_add(&secrets, "hunter22");
    child = fork();
    if (!child) {
        work(scene.end, &secrets);
        _exit(0);
    }
    fd_reset(&scene.end);
    receive_all(&scene);
    waitpid(child, &status, 0);
    tap_int(status, 0, "the worker ends");
    tap_string(scene.worker.fault, "", "without a fault");
    tap_ok(scene.worker.ended, "its end is seen");
    tap_int((int64_t)scene.count, 3, "its events");
    tap_contains(scene.events.data, "has ******** in it", "are masked");
    tap_int(scene.worker.attempts, 2, "the attempt");
    tap_string(scene.worker.commit, "0123456789abcdef0123456789abcdef01234567",
               "the commit");
    tap_string(json_get_string(scene.worker.verdict, "verdict"), "passed",
               "the verdict");
    check_files(&scene);
    close_scene(&scene);
    secrets_free(&secrets);
}

/* Frames that come in any fragments. */
static void test_fragments(void)
{
    static const char text[] = "abc";
    struct scene scene;
    struct buffer bytes;
    static const struct {
        enum link_kind kind;
        const char *text;
    } frames[] = {{LINK_EVENT, GOOD_EVENT}, {LINK_ARTIFACT, "final.md"},
                  {LINK_CONTENT, text},     {LINK_CONTENT, ""},
                  {LINK_CONTENT, "def"},    {LINK_END, ""},
                  {LINK_TRANSCRIPT, "{}"},  {LINK_EVENT, GOOD_EVENT}};

    open_scene(&scene);
    buffer_init(&bytes, 10000);
    for (size_t i = 0; i < ARRAY_LENGTH(frames); i++) {
        struct link_head head = {frames[i].kind,
                                 (uint32_t)strlen(frames[i].text)};

        buffer_add(&bytes, &head, sizeof(head));
        buffer_add_string(&bytes, frames[i].text);
    }
    for (size_t i = 0; i < bytes.length; i++)
        send_bytes(&scene, bytes.data + i, 1);
    tap_string(scene.worker.fault, "", "byte by byte");
    tap_int((int64_t)scene.count, 2, "the events");
    file_is(&scene, "run/tasks/" TASK "/final.md", SPAN("abcdef"), "the file");
    send_bytes(&scene, bytes.data, bytes.length);
    tap_int((int64_t)scene.count, 4, "and all at once");
    file_is(&scene, "run/tasks/" TASK "/final.md", SPAN("abcdef"),
            "a file again replaces it");
    buffer_free(&bytes);
    close_scene(&scene);
}

static void test_nothing(void)
{
    struct scene scene;

    open_scene(&scene);
    receive(&scene);
    tap_ok(!scene.worker.ended && !*scene.worker.fault, "nothing came");
    send_bytes(&scene, "\0\0\0", 3);
    fd_reset(&scene.end);
    receive(&scene);
    tap_ok(scene.worker.ended && !*scene.worker.fault, "an end within a head");
    tap_string(strstr(files_of(&scene), "tasks/") ? "some" : "none", "none",
               "no files");
    close_scene(&scene);
}

/* ---- workers that break them -------------------------------------------- */

/* Whether there is nothing but the journal and a file that never came whole. */
static bool only_parts(const char *files)
{
    static const char *const known[] = {"run/journal.jsonl",
                                        "run/tasks/" TASK "/final.md.part"};

    for (; *files; files += strcspn(files, " ") + 1) {
        size_t length = strcspn(files, " ");

        if (!span_is((struct span){files, length}, known[0]) &&
            !span_is((struct span){files, length}, known[1]))
            return false;
    }
    return true;
}

/* The fault, and that nothing was accepted or written. */
static void is_fault(struct scene *scene, const char *want)
{
    struct link_head head = {LINK_EVENT, strlen(GOOD_EVENT)};

    tap_string(scene->worker.fault, want, "%.60s", want);
    tap_int((int64_t)scene->count, 0, "no event is accepted");
    send_bytes(scene, &head, sizeof(head));
    send_bytes(scene, GOOD_EVENT, strlen(GOOD_EVENT));
    tap_int((int64_t)scene->count, 0, "nor any later one");
    tap_string(scene->worker.fault, want, "and the first fault stays");
    files_of(scene);
    tap_ok(only_parts(found.data), "nothing is written: %s", found.data);
    close_scene(scene);
}

static void bad_frame(uint32_t kind, struct span content, const char *want)
{
    struct scene scene;

    open_scene(&scene);
    send_frame(&scene, kind, content);
    is_fault(&scene, want);
}

static void bad_event(const char *text, const char *want)
{
    bad_frame(LINK_EVENT, (struct span){text, strlen(text)}, want);
}

static void test_bad_events(void)
{
    bad_event("", "sent an event that is not one line");
    bad_event("{}", "sent an event that is not one line");
    bad_event("{\n}\n", "sent an event that is not one line");
    bad_event(GOOD_EVENT GOOD_EVENT, "sent an event that is not one line");
    bad_event("x\n", "sent an event that is no JSON: JSON: syntax error at "
                     "byte 0");
    bad_event("{}\n", "sent an event of type ''");
    bad_event("[]\n", "sent an event of type ''");
    bad_event("{\"type\":7}\n", "sent an event of type ''");
    bad_event(EVENT("run_finished", TASK),
              "sent an event of type 'run_finished'");
    bad_event(EVENT("task_finished", TASK),
              "sent an event of type 'task_finished'");
    bad_event(EVENT("artifact_written", TASK),
              "sent an event of type 'artifact_written'");
    bad_event(EVENT("turn_finished", "other"), "sent an event of another task");
    bad_event(EVENT("turn_finished", TASK "x"),
              "sent an event of another task");
    bad_event("{\"type\":\"turn_finished\"}\n",
              "sent an event of another task");
    bad_event("{\"type\":\"turn_finished\",\"task\":[\"" TASK "\"]}\n",
              "sent an event of another task");
    bad_frame(LINK_EVENT, SPAN("{\"type\":\"turn_finished\"\0}\n"),
              "sent an event that is no JSON: JSON: control character at byte "
              "23");
    bad_frame(LINK_EVENT, SPAN("{\"type\":\"\xFF\"}\n"),
              "sent an event that is no JSON: JSON: invalid UTF-8");
}

static void test_bad_names(void)
{
    static const char *const names[] = {"",
                                        "../x",
                                        "/x",
                                        "x",
                                        "logs/x",
                                        "patch.diff/",
                                        "./final.md",
                                        "FINAL.MD",
                                        "journal.jsonl",
                                        "transcript.jsonl",
                                        "final.md.part",
                                        "..",
                                        "tasks/" TASK "/final.md",
                                        "final.md "};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        bad_frame(LINK_ARTIFACT, (struct span){names[i], strlen(names[i])},
                  "sent a file of an unknown name");
    bad_frame(LINK_ARTIFACT, SPAN("final.md\0x"),
              "sent a file of an unknown name");
}

static void test_bad_kinds(void)
{
    bad_frame(LINK_KINDS, SPAN(""),
              "sent a frame that is not allowed (kind 7, 0 bytes)");
    bad_frame(UINT32_MAX, SPAN(""),
              "sent a frame that is not allowed (kind 4294967295, 0 bytes)");
    bad_frame(LINK_CONTENT, SPAN("x"),
              "sent a frame that is not allowed (kind 5, 1 bytes)");
    bad_frame(LINK_END, SPAN(""),
              "sent a frame that is not allowed (kind 6, 0 bytes)");
    bad_frame(LINK_TRANSCRIPT, SPAN("{}\n{}"),
              "sent a transcript of several lines");
    bad_frame(LINK_TRANSCRIPT, SPAN("\n"),
              "sent a transcript of several lines");
}

/* A length over the limit is a fault before any of it has come. */
static void too_long(uint32_t kind, bool in_file)
{
    size_t length = link_length_max((enum link_kind)kind) + 1;
    CLEANUP(mem_free)
    char *want = mem_format("sent a frame that is not allowed (kind %u, %zu "
                            "bytes)",
                            kind, length);
    struct scene scene;

    open_scene(&scene);
    if (in_file)
        send_frame(&scene, LINK_ARTIFACT, SPAN("final.md"));
    send_head(&scene, kind, length - 1);
    tap_string(scene.worker.fault, "", "kind %u of the greatest length", kind);
    close_scene(&scene);
    open_scene(&scene);
    if (in_file)
        send_frame(&scene, LINK_ARTIFACT, SPAN("final.md"));
    send_head(&scene, kind, length);
    is_fault(&scene, want);
}

/* While a file is being sent nothing else may come. */
static void in_between(uint32_t kind, struct span content, const char *want)
{
    struct scene scene;

    open_scene(&scene);
    send_frame(&scene, LINK_ARTIFACT, SPAN("final.md"));
    send_frame(&scene, LINK_CONTENT, SPAN("part"));
    send_frame(&scene, kind, content);
    is_fault(&scene, want);
}

static void test_in_between(void)
{
    in_between(LINK_ARTIFACT, SPAN("final.md"),
               "sent a frame that is not allowed (kind 4, 8 bytes)");
    in_between(LINK_ARTIFACT, SPAN("patch.diff"),
               "sent a frame that is not allowed (kind 4, 10 bytes)");
    in_between(LINK_TRANSCRIPT, SPAN("{}"),
               "sent a frame that is not allowed (kind 1, 2 bytes)");
    in_between(LINK_EVENT, SPAN(GOOD_EVENT),
               "sent a frame that is not allowed (kind 0, 44 bytes)");
}

static void test_too_much(void)
{
    struct scene scene;

    open_scene(&scene);
    scene.worker.artifacts_total = WORKER_ARTIFACT_BYTES_MAX - 5;
    send_frame(&scene, LINK_ARTIFACT, SPAN("final.md"));
    send_frame(&scene, LINK_CONTENT, SPAN("12345"));
    tap_string(scene.worker.fault, "", "as much as may be");
    send_frame(&scene, LINK_CONTENT, SPAN("6"));
    is_fault(&scene, "sent files of more than 536870912 bytes");
}

/* An event that is too large tells so instead, which is a fault, too. */
static void test_event_too_long(void)
{
    CLEANUP(mem_free) char *text = mem_alloc(EVENT_BYTES_MAX + 1);
    struct secrets secrets = {0};
    struct scene scene;
    struct link link;
    struct json event;

    memset(text, 'x', EVENT_BYTES_MAX);
    open_scene(&scene);
    link_init(&link, dup(scene.end), NULL, TASK, &secrets);
    event = link_begin(&link, "turn_finished");
    json_member_string(&event, "x", text);
    link_send(&link, &event);
    receive(&scene);
    link_free(&link);
    is_fault(&scene, "sent an event of type 'event_too_long'");
}

/* What a run directory cannot take is the supervisor's error. */
static void test_lost_folder(void)
{
    struct scene scene;
    const struct worker_handler handler = {on_event, on_ask, &scene};
    struct link_head head = {LINK_ARTIFACT, 8};

    open_scene(&scene);
    file_remove_tree(scene.directory.fd, "tasks", &err);
    must(send(scene.end, &head, sizeof(head), 0) == sizeof(head), "send");
    must(send(scene.end, "final.md", 8, 0) == 8, "send");
    tap_int(worker_receive(&scene.worker, &scene.directory, &handler, &err), -1,
            "no folder for tasks");
    tap_string(err.text, "mkdir tasks/" TASK ": No such file or directory",
               "the message");
    tap_string(scene.worker.fault, "", "which is not the worker's fault");
    close_scene(&scene);
}

/* ---- the other direction ------------------------------------------------ */

static void test_asked(void)
{
    struct secrets secrets = {0};
    struct scene scene;
    struct link link;

    open_scene(&scene);
    link_init(&link, dup(scene.end), NULL, TASK, &secrets);
    tap_int(link_asked(&link), LINK_GO_ON, "nobody asked");
    must(send(scene.worker.socket, "b", 1, 0) == 1, "send");
    tap_int(link_asked(&link), LINK_STOP_BUDGET, "asked to stop");
    tap_int(link_asked(&link), LINK_STOP_BUDGET, "the answer stays");
    link_free(&link);
    link_free(&link);
    close_scene(&scene);
    tap_string(link_stop_reason(LINK_STOP_BUDGET), "run_budget", "budget");
    tap_string(link_stop_reason(LINK_STOP_FAIL_FAST), "fail_fast", "first");
    tap_string(link_stop_reason(LINK_STOP_FAILURES), "failures", "share");
    tap_string(link_stop_reason(LINK_STOP_INTERRUPTED), "interrupted",
               "a signal");
}

/* A worker whose supervisor is gone ends. */
static void test_gone(void)
{
    struct secrets secrets = {0};
    struct scene scene;
    int status = 0;
    pid_t child;

    open_scene(&scene);
    fd_reset(&scene.worker.socket);
    child = fork();
    if (!child) {
        struct link link;

        link_init(&link, scene.end, NULL, TASK, &secrets);
        link_transcript(&link, SPAN("{}"));
        _exit(7);
    }
    fd_reset(&scene.end);
    waitpid(child, &status, 0);
    tap_int(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 1, "it ends");
    close_scene(&scene);
}

int main(void)
{
    test_good();
    test_fragments();
    test_nothing();
    test_bad_events();
    test_bad_names();
    test_bad_kinds();
    too_long(LINK_EVENT, false);
    too_long(LINK_TRANSCRIPT, false);
    too_long(LINK_ARTIFACT, false);
    too_long(LINK_CONTENT, true);
    too_long(LINK_END, true);
    test_in_between();
    test_too_much();
    test_event_too_long();
    test_lost_folder();
    test_asked();
    test_gone();
    buffer_free(&found);
    return tap_done();
}
