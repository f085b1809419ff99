/* Why a sandbox cannot be opened, in words that say what to do. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/memory.h"
#include "sandbox/owner.h"

static const char *const steps[STEP_COUNT] = {
    [STEP_IDENTITY] = "become the inside user",
    [STEP_SOURCES] = "take hold of",
    [STEP_MOUNTS] = "mount",
    [STEP_OVERLAY] = "mount the overlay",
    [STEP_WORKSPACE] = "open the workspace",
    [STEP_LOOPBACK] = "bring the loopback interface up",
    [STEP_PROXY] = "listen for the proxy",
    [STEP_HOSTNAME] = "set the host name",
    [STEP_WATCH] = "watch its processes",
    [STEP_LIMITS] = "set limits",
    [STEP_PRIVILEGES] = "drop privileges",
    [STEP_LANDLOCK] = "restrict itself by Landlock",
    [STEP_FILTER] = "install the system-call filter",
    [STEP_COMMANDS] = "too many commands run at once",
    [STEP_TERMINAL] = "open a terminal",
    [STEP_REQUEST] = "read the request",
    [STEP_FORK] = "fork",
    [STEP_DIRECTORY] = "change to the directory",
    [STEP_EXEC] = "execute",
};

const char *sandbox_step_name(uint32_t step)
{
    return step < STEP_COUNT ? steps[step] : "start";
}

static bool host_says(const char *path, char value)
{
    struct error ignored;
    struct buffer text;
    bool says;

    buffer_init(&text, 64);
    says = !file_read(AT_FDCWD, path, &text, &ignored) && text.length &&
           text.data[0] == value;
    buffer_free(&text);
    return says;
}

/* Whether this process runs in a chroot, as far as it may look. */
static bool in_chroot(void)
{
    struct stat own;
    struct stat first;

    return !stat("/", &own) && !stat("/proc/1/root/.", &first) &&
           (own.st_dev != first.st_dev || own.st_ino != first.st_ino);
}

int sandbox_hint_namespaces(struct error *err)
{
    if (in_chroot())
        return error_hint(err, "the kernel allows no user namespaces in a "
                               "chroot: use a container, or enter the folder "
                               "with pivot_root in a mount namespace");
    if (host_says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                  '1') &&
        geteuid())
        return error_hint(
            err, "AppArmor restricts user namespaces on this host: run 'sudo "
                 "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0', "
                 "or run nightjar as root");
    if (host_says("/proc/sys/kernel/unprivileged_userns_clone", '0'))
        return error_hint(err, "user namespaces are switched off: run 'sudo "
                               "sysctl -w kernel.unprivileged_userns_clone=1'");
    if (host_says("/proc/sys/user/max_user_namespaces", '0'))
        return error_hint(err, "user namespaces are switched off: run 'sudo "
                               "sysctl -w user.max_user_namespaces=10000'");
    return error_hint(
        err, "in a container, start it with '--security-opt seccomp=unconfined "
             "--security-opt apparmor=unconfined --security-opt "
             "systempaths=unconfined' so that nightjar can make its own "
             "sandbox; Linux 5.12 or newer is needed");
}

int sandbox_explain(const struct control *packet, const struct mounts *mounts,
                    struct error *err)
{
    const char *what = "";

    if ((packet->step == STEP_SOURCES || packet->step == STEP_MOUNTS) &&
        packet->id < mounts->count)
        what = mounts->items[packet->id].target;
    error_set_errno(err, ERROR_SANDBOX, packet->value, "sandbox: cannot %s%s%s",
                    sandbox_step_name(packet->step), *what ? " /" : "", what);
    if (packet->step == STEP_SOURCES && packet->value == ENOENT)
        return error_hint(err, "the path is named in sandbox.read or "
                               "sandbox.write but is not on this host");
    if (packet->step == STEP_MOUNTS && packet->value == EROFS)
        return error_hint(err, "the path lies in a folder of the system that "
                               "is read-only inside: choose another");
    return sandbox_hint_namespaces(err);
}
