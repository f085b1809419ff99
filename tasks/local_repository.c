#include "tasks/local_repository.h"

#include "base/memory.h"
#include "tasks/git.h"

static int stop_at_first(const char *path, unsigned status, void *payload)
{
    (void)path;
    (void)payload;
    return status != GIT_STATUS_CURRENT && status != GIT_STATUS_IGNORED;
}

static bool is_changed(git_repository *repository)
{
    git_status_options options = GIT_STATUS_OPTIONS_INIT;

    if (git_repository_is_bare(repository))
        return false;
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags =
        GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
    return git_status_foreach_ext(repository, &options, stop_at_first, NULL) >
           0;
}

enum local_state local_repository_look(const char *repo)
{
    CLEANUP(git_repository_cleanup) git_repository *repository = NULL;
    struct error ignored;

    if (repo[0] != '/')
        return LOCAL_GOOD;
    if (git_open(repo, &repository, &ignored))
        return LOCAL_NONE;
    if (git_repository_head_unborn(repository) == 1)
        return LOCAL_EMPTY;
    return is_changed(repository) ? LOCAL_CHANGED : LOCAL_GOOD;
}
