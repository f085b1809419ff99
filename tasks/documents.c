#include "tasks/documents.h"

#include "base/memory.h"
#include "base/utf8.h"
#include "tasks/git.h"
#include "tasks/yaml.h"

#define PROBLEMS_MAX 1000

struct reading {
    struct documents *documents;
    const struct task *task;
    git_repository *repository;
    git_tree *tree;
    size_t left;    /* bytes of AGENTS.md files */
    size_t folders; /* of skills, that were looked into */
};

static void problem(struct reading *reading, const char *path, const char *why)
{
    struct documents *documents = reading->documents;

    if (documents->problem_count == PROBLEMS_MAX)
        return;
    if (!documents->problems)
        documents->problems =
            arena_array(&documents->arena, PROBLEMS_MAX, sizeof(char *));
    documents->problems[documents->problem_count++] =
        arena_format(&documents->arena, "%s: %s", path, why);
}

/* The text of a regular file at a path; NULL when there is none. What is too
 * large or no text is a problem, and NULL. */
static const char *read_text(struct reading *reading, const char *path,
                             size_t maximum)
{
    CLEANUP(git_tree_entry_cleanup) git_tree_entry *entry = NULL;
    CLEANUP(git_odb_cleanup) git_odb *objects = NULL;
    CLEANUP(git_blob_cleanup) git_blob *blob = NULL;
    git_object_t type;
    const char *data;
    size_t length;

    if (git_tree_entry_bypath(&entry, reading->tree, path) ||
        git_tree_entry_type(entry) != GIT_OBJECT_BLOB ||
        git_tree_entry_filemode(entry) == GIT_FILEMODE_LINK)
        return NULL;
    /* Its size first: a small object may inflate to gigabytes. */
    if (git_repository_odb(&objects, reading->repository) ||
        git_odb_read_header(&length, &type, objects,
                            git_tree_entry_id(entry))) {
        problem(reading, path, "cannot be read");
        return NULL;
    }
    if (length > maximum) {
        problem(reading, path, "is too large");
        return NULL;
    }
    if (git_blob_lookup(&blob, reading->repository, git_tree_entry_id(entry))) {
        problem(reading, path, "cannot be read");
        return NULL;
    }
    data = git_blob_rawcontent(blob);
    length = (size_t)git_blob_rawsize(blob);
    if (!utf8_valid(data, length) || memchr(data, '\0', length)) {
        problem(reading, path, "is not UTF-8 text");
        return NULL;
    }
    return arena_bytes(&reading->documents->arena, data, length);
}

/* ---- AGENTS.md --------------------------------------------------------- */

#define AGENTS_FILE_MAX ((size_t)1 << 20)

static char *in_folder(const char *folder, const char *name)
{
    return mem_format("%s%s%s", folder, *folder ? "/" : "", name);
}

/* The start of a text that fits, cut at a character. */
static size_t that_fits(const char *text, size_t length, size_t room)
{
    if (length <= room)
        return length;
    while (room && ((unsigned char)text[room] & 0xC0) == 0x80)
        room--;
    return room;
}

static bool take_agents(struct reading *reading, const char *folder,
                        const char *name)
{
    struct documents *documents = reading->documents;
    CLEANUP(mem_free) char *path = in_folder(folder, name);
    const char *text = read_text(reading, path, AGENTS_FILE_MAX);
    struct document *document;
    size_t length;

    if (!text)
        return false;
    length = that_fits(text, strlen(text), reading->left);
    if (length < strlen(text))
        problem(reading, path, "is cut: 32 KiB together are read");
    reading->left -= length;
    if (!length)
        return true;
    document = &documents->agents[documents->agent_count++];
    document->path = arena_string(&documents->arena, path);
    document->text = arena_bytes(&documents->arena, text, length);
    return true;
}

static void read_folder(struct reading *reading, const char *folder)
{
    const struct strings *fallback = &reading->task->agents_fallback;

    if (take_agents(reading, folder, "AGENTS.override.md") ||
        take_agents(reading, folder, "AGENTS.md"))
        return;
    for (size_t i = 0; i < fallback->count; i++) {
        if (take_agents(reading, folder, fallback->items[i]))
            return;
    }
}

/* From the root down to the task's directory. */
static void read_agents(struct reading *reading)
{
    const char *directory = reading->task->directory;
    size_t depth = 2;

    for (const char *at = directory; *at; at++)
        depth += *at == '/';
    reading->documents->agents =
        arena_array(&reading->documents->arena, depth, sizeof(struct document));
    read_folder(reading, "");
    if (!strcmp(directory, "."))
        return;
    for (const char *at = directory; *at;) {
        size_t length = strcspn(at, "/");
        CLEANUP(mem_free)
        char *folder = mem_bytes(directory, (size_t)(at - directory) + length);

        read_folder(reading, folder);
        at += length + (at[length] == '/');
    }
}

