/* SPDX-License-Identifier: MIT */
#include "replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define REPLACE_PATH 4096

/* False with errno set. */
static bool replace_write(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);

        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            bytes += n;
            size -= (size_t)n;
        }
    }
    return true;
}

/* A new file; what is there after a failure is removed again. */
static bool replace_make(const char *path, const char *bytes, size_t size,
                         mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    bool written;
    int error;

    if (fd < 0)
        return false;
    written = replace_write(fd, bytes, size);
    error = errno;
    if (close(fd) != 0 && written) {
        written = false;
        error = errno;
    }
    if (!written)
        unlink(path);
    errno = error;
    return written;
}

bool replace_file(const char *path, const char *bytes, size_t size,
                  mode_t mode) {
    char beside[REPLACE_PATH];
    int error;

    if (snprintf(beside, sizeof(beside), "%s.%ld.tmp", path, (long)getpid()) >=
        REPLACE_PATH) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!replace_make(beside, bytes, size, mode))
        return false;
    if (rename(beside, path) == 0)
        return true;
    error = errno;
    unlink(beside);
    errno = error;
    return false;
}
