/* SPDX-License-Identifier: MIT */
/*
 * kahu-micro - small pieces of base and core, measured one by one.
 *
 *     kahu-micro [NAME...]      nanoseconds an item, the least of the rounds
 *     kahu-micro --list         names and items of those that --once can run
 *     kahu-micro --once NAME    one round on a stepped clock, for callgrind
 *     kahu-micro --built-with   what else decides on the number of instructions
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif

#include "micro.h"

#define ROUNDS 15
#define FOOTPRINT "bytes_per_sleeper"

/* Those with OS threads last: the C library is slower from then on. */
static const struct micro *const tables[] = {
    micro_heap,   micro_index,   micro_slots, micro_pool, micro_lanes,
    micro_resume, micro_scripts, micro_post,  NULL,
};

/* ------------------------------------------------------------------------ */
/* What benchmarks use                                                      */
/* ------------------------------------------------------------------------ */

volatile uint64_t micro_sink;

static uint64_t micro_state;

void micro_seed(void) {
    micro_state = 1;
}

/* xorshift64* (Vigna) */
uint64_t micro_random(void) {
    micro_state ^= micro_state >> 12;
    micro_state ^= micro_state << 25;
    micro_state ^= micro_state >> 27;
    return micro_state * UINT64_C(2685821657736338717);
}

uint32_t *micro_shuffled(uint32_t n) {
    uint32_t *order = must_malloc(n * sizeof(*order));

    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = (uint32_t)(micro_random() % (i + 1));

        order[i] = i + 1; /* j may be i */
        order[i] = order[j];
        order[j] = i + 1;
    }
    return order;
}

/* ------------------------------------------------------------------------ */
/* Measuring                                                                */
/* ------------------------------------------------------------------------ */

static double micro_round_ns(const struct micro *m) {
    double start_ns;
    double end_ns;

    micro_seed();
    m->open(m);
    start_ns = now_ns();
    micro_measured(m);
    end_ns = now_ns();
    m->close(m);
    return end_ns - start_ns;
}

static void micro_print(const struct micro *m) {
    double least_ns = micro_round_ns(m);

    for (int i = 1; i < ROUNDS; i++) {
        double ns = micro_round_ns(m);

        if (ns < least_ns)
            least_ns = ns;
    }
    printf("fact %s_ns %.1f\n", m->name, least_ns / m->items);
    if ((m->flags & MICRO_RATE) != 0)
        printf("fact %s_ops_per_s %.0f\n", m->name, m->items / least_ns * 1e9);
    fflush(stdout);
}

/* ------------------------------------------------------------------------ */
/* Names                                                                    */
/* ------------------------------------------------------------------------ */

static bool micro_wanted(const char *name, int nnames, char **names) {
    for (int i = 0; i < nnames; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return nnames == 0;
}

static const struct micro *micro_find(const char *name) {
    for (size_t i = 0; tables[i] != NULL; i++)
        for (const struct micro *m = tables[i]; m->name != NULL; m++)
            if (strcmp(m->name, name) == 0)
                return m;
    return NULL;
}

static int micro_measure(int nnames, char **names) {
    for (int i = 0; i < nnames; i++)
        if (micro_find(names[i]) == NULL && strcmp(names[i], FOOTPRINT) != 0) {
            fprintf(stderr, "kahu-micro: no benchmark %s\n", names[i]);
            return 2;
        }
    for (size_t i = 0; tables[i] != NULL; i++)
        for (const struct micro *m = tables[i]; m->name != NULL; m++)
            if (micro_wanted(m->name, nnames, names))
                micro_print(m);
    if (micro_wanted(FOOTPRINT, nnames, names))
        micro_footprint();
    return 0;
}

static int micro_list(void) {
    for (size_t i = 0; tables[i] != NULL; i++)
        for (const struct micro *m = tables[i]; m->name != NULL; m++)
            if ((m->flags & MICRO_THREADS) == 0)
                printf("%s %u\n", m->name, (unsigned)m->items);
    return 0;
}

static int micro_run_once(const char *name) {
    const struct micro *m = micro_find(name);

    if (m == NULL || (m->flags & MICRO_THREADS) != 0) {
        fprintf(stderr, "kahu-micro: --once can not run %s\n", name);
        return 2;
    }
    vm_exact = true;
    (void)micro_round_ns(m);
    return 0;
}

/* The compiler, the machine it compiles for, the library malloc() is of, and
 * whether Luau is one that nobody here has compiled. */
static int micro_built_with(void) {
#if defined(__clang__)
    printf("clang %s", __clang_version__);
#elif defined(__GNUC__)
    printf("gcc %d.%d.%d", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#else
    printf("unknown compiler");
#endif
#if defined(__x86_64__)
    printf(", x86_64");
#elif defined(__aarch64__)
    printf(", aarch64");
#endif
#if defined(__GLIBC__)
    printf(", glibc %s", gnu_get_libc_version());
#endif
#if !defined(NDEBUG)
    printf(", assertions");
#endif
    printf(", %s\n", MICRO_BUILT);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "--list") == 0)
        return micro_list();
    if (argc == 2 && strcmp(argv[1], "--built-with") == 0)
        return micro_built_with();
    if (argc == 3 && strcmp(argv[1], "--once") == 0)
        return micro_run_once(argv[2]);
    return micro_measure(argc - 1, argv + 1);
}
