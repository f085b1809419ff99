/* Keeping the cache small. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "tasks/cache.h"
#include "tasks/lease.h"

#define ITEMS_MAX 1000000
#define SIZE_DEPTH_MAX 100

/* Something that can be removed: a remote's entry without its checkouts, or a
 * checkout. */
struct item {
    char *path;
    char *use; /* the file whose lock its users hold */
    bool entry;
    int64_t bytes;
    struct timespec used;
};

struct items {
    struct item *list;
    size_t count;
    int64_t bytes;
};

static void items_free(struct items *items)
{
    for (size_t i = 0; i < items->count; i++) {
        free(items->list[i].path);
        free(items->list[i].use);
    }
    free(items->list);
}

static DIR *open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);

    if (!folder)
        fd_reset(&fd);
    return folder;
}

/* What the files of a tree take on the disk. */
static int64_t measure(int at, const char *name, int depth)
{
    int64_t bytes = 0;
    struct stat info;
    struct dirent *entry;
    DIR *folder;
    int fd;

    if (fstatat(at, name, &info, AT_SYMLINK_NOFOLLOW))
        return 0;
    bytes = (int64_t)info.st_blocks * 512;
    if (!S_ISDIR(info.st_mode) || depth == SIZE_DEPTH_MAX)
        return bytes;
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    folder = fd < 0 ? NULL : fdopendir(fd);
    if (!folder) {
        fd_reset(&fd);
        return bytes;
    }
    while ((entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            bytes += measure(dirfd(folder), entry->d_name, depth + 1);
    }
    closedir(folder);
    return bytes;
}

/* Measured once: what is in the cache only grows by a fetch, which is newer
 * than its measure then. */
static int64_t size_of(const char *path, const char *changed)
{
    CLEANUP(mem_free) char *note = mem_format("%s.size", path);
    CLEANUP(mem_free) char *text = NULL;
    CLEANUP(buffer_free) struct buffer read = {0};
    struct stat noted;
    struct stat last;
    struct error ignored;
    int64_t bytes;

    buffer_init(&read, 64);
    if (!stat(note, &noted) &&
        (stat(changed, &last) || last.st_mtime < noted.st_mtime) &&
        !file_read(AT_FDCWD, note, &read, &ignored))
        return strtoll(read.data, NULL, 10);
    bytes = measure(AT_FDCWD, path, 0);
    text = mem_format("%lld\n", (long long)bytes);
    file_replace(AT_FDCWD, note, (struct span){text, strlen(text)}, &ignored);
    return bytes;
}

static void add(struct items *items, bool entry, char *path, char *use,
                int64_t bytes)
{
    size_t count = items->count;
    struct stat info;

    if (count == ITEMS_MAX || stat(use, &info)) {
        free(path);
        free(use);
        return;
    }
    if (!(count & (count - 1)))
        items->list = mem_resize(items->list, count ? 2 * count : 1,
                                 sizeof(*items->list));
    items->list[items->count++] =
        (struct item){path, use, entry, bytes, info.st_mtim};
    items->bytes += bytes;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t length = strlen(name);
    size_t end = strlen(ending);

    return length > end && !strcmp(name + length - end, ending);
}

static bool is_commit(const char *name)
{
    return name[0] != '.' && strspn(name, "0123456789abcdef") >= 40 &&
           (!name[40] || !strcmp(name + 40, "-submodules"));
}

/* What was left by a process that was killed, or that was not whole: once
 * nobody has the commit's file of that ending. */
static void remove_left(const char *checkouts, const char *name,
                        const char *ending)
{
    int commit = (int)strcspn(name, ".");
    CLEANUP(mem_free)
    char *lock = mem_format("%s/%.*s%s", checkouts, commit, name, ending);
    CLEANUP(mem_free) char *path = mem_format("%s/%s", checkouts, name);
    CLEANUP(fd_close) int alone = lease_try_alone(lock);
    struct error ignored;

    if (alone >= 0)
        file_remove_tree(AT_FDCWD, path, &ignored);
}

static void find_checkouts(struct items *items, const char *entry)
{
    CLEANUP(mem_free) char *checkouts = mem_format("%s/checkouts", entry);
    DIR *folder = open_folder(checkouts);
    struct dirent *found;

    while (folder && (found = readdir(folder))) {
        char *path = mem_format("%s/%s", checkouts, found->d_name);

        if (ends_with(found->d_name, ".new"))
            remove_left(checkouts, found->d_name, ".lease");
        if (ends_with(found->d_name, ".removed"))
            remove_left(checkouts, found->d_name, ".lock");
        if (is_commit(found->d_name))
            add(items, false, path, mem_format("%s.lock", path),
                size_of(path, path));
        else
            free(path);
    }
    if (folder)
        closedir(folder);
}

/* Mirrors that could not be read, once nobody uses the entry. */
static void remove_damaged(const char *entry)
{
    CLEANUP(mem_free) char *use = mem_format("%s/use", entry);
    CLEANUP(fd_close) int alone = -1;
    DIR *folder = open_folder(entry);
    struct dirent *found;
    struct error ignored;

    while (folder && (found = readdir(folder))) {
        if (strncmp(found->d_name, "damaged-", 8) != 0 &&
            strncmp(found->d_name, "fresh-", 6) != 0)
            continue;
        if (alone < 0)
            alone = lease_try_alone(use);
        if (alone >= 0)
            file_remove_tree(dirfd(folder), found->d_name, &ignored);
    }
    if (folder)
        closedir(folder);
}

static void find_entries(struct items *items, const char *cache)
{
    DIR *folder = open_folder(cache);
    struct dirent *found;

    while (folder && (found = readdir(folder))) {
        CLEANUP(mem_free) char *repository = NULL;
        CLEANUP(mem_free) char *packs = NULL;
        struct error ignored;
        char *path;

        if (ends_with(found->d_name, ".removed"))
            file_remove_tree(dirfd(folder), found->d_name, &ignored);
        if (!is_commit(found->d_name) || strlen(found->d_name) != 40)
            continue;
        path = mem_format("%s/%s", cache, found->d_name);
        remove_damaged(path);
        find_checkouts(items, path);
        repository = mem_format("%s/repository", path);
        packs = mem_format("%s/objects/pack", repository);
        add(items, true, path, mem_format("%s/use", path),
            size_of(repository, packs));
    }
    if (folder)
        closedir(folder);
}

static int by_age(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;

    if (x->used.tv_sec != y->used.tv_sec)
        return x->used.tv_sec < y->used.tv_sec ? -1 : 1;
    if (x->used.tv_nsec != y->used.tv_nsec)
        return x->used.tv_nsec < y->used.tv_nsec ? -1 : 1;
    return 0;
}

/* An entry goes with all its checkouts, whose users use the entry, too. */
static void remove_item(struct items *items, struct item *item)
{
    CLEANUP(fd_close) int alone = lease_try_alone(item->use);
    CLEANUP(mem_free) char *gone = mem_format("%s.removed", item->path);
    CLEANUP(mem_free) char *note = mem_format("%s.size", item->path);
    struct error ignored;

    /* Away at once, for whoever looks for it. */
    if (alone < 0 || rename(item->path, gone))
        return;
    unlink(note);
    file_remove_tree(AT_FDCWD, gone, &ignored);
    items->bytes -= item->bytes;
    item->bytes = 0; /* not once more with its entry */
    if (!item->entry)
        return;
    for (size_t i = 0; i < items->count; i++) {
        struct item *other = &items->list[i];
        size_t length = strlen(item->path);

        if (!other->entry && !strncmp(other->path, item->path, length) &&
            other->path[length] == '/') {
            items->bytes -= other->bytes;
            other->bytes = 0;
        }
    }
}

void cache_trim(const struct cache *cache)
{
    CLEANUP(items_free) struct items items = {NULL};
    CLEANUP(mem_free) char *lock = mem_format("%s/trim", cache->folder);
    CLEANUP(fd_close) int alone = lease_try_alone(lock);

    if (alone < 0)
        return; /* another one is at it */
    find_entries(&items, cache->folder);
    if (items.count)
        qsort(items.list, items.count, sizeof(*items.list), by_age);
    for (size_t i = 0; i < items.count && items.bytes > cache->bytes_max; i++)
        remove_item(&items, &items.list[i]);
}
