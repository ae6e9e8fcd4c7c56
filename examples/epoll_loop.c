/* SPDX-License-Identifier: MIT */
/*
 * epoll_loop.c - a host with an epoll loop of its own, and a driver for it.
 *
 *     ls | epoll_loop epoll_loop.luau
 *
 * A driver says what time it is (now_ns), is told when the scheduler wants to
 * be stepped (arm, wake), and has it stepped then. Here arm sets a timerfd and
 * wake writes to an eventfd: to the loop two descriptors more to wait for. The
 * one it had before is the standard input, which scripts read by the line.
 */
#include <errno.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct loop;

/* What the loop waits for, and what it does when that can be read. */
struct source {
    int fd;
    void (*on_ready)(struct loop *l, int fd);
};

struct loop {
    struct host host;
    int epoll;
    struct source timer, wake; /* the driver's */
    struct source input;       /* in the epoll set while a thread waits */
    kahu_op reader;            /* that thread's operation, until delivered */
    char text[4096];           /* what came in and was not read yet */
    size_t size;
    bool at_end;
};

static bool loop_watch(struct loop *l, struct source *source) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, source->fd, &event) == 0;
}

static void loop_unwatch(struct loop *l, struct source *source) {
    (void)epoll_ctl(l->epoll, EPOLL_CTL_DEL, source->fd, NULL);
}

/* ------------------------------------------------------------------------ */
/* The driver                                                               */
/* ------------------------------------------------------------------------ */

