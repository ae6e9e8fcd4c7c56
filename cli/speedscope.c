/* SPDX-License-Identifier: MIT */
/*
 * speedscope.c - https://www.speedscope.app/file-format-schema.json
 *
 * A stack is written out for every sample. In the profile of one thread it
 * begins with that thread; in the whole, with whoever has resumed it.
 */
#include "speedscope.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "kahu/kahu.h"

struct speedscope {
    const struct stacks *st;
    FILE *file;
    double weight_us; /* of one tick */
    uint32_t *way;    /* room for the frames of a stack */
};

/* The samples of a profile: all in order of time, or those of one thread. */
struct speedscope_part {
    const struct stacks_sample **samples;
    size_t count;
    bool whole;
};

/* ------------------------------------------------------------------------ */
/* Parts of JSON                                                            */
/* ------------------------------------------------------------------------ */

/* Clean text has no control characters. */
static void speedscope_string(FILE *file, const char *text) {
    char clean[STACKS_LABEL_SIZE];

    snprintf(clean, sizeof(clean), "%s", text);
    stacks_clean(clean);
    fputc('"', file);
    for (const char *c = clean; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fputc('\\', file);
        fputc(*c, file);
    }
    fputc('"', file);
}

static void speedscope_frames(const struct speedscope *w) {
    for (size_t i = 0; i < w->st->frame_count; i++) {
        const struct stacks_frame *f = &w->st->frames[i];

        fputs(i == 0 ? "\n{\"name\":" : ",\n{\"name\":", w->file);
        speedscope_string(w->file, f->name);
        if (f->file[0] != '\0') {
            fputs(",\"file\":", w->file);
            speedscope_string(w->file, f->file);
        }
        if (f->line > 0)
            fprintf(w->file, ",\"line\":%d", f->line);
        fputc('}', w->file);
    }
}

/* ------------------------------------------------------------------------ */
/* Profiles                                                                 */
/* ------------------------------------------------------------------------ */

/* The frames of one stack, the outermost first. */
static void speedscope_stack(const struct speedscope *w, uint32_t node,
                             bool whole) {
    uint32_t first = whole ? STACKS_ROOT : stacks_thread_of(w->st, node);
    size_t depth = 0;

    for (; node != first; node = w->st->nodes[node].parent)
        w->way[depth++] = w->st->nodes[node].frame;
    if (first != STACKS_ROOT)
        w->way[depth++] = w->st->nodes[first].frame;
    fputc('[', w->file);
    while (depth-- > 0)
        fprintf(w->file, "%" PRIu32 "%s", w->way[depth], depth > 0 ? "," : "");
    fputc(']', w->file);
}

static void speedscope_name(const struct speedscope *w,
                            const struct speedscope_part *part) {
    const struct stacks *st = w->st;
    char label[STACKS_LABEL_SIZE];
    char name[STACKS_LABEL_SIZE + 32] = "whole";
    uint32_t thread;

    if (!part->whole) {
        thread = stacks_thread_of(st, part->samples[0]->node);
        stacks_label(&st->frames[st->nodes[thread].frame], label);
        snprintf(name, sizeof(name), "%s (%" PRIu64 ")", label,
                 part->samples[0]->thread);
    }
    speedscope_string(w->file, name);
}

static uint64_t speedscope_ticks(const struct speedscope_part *part) {
    uint64_t ticks = 0;

    for (size_t i = 0; i < part->count; i++)
        ticks += part->samples[i]->weight;
    return ticks;
}

static void speedscope_part(const struct speedscope *w,
                            const struct speedscope_part *part) {
    fputs("\n{\"type\":\"sampled\",\"name\":", w->file);
    speedscope_name(w, part);
    fprintf(w->file,
            ",\"unit\":\"microseconds\",\"startValue\":0,"
            "\"endValue\":%.15g,\n\"samples\":[",
            (double)speedscope_ticks(part) * w->weight_us);
    for (size_t i = 0; i < part->count; i++) {
        fputs(i == 0 ? "" : ",", w->file);
        speedscope_stack(w, part->samples[i]->node, part->whole);
    }
    fputs("],\n\"weights\":[", w->file);
    for (size_t i = 0; i < part->count; i++)
        fprintf(w->file, "%s%.15g", i == 0 ? "" : ",",
                part->samples[i]->weight * w->weight_us);
    fputs("]}", w->file);
}

/* ------------------------------------------------------------------------ */
/* The file                                                                 */
/* ------------------------------------------------------------------------ */

/* They point into one array, so of one thread's the order of time is that of
 * their addresses. */
static int speedscope_compare(const void *a, const void *b) {
    const struct stacks_sample *x = *(const struct stacks_sample *const *)a;
    const struct stacks_sample *y = *(const struct stacks_sample *const *)b;

    if (x->thread != y->thread)
        return x->thread < y->thread ? -1 : 1;
    return x < y ? -1 : x > y;
}

/* Of samples that are sorted. */
static void speedscope_threads(const struct speedscope *w,
                               const struct stacks_sample **sorted) {
    size_t count = w->st->sample_count;

    for (size_t from = 0, to; from < count; from = to) {
        struct speedscope_part part = {sorted + from, 0, false};

        for (to = from;
             to < count && sorted[to]->thread == sorted[from]->thread;)
            to++;
        part.count = to - from;
        fputc(',', w->file);
        speedscope_part(w, &part);
    }
}

static void speedscope_file(const struct speedscope *w, const char *name,
                            const struct stacks_sample **samples) {
    size_t count = w->st->sample_count;
    struct speedscope_part whole = {samples, count, true};
    int v = kahu_version();

    fputs("{\"$schema\":"
          "\"https://www.speedscope.app/file-format-schema.json\",\n\"name\":",
          w->file);
    speedscope_string(w->file, name);
    fprintf(w->file,
            ",\n\"exporter\":\"kahu %d.%d.%d\",\n\"activeProfileIndex\":0,\n"
            "\"shared\":{\"frames\":[",
            v / 1000000, v / 100 % 10000, v % 100);
    speedscope_frames(w);
    fputs("]},\n\"profiles\":[", w->file);
    speedscope_part(w, &whole);
    qsort(samples, count, sizeof(*samples), speedscope_compare);
    speedscope_threads(w, samples);
    fputs("]}\n", w->file);
}

bool speedscope_write(const struct stacks *st, const char *name,
                      uint32_t rate_hz, FILE *file) {
    struct speedscope w = {st, file, 1e6 / rate_hz, NULL};
    const struct stacks_sample **samples =
        malloc((st->sample_count + 1) * sizeof(*samples));

    w.way = malloc(st->node_count * sizeof(*w.way));
    if (w.way == NULL || samples == NULL) {
        free(w.way);
        free(samples);
        return false;
    }
    for (size_t i = 0; i < st->sample_count; i++)
        samples[i] = &st->samples[i];
    speedscope_file(&w, name, samples);
    free(w.way);
    free(samples);
    return true;
}
