/* SPDX-License-Identifier: MIT */
/*
 * flame.c - a box per node, as wide as its share, on top of its parent; beside
 * each other in the order of their names. Equal names have equal colours, in
 * every picture.
 */
#include "flame.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Of the picture, in pixels. */
#define FLAME_WIDTH 1200
#define FLAME_MARGIN 10
#define FLAME_HEAD 40 /* above the boxes: title and total */
#define FLAME_ROW 18
#define FLAME_PAD 3 /* between the edge of a box and its text */

/* A monospaced font: what a character takes up is known. */
#define FLAME_FONT 12
#define FLAME_LETTER 7.25

#define FLAME_GREY "#d8d8d8"

/* Below this nobody can see a box, nor point at it. */
#define FLAME_LEAST 0.05

struct flame_box {
    const char *label;
    uint32_t number; /* of its node */
    uint32_t parent;
    uint32_t depth;
    uint64_t self;
    uint64_t total;
    uint64_t start; /* where it begins, in the same units */
    uint64_t used;  /* how much of it those above it have been given */
};

struct flame {
    const struct stacks *st;
    char (*labels)[STACKS_LABEL_SIZE]; /* by frame */
    struct flame_box *boxes;           /* by node */
    struct flame_box **order;          /* those of a parent by name */
    uint32_t depth;                    /* of the deepest one */
    FILE *file;
};

/* ------------------------------------------------------------------------ */
/* Layout                                                                   */
/* ------------------------------------------------------------------------ */

static struct flame_box flame_box(const struct flame *f, uint32_t number) {
    const struct stacks_node *node = &f->st->nodes[number];
    bool root = number == STACKS_ROOT;

    return (struct flame_box){
        .label = root ? "all" : f->labels[node->frame],
        .number = number,
        .parent = node->parent,
        .depth = root ? 0 : f->boxes[node->parent].depth + 1,
        .self = node->self,
        .total = node->self,
    };
}

/* A parent has a lower number than its children. */
static void flame_measure(struct flame *f) {
    uint32_t count = (uint32_t)f->st->node_count;

    for (uint32_t i = 0; i < count; i++) {
        f->boxes[i] = flame_box(f, i);
        f->order[i] = &f->boxes[i];
        if (f->boxes[i].depth > f->depth)
            f->depth = f->boxes[i].depth;
    }
    for (uint32_t i = count - 1; i > STACKS_ROOT; i--)
        f->boxes[f->boxes[i].parent].total += f->boxes[i].total;
}

static int flame_compare(const void *a, const void *b) {
    const struct flame_box *x = *(struct flame_box *const *)a;
    const struct flame_box *y = *(struct flame_box *const *)b;
    int names;

    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    names = strcmp(x->label, y->label);
    if (names != 0)
        return names;
    return x->number < y->number ? -1 : x->number > y->number;
}

/* A parent's own parent has a lower number than itself, so its place is known
 * before its children come. */
static void flame_place(struct flame *f) {
    size_t count = f->st->node_count;

    qsort(f->order + 1, count - 1, sizeof(struct flame_box *), flame_compare);
    for (size_t i = 1; i < count; i++) {
        struct flame_box *box = f->order[i];
        struct flame_box *parent = &f->boxes[box->parent];

        box->start = parent->start + parent->used;
        parent->used += box->total;
    }
}

/* ------------------------------------------------------------------------ */
/* Text                                                                     */
/* ------------------------------------------------------------------------ */

/* At most so many characters of it. */
static void flame_text(FILE *file, const char *text, size_t most) {
    for (; *text != '\0'; text++) {
        bool begins = ((unsigned char)*text & 0xC0) != 0x80;

        if (begins && most-- == 0)
            return;
        if (*text == '&')
            fputs("&amp;", file);
        else if (*text == '<')
            fputs("&lt;", file);
        else if (*text == '>')
            fputs("&gt;", file);
        else
            fputc(*text, file);
    }
}

static size_t flame_length(const char *text) {
    size_t length = 0;

    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xC0) != 0x80)
            length++;
    return length;
}

/* The label, or as much of it as there is room for. */
static void flame_write_label(const struct flame *f,
                              const struct flame_box *box, double x, double y,
                              double width) {
    double room = (width - 2 * FLAME_PAD) / FLAME_LETTER;
    size_t length = flame_length(box->label);
    size_t fits = room < 1 ? 0 : (size_t)room;

    if (fits < length && fits < 3)
        return;
    fprintf(f->file, "<text x=\"%.2f\" y=\"%.2f\">", x + FLAME_PAD,
            y + FLAME_ROW - 5);
    flame_text(f->file, box->label, fits < length ? fits - 1 : length);
    fputs(fits < length ? "\xE2\x80\xA6</text>" : "</text>", f->file);
}

/* ------------------------------------------------------------------------ */
/* Boxes                                                                    */
/* ------------------------------------------------------------------------ */

