/* SPDX-License-Identifier: MIT */
/*
 * test_watch.c - runs the tests again when a file below the paths changes, or
 * one beside a module that the last run required.
 *
 * Directories are watched from before the first run on, and during runs too:
 * the system keeps what happens meanwhile. Which ones a run requires is known
 * when it is over; what has changed there until then is seen by its time.
 * Between runs a signal ends the program as it would any other; nothing is to
 * be saved.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "report.h"
#include "test.h"

/* Editors write in several steps: what is this near together is one change. */
#define WATCH_DEBOUNCE_MS 100

struct watch;

struct watch_directory {
    struct watch_directory *next;
    char *path;
    struct watch *watch;
    uv_fs_event_t event;
};

struct watch {
    uv_loop_t loop;
    uv_timer_t debounce;
    bool changed;
    struct watch_directory *directories;
    struct test_list found;    /* directories that are looked into for tests */
    struct test_list required; /* files of modules, in the last run */
};

static bool watch_ends_in(const char *name, const char *suffix) {
    size_t length = strlen(name);
    size_t end = strlen(suffix);

    return length >= end && strcmp(name + length - end, suffix) == 0;
}

/* Something that tests can be made of, or a directory with it: by name, for it
 * may be gone. What tests write is mostly something else. */
static bool watch_matters(const char *name) {
    return name == NULL || strchr(name, '.') == NULL ||
           watch_ends_in(name, ".luau") || watch_ends_in(name, ".lua") ||
           strcmp(name, ".luaurc") == 0;
}

static void watch_settled(uv_timer_t *timer) {
    struct watch *w = timer->data;

    w->changed = true;
    uv_stop(&w->loop);
}

static void watch_happened(uv_fs_event_t *event, const char *name, int events,
                           int status) {
    struct watch_directory *d = event->data;

    (void)events;
    if (status == 0 && watch_matters(name))
        uv_timer_start(&d->watch->debounce, watch_settled, WATCH_DEBOUNCE_MS,
                       0);
}

static void watch_add(struct watch *w, const char *path) {
    struct watch_directory *d = text_memory(NULL, 1, sizeof(*d));
    int error;

    *d = (struct watch_directory){
        .next = w->directories, .path = text_copy(path), .watch = w};
    d->event.data = d;
    w->directories = d;
    uv_fs_event_init(&w->loop, &d->event);
    error = uv_fs_event_start(&d->event, watch_happened, path, 0);
    if (error != 0 && error != UV_ENOENT) /* a module's, and gone again */
        report_failure("cannot watch a directory", uv_strerror(error));
}

static void watch_free(uv_handle_t *event) {
    struct watch_directory *d = event->data;

    free(d->path);
    free(d);
}

/* Watches these from now on. The old ones go last, so that nothing is missed
 * of a directory that is still there; one that was made anew is found. */
static void watch_renew(struct watch *w, const struct test_list *directories) {
    struct watch_directory *old = w->directories;

    w->directories = NULL;
    for (size_t i = 0; i < directories->count; i++)
        watch_add(w, directories->paths[i]);
    while (old != NULL) {
        struct watch_directory *next = old->next;

        uv_close((uv_handle_t *)&old->event, watch_free);
        old = next;
    }
}

/* All directories that are to be watched. */
static void watch_list(const struct watch *w, struct test_list *out) {
    for (size_t i = 0; i < w->found.count; i++)
        test_list_add_once(out, w->found.paths[i]);
    for (size_t i = 0; i < w->required.count; i++) {
        char *directory = test_directory_of(w->required.paths[i]);

        test_list_add_once(out, directory);
        free(directory);
    }
}

/* False when there is nothing to watch. */
static bool watch_look(struct watch *w, const struct test_options *o) {
    struct test_list files = {NULL, 0};
    struct test_list directories = {NULL, 0};
    bool found;

    test_list_free(&w->found);
    found = test_find(o, &files, &w->found);
    watch_list(w, &directories);
    if (found)
        watch_renew(w, &directories);
    test_list_free(&files);
    test_list_free(&directories);
    return found || w->directories != NULL;
}

