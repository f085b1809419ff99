/* The patches of passed tasks as mail, for `git am`.
 *
 * One message each, in the order of the tasks: From and Date, the task's id
 * and the first line of what the agent said as the subject, the rest of it and
 * trailers (Nightjar-Task, Nightjar-Run, Nightjar-Model, Nightjar-Commit: the
 * commit that the patch is made for), then the patch.
 *
 * What the agent said is indented: git takes "---", "diff -" and "Index:" at
 * the start of a line for the patch, and a last paragraph of "Name: value" for
 * trailers. A patch with carriage returns is sent as base64, which git
 * decodes without losing them, and so is one with lines that a mailbox would
 * take for its own; the lines of others are as they are. Formats:
 * mbox as git-mailsplit reads it, RFC 5322, RFC 2047. */
#include <ctype.h>
#include <inttypes.h>
#include <time.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "reporters/clean.h"
#include "reporters/diff.h"
#include "reporters/mail.h"

#define AUTHOR "nightjar <nightjar@localhost>"
#define PATCH_BYTES_MAX ((size_t)256 << 20)
#define FINAL_BYTES_MAX ((size_t)4 << 20)
#define FINAL_SHOWN_MAX 8000
#define SUBJECT_MAX 120
#define BASE64_LINE 57 /* bytes; 76 characters */

/* A header's text; what is not ASCII in encoded words (RFC 2047). */
static void add_header_text(struct buffer *out, const char *text)
{
    size_t length = strlen(text);
    bool plain = true;

    for (size_t i = 0; i < length; i++)
        plain = plain && (unsigned char)text[i] < 0x80;
    if (plain && !strstr(text, "=?")) {
        buffer_add_string(out, text);
        return;
    }
    for (size_t at = 0; at < length;) {
        size_t end = utf8_floor(text, length, at + 42);

        if (end <= at)
            end = length;
        buffer_add_string(out, at ? "\n =?UTF-8?B?" : "=?UTF-8?B?");
        base64_add(out, (struct span){text + at, end - at});
        buffer_add_string(out, "?=");
        at = end;
    }
}

/* "Name <mail>": only the name may be encoded. */
static void add_author(struct buffer *out, const char *author)
{
    const char *mail = strrchr(author, '<');
    CLEANUP(mem_free)
    char *name = mem_bytes(author, mail ? (size_t)(mail - author) : 0);

    add_header_text(out, mail ? name : author);
    if (mail)
        buffer_add_string(out, mail);
}

/* "Sat, 21 Nov 2026 00:30:00 +0000"; a date of no meaning without a time. */
static void add_date(struct buffer *out, int64_t ended_ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed",
                                       "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = ended_ms < 0 ? 0 : (time_t)(ended_ms / 1000);
    struct tm when = {0};

    gmtime_r(&seconds, &when);
    buffer_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\n",
                days[when.tm_wday], when.tm_mday, months[when.tm_mon],
                when.tm_year + 1900, when.tm_hour, when.tm_min, when.tm_sec);
}

static void add_indented(struct buffer *out, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");

        if (length) {
            buffer_add_string(out, "    ");
            buffer_add(out, text, length);
        }
        buffer_add_byte(out, '\n');
        text += length + (text[length] == '\n');
    }
}

static void add_trailer(struct buffer *out, const char *name, const char *value)
{
    CLEANUP(mem_free) char *line = clean_line(value, SUBJECT_MAX * 2);

    if (*line)
        buffer_addf(out, "%s: %s\n", name, line);
}

/* What forges obey in the message of a commit: words that keep checks from
 * running, issues to close, people to call. A blank takes them apart. */
static bool is_obeyed(const char *text, size_t at)
{
    static const char *const words[] = {
        "[skip ",        "[ci skip", "[no ci",          "[no-ci",
        "[actions skip", "[action",  "***no_ci",        "skip-checks:",
        "/issues/",      "/pull/",   "/merge_requests/"};
    bool word_before = at && (isalnum((unsigned char)text[at - 1]) != 0);

    for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
        if (!strncasecmp(text + at, words[i], strlen(words[i])))
            return true;
    }
    if (!strncasecmp(text + at, "gh-", 3) &&
        isdigit((unsigned char)text[at + 3]))
        return !word_before;
    if (text[at] == '@')
        return !word_before && text[at + 1] != ' ';
    return (text[at] == '#' || text[at] == '!') &&
           isdigit((unsigned char)text[at + 1]);
}

static char *disarm(const char *text)
{
    CLEANUP(buffer_free) struct buffer out = {0};

    buffer_init(&out, strlen(text) * 2 + 1);
    for (size_t i = 0; text[i]; i++) {
        buffer_add_byte(&out, text[i]);
        if (is_obeyed(text, i))
            buffer_add_byte(&out, ' ');
    }
    return buffer_steal(&out);
}

/* What the agent said; empty if it said nothing. */
static char *final_message(const struct report_options *options,
                           const struct outcome_task *task)
{
    CLEANUP(buffer_free) struct buffer text = {0};
    CLEANUP(mem_free) char *clean = NULL;

    buffer_init(&text, FINAL_BYTES_MAX);
    if (report_read(options, task, "final.md", &text))
        return mem_string("");
    clean = clean_text(text.data, FINAL_SHOWN_MAX);
    return disarm(clean);
}

