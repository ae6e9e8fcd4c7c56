/* SPDX-License-Identifier: MIT */
#define _XOPEN_SOURCE 700 /* wcwidth */
#include "editor.h"

#include <errno.h>
#include <histedit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "completion.h"

#define EDITOR_PATH 4096
#define EDITOR_PROMPT 16
#define EDITOR_HISTORY 1000 /* lines that are kept */

struct editor {
    struct editor_owner owner;
    uv_loop_t *loop;
    uv_poll_t poll;        /* standard input */
    uv_prepare_t prepare;  /* before the loop sleeps */
    uv_async_t async;      /* there was an interrupt */
    uv_signal_t resized;   /* SIGWINCH */
    uv_signal_t continued; /* SIGCONT: others had the terminal meanwhile */
    int open;              /* handles that are not closed yet */

    EditLine *el;
    History *history;
    char path[EDITOR_PATH]; /* of the history; "" when there is none */
    char prompt[EDITOR_PROMPT];
    char *line; /* the one that was read last */
    bool reading;
    bool hidden;
    bool readable;
    bool is_dumb; /* the terminal can not move its cursor */
    volatile sig_atomic_t interrupted;
};

/* ------------------------------------------------------------------------ */
/* The line on the screen                                                   */
/* ------------------------------------------------------------------------ */

static size_t editor_width(const char *from, const char *end) {
    mbstate_t state = {0};
    size_t width = 0;

    while (from < end) {
        wchar_t c;
        size_t n = mbrtowc(&c, from, (size_t)(end - from), &state);
        int columns;

        if (n == 0 || n > (size_t)(end - from))
            return width + (size_t)(end - from);
        columns = wcwidth(c);
        width += columns < 0 ? 2 : (size_t)columns; /* ^A */
        from += n;
    }
    return width;
}

static size_t editor_columns(struct editor *e) {
    int width = 0;

    if (el_get(e->el, EL_GETTC, "co", &width, NULL) == 0 && width > 0)
        return (size_t)width;
    return 80;
}

static void editor_erase(struct editor *e) {
    const LineInfo *line = el_line(e->el);
    size_t rows;

    if (e->is_dumb) {
        fputc('\n', stdout);
        return;
    }
    rows = (strlen(e->prompt) + editor_width(line->buffer, line->cursor)) /
           editor_columns(e);
    fputc('\r', stdout);
    while (rows-- > 0)
        fputs("\033[A", stdout);
    fputs("\033[J", stdout);
}

bool editor_hide(struct editor *e) {
    if (!e->reading)
        return false;
    if (!e->hidden)
        editor_erase(e);
    e->hidden = true;
    return true;
}

static void editor_settle(uv_prepare_t *prepare) {
    struct editor *e = prepare->data;

    if (!e->reading || !e->hidden)
        return;
    e->hidden = false;
    fflush(stdout);
    el_set(e->el, EL_REFRESH);
}

static char *editor_prompt(EditLine *el) {
    struct editor *e;

    el_get(el, EL_CLIENTDATA, &e);
    return e->prompt;
}

static void editor_on_resize(uv_signal_t *handle, int number) {
    struct editor *e = handle->data;

    (void)number;
    el_resize(e->el);
}

static void editor_on_continue(uv_signal_t *handle, int number) {
    struct editor *e = handle->data;

    (void)number;
    if (!e->reading)
        return;
    el_set(e->el, EL_PREP_TERM, 0);
    el_set(e->el, EL_PREP_TERM, 1);
    el_set(e->el, EL_REFRESH);
}

/* ------------------------------------------------------------------------ */
/* Keys                                                                     */
/* ------------------------------------------------------------------------ */

static void editor_on_readable(uv_poll_t *poll, int status, int events) {
    struct editor *e = poll->data;

    (void)status; /* then reading tells */
    (void)events;
    e->readable = true;
    uv_poll_stop(poll);
}

static void editor_on_interrupt(uv_async_t *async) {
    (void)async; /* the loop has returned: that is all */
}

static bool editor_is_over(struct editor *e) {
    return e->interrupted || e->owner.is_over(e->owner.ud);
}

/* Runs the loop until there is something to read; false when that is not
 * wanted any more. */
static bool editor_wait(struct editor *e) {
    e->readable = false;
    if (uv_poll_start(&e->poll, UV_READABLE, editor_on_readable) != 0)
        return false;
    while (!e->readable && !editor_is_over(e))
        uv_run(e->loop, UV_RUN_ONCE);
    uv_poll_stop(&e->poll);
    editor_settle(&e->prepare);
    return e->readable && !editor_is_over(e);
}

