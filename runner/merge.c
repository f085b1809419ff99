#include "runner/merge.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/printable.h"
#include "runner/report_run.h"
#include "runner/reports.h"
#include "runner/run.h"
#include "tasks/event.h"
#include "tasks/manifest_rules.h"

#define RUN_JSON_MAX ((size_t)1 << 30)

/* One of the runs that are put together. */
struct part {
    const char *path;
    struct buffer journal;
    struct run_outcome outcome;
    cJSON *run; /* its run.json */
};

/* A task of the whole, and the part that it is taken from. */
struct chosen {
    const char *id;
    int64_t number; /* in the whole plan */
    size_t part;
    size_t index; /* in the part */
    const char *finished;
    struct span planned; /* the line that describes it */
};

/* A line of a journal that is kept. */
struct line {
    struct span text;
    char time[32];
    size_t order; /* among lines of the same time */
};

struct merge {
    struct part *parts;
    size_t part_count;
    struct chosen *tasks;
    size_t task_count;
    struct line *lines;
    size_t line_count;
    size_t conflicts;
    int64_t whole; /* tasks that there should be */
};

static void merge_free(struct merge *merge)
{
    for (size_t i = 0; i < merge->part_count; i++) {
        buffer_free(&merge->parts[i].journal);
        outcome_free(&merge->parts[i].outcome);
        cJSON_Delete(merge->parts[i].run);
    }
    free(merge->parts);
    free(merge->tasks);
    free(merge->lines);
}

/* ---- reading ----------------------------------------------------------- */

static int read_part(struct part *part, const char *path, struct error *err)
{
    CLEANUP(mem_free) char *file = mem_format("%s/run.json", path);
    CLEANUP(buffer_free) struct buffer text = {0};

    part->path = path;
    buffer_init(&part->journal, JOURNAL_BYTES_MAX);
    buffer_init(&text, RUN_JSON_MAX);
    if (run_directory_read_journal(path, &part->journal, err) ||
        outcome_read(buffer_span(&part->journal), &part->outcome, err) ||
        file_read(AT_FDCWD, file, &text, err))
        return error_context(err, "%s", path);
    part->run = json_parse(text.data, text.length, err);
    if (!part->run)
        return error_context(err, "%s", file);
    /* They become names of folders, and come from elsewhere. */
    for (size_t i = 0; i < part->outcome.task_count; i++) {
        const char *id = part->outcome.tasks[i]->id;

        if (rule_id(id) || !strcmp(id, ".") || !strcmp(id, ".."))
            return error_set(err, ERROR_PROTOCOL,
                             "%s: '%.100s' is no id of a task", path, id);
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const struct chosen *x = a;
    const struct chosen *y = b;
    int order = strcmp(x->id, y->id);

    if (order)
        return order;
    order = strcmp(x->finished, y->finished);
    return order ? order : x->part < y->part ? -1 : 1;
}

static int by_number(const void *a, const void *b)
{
    const struct chosen *x = a;
    const struct chosen *y = b;

    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->part != y->part)
        return x->part < y->part ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* When the task ended; "" before, so that what has ended counts more. */
static const char *finished_at(const struct outcome_task *task)
{
    return task->verdict == VERDICT_UNFINISHED ||
                   task->verdict == VERDICT_SKIPPED || !task->finished_at
               ? ""
               : task->finished_at;
}

static void tell_conflict(const struct merge *merge, const struct chosen *lost,
                          const struct chosen *taken)
{
    CLEANUP(buffer_free) struct buffer text = {0};

    buffer_init(&text, 65536);
    buffer_add_string(&text, "nightjar: task ");
    printable_add(&text, lost->id, strlen(lost->id), false);
    buffer_add_string(&text, " is in ");
    printable_add(&text, merge->parts[lost->part].path,
                  strlen(merge->parts[lost->part].path), false);
    buffer_add_string(&text, " and in ");
    printable_add(&text, merge->parts[taken->part].path,
                  strlen(merge->parts[taken->part].path), false);
    buffer_add_string(&text, ", which is taken: it ended last");
    fprintf(stderr, "%s\n", text.data);
}

/* Every task once, in the order of the whole plan. */
static void choose_tasks(struct merge *merge)
{
    size_t count = 0;
    size_t kept = 0;

    for (size_t i = 0; i < merge->part_count; i++)
        count += merge->parts[i].outcome.task_count;
    merge->tasks = mem_array(count + 1, sizeof(*merge->tasks));
    for (size_t i = 0; i < merge->part_count; i++) {
        const struct run_outcome *outcome = &merge->parts[i].outcome;

        for (size_t k = 0; k < outcome->task_count; k++)
            merge->tasks[merge->task_count++] =
                (struct chosen){outcome->tasks[k]->id,
                                outcome->tasks[k]->number,
                                i,
                                k,
                                finished_at(outcome->tasks[k]),
                                {"", 0}};
    }
    qsort(merge->tasks, count, sizeof(*merge->tasks), by_id);
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count &&
            !strcmp(merge->tasks[i].id, merge->tasks[i + 1].id)) {
            merge->conflicts++;
            tell_conflict(merge, &merge->tasks[i], &merge->tasks[i + 1]);
        } else {
            merge->tasks[kept++] = merge->tasks[i];
        }
    }
    merge->task_count = kept;
}

