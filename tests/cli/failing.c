/* SPDX-License-Identifier: MIT */
/*
 * failing.c - to be preloaded: the C library's allocations, of which one fails,
 * and any number after it.
 *
 * KAHU_FAIL_AT is its number, counted from when the program's own code begins;
 * KAHU_FAIL_COUNT how many fail. KAHU_FAIL_FD is a descriptor that gets a byte
 * when the first does.
 */
#define _POSIX_C_SOURCE 200809L /* posix_memalign */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

/* What these are for those who replace the others, in glibc. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static struct {
    long first; /* 0: none fails */
    long count;
    int fd;
    atomic_long made;
} failing;

static long failing_read(const char *name) {
    const char *text = getenv(name);

    return text == NULL ? 0 : strtol(text, NULL, 10);
}

/* Calls of before count for nothing. */
__attribute__((constructor)) static void failing_begin(void) {
    failing.count = failing_read("KAHU_FAIL_COUNT");
    failing.fd = (int)failing_read("KAHU_FAIL_FD");
    failing.first = failing_read("KAHU_FAIL_AT");
}

static bool failing_now(void) {
    long number;

    if (failing.first == 0)
        return false;
    number = atomic_fetch_add(&failing.made, 1) + 1;
    if (number < failing.first || number - failing.first >= failing.count)
        return false;
    if (number == failing.first && write(failing.fd, "", 1) != 1)
        abort();
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) {
    return failing_now() ? NULL : __libc_malloc(size);
}

void *calloc(size_t nmemb, size_t size) {
    return failing_now() ? NULL : __libc_calloc(nmemb, size);
}

void *realloc(void *ptr, size_t size) {
    return failing_now() ? NULL : __libc_realloc(ptr, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    return failing_now() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memptr, size_t alignment, size_t size) {
    void *block = aligned_alloc(alignment, size);

    if (block == NULL)
        return ENOMEM;
    *memptr = block;
    return 0;
}