/* el_rfunc_t: one character; 0 at the end, -1 after an error. */
static int editor_getc(EditLine *el, wchar_t *out) {
    struct editor *e;
    mbstate_t state = {0};
    size_t n = (size_t)-2;

    el_get(el, EL_CLIENTDATA, &e);
    while (n == (size_t)-2) {
        char byte;
        ssize_t got;

        if (!editor_wait(e))
            return -1;
        got = read(STDIN_FILENO, &byte, 1);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return (int)got;
        n = mbrtowc(out, &byte, 1, &state);
        if (n == (size_t)-1) {
            state = (mbstate_t){0};
            *out = L'?'; /* no character of this encoding */
        }
    }
    return 1;
}

/* ------------------------------------------------------------------------ */
/* Completion                                                               */
/* ------------------------------------------------------------------------ */

/* All names, as many in a row as there is room for. */
static void editor_list(struct editor *e, const struct completion *c) {
    size_t width = 0;
    size_t in_row;

    for (size_t i = 0; i < c->count; i++)
        if (strlen(c->names[i]) + 2 > width)
            width = strlen(c->names[i]) + 2;
    in_row = editor_columns(e) / width;
    in_row = in_row == 0 ? 1 : in_row;
    for (size_t i = 0; i < c->count; i++)
        fprintf(stdout, "%s%-*s", i % in_row == 0 ? "\n" : "", (int)width,
                c->names[i]);
    fputc('\n', stdout);
}

static unsigned char editor_complete(EditLine *el, int key) {
    struct completion c = {NULL, 0, 0, 0};
    const LineInfo *line = el_line(el);
    unsigned char result = CC_ERROR;
    struct editor *e;
    size_t common;

    (void)key;
    el_get(el, EL_CLIENTDATA, &e);
    e->owner.complete(e->owner.ud, line->buffer,
                      (size_t)(line->cursor - line->buffer), &c);
    common = completion_common(&c);
    if (common > c.typed) {
        c.names[0][common] = '\0';
        if (el_insertstr(el, c.names[0] + c.typed) == 0)
            result = CC_REFRESH;
    } else if (c.count > 1) {
        editor_list(e, &c);
        result = CC_REDISPLAY;
    }
    completion_free(&c);
    return result;
}

/* ------------------------------------------------------------------------ */
/* History                                                                  */
/* ------------------------------------------------------------------------ */

/* Makes the directories above the file. */
static void editor_make_place(const char *path) {
    char place[EDITOR_PATH];

    snprintf(place, sizeof(place), "%s", path);
    for (char *at = strchr(place + 1, '/'); at != NULL;
         at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(place, 0700); /* or it is there, or saving fails */
        *at = '/';
    }
}

/* Where it is kept, as the XDG directories have it. */
static void editor_find_history(struct editor *e) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int length = 0;

    if (state != NULL && *state == '/')
        length = snprintf(e->path, EDITOR_PATH, "%s/kahu/history", state);
    else if (home != NULL && *home == '/')
        length = snprintf(e->path, EDITOR_PATH, "%s/.local/state/kahu/history",
                          home);
    if (length >= EDITOR_PATH)
        e->path[0] = '\0';
}

static void editor_load_history(struct editor *e) {
    HistEvent event;

    history(e->history, &event, H_SETSIZE, EDITOR_HISTORY);
    history(e->history, &event, H_SETUNIQUE, 1);
    editor_find_history(e);
    if (e->path[0] != '\0')
        history(e->history, &event, H_LOAD, e->path);
    el_set(e->el, EL_HIST, history, e->history);
}

/* Nobody else is to read what was typed. Where it can't be written there is no
 * history. */
static void editor_save_history(struct editor *e) {
    HistEvent event;
    mode_t mask;

    if (e->path[0] == '\0')
        return;
    mask = umask(077);
    editor_make_place(e->path);
    history(e->history, &event, H_SAVE, e->path);
    umask(mask);
}

