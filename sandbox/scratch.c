/* Folders of a sandbox on the host. */
#include <errno.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "sandbox/owner.h"

int sandbox_make_scratch(const struct sandbox_spec *spec, struct error *err)
{
    static const char *const names[] = {"tmp", "var-tmp", "home"};

    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        CLEANUP(mem_free)
        char *path = mem_format("%s/%s", spec->scratch, names[i]);
        bool private = !strcmp(names[i], "home");

        if ((mkdir(path, 0700) && errno != EEXIST) ||
            (!geteuid() &&
             lchown(path, spec->identity.uid, spec->identity.gid)) ||
            chmod(path, private ? 0700 : 01777))
            return error_set_errno(err, ERROR_IO, errno, "make %s", path);
    }
    return 0;
}

int sandbox_open_passage(const char *passage, const char *path,
                         struct error *err)
{
    CLEANUP(mem_free) char *folder = mem_string(path);
    size_t least = passage ? strlen(passage) : 0;
    struct stat info;

    while (least && strlen(folder) >= least &&
           !strncmp(folder, passage, least)) {
        if (!stat(folder, &info) && !info.st_uid &&
            chmod(folder, info.st_mode | 0011))
            return error_set_errno(err, ERROR_IO, errno, "chmod %s", folder);
        *strrchr(folder, '/') = '\0';
    }
    return 0;
}