/* ---- the journal ------------------------------------------------------- */

static int by_chosen_id(const void *a, const void *b)
{
    return strcmp(((const struct chosen *)a)->id,
                  ((const struct chosen *)b)->id);
}

/* The task that the line is of, if this part gives it. tasks: sorted by id. */
static struct chosen *owner_of(const struct merge *merge, size_t part,
                               const cJSON *event)
{
    const struct chosen key = {.id = json_get_text(event, "task", "")};
    struct chosen *found = bsearch(&key, merge->tasks, merge->task_count,
                                   sizeof(key), by_chosen_id);

    return found && found->part == part ? found : NULL;
}

static int take_lines(struct merge *merge, size_t part, size_t *capacity,
                      struct error *err)
{
    struct span journal = buffer_span(&merge->parts[part].journal);
    size_t at = 0;

    while (at < journal.length) {
        const char *start = journal.data + at;
        const char *end = memchr(start, '\n', journal.length - at);
        CLEANUP(json_free) cJSON *event = NULL;
        struct chosen *owner;
        struct line *line;
        struct span text;

        if (!end)
            break; /* torn */
        text = (struct span){start, (size_t)(end - start) + 1};
        at += text.length;
        event = json_parse(text.data, text.length - 1, err);
        if (!event)
            return error_context(err, "%s", merge->parts[part].path);
        owner = owner_of(merge, part, event);
        if (!owner)
            continue;
        if (!strcmp(json_get_text(event, "type", ""), "task_planned")) {
            owner->planned = text;
            continue;
        }
        if (merge->line_count == *capacity) {
            *capacity = *capacity ? 2 * *capacity : 1024;
            merge->lines =
                mem_resize(merge->lines, *capacity, sizeof(*merge->lines));
        }
        line = &merge->lines[merge->line_count];
        *line = (struct line){text, {0}, merge->line_count};
        merge->line_count++;
        snprintf(line->time, sizeof(line->time), "%s",
                 json_get_text(event, "time", ""));
    }
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct line *x = a;
    const struct line *y = b;
    int order = strcmp(x->time, y->time);

    return order ? order : x->order < y->order ? -1 : 1;
}

/* Of one part, lines stay in their order whatever its clock did. */
static int collect_lines(struct merge *merge, struct error *err)
{
    size_t capacity = 0;

    for (size_t i = 0; i < merge->part_count; i++) {
        size_t first = merge->line_count;

        if (take_lines(merge, i, &capacity, err))
            return -1;
        for (size_t k = first + 1; k < merge->line_count; k++) {
            if (strcmp(merge->lines[k].time, merge->lines[k - 1].time) < 0)
                memcpy(merge->lines[k].time, merge->lines[k - 1].time,
                       sizeof(merge->lines[k].time));
        }
    }
    if (merge->line_count)
        qsort(merge->lines, merge->line_count, sizeof(*merge->lines), by_time);
    return 0;
}

static int put_event(struct run_directory *directory, struct json *event,
                     struct buffer *line, struct error *err)
{
    if (event_end(event))
        return error_set(err, ERROR_INTERNAL, "event is too long");
    return run_directory_append(directory, buffer_span(line), err);
}

static int put_started(const struct merge *merge,
                       struct run_directory *directory, struct buffer *line,
                       struct error *err)
{
    const struct run_outcome *first = &merge->parts[0].outcome;
    struct json event = event_begin(line, "run_started", NULL);
    int64_t jobs = 0;

