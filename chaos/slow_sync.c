/* Preloaded into a database server: each fsync and fdatasync first waits as many milliseconds as the file says that
   CHAOS_SLOW_SYNC names. An absent file or 0 means no wait. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_as_told(void) {
    const char *path = getenv("CHAOS_SLOW_SYNC");
    if (path == NULL) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    char text[16] = {0};
    ssize_t length = read(file, text, sizeof text - 1);
    close(file);
    int ms = length > 0 ? atoi(text) : 0;
    if (ms > 0) usleep((useconds_t)ms * 1000);
}

int fsync(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_as_told();
    return next(file);
}

int fdatasync(int file) {
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_as_told();
    return next(file);
}
