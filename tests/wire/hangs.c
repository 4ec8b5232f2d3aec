/* A device that hangs. Preloaded into the hub, it makes fdatasync wait once the FIFO HANGS_AT/stuck exists. Reading that FIFO shows
 * that the call hangs; writing to the FIFO HANGS_AT/goes-on ends the wait. The first FIFO is used once.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
    char stuck[PATH_MAX], goes_on[PATH_MAX];
    const char *at = getenv("HANGS_AT");
    snprintf(stuck, sizeof stuck, "%s/stuck", at ? at : "");
    snprintf(goes_on, sizeof goes_on, "%s/goes-on", at ? at : "");
    int tell = at && !access(stuck, F_OK) ? open(stuck, O_WRONLY) : -1;
    if (tell >= 0) {
        unlink(stuck);
        if (write(tell, "!", 1) != 1) abort();
        close(tell);
        int wait = open(goes_on, O_RDONLY);
        if (wait < 0) abort();
        close(wait);
    }
    return real(fd);
}