void editor_remember(struct editor *e, const char *line) {
    HistEvent event;

    if (*line != '\0')
        history(e->history, &event, H_ENTER, line);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

static void editor_closed(uv_handle_t *handle) {
    struct editor *e = handle->data;

    e->open--;
}

static void editor_own(struct editor *e, void *handle) {
    ((uv_handle_t *)handle)->data = e;
    e->open++;
}

static void editor_close(struct editor *e) {
    void *const handles[] = {&e->prepare, &e->resized, &e->continued, &e->async,
                             &e->poll};
    int count = e->open; /* they were opened in this order */

    for (int i = 0; i < count; i++)
        uv_close(handles[i], editor_closed);
    while (e->open > 0)
        uv_run(e->loop, UV_RUN_NOWAIT);
}

/* Only what is read keeps the loop. */
static int editor_open(struct editor *e) {
    int error;

    uv_prepare_init(e->loop, &e->prepare);
    editor_own(e, &e->prepare);
    uv_prepare_start(&e->prepare, editor_settle);
    uv_signal_init(e->loop, &e->resized);
    editor_own(e, &e->resized);
    uv_signal_init(e->loop, &e->continued);
    editor_own(e, &e->continued);
    error = uv_async_init(e->loop, &e->async, editor_on_interrupt);
    if (error != 0)
        return error;
    editor_own(e, &e->async);
    error = uv_poll_init(e->loop, &e->poll, STDIN_FILENO);
    if (error != 0)
        return error;
    editor_own(e, &e->poll);
    error = uv_signal_start(&e->resized, editor_on_resize, SIGWINCH);
    if (error == 0)
        error = uv_signal_start(&e->continued, editor_on_continue, SIGCONT);
    uv_unref((uv_handle_t *)&e->prepare);
    uv_unref((uv_handle_t *)&e->resized);
    uv_unref((uv_handle_t *)&e->continued);
    return error;
}

static void editor_configure(struct editor *e) {
    const char *term = getenv("TERM");

    e->is_dumb = term == NULL || strcmp(term, "dumb") == 0;
    el_set(e->el, EL_CLIENTDATA, e);
    el_set(e->el, EL_PROMPT, editor_prompt);
    el_set(e->el, EL_GETCFN, editor_getc);
    el_set(e->el, EL_EDITOR, "emacs");
    el_set(e->el, EL_SIGNAL, 0);
    /* The wide form: the other leaks copies of both texts. */
    el_wset(e->el, EL_ADDFN, L"kahu-complete", L"Complete a name",
            editor_complete);
    el_set(e->el, EL_BIND, "^I", "kahu-complete", NULL);
    el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
    el_set(e->el, EL_BIND, "^W", "ed-delete-prev-word", NULL);
    el_source(e->el, NULL); /* ~/.editrc has the last word */
}

static bool editor_init(struct editor *e, const char **why) {
    int error = editor_open(e);

    if (error != 0) {
        *why = uv_strerror(error);
        return false;
    }
    e->history = history_init();
    e->el = el_init("kahu", stdin, stdout, stderr);
    if (e->history == NULL || e->el == NULL) {
        *why = "the terminal can't be used";
        return false;
    }
    editor_configure(e);
    editor_load_history(e);
    return true;
}

struct editor *editor_new(uv_loop_t *loop, const struct editor_owner *owner,
                          const char **why) {
    struct editor *e = calloc(1, sizeof(*e));

    *why = "not enough memory";
    if (e == NULL)
        return NULL;
    e->owner = *owner;
    e->loop = loop;
    if (editor_init(e, why))
        return e;
    editor_free(e);
    return NULL;
}

void editor_free(struct editor *e) {
    if (e->el != NULL && e->history != NULL)
        editor_save_history(e);
    if (e->el != NULL)
        el_end(e->el);
    if (e->history != NULL)
        history_end(e->history);
    editor_close(e);
    free(e->line);
    free(e);
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

/* One that comes between the two is not lost: it is this one. */
bool editor_take_interrupt(struct editor *e) {
    if (!e->interrupted)
        return false;
    e->interrupted = 0;
    return true;
}

void editor_interrupt(struct editor *e) {
    e->interrupted = 1;
    uv_async_send(&e->async);
}

static enum editor_result editor_no_line(struct editor *e) {
    fputc('\n', stdout);
    fflush(stdout);
    if (editor_take_interrupt(e) && !e->owner.is_over(e->owner.ud))
        return EDITOR_INTERRUPTED;
    return EDITOR_END;
}

enum editor_result editor_read(struct editor *e, const char *prompt,
                               const char **line) {
    const char *text;
    int count = 0;

    snprintf(e->prompt, sizeof(e->prompt), "%s", prompt);
    e->reading = true;
    e->hidden = false;
    el_set(e->el, EL_PREP_TERM, 1); /* what is typed after the prompt is ours */
    text = el_gets(e->el, &count);
    e->reading = false;
    if (text == NULL || count <= 0)
        return editor_no_line(e);
    free(e->line);
    e->line = strdup(text);
    if (e->line == NULL)
        return EDITOR_NO_MEMORY;
    e->line[strcspn(e->line, "\r\n")] = '\0';
    *line = e->line;
    return EDITOR_LINE;
}
