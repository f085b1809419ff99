/* Who the inside user of a sandbox is on the host. */
#include <fcntl.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "base/file.h"
#include "base/memory.h"
#include "sandbox/sandbox.h"

/* The highest id that exists in this user namespace, from its map. */
static int64_t highest_id(const char *map)
{
    struct error ignored;
    struct buffer text;
    int64_t highest = -1;
    char *line;
    char *rest;

    buffer_init(&text, 4096);
    if (file_read(AT_FDCWD, map, &text, &ignored)) {
        buffer_free(&text);
        return -1;
    }
    for (line = strtok_r(text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        char *end;
        int64_t first = strtoll(line, &end, 10);
        int64_t outside = strtoll(end, &end, 10);
        int64_t count = strtoll(end, NULL, 10);

        if (outside >= 0 && first + count - 1 > highest)
            highest = first + count - 1;
    }
    buffer_free(&text);
    return highest;
}

struct sandbox_identity sandbox_identity(void)
{
    struct sandbox_identity own = {geteuid(), getegid()};
    int64_t highest = highest_id("/proc/self/uid_map");
    int64_t highest_group = highest_id("/proc/self/gid_map");
    int64_t id;

    if (own.uid)
        return own;
    if (highest_group < highest)
        highest = highest_group;
    /* High numbers, where neither accounts nor their subordinate ranges lie
     * by convention; within what a container maps where it maps less. */
    if (highest >= 1846000000 + 4194304)
        id = 1846000000 + getpid();
    else if (highest >= 65000)
        id = 60000 + getpid() % 5000;
    else
        return own; /* a single mapped id: there is no other to be */
    return (struct sandbox_identity){(uid_t)id, (gid_t)id};
}

struct sandbox_identity sandbox_files_as(struct sandbox_identity identity)
{
    struct sandbox_identity before;
    pid_t parent = getppid();
    int dies_with_it = 0;

    prctl(PR_GET_PDEATHSIG, &dies_with_it);
    /* The group first: with the user the right to change it goes. Both tell
     * what was before and never fail visibly. */
    if (identity.uid) {
        before.gid = (gid_t)setfsgid(identity.gid);
        before.uid = (uid_t)setfsuid(identity.uid);
    } else {
        before.uid = (uid_t)setfsuid(identity.uid);
        before.gid = (gid_t)setfsgid(identity.gid);
    }
    /* The kernel forgets that with each change of who one is: without this
     * a worker would outlive the run that was killed. */
    if (dies_with_it) {
        prctl(PR_SET_PDEATHSIG, dies_with_it);
        if (getppid() != parent)
            raise(dies_with_it);
    }
    return before;
}