static void add_body(struct buffer *out, const struct run_outcome *outcome,
                     const struct outcome_task *task, const char *said)
{
    add_indented(out, said);
    if (*said)
        buffer_add_byte(out, '\n');
    add_trailer(out, "Nightjar-Task", task->id);
    add_trailer(out, "Nightjar-Run", outcome->id);
    add_trailer(out, "Nightjar-Model", outcome->model);
    if (task->commit)
        add_trailer(out, "Nightjar-Commit", task->commit);
}

static void add_statistics(struct buffer *out, struct span patch)
{
    struct diff diff = diff_read(patch);

    buffer_add_string(out, "---\n");
    for (size_t i = 0; i < diff.count; i++) {
        const struct diff_file *file = &diff.files[i];
        CLEANUP(mem_free) char *path = clean_line(file->path, SUBJECT_MAX);

        if (file->binary)
            buffer_addf(out, " %s | binary\n", path);
        else
            buffer_addf(out, " %s | +%" PRId64 " -%" PRId64 "\n", path,
                        file->insertions, file->deletions);
    }
    buffer_add_byte(out, '\n');
    diff_free(&diff);
}

static void add_encoded(struct buffer *out, struct span body)
{
    for (size_t at = 0; at < body.length; at += BASE64_LINE) {
        size_t length = body.length - at;

        base64_add(out,
                   (struct span){body.data + at,
                                 length < BASE64_LINE ? length : BASE64_LINE});
        buffer_add_byte(out, '\n');
    }
}

static char *make_subject(const struct outcome_task *task, const char *said)
{
    CLEANUP(mem_free)
    char *first =
        mem_format("%s: %.*s", task->id, *said ? (int)strcspn(said, "\n") : 6,
                   *said ? said : "change");

    return clean_line(first, SUBJECT_MAX);
}

const char *mail_author(const struct report_options *options)
{
    return options->author ? options->author : AUTHOR;
}

/* What mail or git's reading of mailboxes would not leave as it is. */
static bool needs_encoding(struct span patch)
{
    bool line_start = true;

    for (size_t i = 0; i < patch.length; i++) {
        size_t left = patch.length - i;
        char byte = patch.data[i];

        if (byte == '\r' || byte == '\0' ||
            (line_start &&
             ((left >= 5 && !memcmp(patch.data + i, "From ", 5)) ||
              (left >= 2 && !memcmp(patch.data + i, ">F", 2)))))
            return true;
        line_start = byte == '\n';
    }
    return false;
}

/* Adds the message of a task. Returns -1 when something did not fit. */
static int add_mail(struct buffer *out, const struct run_outcome *outcome,
                    const struct report_options *options,
                    const struct outcome_task *task, struct span patch)
{
    bool encode = needs_encoding(patch);
    CLEANUP(mem_free) char *said = final_message(options, task);
    CLEANUP(mem_free) char *subject = make_subject(task, said);
    CLEANUP(mem_free)
    char *author = clean_line(mail_author(options), SUBJECT_MAX * 2);
    CLEANUP(buffer_free) struct buffer body = {0};

    buffer_init(&body, PATCH_BYTES_MAX + 2 * FINAL_BYTES_MAX);
    buffer_addf(out, "From %040d Mon Sep 17 00:00:00 2001\nFrom: ", 0);
    add_author(out, author);
    buffer_add_byte(out, '\n');
    add_date(out, task->ended_ms);
    buffer_add_string(out, "Subject: [PATCH] ");
    add_header_text(out, subject);
    buffer_addf(out,
                "\nX-Mailer: nightjar\nMIME-Version: 1.0\n"
                "Content-Type: text/plain; charset=UTF-8\n"
                "Content-Transfer-Encoding: %s\n\n",
                encode ? "base64" : "8bit");
    add_body(&body, outcome, task, said);
    add_statistics(&body, patch);
    buffer_add_span(&body, patch);
    if (patch.length && patch.data[patch.length - 1] != '\n')
        buffer_add_byte(&body, '\n');
    if (encode)
        add_encoded(out, buffer_span(&body));
    else
        buffer_add_span(out, buffer_span(&body));
    buffer_add_byte(out, '\n');
    return out->dropped || body.dropped ? -1 : 0;
}

void mail_commit_message(const struct run_outcome *outcome,
                         const struct report_options *options,
                         const struct outcome_task *task, struct buffer *out)
{
    CLEANUP(mem_free) char *said = final_message(options, task);
    CLEANUP(mem_free) char *subject = make_subject(task, said);

    buffer_addf(out, "%s\n\n", subject);
    add_body(out, outcome, task, said);
}

bool mail_is_patch(const struct outcome_task *task)
{
    return task->verdict == VERDICT_PASSED && task->patch && task->patch->files;
}

int mail_add(const struct run_outcome *outcome,
             const struct report_options *options,
             const struct outcome_task *task, struct buffer *out,
             struct error *err)
{
    CLEANUP(buffer_free) struct buffer patch = {0};

    buffer_init(&patch, PATCH_BYTES_MAX);
    if (report_read(options, task, "patch.diff", &patch))
        return error_set(err, ERROR_IO,
                         "report 'mail': %s: its patch.diff "
                         "cannot be read",
                         task->id);
    return report_done(
        add_mail(out, outcome, options, task, buffer_span(&patch)), "mail", out,
        err);
}

int report_mail(const struct run_outcome *outcome,
                const struct report_options *options, struct buffer *out,
                struct error *err)
{
    for (size_t i = 0; i < outcome->task_count; i++) {
        if (mail_is_patch(outcome->tasks[i]) &&
            mail_add(outcome, options, outcome->tasks[i], out, err))
            return -1;
    }
    return 0;
}
