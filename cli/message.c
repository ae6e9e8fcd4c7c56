/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hints.h"
#include "kahu/threads.h"
#include "texts.h"

/* ------------------------------------------------------------------------ */
/* Colours                                                                  */
/* ------------------------------------------------------------------------ */

#define MESSAGE_RED "31"
#define MESSAGE_BOLD "1"
#define MESSAGE_DIM "2"
#define MESSAGE_CYAN "36"

static enum message_color message_color_wanted;
static void (*message_before)(void);

void message_set_color(enum message_color color) {
    message_color_wanted = color;
}

void message_set_before(void (*before)(void)) {
    message_before = before;
}

/* NO_COLOR as no-color.org has it: set, and not empty. */
bool message_suits_color(FILE *out) {
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return (no_color == NULL || *no_color == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0 && isatty(fileno(out));
}

static bool message_is_colored(void) {
    if (message_color_wanted != MESSAGE_AUTO)
        return message_color_wanted == MESSAGE_ALWAYS;
    return message_suits_color(stderr);
}

/* Text in a colour, and the end of the line. */
__attribute__((format(printf, 4, 5))) static void
message_line(FILE *out, bool colored, const char *color, const char *format,
             ...) {
    va_list arguments;

    if (colored)
        fprintf(out, "\033[%sm", color);
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    fputs(colored ? "\033[0m\n" : "\n", out);
}

/* ------------------------------------------------------------------------ */
/* The line of the source                                                   */
/* ------------------------------------------------------------------------ */

/* A part of a line. */
struct message_span {
    const char *from;
    size_t length;
};

/* The quoted name that follows `before`, which ends in the quote, in the
 * message. */
static struct message_span message_quoted(const char *message,
                                          const char *before) {
    struct message_span none = {NULL, 0};
    const char *from = strstr(message, before);
    const char *end;

    if (from == NULL)
        return none;
    from += strlen(before);
    end = strchr(from, from[-1]);
    if (end == NULL || end == from)
        return none;
    return (struct message_span){from, (size_t)(end - from)};
}

/* Where the line has this text; nowhere when it has it more than once, as then
 * nobody knows which is meant. */
static struct message_span message_only(const char *line,
                                        struct message_span text) {
    struct message_span found = {NULL, 0};

    for (const char *at = line; *at != '\0'; at++) {
        if (strncmp(at, text.from, text.length) != 0 ||
            (at > line && hints_is_word(at[-1]) &&
             hints_is_word(text.from[0])) ||
            (hints_is_word(at[text.length]) &&
             hints_is_word(text.from[text.length - 1])))
            continue;
        if (found.from != NULL)
            return (struct message_span){NULL, 0};
        found = (struct message_span){at, text.length};
    }
    return found;
}

/* What in the line the VM or the compiler names. A message of a script's own
 * may quote anything. */
static struct message_span message_named(const char *message,
                                         const char *line) {
    static const struct {
        const char *message;
        const char *before;
    } names[] = {
        {": attempt to index ", " with '"},
        {": attempt to call missing method '", " missing method '"},
        {": invalid argument #", " to '"},
        {": missing argument #", " to '"},
        {": Expected ", ", got '"},
        {": expect has no '", " has no '"},
        {"error requiring module ", " module \""},
    };
    static const struct message_span expectation = {"expect", 6};
    struct message_span none = {NULL, 0};

    if (strstr(message, ": expected ") != NULL) /* of `kahu test` */
        return message_only(line, expectation);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *at = strstr(message, names[i].message);
        struct message_span name;

        if (at == NULL)
            continue;
        name = message_quoted(at, names[i].before);
        return name.from == NULL ? none : message_only(line, name);
    }
    return none;
}

/* The name of the C function that raised the error, called in this line. */
static struct message_span message_raiser(lua_State *co,
                                          const struct texts_line *line) {
    struct message_span none = {NULL, 0};
    lua_Debug raiser;
    lua_Debug caller;

    if (co == NULL || !lua_getinfo(co, 0, "sn", &raiser) ||
        raiser.what[0] != 'C' || raiser.name == NULL ||
        !lua_getinfo(co, 1, "l", &caller) || caller.currentline != line->number)
        return none;
    return (struct message_span){raiser.name, strlen(raiser.name)};
}

/* What the caret stands under: a name, which may be that of who raised the
 * error, or else where the line begins. */
static struct message_span message_span(const char *message,
                                        struct message_span raiser,
                                        const struct texts_line *line,
                                        const struct hint *hint) {
    struct message_span span = message_named(message, line->text);

    if (span.from == NULL && hint->name != NULL) {
        span.length = strlen(hint->name);
        span.from = hints_name_in(line->text, hint->name, span.length);
    }
    if (span.from == NULL && raiser.from != NULL)
        span = message_only(line->text, raiser);
    if (span.from != NULL)
        return span;
    return (struct message_span){line->text + strspn(line->text, " \t"), 1};
}

/* As wide as the text on a terminal: a tab where it has one, and nothing for
 * the later bytes of a character. */
