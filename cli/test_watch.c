/* SPDX-License-Identifier: MIT */
/*
 * test_watch.c - runs the tests again when a file below the paths changes.
 *
 * Directories are watched from before the first run on, and during runs too:
 * the system keeps what happens meanwhile. Between runs a signal ends the
 * program as it would any other; nothing is to be saved.
 */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "report.h"
#include "test.h"

/* Editors write in several steps: what is this near together is one change. */
#define WATCH_DEBOUNCE_MS 100

struct watch;

struct watch_directory {
    struct watch_directory *next;
    struct watch *watch;
    uv_fs_event_t event;
};

struct watch {
    uv_loop_t loop;
    uv_timer_t debounce;
    bool changed;
    struct watch_directory *directories;
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

    *d = (struct watch_directory){.next = w->directories, .watch = w};
    d->event.data = d;
    w->directories = d;
    uv_fs_event_init(&w->loop, &d->event);
    error = uv_fs_event_start(&d->event, watch_happened, path, 0);
    if (error != 0)
        report_failure("cannot watch a directory", uv_strerror(error));
}

static void watch_free(uv_handle_t *event) {
    free(event->data);
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

/* False when there is nothing to watch. */
static bool watch_look(struct watch *w, const struct test_options *o) {
    struct test_list files = {NULL, 0};
    struct test_list directories = {NULL, 0};
    bool found = test_find(o, &files, &directories);

    if (found)
        watch_renew(w, &directories);
    test_list_free(&files);
    test_list_free(&directories);
    return found || w->directories != NULL;
}

static void watch_wait(struct watch *w) {
    w->changed = false;
    while (!w->changed)
        uv_run(&w->loop, UV_RUN_ONCE);
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
        code = test_once(o);
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
    return code;
}