    for (size_t i = 0; i < merge->part_count; i++)
        jobs += merge->parts[i].outcome.jobs;
    json_member_int(&event, "format", 1);
    json_member_string(&event, "run_id", directory->run_id);
    json_member_string(&event, "name", first->name);
    json_member_string(&event, "version", first->version);
    json_member_string(&event, "model", first->model);
    json_member_string(&event, "provider", first->provider);
    json_member_int(&event, "jobs", jobs);
    json_member_int(&event, "tasks", merge->whole);
    json_key(&event, "merged");
    json_array(&event);
    for (size_t i = 0; i < merge->part_count; i++)
        json_string(&event, merge->parts[i].outcome.id);
    json_end(&event);
    return put_event(directory, &event, line, err);
}

static int put_planned(const struct merge *merge,
                       struct run_directory *directory, struct error *err)
{
    CLEANUP(mem_free)
    struct chosen *ordered = mem_array(merge->task_count + 1, sizeof(*ordered));

    memcpy(ordered, merge->tasks, merge->task_count * sizeof(*ordered));
    qsort(ordered, merge->task_count, sizeof(*ordered), by_number);
    for (size_t i = 0; i < merge->task_count; i++) {
        if (!ordered[i].planned.length)
            return error_set(err, ERROR_PROTOCOL, "%s: no plan of task %s",
                             merge->parts[ordered[i].part].path, ordered[i].id);
        if (run_directory_append(directory, ordered[i].planned, err))
            return -1;
    }
    return 0;
}

static int put_finished(const struct merge *merge,
                        struct run_directory *directory, struct buffer *line,
                        struct error *err)
{
    CLEANUP(outcome_free) struct run_outcome outcome = {.task_count = 0};
    struct exit_status status;
    struct json event;
    int64_t duration_ms = 0;

    if (reports_read(directory->path, &outcome, err))
        return -1;
    /* They ran beside each other. */
    for (size_t i = 0; i < merge->part_count; i++) {
        if (merge->parts[i].outcome.duration_ms > duration_ms)
            duration_ms = merge->parts[i].outcome.duration_ms;
    }
    status = outcome_exit(&outcome);
    event = event_begin(line, "run_finished", NULL);
    json_member_int(&event, "exit_status", status.status);
    json_member_string(&event, "exit_name", status.name);
    json_member_bool(&event, "retryable", status.retryable);
    json_member_int(&event, "duration_ms", duration_ms);
    return put_event(directory, &event, line, err);
}

static int write_journal(struct merge *merge, struct run_directory *directory,
                         struct error *err)
{
    CLEANUP(buffer_free) struct buffer line = {0};

    buffer_init(&line, EVENT_BYTES_MAX);
    if (collect_lines(merge, err) ||
        put_started(merge, directory, &line, err) ||
        put_planned(merge, directory, err))
        return -1;
    for (size_t i = 0; i < merge->line_count; i++) {
        if (run_directory_append(directory, merge->lines[i].text, err))
            return -1;
    }
    return put_finished(merge, directory, &line, err) ||
                   run_directory_sync(directory, err)
               ? -1
               : 0;
}

/* ---- files ------------------------------------------------------------- */

