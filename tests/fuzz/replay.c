/* Replays the committed seeds of a fuzz target as a test: linked with each
 * target, it finds the seeds by its own name (replay_json: corpus/json). A
 * target that does not like an input ends the process. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>

#include "base/file.h"
#include "base/memory.h"
#include "tests/tap.h"

#define SEED_BYTES_MAX ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *folder, const char *name)
{
    CLEANUP(mem_free) char *path = mem_format("%s/%s", folder, name);
    CLEANUP(buffer_free) struct buffer seed = {0};
    struct error err;

    buffer_init(&seed, SEED_BYTES_MAX);
    if (!tap_ok(!file_read(AT_FDCWD, path, &seed, &err), "read %s", name))
        return;
    LLVMFuzzerTestOneInput((const uint8_t *)seed.data, seed.length);
    tap_ok(true, "%s", name);
    /* Each seed cut short as well: ends in the middle of things. */
    for (size_t cut = 0; cut < seed.length; cut += 1 + seed.length / 50)
        LLVMFuzzerTestOneInput((const uint8_t *)seed.data, cut);
    tap_ok(true, "%s, cut", name);
}

int main(int argc, char **argv)
{
    const char *start = strstr(argv[0], "replay_");
    CLEANUP(mem_free) char *folder = NULL;
    struct dirent *entry;
    DIR *directory;
    int seeds = 0;

    (void)argc;
    folder = mem_format("tests/fuzz/corpus/%s",
                        start ? start + strlen("replay_") : "");
    directory = opendir(folder);
    while (directory && (entry = readdir(directory))) {
        if (entry->d_name[0] == '.')
            continue;
        seeds++;
        replay(folder, entry->d_name);
    }
    if (directory)
        closedir(directory);
    tap_ok(seeds > 0, "there are seeds in %s", folder);
    return tap_done();
}