/* ---- skills ------------------------------------------------------------ */

/* The text between two lines of "---" at the start; an empty span if there is
 * none. */
static struct span front_matter(const char *text)
{
    static const char fence[] = "---\n";
    const char *start;
    const char *end;

    if (strncmp(text, fence, strlen(fence)) != 0)
        return (struct span){NULL, 0};
    start = text + strlen(fence);
    end = strncmp(start, "---", 3) ? strstr(start, "\n---") : start;
    return end ? (struct span){start, (size_t)(end - start)}
               : (struct span){NULL, 0};
}

/* One line, without control characters, of at most so many bytes. */
static const char *one_line(struct arena *arena, const struct yaml_node *node,
                            size_t maximum)
{
    char *line;

    if (!node || node->kind != YAML_SCALAR || !*node->text)
        return NULL;
    line = arena_bytes(arena, node->text,
                       that_fits(node->text, strlen(node->text), maximum));
    for (char *at = line; *at; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    }
    return line;
}

static void take_skill(struct reading *reading, const char *path)
{
    static const struct yaml_limits limits = {8, 1000, SKILL_BYTES_MAX};
    struct documents *documents = reading->documents;
    struct skill *skill = &documents->skills[documents->skill_count];
    struct yaml_tree tree;
    struct span block;

    skill->path = arena_string(&documents->arena, path);
    skill->text = read_text(reading, path, SKILL_BYTES_MAX);
    if (!skill->text)
        return;
    block = front_matter(skill->text);
    if (!block.data) {
        problem(reading, path, "expected a YAML block between lines of '---'");
        return;
    }
    if (yaml_read(&tree, block, &limits)) {
        problem(reading, path, "the block between lines of '---' is no YAML");
    } else {
        skill->name = one_line(&documents->arena, yaml_get(tree.root, "name"),
                               SKILL_NAME_MAX);
        skill->description =
            one_line(&documents->arena, yaml_get(tree.root, "description"),
                     SKILL_DESCRIPTION_MAX);
        if (skill->name && skill->description)
            documents->skill_count++;
        else
            problem(reading, path, "expected a name and a description");
    }
    yaml_free(&tree);
}

static void read_skills_of(struct reading *reading, const char *folder)
{
    CLEANUP(git_tree_entry_cleanup) git_tree_entry *entry = NULL;
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;

    if (git_tree_entry_bypath(&entry, reading->tree, folder) ||
        git_tree_entry_type(entry) != GIT_OBJECT_TREE ||
        git_tree_lookup(&tree, reading->repository, git_tree_entry_id(entry)))
        return;
    for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
        const git_tree_entry *inner = git_tree_entry_byindex(tree, i);
        CLEANUP(mem_free)
        char *path =
            mem_format("%s/%s/SKILL.md", folder, git_tree_entry_name(inner));

        if (git_tree_entry_type(inner) != GIT_OBJECT_TREE)
            continue;
        /* Those that are none count as well: looking costs. */
        if (reading->folders++ == SKILLS_MAX) {
            problem(reading, path, "is one skill too many");
            return;
        }
        take_skill(reading, path);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct skill *one = a;
    const struct skill *other = b;
    int order = strcmp(one->name, other->name);

    return order ? order : strcmp(one->path, other->path);
}

static void read_skills(struct reading *reading)
{
    struct documents *documents = reading->documents;
    const struct strings *folders = &reading->task->skills;

    documents->skills =
        arena_array(&documents->arena, SKILLS_MAX + 1, sizeof(struct skill));
    for (size_t i = 0; i < folders->count; i++)
        read_skills_of(reading, folders->items[i]);
    qsort(documents->skills, documents->skill_count, sizeof(struct skill),
          by_name);
}

/* ---- whole ------------------------------------------------------------- */

int documents_read(const struct mirror *mirror, const struct task *task,
                   struct documents *documents, struct error *err)
{
    CLEANUP(git_tree_cleanup) git_tree *tree = NULL;
    struct reading reading = {.documents = documents,
                              .task = task,
                              .repository = mirror->repository,
                              .left = DOCUMENTS_BYTES_MAX};

    memset(documents, 0, sizeof(*documents));
    if (git_find_tree(mirror->repository, mirror->commit, &tree, err))
        return -1;
    reading.tree = tree;
    if (task->agents_md)
        read_agents(&reading);
    read_skills(&reading);
    return 0;
}

void documents_free(struct documents *documents)
{
    arena_free(&documents->arena);
    memset(documents, 0, sizeof(*documents));
}