static uint64_t driver_now_ns(void *ud) {
    struct timespec t;

    (void)ud;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

/* The timer's clock is the one above, so a deadline is just a time; one that
 * has passed makes the descriptor ready at once, and 0 none at all. Whether
 * anything is pending is asked by the loop itself. */
static void driver_arm(void *ud, uint64_t deadline_ns, bool pending) {
    struct loop *l = ud;
    struct itimerspec when = {0};

    (void)pending;
    if (deadline_ns != KAHU_NEVER_NS) {
        when.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_SECOND);
        when.it_value.tv_nsec = (long)(deadline_ns % NS_PER_SECOND);
    }
    timerfd_settime(l->timer.fd, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Any OS thread comes here, and a signal handler. A full counter, the only way
 * to fail, would be read soon anyway. */
static void driver_wake(void *ud) {
    const struct loop *l = ud;
    const uint64_t one = 1;
    int error = errno;
    ssize_t written = write(l->wake.fd, &one, sizeof(one));

    (void)written;
    errno = error;
}

static void driver_release(void *ud) {
    struct loop *l = ud;

    close(l->timer.fd);
    close(l->wake.fd);
}

static void driver_on_ready(struct loop *l, int fd) {
    uint64_t count;

    if (read(fd, &count, sizeof(count)) > 0) /* it is not ready any more */
        (void)kahu_step(l->host.s);
}

/* False when descriptors have run out. */
static bool driver_open(kahu_driver *driver, struct loop *l) {
    l->timer = (struct source){
        timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
        driver_on_ready,
    };
    l->wake = (struct source){
        eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC),
        driver_on_ready,
    };
    *driver = (kahu_driver){
        .size = sizeof(kahu_driver),
        .ud = l,
        .now_ns = driver_now_ns,
        .arm = driver_arm,
        .wake = driver_wake,
        .release = driver_release,
    };
    return loop_watch(l, &l->timer) && loop_watch(l, &l->wake);
}

/* ------------------------------------------------------------------------ */
/* The standard input                                                       */
/* ------------------------------------------------------------------------ */

/* The size of the first line with its end; 0 when it is not all there. What is
 * too long for the buffer is a line, and so is the rest at the end. */
static size_t input_line(const struct loop *l) {
    const char *end = memchr(l->text, '\n', l->size);

    if (end != NULL)
        return (size_t)(end - l->text) + 1;
    return l->at_end || l->size == sizeof(l->text) ? l->size : 0;
}

/* Moves the first line to Luau; nil at the end. */
static int input_push(lua_State *L, void *ud) {
    struct loop *l = ud;
    size_t size = input_line(l);

    if (size == 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushlstring(L, l->text, size - (l->text[size - 1] == '\n'));
    l->size -= size;
    memmove(l->text, l->text + size, l->size);
    return 1;
}

/* The line was delivered, or its thread is gone and the next one gets it. */
static void input_release(void *ud) {
    struct loop *l = ud;

    l->reader = (kahu_op){0};
}

static void input_on_cancel(void *ud, kahu_op op) {
    struct loop *l = ud;

    (void)op;
    loop_unwatch(l, &l->input);
    input_release(l);
}

/* Reads what is there; true when that makes a line, or is the end. */
static bool input_fill(struct loop *l) {
    ssize_t n = read(l->input.fd, l->text + l->size, sizeof(l->text) - l->size);

    if (n > 0)
        l->size += (size_t)n;
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        l->at_end = true;
    return l->at_end || input_line(l) > 0;
}

static void input_on_ready(struct loop *l, int fd) {
    (void)fd;
    if (l->reader.id == 0 || !input_fill(l)) /* 0: cancelled since epoll_wait */
        return;
    loop_unwatch(l, &l->input);
    (void)kahu_op_finish(l->host.s, l->reader, input_push, l, input_release);
}

/* A line that came with those before it needs no waiting. Nor does a file,
 * which epoll therefore refuses. */
static bool input_is_there(struct loop *l) {
    if (l->at_end || input_line(l) > 0)
        return true;
    if (loop_watch(l, &l->input))
        return false;
    while (!input_fill(l))
        continue;
    return true;
}

/* read_line(): the next line; nil at the end. */
static int input_read_line(lua_State *L) {
    struct loop *l = host_data(L);
    kahu_status status;

    if (l->reader.id != 0)
        luaL_error(L, "another thread is reading");
    if (input_is_there(l))
        return input_push(L, l);
    status = kahu_op_begin(L, input_on_cancel, l, &l->reader);
    if (status == KAHU_OK)
        return kahu_op_yield(L);
    loop_unwatch(l, &l->input);
    return kahu_raise(L, status);
}

static int input_open(lua_State *L) {
    lua_pushcfunction(L, input_read_line, "read_line");
    lua_setglobal(L, "read_line");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

static kahu_sched *interruptible;

/* Stopping does nothing that is not allowed in a signal handler, given that
 * our wake does not either. */
static void on_interrupt(int signal) {
    kahu_stop(interruptible, 128 + signal);
}

/* The second signal ends the process: a script may be in a loop. */
static void catch_interrupt(kahu_sched *s) {
    struct sigaction action = {.sa_handler = on_interrupt};

    interruptible = s;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
}

static void loop_run(struct loop *l) {
    struct epoll_event events[8];
    const struct source *source;
    int n;

    while (!kahu_is_done(l->host.s) && !kahu_is_stopped(l->host.s)) {
        fflush(stdout); /* to be seen while we sleep */
        n = epoll_wait(l->epoll, events, 8, -1);
        for (int i = 0; i < n; i++) {
            source = events[i].data.ptr;
            source->on_ready(l, source->fd);
        }
    }
}

static int run(struct loop *l, const char *path) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    if (!driver_open(&driver, l)) {
        perror("cannot start");
        driver.release(l);
        return EXIT_FAILURE;
    }
    options.driver = &driver;
    if (!host_open(&l->host, &options, input_open, l))
        return EXIT_FAILURE;
    catch_interrupt(l->host.s);
    if (host_run(&l->host, path))
        loop_run(l);
    signal(SIGINT, SIG_DFL); /* the scheduler is about to go */
    return host_close(&l->host);
}

int main(int argc, char **argv) {
    struct loop l = {
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .input = {STDIN_FILENO, input_on_ready},
    };
    int code;

    if (argc != 2) {
        fprintf(stderr, "usage: %s SCRIPT\n", argv[0]);
        return EXIT_FAILURE;
    }
    code = run(&l, argv[1]);
    close(l.epoll);
    return code;
}
