/* SPDX-License-Identifier: MIT */
#include "folded.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------ */
/* Writing                                                                  */
/* ------------------------------------------------------------------------ */

/* A thread inside of a resume is of a depth that the C stack limits, but its
 * stacks add up: the way up from a node is kept in memory. */
static void folded_write_way(const struct stacks *st, const uint32_t *way,
                             size_t depth, FILE *file) {
    char label[STACKS_LABEL_SIZE];

    while (depth-- > 0) {
        stacks_label(&st->frames[st->nodes[way[depth]].frame], label);
        fprintf(file, "%s%c", label, depth > 0 ? ';' : ' ');
    }
}

bool folded_write(const struct stacks *st, FILE *file) {
    uint32_t *way = malloc(st->node_count * sizeof(*way));

    if (way == NULL)
        return false;
    for (uint32_t i = 1; i < st->node_count; i++) {
        size_t depth = 0;

        if (st->nodes[i].self == 0)
            continue;
        for (uint32_t at = i; at != STACKS_ROOT; at = st->nodes[at].parent)
            way[depth++] = at;
        folded_write_way(st, way, depth, file);
        fprintf(file, "%" PRIu64 "\n", st->nodes[i].self);
    }
    free(way);
    return true;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

/* The count at the end of a line, which is cut off there; 0 without one. A sum
 * of as many as there may be is far from an overflow. */
static uint64_t folded_count(char *line) {
    char *space = strrchr(line, ' ');
    char *end;
    uint64_t n;

    if (space == NULL || space == line || space[1] < '0' || space[1] > '9')
        return 0;
    n = strtoull(space + 1, &end, 10);
    if (*end != '\0' || n > UINT32_MAX)
        return 0;
    *space = '\0';
    return n;
}

static uint32_t folded_frame(struct stacks *st, uint32_t parent,
                             const char *name) {
    struct stacks_frame frame = {.name = name, .file = ""};

    return stacks_child(st, parent, stacks_frame(st, &frame));
}

/* One line without its end. */
static bool folded_read_line(struct stacks *st, char *line,
                             struct folded_failure *failure) {
    uint64_t count = folded_count(line);
    uint32_t node = STACKS_ROOT;
    char *semicolon;

    if (count == 0)
        return false;
    for (; (semicolon = strchr(line, ';')) != NULL; line = semicolon + 1) {
        *semicolon = '\0';
        node = folded_frame(st, node, line);
    }
    node = folded_frame(st, node, line);
    failure->memory = node == STACKS_NONE;
    if (!failure->memory)
        st->nodes[node].self += count;
    return !failure->memory;
}

/* The byte behind the text is its terminator. */
bool folded_read(struct stacks *st, char *text, size_t size,
                 struct folded_failure *failure) {
    char *end = text + size;

    *failure = (struct folded_failure){false, 0};
    while (text < end) {
        char *line = text;
        char *newline = memchr(text, '\n', (size_t)(end - text));

        failure->line++;
        text = newline != NULL ? newline + 1 : end;
        if (newline != NULL)
            *newline = '\0';
        if (newline > line && newline[-1] == '\r')
            newline[-1] = '\0';
        if (*line != '\0' && !folded_read_line(st, line, failure))
            return false;
    }
    return true;
}
