/* A wall clock that a test sets: preloaded into one process, CLOCK_REALTIME is off by as many seconds as the
   file says that CLOCKSTEP_FILE names, read anew at each call; without the file it is right. Monotonic clocks
   go on, as with a real step. Waits of the kernel until a point of wall time do not see it. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset_s(void) {
    char text[32];
    const char *path = getenv("CLOCKSTEP_FILE");
    int before = errno, file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t size = file < 0 ? 0 : read(file, text, sizeof text - 1);
    long offset;
    if (file >= 0)
        close(file);
    text[size < 0 ? 0 : size] = 0;
    offset = strtol(text, NULL, 10);
    errno = before;
    return offset;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += offset_s();
    return (int)failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    long failed = syscall(SYS_gettimeofday, at, zone);
    if (!failed)
        at->tv_sec += offset_s();
    return (int)failed;
}

time_t time(time_t *at) {
    struct timespec now;
    time_t seconds = clock_gettime(CLOCK_REALTIME, &now) ? (time_t)-1 : now.tv_sec;
    if (at)
        *at = seconds;
    return seconds;
}
