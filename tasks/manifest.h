/* Manifests: bytes in, a plan of tasks or located errors out.
 *
 * One field table (manifest_fields.c) drives parsing, checking, the JSON
 * Schema (`nightjar schema`) and docs/manifest.md, so they cannot disagree.
 * Format: MANIFEST in docs/manifest.md; YAML 1.1 as libyaml reads it, with
 * duplicate keys, YAML 1.1 booleans in text fields and unknown keys refused.
 *
 *     struct plan plan;
 *     struct problems problems = {0};
 *     plan_init(&plan);
 *     if (manifest_load(&plan, path, &params, &problems)) print problems;
 *     plan_free(&plan);
 *     problems_free(&problems);
 *
 * Several manifests may be loaded into one plan; ids must be unique in all
 * of them. The first manifest's run settings count. Files that a manifest
 * names (prompt_file, output_schema, script) are found beside the manifest
 * and read here; for a task without `repo` the folders above the manifest are
 * searched for .git. Nothing else is touched, nothing is written. */
#ifndef NIGHTJAR_TASKS_MANIFEST_H
#define NIGHTJAR_TASKS_MANIFEST_H

#include "base/arena.h"
#include "base/buffer.h"
#include "tasks/task.h"

#define MANIFEST_BYTES_MAX ((size_t)4 << 20)
#define MANIFEST_DEPTH_MAX 64
#define MANIFEST_NODES_MAX 200000 /* aliases expanded: no billion laughs */
#define MANIFEST_EXPANDED_MAX ((size_t)8 << 20) /* bytes of text, likewise */
#define PLAN_TASKS_MAX 100000

/* Bytes of what one manifest's tasks do not share: expanded texts, files,
 * variables. */
#define PLAN_BYTES_MAX ((size_t)256 << 20)

/* What is wrong, where. All problems of a manifest are collected (at most
 * PROBLEMS_MAX), in the order of their lines. */
#define PROBLEMS_MAX 200

struct problem {
    char *file;
    size_t line;   /* from 1; 0: the whole file */
    size_t column; /* from 1, in characters */
    char *path;    /* "tasks[0].verify[1].timeout"; "" for the document */
    char *text;    /* what is wrong and what was expected */
    char *hint;    /* "did you mean ..."; may be NULL */
};

struct problems {
    struct problem *items;
    size_t count;
    size_t dropped; /* beyond PROBLEMS_MAX */
};

struct plan {
    struct arena arena;
    struct task *tasks;
    size_t count;
    size_t capacity;
    const char *name; /* of the first manifest */
    struct run_settings run;
    size_t manifests; /* loaded so far */
    size_t whole;     /* tasks of all parts, when this is one of them */
};

/* -p NAME=VALUE pairs; they win over the manifest's `params`, which must name
 * them: a mistyped one is a problem. */
struct params {
    const char **names;
    const char **values;
    size_t count;
};

void plan_init(struct plan *plan);
void plan_free(struct plan *plan);

/* A zeroed task at the end of the plan; the pointer is good until the next
 * one. NULL when there are PLAN_TASKS_MAX. For the expansion only. */
struct task *plan_add(struct plan *plan);

/* Reads, checks and expands one manifest file and adds its tasks. Returns 0,
 * or -1 with at least one problem added; the plan is then good only for
 * plan_free. `params` may be NULL. */
int manifest_load(struct plan *plan, const char *path,
                  const struct params *params, struct problems *problems);

/* The same for bytes in memory; `path` names them in problems and its folder
 * is where files are looked for. The fuzz target's way in. */
int manifest_parse(struct plan *plan, const char *path, struct span text,
                   const struct params *params, struct problems *problems);

/* Keeps the tasks whose id matches one of the globs (base/glob.h words). */
void plan_filter(struct plan *plan, const struct strings *globs);

/* For people: "file:line:column: path: text" and, if there is one, the hint as
 * "  hint: ..." on a line of its own; each line ends with '\n'. Without a line
 * or path their parts are left out. */
void problem_format(const struct problem *problem, struct buffer *out);

void problems_free(struct problems *problems);

/* The JSON Schema (2020-12) of the manifest, from the field table; indented by
 * two spaces, always the same bytes. It is for editors: it says less than
 * manifest_load checks (templates, files, uniqueness). */
void manifest_write_schema(struct buffer *out);

/* docs/manifest.md's reference part in Markdown, from the field table: a
 * section for each block, with a table of its keys. */
void manifest_write_reference(struct buffer *out);

#endif
