/* SPDX-License-Identifier: MIT */
#include "message.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "columns.h"
#include "hints.h"
#include "kahu/threads.h"
#include "texts.h"
#include "vm.h"

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

void message_begin(void) {
    if (message_before != NULL)
        message_before();
}

/* NO_COLOR as no-color.org has it: set, and not empty. */
static bool message_suits_color(FILE *out) {
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return (no_color == NULL || *no_color == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0 && isatty(fileno(out));
}

bool message_is_colored(FILE *out) {
    if (message_color_wanted != MESSAGE_AUTO)
        return message_color_wanted == MESSAGE_ALWAYS;
    return message_suits_color(out);
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

/* What is known of a message. */
struct message_view {
    const char *known;      /* without its place, where it is one of the VM's, a
                          library's or the compiler's; or else empty */
    struct texts_line line; /* its text is NULL where none is known */
    struct message_span raiser; /* the C function that raised it in this line;
                                   from is NULL where none did */
    bool has_hint;
    struct hint hint;
};

/* What in the code has this name, or in a string, if nothing in the code. */
static struct message_span message_only_in(const struct texts_line *line,
                                           struct message_span name) {
    struct message_span found = message_only(line->code, name);
    const char *base = line->code;

    if (found.from == NULL) {
        found = message_only(line->quoted, name);
        base = line->quoted;
    }
    if (found.from != NULL)
        found.from = line->text + (found.from - base);
    return found;
}

/* What in the line the VM or the compiler names. */
static struct message_span message_named(const struct message_view *view) {
    static const struct {
        const char *message;
        const char *before;
    } names[] = {
        {"attempt to index ", " with '"},
        {"attempt to call missing method '", " missing method '"},
        {"invalid argument #", " to '"},
        {"missing argument #", " to '"},
        {"Expected ", ", got '"},
        {"expect has no '", " has no '"},
        {"error requiring module ", " module \""},
    };
    static const struct message_span expectation = {"expect", 6};
    const char *message = view->known;
    struct message_span none = {NULL, 0};

    if (strncmp(message, "expected ", 9) == 0) /* of `kahu test` */
        return message_only_in(&view->line, expectation);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct message_span name;

        if (strncmp(message, names[i].message, strlen(names[i].message)) != 0)
            continue;
        name = message_quoted(message, names[i].before);
        return name.from == NULL ? none : message_only_in(&view->line, name);
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
static struct message_span message_span(const struct message_view *view) {
    const char *text = view->line.text;
    struct message_span span = message_named(view);

    assert(text != NULL);
    if (span.from == NULL && view->has_hint && view->hint.length > 0)
        span = (struct message_span){text + view->hint.at, view->hint.length};
    if (span.from == NULL && view->raiser.from != NULL)
        span = message_only_in(&view->line, view->raiser);
    if (span.from != NULL)
        return span;
    return (struct message_span){text + strspn(text, " \t"), 1};
}

/* As wide as the text on a terminal: a tab where it has one. */
static void message_pad(FILE *out, const char *text, const char *end) {
    while (text < end) {
        char blank = *text == '\t' ? '\t' : ' ';

        for (unsigned n = columns_next(&text, end); n > 0; n--)
            fputc(blank, out);
    }
}

/* At most so many bytes of a line are shown, and so many before a name that
 * would not be among them otherwise. */
#define MESSAGE_LINE 200
#define MESSAGE_BEFORE 80

static bool message_is_inside(char c) {
    return (c & 0xC0) == 0x80;
}

/* The part of the line that is shown, with all characters whole. */
static struct message_span message_window(const char *text,
                                          struct message_span span) {
    size_t length = strlen(text);
    size_t at = (size_t)(span.from - text);
    size_t from = 0;
    size_t end;

    if (length <= MESSAGE_LINE)
        return (struct message_span){text, length};
    if (at + span.length > MESSAGE_LINE && at > MESSAGE_BEFORE)
        from = at - MESSAGE_BEFORE;
    if (from > length - MESSAGE_LINE)
        from = length - MESSAGE_LINE;
    end = from + MESSAGE_LINE;
    while (from < at && message_is_inside(text[from]))
        from++;
    while (end > at && message_is_inside(text[end]))
        end--;
    return (struct message_span){text + from, end - from};
}

/* A tab in a quoted name is as wide as anything. */
static void message_carets(char out[2 * MESSAGE_LINE + 1],
                           struct message_span span) {
    size_t n = columns_count(span.from, span.from + span.length);

    if (n < 1)
        n = 1;
    memset(out, '^', n);
    out[n] = '\0';
}

/* What a file has in it is not to move the cursor of a terminal: those that are
 * a byte, and those of two, that only some terminals follow. */
static void message_clean(char *text) {
    for (; *text != '\0'; text++) {
        const unsigned char c = (unsigned char)*text;

        if ((c < ' ' && c != '\t') || c == 0x7F)
            *text = '?';
        else if (c == 0xC2 && (unsigned char)text[1] >= 0x80 &&
                 (unsigned char)text[1] < 0xA0)
            text[0] = text[1] = '?';
    }
}

/* Where something is shown, and how. */
struct message_page {
    FILE *file;
    const char *prefix; /* of each line */
    bool colored;
};

/* A line with nothing in it, as at the end of a file, is left out. */
static void message_source(const struct message_page *page,
                           const struct message_view *view) {
    char *text = view->line.text;
    struct message_span span = message_span(view);
    struct message_span window = message_window(text, span);
    const char *end = window.from + window.length;
    char carets[2 * MESSAGE_LINE + 1];

    if (*span.from == '\0')
        return;
    if (span.length > (size_t)(end - span.from))
        span.length = (size_t)(end - span.from);
    message_clean(text);
    message_carets(carets, span);
    fprintf(page->file, "%s%5d | %s%.*s%s\n%s      | %s", page->prefix,
            view->line.number, window.from == text ? "" : "...",
            (int)window.length, window.from, *end == '\0' ? "" : "...",
            page->prefix, window.from == text ? "" : "   ");
    message_pad(page->file, window.from, span.from);
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

/* What comes after the "name:12: " that the message begins with, if it does. */
static const char *message_skip_place(const char *message) {
    for (const char *at = strchr(message, ':'); at != NULL;
         at = strchr(at + 1, ':')) {
        size_t digits = strspn(at + 1, "0123456789");

        if (digits > 0 && strncmp(at + 1 + digits, ": ", 2) == 0)
            return at + 1 + digits + 2;
    }
    return message;
}

/* Is it the script that raised it? Then its message may say anything. */
static bool message_is_thrown(lua_State *co) {
    lua_Debug ar;

    return co != NULL && lua_getinfo(co, 0, "sn", &ar) && ar.what[0] == 'C' &&
           ar.name != NULL &&
           (strcmp(ar.name, "error") == 0 || strcmp(ar.name, "assert") == 0);
}

/* A value that is no text has no place in it, as error() puts none there: it is
 * where the thread stands. A text that a value makes of itself may have one. */
static bool message_lacks_place(const char *message, lua_State *co,
                                lua_Debug *where) {
    if (co == NULL || lua_gettop(co) == 0 || lua_isstring(co, -1) ||
        message_skip_place(message) != message)
        return false;
    vm_where(co, where);
    return where->currentline > 0;
}

static void message_find_hint(struct message_view *view, lua_State *co) {
    view->has_hint =
        hints_find(&view->hint, view->known,
                   view->line.text == NULL ? NULL : &view->line, co);
}

static void message_view(struct message_view *out, const char *message,
                         lua_State *co) {
    *out = (struct message_view){.known = ""};
    if (!message_is_thrown(co))
        out->known = message_skip_place(message);
    if (message_find_line(message, co, &out->line))
        out->raiser = message_raiser(co, &out->line);
    else
        out->line.text = NULL;
    message_find_hint(out, co);
}

static void message_view_free(struct message_view *view) {
    if (view->line.text != NULL)
        texts_line_free(&view->line);
}

void message_error(kahu_sched *s, lua_State *co, const char *message,
                   const char *traceback) {
    const struct message_page page = {stderr, "", message_is_colored(stderr)};
    struct message_view view;
    lua_Debug where;

    message_view(&view, message, co);
    message_begin();
    if (message_lacks_place(message, co, &where))
        message_line(stderr, page.colored, MESSAGE_RED, "%s:%d: %s",
                     where.short_src, where.currentline, message);
    else
        message_line(stderr, page.colored, MESSAGE_RED, "%s", message);
    if (view.line.text != NULL)
        message_source(&page, &view);
    if (view.has_hint)
        message_line(stderr, page.colored, MESSAGE_CYAN, "hint: %s",
                     view.hint.text);
    message_traceback(traceback, page.colored);
    if (co != NULL)
        message_origins(s, co, page.colored);
    message_view_free(&view);
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

/* False where no line is known. */
static bool message_view_frames(struct message_view *out, const char *message,
                                const char *frames) {
    struct message_span raiser = message_frames_raiser(&frames);

    *out = (struct message_view){.known = message_skip_place(message)};
    if (texts_find(message, &out->line)) {
        if (strncmp(message, frames, strlen(frames)) == 0)
            out->raiser = raiser; /* it was in this line */
    } else if (texts_find(frames, &out->line))
        out->raiser = raiser;
    else
        return false;
    message_find_hint(out, NULL);
    return true;
}

void message_place(FILE *out, const char *prefix, bool colored,
                   const char *message, const char *frames) {
    const struct message_page page = {out, prefix, colored};
    struct message_view view;

    if (!message_view_frames(&view, message, frames))
        return;
    message_source(&page, &view);
    if (view.has_hint) {
        fputs(prefix, out);
        message_line(out, colored, MESSAGE_CYAN, "hint: %s", view.hint.text);
    }
    message_view_free(&view);
}
