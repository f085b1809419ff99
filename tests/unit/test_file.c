/* base/file, with what hostile trees can hold. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/memory.h"
#include "tests/tap.h"

#define NOBODY 65534

static struct error err;

/* What a test needs before it can check anything. */
static void must(int status)
{
    if (status) {
        printf("Bail out! %s\n", strerror(errno));
        exit(1);
    }
}

/* A fresh folder in TMPDIR. */
static int folder(const char *name)
{
    CLEANUP(mem_free)
    char *path = mem_format("%s/%s", getenv("TMPDIR"), name);
    int fd;

    mkdir(path, 0777);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        printf("Bail out! %s\n", path);
        exit(1);
    }
    return fd;
}

static void put(int dirfd, const char *name, const char *text)
{
    CLEANUP(fd_close) int fd = openat(dirfd, name, O_WRONLY | O_CREAT, 0666);

    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        printf("Bail out! %s\n", name);
        exit(1);
    }
}

static void contains(int dirfd, const char *name, const char *want,
                     const char *what)
{
    struct buffer out;

    buffer_init(&out, 1000);
    if (file_read(dirfd, name, &out, &err))
        buffer_add_string(&out, err.text);
    tap_string(out.data, want, "%s", what);
    buffer_free(&out);
}

static size_t entries(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fdopendir(fd);
    size_t count = 0;

    while (readdir(directory))
        count++;
    closedir(directory);
    return count - 2; /* "." and ".." */
}

/* ---- reading and writing ------------------------------------------------ */

static void reads(int dirfd, const char *name, size_t maximum, int want,
                  const char *message)
{
    struct buffer out;

    err.text[0] = '\0';
    buffer_init(&out, maximum);
    tap_int(file_read(dirfd, name, &out, &err), want, "%s in %zu bytes", name,
            maximum);
    tap_string(err.text, message, "the message");
    buffer_free(&out);
}

static void test_read(void)
{
    CLEANUP(fd_close) int dir = folder("read");

    put(dir, "five", "12345");
    put(dir, "none", "");
    must(symlinkat("five", dir, "link"));
    must(mkfifoat(dir, "fifo", 0666));
    must(mkdirat(dir, "dir", 0777));
    reads(dir, "five", 5, 0, "");
    reads(dir, "five", 6, 0, "");
    reads(dir, "five", 4, -1, "five: larger than 4 bytes");
    reads(dir, "none", 0, 0, "");
    reads(dir, "five", 0, -1, "five: larger than 0 bytes");
    reads(dir, "missing", 9, -1, "missing: No such file or directory");
    reads(dir, "fifo", 9, -1, "fifo: not a regular file");
    reads(dir, "dir", 9, -1, "dir: not a regular file");
    reads(dir, "/dev/zero", 9, -1, "/dev/zero: not a regular file");
    contains(dir, "link", "12345", "through a symlink");
}

static void test_read_adds(void)
{
    CLEANUP(fd_close) int dir = folder("adds");
    CLEANUP(fd_close) int fd = -1;
    struct buffer out;

    put(dir, "file", "12345");
    fd = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    buffer_init(&out, 8);
    buffer_add_string(&out, "abc");
    lseek(fd, 2, SEEK_SET);
    tap_int(file_read_fd(fd, &out, &err), 0, "from the current position");
    tap_string(out.data, "abc345", "behind what was there");
    lseek(fd, 0, SEEK_SET);
    tap_int(file_read_fd(fd, &out, &err), -1, "not more than the buffer takes");
    buffer_free(&out);
}

static void test_large(void)
{
    CLEANUP(fd_close) int dir = folder("large");
    CLEANUP(mem_free) char *bytes = mem_alloc(300000);
    struct buffer out;

    for (size_t i = 0; i < 300000; i++)
        bytes[i] = (char)(i * 7);
    tap_int(file_replace(dir, "x", (struct span){bytes, 300000}, &err), 0,
            "300000 bytes are written");
    buffer_init(&out, 300000);
    tap_int(file_read(dir, "x", &out, &err), 0, "and read");
    tap_ok(span_equal(buffer_span(&out), (struct span){bytes, 300000}),
           "the same");
    buffer_free(&out);
}

