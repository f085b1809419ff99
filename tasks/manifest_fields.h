/* The field table: every key that a manifest may have, once.
 *
 * A block is a map with known keys; a field is one of its keys. The table
 * says what a key takes, its range, its default (as one would write it in a
 * manifest), where the value goes, and what it means. manifest_read.c fills
 * structs by it, manifest_schema.c and manifest_reference.c describe it. To
 * add a key: add a field here, and a member to the struct that it fills. */
#ifndef NIGHTJAR_TASKS_MANIFEST_FIELDS_H
#define NIGHTJAR_TASKS_MANIFEST_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tasks/task.h"
#include "tasks/yaml.h"

/* ---- what the table fills ---------------------------------------------- */

/* A text that is worked on later (templates, files), and where it stands. */
struct source_text {
    const char *text;             /* NULL: not set, or not usable */
    const struct yaml_node *node; /* NULL: not set */
};

/* What a task is done for. */
struct for_source {
    const struct yaml_node *items; /* a file's name or a list; NULL: not set */
    const char *repos;             /* a file's name; NULL: not set */
    struct strings files;          /* globs */
    int64_t group;                 /* files of one record, at most */
    bool by_folder;                /* and of one folder */
    const struct yaml_node *exclude; /* NULL: none */
    const struct yaml_node *include;
};

/* A task as written, before its matrix is expanded. */
struct task_source {
    struct task task; /* what needs no more work */
    struct source_text id;
    struct source_text repo;
    struct source_text ref;
    struct source_text directory;
    struct source_text prompt;
    struct source_text prompt_file;
    struct source_text instructions;
    struct source_text output_schema;
    const struct yaml_node *matrix; /* NULL: none */
    struct for_source each;         /* `for` */
};

/* A whole manifest. */
struct manifest_source {
    const char *name; /* NULL: not set */
    struct environment params;
    struct model_settings model;
    struct run_settings run;
    struct task_source defaults;
    const struct yaml_node *tasks;
};

/* ---- the table --------------------------------------------------------- */

/* What a field takes, and the type of its target. Numbers are int64_t; those
 * without a default are -1 when not set. */
enum field_type {
    FIELD_BOOLEAN,  /* true, false: bool */
    FIELD_INTEGER,  /* 12 */
    FIELD_COUNT,    /* 4000, 200k, 2M */
    FIELD_DURATION, /* 90s, 10m, 2h: milliseconds */
    FIELD_SIZE,     /* 64K, 2G: bytes */
    FIELD_PERCENT,  /* 25% */
    FIELD_CORES,    /* 2, 0.5: millionths of a processor */
    FIELD_MONEY,    /* 2.50: millionths of a dollar */
    FIELD_TEXT,     /* const char * */
    FIELD_SOURCE,   /* text: struct source_text */
    FIELD_CHOICE,   /* one of `names`: const char * */
    FIELD_ENUM,     /* one of `names`: its index as an enum */
    FIELD_FLAGS,    /* list of `names`: unsigned, bit i for names[i] */
    FIELD_TEXTS,    /* list of texts: struct strings */
    FIELD_PAIRS,    /* map of texts: struct environment */
    FIELD_BLOCK,    /* map: the struct that `block` fills */
    FIELD_NETWORK,  /* none, open or a list: struct network_setting */
    FIELD_STEPS,    /* list of steps: struct task_steps */
    FIELD_RULES,    /* list of rules: the struct policy around it */
    FIELD_MATRIX,   /* const struct yaml_node * */
    FIELD_ITEMS,    /* a text or a list: const struct yaml_node * */
    FIELD_ENTRIES,  /* list of maps of texts: const struct yaml_node * */
    FIELD_TASKS,    /* const struct yaml_node * */
    FIELD_TYPES
};

enum field_flag { /* bits of field.flags */
                  FIELD_REQUIRED = 1,
                  FIELD_TEMPLATES =
                      2, /* {{ … }} is expanded; elsewhere it is an error */
                  FIELD_LINES = 4,     /* may have several lines */
                  FIELD_TASK_ONLY = 8, /* not under `defaults` */
                  FIELD_DEFAULTS = 16, /* this is `defaults` */
};

/* field.offset of a value that is checked and not kept. */
#define FIELD_NOWHERE SIZE_MAX

struct field {
    const char *key;
    enum field_type type;
    unsigned flags;
    size_t offset; /* of the target in the block's struct */

    /* Range of a number; bytes of a text (of each, in a list or map of
     * texts); the items of any other list. INT64_MAX: no upper end. */
    int64_t minimum;
    int64_t maximum;
    int64_t minimum_items; /* FIELD_TEXTS, FIELD_PAIRS */
    int64_t maximum_items;

    /* The default as YAML; NULL: none. `otherwise` then says what happens. */
    const char *fallback;
    const char *otherwise;

    const char *const *names;  /* NULL at the end */
    const struct block *block; /* of a map, or of each item of a list */

    /* Further condition of a text, or of each text of a list or map, and of
     * the keys of a map: NULL, or what was expected. `pattern` is the same
     * for the JSON Schema, as far as it can be said there; of FIELD_PAIRS, it
     * is the keys'. */
    const char *(*rule)(const char *text);
    const char *(*name_rule)(const char *name);
    const char *pattern;

    const char *meaning;
};

struct block {
    const char *name; /* in the reference and in the schema's $defs */
    const char *meaning;
    const struct field *fields;
    size_t count;
    /* Two keys that exclude each other; NULL: none. */
    const char *exclusive[2];
};

/* Name and length of a block's fields, in its initialiser. */
#define BLOCK_FIELDS(array) .fields = (array), .count = ARRAY_LENGTH(array)

/* Ranges and patterns that several fields have. */
#define FIELD_MS_MAX ((int64_t)720 * 3600 * 1000)
#define FIELD_TOKENS_MAX ((int64_t)1000000000000)
#define FIELD_COST_MAX ((int64_t)1000000000000) /* a million dollars */
#define FIELD_VARIABLE_PATTERN "^[A-Za-z_][A-Za-z0-9_]*$"

extern const struct block manifest_block; /* fills struct manifest_source */
extern const struct block task_block;     /* fills struct task_source */
extern const struct block step_block;     /* fills struct task_step */
extern const struct block policy_block;   /* fills struct policy */
extern const struct block price_block;    /* fills struct model_price */

#define MANIFEST_TEXT_MAX 1048576 /* bytes of a prompt, of a named file */
#define MANIFEST_VALUE_MAX 32768  /* bytes of an environment variable */
#define MANIFEST_NAMES_MAX 256    /* params, matrix keys and their values */

/* The field of that key; NULL if there is none. With `in_defaults`, fields
 * that only a task may have are not found. */
const struct field *block_find(const struct block *block, const char *key,
                               bool in_defaults);

/* The known key that is nearest to an unknown one; may be NULL. */
const char *block_suggest(const struct block *block, const char *key,
                          bool in_defaults);

#endif
