/* Fills a memory file, which is no process's own memory: the kernel's killer
 * sees a small program. Stops by itself at 200 MiB and prints "reached". */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    static char block[1 << 20];
    int fd = memfd_create("x", 0);

    for (int i = 0; i < 200; i++) {
        if (write(fd, block, sizeof(block)) != (ssize_t)sizeof(block))
            return 1;
    }
    puts("reached");
    return 0;
}