static void test_write(void)
{
    int ends[2];
    CLEANUP(fd_close) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    if (pipe(ends))
        return;
    signal(SIGPIPE, SIG_IGN);
    close(ends[0]);
    tap_int(file_write_fd(ends[1], "x", 1, &err), -1, "nobody reads");
    tap_string(err.text, "write: Broken pipe", "the message");
    tap_int(file_write_fd(ends[1], NULL, 0, &err), 0, "nothing to write");
    tap_int(file_write_fd(full, "x", 1, &err), -1, "a full disk");
    tap_string(err.text, "write: No space left on device", "the message");
    close(ends[1]);
}

/* ---- replacing ---------------------------------------------------------- */

static void test_replace(void)
{
    CLEANUP(fd_close) int dir = folder("replace");
    CLEANUP(mem_free) char *beside = mem_format("a.new-%d", getpid());

    tap_int(file_replace(dir, "a", SPAN("one"), &err), 0, "a new file");
    tap_int(file_replace(dir, "a", SPAN("two"), &err), 0, "replaced");
    contains(dir, "a", "two", "its content");
    put(dir, "other", "other");
    must(symlinkat("other", dir, "link"));
    tap_int(file_replace(dir, "link", SPAN("new"), &err), 0, "a symlink");
    contains(dir, "link", "new", "is replaced");
    contains(dir, "other", "other", "its target is not");
    must(symlinkat("other", dir, beside));
    tap_int(file_replace(dir, "a", SPAN("three"), &err), 0,
            "with a symlink where the new file goes");
    contains(dir, "other", "other", "whose target is not written");
    tap_int((int64_t)entries(dir), 3, "nothing is left behind");
    must(mkdirat(dir, "sub", 0777));
    tap_int(file_replace(dir, "sub/x", SPAN("y"), &err), 0, "in a folder");
    contains(dir, "sub/x", "y", "its content");
}

static void test_replace_failures(void)
{
    CLEANUP(fd_close) int dir = folder("failures");
    struct rlimit old;
    struct rlimit small;

    put(dir, "a", "old");
    must(mkdirat(dir, "dir", 0777));
    put(dir, "dir/x", "x");
    tap_int(file_replace(dir, "dir", SPAN("y"), &err), -1, "a folder");
    tap_contains(err.text, "rename to dir: ", "the message");
    tap_int(file_replace(dir, "no/x", SPAN("y"), &err), -1, "no folder");
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){2, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
    tap_int(file_replace(dir, "a", SPAN("longer"), &err), -1, "no room");
    setrlimit(RLIMIT_FSIZE, &old);
    tap_contains(err.text, "write: File too large", "the message");
    contains(dir, "a", "old", "the old file is still there");
    contains(dir, "dir/x", "x", "and the folder");
    tap_int((int64_t)entries(dir), 2, "nothing is left behind");
}

static void test_memory(void)
{
    CLEANUP(fd_close) int fd = file_memory("name", SPAN("a\0b"), &err);
    char bytes[8];

    tap_int(read(fd, bytes, sizeof(bytes)), 3, "read from its start");
    tap_bytes(bytes, 3, "a\0b", 3, "its content");
    tap_ok(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM, "cannot be written");
    tap_ok(ftruncate(fd, 0) < 0 && ftruncate(fd, 9) < 0, "nor resized");
    tap_int(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "closed on exec");
}

static void test_make_directories(void)
{
    CLEANUP(fd_close) int dir = folder("make");

    tap_int(file_make_directories(dir, "a/b/c", &err), 0, "three at once");
    tap_int(faccessat(dir, "a/b/c", F_OK, 0), 0, "they are there");
    tap_int(file_make_directories(dir, "a/b/c", &err), 0, "they exist");
    tap_int(file_make_directories(dir, "a//d/", &err), 0, "spare slashes");
    tap_int(faccessat(dir, "a/d", F_OK, 0), 0, "it is there");
    tap_int(file_make_directories(dir, ".", &err), 0, "this one");
    put(dir, "file", "");
    tap_int(file_make_directories(dir, "file/x", &err), -1, "below a file");
    tap_int(file_make_directories(dir, "file", &err), -1, "a file itself");
    tap_contains(err.text, "mkdir file: ", "the message");
}

/* ---- staying beneath ---------------------------------------------------- */

static void opens(int dirfd, const char *path, int flags, bool want)
{
    CLEANUP(fd_close) int fd = file_open_beneath(dirfd, path, flags, 0600);

    tap_int(fd >= 0, want, "%s (flags 0x%x)", path, (unsigned)flags);
    if (fd >= 0)
        tap_int(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "closed on exec");
}

