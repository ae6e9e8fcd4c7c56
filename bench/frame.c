/* SPDX-License-Identifier: MIT */
/*
 * frame.c - what a scheduler with many threads takes of a game's frames: 60 a
 * second of a stepped clock, 10,000 live threads, each frame timed alone.
 *
 * Half of the threads sleep for minutes, the others for half a second again
 * and again, each out of step with the rest: some 167 of them are resumed in a
 * frame. For the idle frame all sleep for an hour.
 *
 * A frame does the same in every round. What it took more than in the round
 * where it took least is the machine's, which did something else.
 */
#include <stdio.h>
#include <stdlib.h>

#include "micro/vm.h"

#define ROUNDS 5
#define FRAMES 3000
#define WARM_UP 120 /* frames before, until all sleep out of step */
#define THREADS 10000
#define NS_PER_SECOND UINT64_C(1000000000)

static const char busy[] =
    "math.randomseed(1)\n"
    "for i = 1, (...) / 2 do\n"
    "    task.spawn(function()\n"
    "        while true do task.wait(math.random(60, 600)) end\n"
    "    end)\n"
    "    task.spawn(function()\n"
    "        task.wait(math.random() / 2)\n"
    "        while true do task.wait(0.5) end\n"
    "    end)\n"
    "end\n";

static const char idle[] = "for i = 1, ... do task.spawn(task.wait, 3600) end";

static int frame_compare(const void *a, const void *b) {
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double frame_step_us(struct vm *vm, uint64_t frame) {
    double start_ns = now_ns();

    must(kahu_stepped_step(vm->stepped, frame * NS_PER_SECOND / 60) >= 0,
         "a step");
    return (now_ns() - start_ns) / 1e3;
}

static void frame_round(const char *text, double us[FRAMES]) {
    struct vm vm;

    vm_open(&vm, VM_STEPPED);
    vm_spawn(&vm, text, THREADS);
    for (uint64_t i = 0; i < WARM_UP; i++)
        (void)frame_step_us(&vm, i);
    for (uint64_t i = 0; i < FRAMES; i++) {
        double took_us = frame_step_us(&vm, WARM_UP + i);

        if (took_us < us[i])
            us[i] = took_us;
    }
    must(kahu_count_all(vm.host.s) == THREADS, "keeping threads alive");
    vm_close(&vm);
}

/* Microseconds of each frame, sorted. */
static void frame_measure(const char *text, double us[FRAMES]) {
    for (int i = 0; i < FRAMES; i++)
        us[i] = 1e12;
    for (int i = 0; i < ROUNDS; i++)
        frame_round(text, us);
    qsort(us, FRAMES, sizeof(*us), frame_compare);
}

int main(void) {
    static double us[FRAMES];

    frame_measure(busy, us);
    printf("fact frame_p50_us %.3f\n", us[FRAMES / 2]);
    printf("fact frame_p99_us %.3f\n", us[FRAMES * 99 / 100]);
    printf("fact frame_max_us %.3f\n", us[FRAMES - 1]);
    frame_measure(idle, us);
    printf("fact frame_idle_us %.3f\n", us[FRAMES / 2]);
    return 0;
}
