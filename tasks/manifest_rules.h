/* Conditions that texts of a manifest must meet. Each returns NULL when the
 * text is good, else what was expected, to be read behind "expected". Nothing
 * here looks at the disk or the network. */
#ifndef NIGHTJAR_TASKS_MANIFEST_RULES_H
#define NIGHTJAR_TASKS_MANIFEST_RULES_H

#include <stdbool.h>

/* An environment variable's name; one that may be set for commands (not
 * NIGHTJAR_…, which are ours); one that may be passed on (no secret's). */
const char *rule_variable(const char *text);
const char *rule_own_variable(const char *text);
const char *rule_passed_variable(const char *text);

/* A matrix key or parameter: letters, digits, '_' and '-'. */
const char *rule_name(const char *text);

/* A task's id. */
const char *rule_id(const char *text);

/* An absolute path of the host, without "..". */
const char *rule_host_path(const char *text);
const char *rule_host(const char *text);

/* A path pattern (base/glob.h), relative to the repository. */
const char *rule_glob(const char *text);

/* The name of a file, without its folder. */
const char *rule_file_name(const char *text);

/* A directory of the repository: relative, without ".." and ".git". */
const char *rule_directory(const char *text);

/* A branch, tag or commit, as far as git would take the name. */
const char *rule_ref(const char *text);

/* A model server: https, or http on this machine, without credentials. */
const char *rule_base_url(const char *text);

/* A repository: file, https, http or ssh URL, user@host:path, or a path;
 * never with credentials. */
const char *rule_repo(const char *text);

/* Whether a good repository is a path of this machine. */
bool repo_is_path(const char *text);

#endif
