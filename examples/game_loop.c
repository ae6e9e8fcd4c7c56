/* SPDX-License-Identifier: MIT */
/*
 * game_loop.c - 60 frames a second, and scripts that live in them.
 *
 *     game_loop game_loop.luau [--simulate]
 *
 * The game owns the loop and the clock: once a frame it tells the stepped
 * driver what time it is, and all that is due by then runs. The time of a
 * frame is its number, not the clock of the machine, so a game is the same
 * game every time, on any machine; --simulate plays it without waiting for
 * the frames.
 */
#include <errno.h>
#include <inttypes.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"

#define FRAMES_PER_SECOND 60
#define NS_PER_SECOND UINT64_C(1000000000)
#define WIDTH 10 /* of the track */

struct game {
    struct host host;
    kahu_stepped *clock; /* owned by the scheduler */
    uint64_t frame;
    int places[26]; /* of the letters, from 1; 0 is nowhere */
    bool changed;   /* since they were last drawn */
};

/* ------------------------------------------------------------------------ */
/* What scripts can do                                                      */
/* ------------------------------------------------------------------------ */

/* put(letter, place): shows the letter there; nowhere at place 0. */
static int game_put(lua_State *L) {
    struct game *g = host_data(L);
    char letter = *luaL_checkstring(L, 1);
    int place = luaL_checkinteger(L, 2);

    luaL_argcheck(L, letter >= 'a' && letter <= 'z', 1, "not a small letter");
    luaL_argcheck(L, place >= 0 && place <= WIDTH, 2, "not on the track");
    g->places[letter - 'a'] = place;
    g->changed = true;
    return 0;
}

static int game_open(lua_State *L) {
    lua_pushcfunction(L, game_put, "put");
    lua_setglobal(L, "put");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Frames                                                                   */
/* ------------------------------------------------------------------------ */

static uint64_t game_time_ns(const struct game *g) {
    return g->frame * NS_PER_SECOND / FRAMES_PER_SECOND;
}

static void game_draw(struct game *g) {
    char track[] = "..........";

    if (!g->changed)
        return;
    for (int i = 0; i < 26; i++)
        if (g->places[i] > 0)
            track[g->places[i] - 1] = (char)('a' + i);
    printf("frame %2" PRIu64 " |%s|\n", g->frame, track);
    fflush(stdout);
    g->changed = false;
}

static uint64_t machine_now_ns(void) {
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * NS_PER_SECOND + (uint64_t)t.tv_nsec;
}

static void machine_sleep_until(uint64_t time_ns) {
    struct timespec t = {.tv_sec = (time_t)(time_ns / NS_PER_SECOND),
                         .tv_nsec = (long)(time_ns % NS_PER_SECOND)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

/* A frame begins at its own time, not one frame after the last one began: what
 * one takes too long the next ones make good. A game with a window would play
 * until that is closed; this one plays while a script has something to do. */
static void game_play(struct game *g, bool simulate) {
    uint64_t start_ns = machine_now_ns();

    game_draw(g);
    while (!kahu_is_done(g->host.s)) {
        g->frame++;
        if (!simulate)
            machine_sleep_until(start_ns + game_time_ns(g));
        (void)kahu_stepped_step(g->clock, game_time_ns(g));
        game_draw(g);
    }
}

static int game_run(struct game *g, const char *path, bool simulate) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    if (kahu_stepped_new(&g->clock, &driver) != KAHU_OK)
        return EXIT_FAILURE;
    options.driver = &driver;
    if (!host_open(&g->host, &options, game_open, g))
        return EXIT_FAILURE;
    if (host_run(&g->host, path))
        game_play(g, simulate);
    return host_close(&g->host);
}

int main(int argc, char **argv) {
    bool simulate = argc == 3 && strcmp(argv[2], "--simulate") == 0;
    struct game g = {.changed = true};

    if (argc != 2 && !simulate) {
        fprintf(stderr, "usage: %s SCRIPT [--simulate]\n", argv[0]);
        return EXIT_FAILURE;
    }
    return game_run(&g, argv[1], simulate);
}
