/* Files: read whole, written so that a kill leaves the old or the new one,
 * reached without leaving a directory, removed as trees. */
#ifndef NIGHTJAR_BASE_FILE_H
#define NIGHTJAR_BASE_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "base/error.h"

/* Adds all of a regular file, relative to dirfd (or AT_FDCWD), to `out`.
 * Errors (ERROR_IO): not there, not a regular file, larger than the buffer
 * takes. */
int file_read(int dirfd, const char *path, struct buffer *out,
              struct error *err);

/* The same for an open file, from its current position. */
int file_read_fd(int fd, struct buffer *out, struct error *err);

/* Copies from where `from` is to its end, sharing blocks where the file systems
 * can. */
int file_copy_fd(int from, int to, struct error *err);

/* Writes all bytes, going on after EINTR and short writes. */
int file_write_fd(int fd, const void *data, size_t length, struct error *err);

/* Writes `name` in dirfd: beside it, fsync, rename, fsync of the directory.
 * A failure leaves the old file. */
int file_replace(int dirfd, const char *name, struct span content,
                 struct error *err);

/* mkdir -p with mode 0777 less the umask. */
int file_make_directories(int dirfd, const char *path, struct error *err);

/* openat2 that never leaves dirfd: no "..", absolute path or symlink leads
 * out, no /proc magic link is followed (RESOLVE_BENEATH |
 * RESOLVE_NO_MAGICLINKS). O_CLOEXEC is added. Returns the fd, or -1 with
 * errno set. */
int file_open_beneath(int dirfd, const char *path, int flags, mode_t mode);

/* Removes a file or a whole tree, never following a symlink, whatever the
 * modes inside are. A missing one is no error. */
int file_remove_tree(int dirfd, const char *name, struct error *err);

/* A new folder of our own, mode 0700, in TMPDIR or /tmp: "STEM." and something.
 * The caller removes it and frees the path; NULL is an error (ERROR_IO). */
char *file_temporary_folder(const char *stem, struct error *err);

/* An anonymous file in memory with that content, sealed against change,
 * read from its start. Returns the fd or -1. */
int file_memory(const char *name, struct span content, struct error *err);

#endif
