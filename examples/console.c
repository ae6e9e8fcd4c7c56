/* SPDX-License-Identifier: MIT */
/*
 * console.c - looking at a running program: console script.luau
 *
 * The script runs on the main OS thread. Another reads commands, and has them
 * carried out over there by kahu_call():
 *
 *     threads      lists the live threads and what each is waiting for
 *     kill ID      cancels one
 *     quit         ends the program
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "kahu/threads.h"

struct console {
    kahu_sched *s;
    char line[256];
};

/* ------------------------------------------------------------------------ */
/* Commands, on the scheduler's OS thread                                   */
/* ------------------------------------------------------------------------ */

static const char *describe(const kahu_thread_info *t) {
    static const char *const waits[] = {
        [KAHU_DEFER] = "deferred",
        [KAHU_DELAY] = "delayed",
        [KAHU_WAIT] = "asleep",
        [KAHU_OPERATION] = "in an operation",
        [KAHU_KINDS] = "waiting for somebody",
    };

    return t->state == KAHU_THREAD_RUNNING ? "running" : waits[t->waits_for];
}

static bool print_thread(void *ud, const kahu_thread_info *t) {
    (void)ud;
    printf("%" PRIu64 " %s", t->id, describe(t));
    if (t->where[0] != '\0')
        printf(" at %s", t->where);
    if (t->started[0] != '\0')
        printf(", started at %s", t->started);
    if (t->parent_id != 0)
        printf(" by %" PRIu64, t->parent_id);
    printf("\n");
    return true;
}

static void list_threads(void *ud, lua_State *L) {
    struct console *c = ud;

    (void)L;
    printf("%d live\n", (int)kahu_each_thread(c->s, NULL, print_thread, NULL));
}

struct search {
    uint64_t id;
    lua_State *found;
};

static bool find_thread(void *ud, const kahu_thread_info *t) {
    struct search *search = ud;

    if (t->id == search->id)
        search->found = t->co;
    return search->found == NULL;
}

static void kill_thread(void *ud, lua_State *L) {
    struct console *c = ud;
    struct search search = {strtoull(c->line + strlen("kill "), NULL, 10),
                            NULL};

    (void)L;
    (void)kahu_each_thread(c->s, NULL, find_thread, &search);
    if (search.found == NULL)
        printf("no such thread\n");
    else if (kahu_cancel(c->s, search.found) == KAHU_OK)
        printf("killed\n");
}

static void quit(void *ud, lua_State *L) {
    struct console *c = ud;

    (void)L;
    kahu_stop(c->s, EXIT_SUCCESS);
}

/* ------------------------------------------------------------------------ */
/* The OS thread that reads them                                            */
/* ------------------------------------------------------------------------ */

static kahu_call_fn command(const char *line) {
    if (strcmp(line, "threads\n") == 0)
        return list_threads;
    if (strncmp(line, "kill ", strlen("kill ")) == 0)
        return kill_thread;
    return NULL;
}

/* The last call makes the main OS thread stop: s must not be used after it. */
static void *read_commands(void *ud) {
    struct console *c = ud;

    while (fgets(c->line, sizeof(c->line), stdin) != NULL &&
           strcmp(c->line, "quit\n") != 0) {
        kahu_call_fn fn = command(c->line);

        if (fn == NULL)
            printf("threads, kill ID or quit\n");
        else if (kahu_call(c->s, fn, c) != KAHU_OK)
            break;
        fflush(stdout);
    }
    (void)kahu_call(c->s, quit, c);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

static int open_nothing(lua_State *L) {
    (void)L;
    return 0;
}

/* kahu_ref(): the console keeps the program alive when the script is done. */
static bool run(struct host *h, struct console *c, const char *path) {
    pthread_t reader;

    c->s = h->s;
    if (kahu_track(h->s) != KAHU_OK || !host_run(h, path))
        return false;
    kahu_ref(h->s);
    if (pthread_create(&reader, NULL, read_commands, c) != 0)
        return false;
    (void)kahu_run(h->s);
    pthread_join(reader, NULL);
    return true;
}

int main(int argc, char **argv) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    struct console c;
    struct host h;
    bool good;

    if (argc != 2 || kahu_blocking_driver(&driver) != KAHU_OK) {
        fprintf(stderr, "usage: console script.luau\n");
        return EXIT_FAILURE;
    }
    options.driver = &driver;
    if (!host_open(&h, &options, open_nothing, NULL))
        return EXIT_FAILURE;
    good = run(&h, &c, argv[1]);
    return host_close(&h) == 0 && good ? EXIT_SUCCESS : EXIT_FAILURE;
}