static int copy_file(int from, int to, const char *name, struct error *err)
{
    CLEANUP(fd_close)
    int in = openat(from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    CLEANUP(fd_close)
    int out = openat(
        to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);

    if (in < 0 || out < 0)
        return error_set_errno(err, ERROR_IO, errno, "copy %s", name);
    return file_copy_fd(in, out, err) ? error_context(err, "%s", name) : 0;
}

static void folder_close(DIR **folder)
{
    if (*folder)
        closedir(*folder);
}

/* What a task left: plain files in its folder. */
static int copy_task(const struct merge *merge, const struct chosen *task,
                     const struct run_directory *directory, struct error *err)
{
    const char *part = merge->parts[task->part].path;
    CLEANUP(mem_free) char *path = mem_format("tasks/%s", task->id);
    CLEANUP(fd_close)
    int root = open(part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CLEANUP(folder_close) DIR *from = NULL;
    CLEANUP(fd_close) int to = -1;
    struct dirent *entry;
    /* A part comes from elsewhere: a link in it leads nowhere else. */
    int folder =
        root < 0 ? -1
                 : file_open_beneath(root, path,
                                     O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

    if (folder < 0)
        return errno == ENOENT
                   ? 0
                   : error_set_errno(err, ERROR_IO, errno, "%s/%s", part, path);
    from = fdopendir(folder);
    if (!from) {
        fd_reset(&folder);
        return error_set_errno(err, ERROR_IO, errno, "%s/%s", part, path);
    }
    to = run_directory_task(directory, task->id, err);
    if (to < 0)
        return -1;
    while ((entry = readdir(from))) {
        struct stat info;

        if (fstatat(dirfd(from), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) ||
            !S_ISREG(info.st_mode))
            continue;
        if (copy_file(dirfd(from), to, entry->d_name, err))
            return error_context(err, "%s", path);
    }
    return 0;
}

/* The tasks as their parts describe them; such a run is not gone on with. */
static int write_run_json(const struct merge *merge,
                          const struct run_directory *directory,
                          struct error *err)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    struct json json;

    buffer_init(&text, RUN_JSON_MAX);
    json = json_to(&text);
    json_object(&json);
    json_member_string(&json, "format", "nightjar-run");
    json_member_int(&json, "version", 1);
    json_member_string(&json, "run_id", directory->run_id);
    json_key(&json, "merged");
    json_array(&json);
    for (size_t i = 0; i < merge->part_count; i++)
        json_string(&json, merge->parts[i].outcome.id);
    json_end(&json);
    json_key(&json, "tasks");
    json_array(&json);
    for (size_t i = 0; i < merge->part_count; i++) {
        const cJSON *task;

        cJSON_ArrayForEach(task, json_get_array(merge->parts[i].run, "tasks"))
        {
            const struct chosen key = {.id = json_get_text(task, "id", "")};
            const struct chosen *found =
                bsearch(&key, merge->tasks, merge->task_count, sizeof(key),
                        by_chosen_id);

            if (found && found->part == i)
                json_value(&json, task);
        }
    }
    json_end(&json);
    json_end(&json);
    if (json.full || buffer_add_byte(&text, '\n'))
        return error_set(err, ERROR_IO, "run.json: too large");
    return run_directory_write(directory, "run.json", buffer_span(&text), err);
}

static int write_all(struct merge *merge, struct run_directory *directory,
                     struct error *err)
{
    if (write_run_json(merge, directory, err))
        return -1;
    for (size_t i = 0; i < merge->task_count; i++) {
        if (copy_task(merge, &merge->tasks[i], directory, err))
            return -1;
    }
    return write_journal(merge, directory, err);
}

static bool has_part(const struct merge *merge, int64_t number)
{
    for (size_t i = 0; i < merge->part_count; i++) {
        if (merge->parts[i].outcome.shard == number)
            return true;
    }
    return false;
}

/* Parts of one division must all be there: else the whole is incomplete, and
 * its exit status says so. */
static int check_parts(struct merge *merge, struct error *err)
{
    const struct run_outcome *first = &merge->parts[0].outcome;

    merge->whole = (int64_t)merge->task_count;
    for (size_t i = 1; i < merge->part_count; i++) {
        const struct run_outcome *other = &merge->parts[i].outcome;

        if (other->shards != first->shards || other->whole != first->whole) {
            error_set(err, ERROR_USAGE,
                      "%s and %s are not parts of one division",
                      merge->parts[0].path, merge->parts[i].path);
            return error_hint(err, "every part needs the same manifest and "
                                   "the same N in --shard I/N");
        }
    }
    if (!first->shards || first->shards > SHARDS_MAX)
        return 0;
    if (first->whole > merge->whole)
        merge->whole = first->whole;
    for (int64_t number = 1; number <= first->shards; number++) {
        if (!has_part(merge, number))
            fprintf(stderr, "nightjar: part %lld/%lld is missing\n",
                    (long long)number, (long long)first->shards);
    }
    return 0;
}

int merge_runs(const struct option_list *paths, const char *out,
               struct run_directory *directory, struct error *err)
{
    CLEANUP(merge_free) struct merge merge = {.parts = NULL};

    merge.parts = mem_array(paths->count, sizeof(*merge.parts));
    for (size_t i = 0; i < paths->count; i++) {
        merge.part_count++;
        if (read_part(&merge.parts[i], paths->items[i], err))
            return -1;
    }
    choose_tasks(&merge);
    if (check_parts(&merge, err) || run_directory_create(directory, out, err) ||
        write_all(&merge, directory, err))
        return -1;
    if (merge.conflicts)
        fprintf(stderr, "nightjar: %zu task%s in several runs\n",
                merge.conflicts, merge.conflicts == 1 ? " was" : "s were");
    return 0;
}

int merge_command(const struct options *options)
{
    CLEANUP(run_directory_close)
    struct run_directory directory = {.fd = -1, .journal = -1};
    struct error err;

    if (reports_check(options, &err) ||
        merge_runs(&options->arguments, options->out, &directory, &err))
        return report_failure(&err);
    return reports_finish(options, &directory, NULL, &err);
}