/* ------------------------------------------------------------------------ */
/* What the run required                                                    */
/* ------------------------------------------------------------------------ */

static void watch_drop_others(struct watch *w, const struct test_list *wanted) {
    struct watch_directory **at = &w->directories;

    while (*at != NULL) {
        struct watch_directory *d = *at;

        if (test_list_has(wanted, d->path)) {
            at = &d->next;
        } else {
            *at = d->next;
            uv_close((uv_handle_t *)&d->event, watch_free);
        }
    }
}

static bool watch_has(const struct watch *w, const char *path) {
    const struct watch_directory *d = w->directories;

    while (d != NULL && strcmp(d->path, path) != 0)
        d = d->next;
    return d != NULL;
}

/* Adds those that are missing, which are listed. */
static void watch_add_missing(struct watch *w, const struct test_list *wanted,
                              struct test_list *added) {
    for (size_t i = 0; i < wanted->count; i++)
        if (!watch_has(w, wanted->paths[i])) {
            watch_add(w, wanted->paths[i]);
            test_list_add(added, wanted->paths[i]);
        }
}

static bool watch_is_newer(const char *path, const struct timespec *since) {
    uv_fs_t request;
    bool newer = false;

    if (uv_fs_stat(NULL, &request, path, NULL) == 0) {
        uv_timespec_t at = request.statbuf.st_mtim;

        newer = at.tv_sec > since->tv_sec ||
                (at.tv_sec == since->tv_sec && at.tv_nsec >= since->tv_nsec);
    }
    uv_fs_req_cleanup(&request);
    return newer;
}

/* A directory is new but once: a file of the future is no reason to run for
 * ever. */
static void watch_check(struct watch *w, const struct test_list *added,
                        const struct timespec *since) {
    for (size_t i = 0; i < w->required.count; i++) {
        char *directory = test_directory_of(w->required.paths[i]);

        if (test_list_has(added, directory) &&
            watch_is_newer(w->required.paths[i], since))
            uv_timer_start(&w->debounce, watch_settled, WATCH_DEBOUNCE_MS, 0);
        free(directory);
    }
}

static int watch_run(struct watch *w, const struct test_options *o) {
    struct test_list wanted = {NULL, 0};
    struct test_list added = {NULL, 0};
    struct timespec since;
    int code;

    clock_gettime(CLOCK_REALTIME, &since);
    test_list_free(&w->required);
    code = test_once(o, &w->required);
    watch_list(w, &wanted);
    watch_drop_others(w, &wanted);
    watch_add_missing(w, &wanted, &added);
    watch_check(w, &added, &since);
    test_list_free(&wanted);
    test_list_free(&added);
    return code;
}

/* ------------------------------------------------------------------------ */

static void watch_wait(struct watch *w) {
    w->changed = false;
    while (!w->changed)
        uv_run(&w->loop, UV_RUN_DEFAULT);
}

int test_watch(const struct test_options *o) {
    const struct test_list none = {NULL, 0};
    struct watch w = {.changed = false};
    int error = uv_loop_init(&w.loop);
    int code = EXIT_USAGE;

    if (error != 0) {
        report_failure("cannot watch", uv_strerror(error));
        return EXIT_SCRIPT;
    }
    uv_timer_init(&w.loop, &w.debounce);
    w.debounce.data = &w;
    while (watch_look(&w, o)) {
        code = watch_run(&w, o);
        if (code > EXIT_SIGNAL)
            break;
        fputs("watching; Ctrl-C ends it\n", stdout);
        report_flush();
        watch_wait(&w);
        fputc('\n', stdout);
    }
    watch_renew(&w, &none);
    uv_close((uv_handle_t *)&w.debounce, NULL);
    uv_run(&w.loop, UV_RUN_DEFAULT);
    uv_loop_close(&w.loop);
    test_list_free(&w.found);
    test_list_free(&w.required);
    return code;
}
