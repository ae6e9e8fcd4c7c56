/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - the driver for a host without a loop: it sleeps until the next
 * deadline or until somebody wakes it.
 *
 * POSIX: a pipe, as a write to one is allowed in a signal handler; it is full
 * when the driver is as awake as it gets. Windows: an event.
 */
#if !defined(_WIN32)
#define _POSIX_C_SOURCE 200809L /* for pipe(), fcntl() and poll() */
#endif
#include "../base/alloc.h"
#include "clock.h"
#include "kahu/kahu.h"

#define NS_PER_MS UINT64_C(1000000)

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

typedef HANDLE blocking_bell;

static bool bell_init(blocking_bell *bell) {
    *bell = CreateEventW(NULL, FALSE, FALSE, NULL);
    return *bell != NULL;
}

static void bell_deinit(blocking_bell *bell) {
    CloseHandle(*bell);
}

static void bell_ring(const blocking_bell *bell) {
    SetEvent(*bell);
}

/* ms < 0: for ever. */
static bool bell_wait(const blocking_bell *bell, int ms) {
    return WaitForSingleObject(*bell, ms < 0 ? INFINITE : (DWORD)ms) !=
           WAIT_FAILED;
}

#else

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

typedef struct blocking_bell {
    int read;
    int write;
} blocking_bell;

static bool bell_set_flags(int fd) {
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static void bell_deinit(blocking_bell *bell) {
    (void)close(bell->read);
    (void)close(bell->write);
}

static bool bell_init(blocking_bell *bell) {
    int fds[2];

    if (pipe(fds) != 0)
        return false;
    *bell = (blocking_bell){fds[0], fds[1]};
    if (bell_set_flags(fds[0]) && bell_set_flags(fds[1]))
        return true;
    bell_deinit(bell);
    return false;
}

/* A full pipe wakes as well as one byte. */
static void bell_ring(const blocking_bell *bell) {
    int saved = errno;
    ssize_t written;

    do
        written = write(bell->write, "", 1);
    while (written < 0 && errno == EINTR);
    errno = saved;
}

/* ms < 0: for ever. A signal ends it early. */
static bool bell_wait(const blocking_bell *bell, int ms) {
    struct pollfd p = {.fd = bell->read, .events = POLLIN};
    char bytes[64];

    if (poll(&p, 1, ms) < 0)
        return errno == EINTR;
    while (read(bell->read, bytes, sizeof(bytes)) > 0)
        continue;
    return true;
}

#endif

struct blocking {
    struct kahu__alloc alloc; /* the C library's: a driver has no VM yet */
    kahu_sched *s;            /* NULL before a scheduler */
    uint64_t deadline_ns;
    blocking_bell bell;
};

/* ------------------------------------------------------------------------ */
/* The port                                                                 */
/* ------------------------------------------------------------------------ */

static uint64_t blocking_now(void *ud) {
    (void)ud;
    return kahu__clock_ns();
}

static void blocking_arm(void *ud, uint64_t deadline_ns, bool pending) {
    struct blocking *d = ud;

    (void)pending; /* kahu_run() knows when all is done */
    d->deadline_ns = deadline_ns;
}

static void blocking_wake(void *ud) {
    struct blocking *d = ud;

    bell_ring(&d->bell);
}

static void blocking_attach(void *ud, kahu_sched *s) {
    struct blocking *d = ud;

    d->s = s;
}

/* In a kahu_run() a scheduler goes after its last turn. In a turn that a host
 * makes it may go inside: nothing is looked at after the step. */
static void blocking_release(void *ud) {
    struct blocking *d = ud;
    struct kahu__alloc alloc = d->alloc;

    bell_deinit(&d->bell);
    kahu__free(&alloc, d, sizeof(*d));
}

/* Rounded up: not early. A sleep longer than poll() can count is cut, and the
 * step after it finds nothing to do. */
static int blocking_timeout_ms(uint64_t deadline_ns, uint64_t now_ns) {
    uint64_t ms;

    if (deadline_ns == KAHU_NEVER_NS)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    ms = (deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
    return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static kahu_status blocking_turn(void *ud) {
    struct blocking *d = ud;
    int ms = blocking_timeout_ms(d->deadline_ns, kahu__clock_ns());

    if (!bell_wait(&d->bell, ms))
        return KAHU_EDRIVER;
    (void)kahu_step(d->s);
    return KAHU_OK;
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

kahu_status kahu_blocking_driver(kahu_driver *out) {
    struct kahu__alloc alloc;
    struct blocking *d;

    if (out == NULL)
        return KAHU_EINVAL;
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    d = kahu__calloc(&alloc, sizeof(*d));
    if (d == NULL)
        return KAHU_ENOMEM;
    d->alloc = alloc;
    d->deadline_ns = KAHU_NEVER_NS;
    if (!bell_init(&d->bell)) {
        kahu__free(&alloc, d, sizeof(*d));
        return KAHU_EDRIVER;
    }
    *out = (kahu_driver){
        .size = sizeof(kahu_driver),
        .ud = d,
        .now_ns = blocking_now,
        .arm = blocking_arm,
        .wake = blocking_wake,
        .attach = blocking_attach,
        .release = blocking_release,
        .turn = blocking_turn,
    };
    return KAHU_OK;
}