static void test_beneath(void)
{
    CLEANUP(fd_close) int outside = folder("outside");
    CLEANUP(fd_close) int dir = -1;
    CLEANUP(fd_close) int proc = open("/proc/self", O_PATH | O_CLOEXEC);

    put(outside, "secret", "secret");
    must(mkdirat(outside, "in", 0777));
    dir = openat(outside, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(mkdirat(dir, "sub", 0777));
    put(dir, "sub/file", "file");
    must(symlinkat("/etc/passwd", dir, "absolute"));
    must(symlinkat("../secret", dir, "up"));
    must(symlinkat("..", dir, "parent"));
    must(symlinkat("sub/../../secret", dir, "round"));
    must(symlinkat("../in/sub/file", dir, "out-and-in"));
    must(symlinkat("sub/file", dir, "inside"));
    must(symlinkat("../inside", dir, "sub/back"));
    must(symlinkat("loop", dir, "loop"));
    must(symlinkat("../new", dir, "dangling-out"));
    must(symlinkat("sub/new", dir, "dangling-in"));
    opens(dir, "sub/file", O_RDONLY, true);
    opens(dir, "sub/../sub/file", O_RDONLY, true);
    opens(dir, "inside", O_RDONLY, true);
    opens(dir, "sub/back", O_RDONLY, true);
    opens(dir, ".", O_RDONLY | O_DIRECTORY, true);
    opens(dir, "sub", O_RDONLY | O_DIRECTORY, true);
    opens(dir, "/etc/passwd", O_RDONLY, false);
    opens(dir, "../secret", O_RDONLY, false);
    opens(dir, "sub/../../secret", O_RDONLY, false);
    opens(dir, "absolute", O_RDONLY, false);
    opens(dir, "up", O_RDONLY, false);
    opens(dir, "parent/secret", O_RDONLY, false);
    opens(dir, "parent", O_RDONLY | O_DIRECTORY, false);
    opens(dir, "round", O_RDONLY, false);
    opens(dir, "out-and-in", O_RDONLY, false);
    opens(dir, "loop", O_RDONLY, false);
    opens(dir, "inside", O_RDONLY | O_NOFOLLOW, false);
    opens(dir, "", O_RDONLY, false);
    opens(dir, "dangling-out", O_WRONLY | O_CREAT, false);
    opens(dir, "dangling-in", O_WRONLY | O_CREAT, true);
    opens(dir, "../new", O_WRONLY | O_CREAT, false);
    opens(proc, "root/etc/passwd", O_RDONLY, false);
    opens(proc, "cwd", O_RDONLY | O_DIRECTORY, false);
    opens(proc, "exe", O_RDONLY, false);
    tap_int(faccessat(outside, "new", F_OK, 0), -1, "nothing made outside");
    tap_int(faccessat(dir, "sub/new", F_OK, 0), 0, "but inside");
}

/* ---- removing ----------------------------------------------------------- */

/* A tree that does not want to go. */
static void make_tree(int dir)
{
    must(mkdirat(dir, "tree", 0700));
    must(mkdirat(dir, "tree/closed", 0700));
    put(dir, "tree/closed/file", "");
    must(mkdirat(dir, "tree/closed/deeper", 0700));
    put(dir, "tree/closed/deeper/file", "");
    must(mkdirat(dir, "tree/read-only", 0700));
    put(dir, "tree/read-only/file", "");
    must(mkdirat(dir, "tree/no-search", 0700));
    must(mkdirat(dir, "tree/no-search/x", 0700));
    must(symlinkat("../kept", dir, "tree/up"));
    must(symlinkat("/", dir, "tree/root"));
    must(symlinkat("nowhere", dir, "tree/dangling"));
    must(symlinkat("../../kept", dir, "tree/closed/up"));
    must(mkfifoat(dir, "tree/fifo", 0600));
    put(dir, "tree/.hidden", "");
    put(dir, "tree/-rf", "");
    put(dir, "tree/\xFF\n", "");
    must(fchmodat(dir, "tree/closed/deeper/file", 0, 0));
    must(fchmodat(dir, "tree/closed/deeper", 0, 0));
    must(fchmodat(dir, "tree/closed", 0, 0));
    must(fchmodat(dir, "tree/read-only", 0500, 0));
    must(fchmodat(dir, "tree/no-search", 0600, 0));
    must(fchmodat(dir, "tree", 0500, 0));
}

/* Modes do not stop root: it becomes somebody else for this. */
static int remove_as_user(int dir)
{
    int status = -1;
    pid_t child = fork();

    if (!child) {
        if (!geteuid() && (setresgid(NOBODY, NOBODY, NOBODY) ||
                           setresuid(NOBODY, NOBODY, NOBODY)))
            _exit(9);
        make_tree(dir);
        if (file_remove_tree(dir, "tree", &err)) {
            printf("# %s\n", err.text);
            fflush(stdout);
            _exit(1);
        }
        _exit(0);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_remove_tree(void)
{
    CLEANUP(fd_close) int dir = folder("remove");

    must(mkdirat(dir, "kept", 0777));
    put(dir, "kept/file", "kept");
    if (!geteuid())
        tap_int(fchown(dir, NOBODY, NOBODY), 0, "a folder of another user");
    tap_int(remove_as_user(dir), 0, "a tree with closed folders");
    tap_int(faccessat(dir, "tree", F_OK, AT_SYMLINK_NOFOLLOW), -1, "is gone");
    contains(dir, "kept/file", "kept", "what its symlinks named is not");
    tap_int((int64_t)entries(dir), 1, "nothing is left behind");
}

static void test_remove_single(void)
{
    CLEANUP(fd_close) int dir = folder("single");

    tap_int(file_remove_tree(dir, "missing", &err), 0, "a missing one");
    put(dir, "file", "");
    tap_int(file_remove_tree(dir, "file", &err), 0, "a file");
    must(mkdirat(dir, "kept", 0777));
    put(dir, "kept/x", "x");
    must(symlinkat("kept", dir, "link"));
    tap_int(file_remove_tree(dir, "link", &err), 0, "a symlink to a folder");
    must(mkdirat(dir, "empty", 0));
    tap_int(file_remove_tree(dir, "empty", &err), 0, "an empty folder");
    contains(dir, "kept/x", "x", "the symlink's target stays");
    tap_int((int64_t)entries(dir), 1, "the rest is gone");
    tap_int(file_remove_tree(dir, "kept/x/y", &err), -1, "below a file");
}

/* Deeper than a path may be long and than descriptors may be open: a loop of
 * mkdir and chdir makes that in a moment. */
static void test_remove_deep(size_t depth)
{
    CLEANUP(fd_close) int dir = folder("deep");
    CLEANUP(fd_close) int at = -1;
    struct rlimit few;
    struct rlimit old;

    must(mkdirat(dir, "tree", 0777));
    at = openat(dir, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < depth; i++) {
        int next;

        put(at, "file", "");
        must(mkdirat(at, "d", 0777));
        next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        fd_reset(&at);
        at = next;
    }
    fd_reset(&at);
    getrlimit(RLIMIT_NOFILE, &old);
    few = (struct rlimit){64, old.rlim_max};
    setrlimit(RLIMIT_NOFILE, &few);
    if (!tap_int(file_remove_tree(dir, "tree", &err), 0, "%zu levels", depth))
        tap_note("%.200s", err.text);
    setrlimit(RLIMIT_NOFILE, &old);
    tap_int((int64_t)entries(dir), 0, "nothing is left of %zu levels", depth);
}

/* Names that the removal itself might use. */
static void test_remove_wide(void)
{
    CLEANUP(fd_close) int dir = folder("wide");
    char name[64];

    must(mkdirat(dir, "tree", 0777));
    for (int i = 0; i < 1500; i++) {
        snprintf(name, sizeof(name), "tree/%d", i);
        must(mkdirat(dir, name, 0777));
        snprintf(name, sizeof(name), "tree/%d/%d", i, i + 1);
        must(mkdirat(dir, name, 0777));
        snprintf(name, sizeof(name), "tree/%d/%d/%d", i, i + 1, i + 2);
        must(mkdirat(dir, name, 0777));
    }
    tap_int(file_remove_tree(dir, "tree", &err), 0, "4500 folders");
    tap_int((int64_t)entries(dir), 0, "nothing is left");
}

int main(void)
{
    test_read();
    test_read_adds();
    test_large();
    test_write();
    test_replace();
    test_replace_failures();
    test_memory();
    test_make_directories();
    test_beneath();
    test_remove_tree();
    test_remove_single();
    test_remove_deep(100);
    test_remove_deep(2000);
    test_remove_wide();
    return tap_done();
}