/* -1: grey. The same for the same name. */
static int flame_hue(const struct flame_box *box, uint32_t hash) {
    static const char thread[] = "thread started at ";

    if (box->number == STACKS_ROOT || strcmp(box->label, "main thread") == 0 ||
        strncmp(box->label, thread, sizeof(thread) - 1) == 0)
        return -1;
    if (strcmp(box->label, "garbage collector") == 0)
        return 120;
    if (strstr(box->label, " [C]") != NULL)
        return 195 + (int)(hash % 30);
    return (int)(hash % 55);
}

/* Warm for Luau, blue for C, green for the collector, grey for what is no
 * function. */
static void flame_write_colour(const struct flame *f,
                               const struct flame_box *box) {
    uint32_t hash = 2166136261U;
    int hue;

    for (const char *c = box->label; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 16777619U;
    hash ^= hash >> 15;
    hue = flame_hue(box, hash);
    if (hue < 0)
        fputs(FLAME_GREY, f->file);
    else
        fprintf(f->file, "hsl(%d,%d%%,%d%%)", hue, 75 + (int)(hash / 64 % 15),
                64 + (int)(hash / 4096 % 8));
}

static void flame_write_box(const struct flame *f,
                            const struct flame_box *box) {
    double all = (double)f->boxes[STACKS_ROOT].total;
    double scale = (FLAME_WIDTH - 2 * FLAME_MARGIN) / all;
    double width = (double)box->total * scale;
    double x = FLAME_MARGIN + (double)box->start * scale;
    double y = FLAME_HEAD + (double)(f->depth - box->depth) * FLAME_ROW;

    if (width < FLAME_LEAST)
        return;
    fputs("<g><title>", f->file);
    flame_text(f->file, box->label, STACKS_LABEL_SIZE);
    fprintf(
        f->file,
        ": %" PRIu64 " of %" PRIu64 " samples, %.2f %%, %" PRIu64
        " of them its own</title><rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" "
        "height=\"%d\" fill=\"",
        box->total, f->boxes[STACKS_ROOT].total, 100 * (double)box->total / all,
        box->self, x, y, width, FLAME_ROW - 1);
    flame_write_colour(f, box);
    fputs("\"/>", f->file);
    flame_write_label(f, box, x, y, width);
    fputs("</g>\n", f->file);
}

/* ------------------------------------------------------------------------ */
/* The picture                                                              */
/* ------------------------------------------------------------------------ */

static void flame_write_head(const struct flame *f, const char *title) {
    int height = FLAME_HEAD + ((int)f->depth + 1) * FLAME_ROW + FLAME_MARGIN;
    char clean[STACKS_LABEL_SIZE];

    snprintf(clean, sizeof(clean), "%s", title);
    stacks_clean(clean);
    fprintf(f->file,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\">\n"
            "<style>text{font:%dpx monospace;fill:#000}"
            "g:hover rect{stroke:#000}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text x=\"%d\" y=\"24\">",
            FLAME_WIDTH, height, FLAME_WIDTH, height, FLAME_FONT, FLAME_MARGIN);
    flame_text(f->file, clean, 100);
    fprintf(f->file, "; samples: %" PRIu64 "</text>\n",
            f->boxes[STACKS_ROOT].total);
}

/* What the colours mean; from the right edge, where the title does not come. */
static void flame_write_legend(const struct flame *f) {
    static const struct {
        const char *name;
        const char *colour; /* the middle of what its boxes have */
    } kinds[] = {
        {"collector", "hsl(120,82%,67%)"},
        {"C", "hsl(210,82%,67%)"},
        {"Luau", "hsl(27,82%,67%)"},
        {"thread", FLAME_GREY},
    };
    double x = FLAME_WIDTH - FLAME_MARGIN;

    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        x -= ((double)strlen(kinds[i].name) + 2) * FLAME_LETTER + FLAME_FONT;
        fprintf(f->file,
                "<rect x=\"%.2f\" y=\"14\" width=\"%d\" height=\"%d\" "
                "fill=\"%s\"/><text x=\"%.2f\" y=\"24\">%s</text>\n",
                x, FLAME_FONT, FLAME_FONT, kinds[i].colour,
                x + FLAME_FONT + FLAME_PAD, kinds[i].name);
    }
}

static void flame_draw(struct flame *f, const char *title) {
    for (size_t i = 0; i < f->st->frame_count; i++)
        stacks_label(&f->st->frames[i], f->labels[i]);
    flame_measure(f);
    flame_place(f);
    flame_write_head(f, title);
    flame_write_legend(f);
    if (f->boxes[STACKS_ROOT].total > 0)
        for (size_t i = 0; i < f->st->node_count; i++)
            flame_write_box(f, f->order[i]);
    fputs("</svg>\n", f->file);
}

bool flame_write(const struct stacks *st, const char *title, FILE *file) {
    struct flame f = {.st = st, .file = file};
    bool good;

    f.labels = malloc((st->frame_count + 1) * sizeof(*f.labels));
    f.boxes = malloc(st->node_count * sizeof(*f.boxes));
    f.order = malloc(st->node_count * sizeof(*f.order));
    good = f.labels != NULL && f.boxes != NULL && f.order != NULL;
    if (good)
        flame_draw(&f, title);
    free(f.labels);
    free(f.boxes);
    free(f.order);
    return good;
}
