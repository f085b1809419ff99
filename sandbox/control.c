#include "sandbox/control.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/memory.h"

union ancillary {
    char bytes[CMSG_SPACE(CONTROL_FDS_MAX * sizeof(int))];
    struct cmsghdr align;
};

int control_send(int socket, const struct control *packet, const int *fds,
                 size_t count)
{
    union ancillary ancillary = {{0}};
    struct iovec part = {(void *)(uintptr_t)packet, sizeof(*packet)};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (count) {
        struct cmsghdr *head;

        message.msg_control = ancillary.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int control_receive(int socket, struct control *packet,
                    int fds[static CONTROL_FDS_MAX], int flags)
{
    union ancillary ancillary;
    struct iovec part = {packet, sizeof(*packet)};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof(ancillary.bytes)};
    struct cmsghdr *head;
    ssize_t got;

    for (int i = 0; i < CONTROL_FDS_MAX; i++)
        fds[i] = -1;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | flags);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    head = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (head && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        memcpy(fds, CMSG_DATA(head), head->cmsg_len - CMSG_LEN(0));
    return got == (ssize_t)sizeof(*packet);
}