static void message_pad(FILE *out, const char *text, const char *end) {
    for (; text < end; text++)
        if ((*text & 0xC0) != 0x80)
            fputc(*text == '\t' ? '\t' : ' ', out);
}

static void message_carets(char out[TEXTS_LINE], struct message_span span) {
    size_t n = 0;

    for (size_t i = 0; i < span.length && n < TEXTS_LINE - 1; i++)
        if ((span.from[i] & 0xC0) != 0x80)
            out[n++] = '^';
    out[n] = '\0';
}

/* What a file has in it is not to move the cursor of a terminal. */
static void message_clean(char *text) {
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7F)
            *text = '?';
}

/* Where something is shown, and how. */
struct message_page {
    FILE *file;
    const char *prefix; /* of each line */
    bool colored;
};

/* A line with nothing in it, as at the end of a file, is left out. */
static void message_source(const struct message_page *page,
                           struct texts_line *line, struct message_span span) {
    char carets[TEXTS_LINE];

    if (*span.from == '\0')
        return;
    message_clean(line->text);
    message_carets(carets, span);
    fprintf(page->file, "%s%5d | %s\n%s      | ", page->prefix, line->number,
            line->text, page->prefix);
    message_pad(page->file, line->text, span.from);
    message_line(page->file, page->colored, MESSAGE_BOLD, "%s", carets);
}

/* The line the message speaks of, or the one that the thread stands in. */
static bool message_find_line(const char *message, lua_State *co,
                              struct texts_line *out) {
    lua_Debug ar;

    if (texts_find(message, out))
        return true;
    for (int level = 0; co != NULL && lua_getinfo(co, level, "sl", &ar);
         level++)
        if (ar.currentline > 0)
            return texts_get(ar.source, ar.currentline, out);
    return false;
}

/* ------------------------------------------------------------------------ */
/* Where it came from                                                       */
/* ------------------------------------------------------------------------ */

static void message_traceback(const char *lines, bool colored) {
    if (*lines == '\0')
        return;
    message_line(stderr, colored, MESSAGE_DIM, "stack traceback:");
    while (*lines != '\0') {
        const char *end = lines + strcspn(lines, "\n");

        message_line(stderr, colored, MESSAGE_DIM, "  %.*s", (int)(end - lines),
                     lines);
        lines = *end == '\n' ? end + 1 : end;
    }
}

/* A recursion of spawns has as many as it likes. */
#define MESSAGE_ORIGINS 10

static void message_origins(kahu_sched *s, lua_State *co, bool colored) {
    char where[KAHU_WHERE_SIZE];
    unsigned level = 0;

    while (kahu_get_thread_origin(s, co, level, where) == KAHU_OK) {
        if (level++ == MESSAGE_ORIGINS) {
            message_line(stderr, colored, MESSAGE_DIM, "...");
            return;
        }
        if (where[0] != '\0')
            message_line(stderr, colored, MESSAGE_DIM, "started at %s", where);
    }
}

/* ------------------------------------------------------------------------ */

void message_error(kahu_sched *s, lua_State *co, const char *message,
                   const char *traceback) {
    const struct message_page page = {stderr, "", message_is_colored()};
    struct texts_line line;
    struct hint hint;
    bool has_line = message_find_line(message, co, &line);
    bool has_hint = hints_find(&hint, message, has_line ? line.text : NULL, co);

    if (message_before != NULL)
        message_before();
    message_line(stderr, page.colored, MESSAGE_RED, "%s", message);
    if (has_line)
        message_source(
            &page, &line,
            message_span(message, message_raiser(co, &line), &line, &hint));
    if (has_hint)
        message_line(stderr, page.colored, MESSAGE_CYAN, "hint: %s", hint.text);
    message_traceback(traceback, page.colored);
    if (co != NULL)
        message_origins(s, co, page.colored);
}

/* The name of the C function that the frames begin with, which are moved on to
 * its caller. */
static struct message_span message_frames_raiser(const char **frames) {
    struct message_span raiser = {NULL, 0};
    size_t size = sizeof(MESSAGE_C_FUNCTION) - 1;

    if (strncmp(*frames, MESSAGE_C_FUNCTION, size) != 0)
        return raiser;
    raiser.from = *frames + size;
    raiser.length = strcspn(raiser.from, "\n");
    *frames = raiser.from + raiser.length;
    *frames += **frames == '\n';
    return raiser;
}

void message_place(FILE *out, const char *prefix, bool colored,
                   const char *message, const char *frames) {
    const struct message_page page = {out, prefix, colored};
    struct message_span raiser = message_frames_raiser(&frames);
    struct texts_line line;
    struct hint hint;
    bool has_hint;

    if (texts_find(message, &line)) {
        if (strncmp(message, frames, strlen(frames)) != 0)
            raiser.from = NULL; /* of another line */
    } else if (!texts_find(frames, &line)) {
        return;
    }
    has_hint = hints_find(&hint, message, line.text, NULL);
    message_source(&page, &line, message_span(message, raiser, &line, &hint));
    if (has_hint) {
        fputs(prefix, out);
        message_line(out, colored, MESSAGE_CYAN, "hint: %s", hint.text);
    }
}
