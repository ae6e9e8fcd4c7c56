/* SPDX-License-Identifier: MIT */
#include "repl.h"

#include <locale.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "completion.h"
#include "editor.h"
#include "kahu/threads.h"
#include "message.h"
#include "report.h"
#include "safepoint.h"
#include "texts.h"
#include "vm.h"

/* What is between Enter and the next prompt: a line and what it defers. One
 * interrupt ends all of that, or the prompt would not come. */
struct repl_line {
    bool runs;        /* just now: it, or what it has deferred */
    bool interrupted; /* what it defers is ended as well */
    bool defers;
    uint64_t first; /* wakes of what it defers, in order of making */
    uint64_t last;
};

struct repl {
    struct repl_host host;
    size_t limit; /* of memory, as it was asked for; 0: none */
    struct editor *editor;
    struct repl_line line;
    lua_State *session; /* never runs: its globals are those of every line */
    int session_ref;
    int globals_ref;
    char *text; /* lines that are no whole chunk yet; NULL: none */
    int number; /* of the chunk */
};

/* ------------------------------------------------------------------------ */
/* Signals                                                                  */
/* ------------------------------------------------------------------------ */

/* What the handlers reach, as there is one session in a process. */
static struct {
    struct repl *repl;
    volatile sig_atomic_t raising; /* it ends what runs now */
    bool echoed; /* the terminal has shown ^C, and nothing came after it */
} repl_signal;

/* What runs now, or is about to, does not get beyond its next safepoint. */
static void repl_raise(void) {
    repl_signal.raising = 1;
    repl_signal.repl->line.interrupted = true;
    safepoint_ask(SAFEPOINT_LINE);
}

/* safepoint_fn: at every one until the resume is over, so that no pcall
 * outlives it. An interrupt of what is being ended asks for nothing more. */
static void repl_at_safepoint(void *ud, lua_State *L, int gc) {
    (void)ud;
    (void)gc;
    if (editor_take_interrupt(repl_signal.repl->editor))
        repl_signal.echoed = true;
    else if (!repl_signal.raising)
        return;
    repl_raise();
    if (!lua_checkstack(L, 1))
        return;
    lua_pushliteral(L, "interrupted"); /* where, the traceback says */
    lua_error(L);
}

/* A resume is over that nothing of Luau's is below of. What is asked of the
 * next safepoint is found to be over there. */
static void repl_resume_over(void) {
    repl_signal.raising = 0;
}

/* kahu_hooks.on_resume: nothing but a spawn is inside of another resume. */
static void repl_on_resume(void *ud, lua_State *L, const kahu_feedback *f) {
    struct repl *r = ud;

    (void)L;
    if (f->cause == KAHU_BY_SPAWN || f->cause == KAHU_BY_CANCEL)
        return;
    r->line.runs = false;
    repl_resume_over();
}

static void repl_line_defers(struct repl_line *line, uint64_t wake) {
    if (!line->defers)
        line->first = wake;
    line->last = wake;
    line->defers = true;
}

/* Right where the numbers begin again, too. */
static bool repl_line_has(const struct repl_line *line, uint64_t wake) {
    return line->defers && wake - line->first <= line->last - line->first;
}

/* kahu_hooks.on_event: what the line defers is the line's, and so is what that
 * defers. The interrupt leaves others alone that come in the same turn of the
 * loop, unless they defer something just in between. */
static void repl_on_event(void *ud, const kahu_event *e) {
    struct repl *r = ud;

    if (e->cause != KAHU_BY_DEFER)
        return;
    if (e->type == KAHU_WAKE_MADE && r->line.runs)
        repl_line_defers(&r->line, e->wake);
    if (e->type != KAHU_RESUME_BEGINS || !repl_line_has(&r->line, e->wake))
        return;
    r->line.runs = true;
    if (r->line.interrupted)
        repl_raise();
}

/* What runs is ended, or when nothing does what is being typed is dropped:
 * whichever sees it first takes it. */
static void repl_on_signal(int number) {
    const struct repl *r = repl_signal.repl;

    safepoint_ask(SAFEPOINT_LINE);
    if (number == SIGTERM)
        kahu_stop(r->host.s, 128 + number);
    editor_interrupt(r->editor);
}

static void repl_set_handlers(void (*handler)(int)) {
    struct sigaction action;

    memset(&action, 0, sizeof(action));
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ------------------------------------------------------------------------ */
/* Output                                                                   */
/* ------------------------------------------------------------------------ */

/* A terminal that nobody edits on has just shown ^C, where an interrupt is what
 * the message is about. */
static void repl_before_message(void) {
    bool edits = editor_hide(repl_signal.repl->editor);

    report_flush();
    if (repl_signal.echoed && !edits)
        fputc('\n', stderr);
    repl_signal.echoed = false;
}

/* The VM's print, after taking away the line that is being typed. */
static int repl_print(lua_State *L) {
    editor_hide(repl_signal.repl->editor);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, 0);
    return 0;
}

/* The results of a line are at 1 and above. They are shown as print does, and
 * the first is kept as `_`. */
static int repl_show(lua_State *L) {
    const struct repl *r = repl_signal.repl;
    int count = lua_gettop(L);

    lua_getref(L, r->globals_ref);
    lua_pushvalue(L, 1);
    lua_rawsetfield(L, -2, "_");
    lua_getfield(L, -1, "print");
    lua_insert(L, 1);
    lua_settop(L, count + 1);
    lua_call(L, count, 0);
    return 0;
}

/* kahu_watch_fn: a line has ended, now or much later. */
static bool repl_ended(void *ud, lua_State *L, const kahu_feedback *f) {
    const struct repl *r = ud;

    if (f->outcome != KAHU_RETURNED || f->nvalues == 0)
        return false;
    lua_settop(L, f->nvalues);
    if (!lua_checkstack(L, 1))
        return false;
    lua_pushcfunction(L, repl_show, "show");
    lua_insert(L, 1);
    if (lua_pcall(L, f->nvalues, 0, 0) != LUA_OK) {
        const char *why = lua_tostring(L, -1);

        message_error(r->host.s, NULL, why == NULL ? "(no text)" : why, "");
    }
    return false;
}

/* ------------------------------------------------------------------------ */
/* Chunks                                                                   */
/* ------------------------------------------------------------------------ */

struct repl_chunk {
    const struct repl *repl;
    const char *before; /* what is put before the text */
    const char *after;
    const char *name;
    lua_State *thread; /* set when it was compiled */
};

static char *repl_join(const char *a, const char *b, const char *c) {
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *text = malloc(size);

    if (text != NULL)
        snprintf(text, size, "%s%s%s", a, b, c);
    return text;
}

/* The thread, with its function on it, is kept until the next one is. */
static int repl_compile_protected(lua_State *L) {
    struct repl_chunk *chunk = lua_tolightuserdata(L, 1);
    const struct repl *r = chunk->repl;
    struct vm_text *text = vm_text_new(L);
    lua_State *co = lua_newthread(L);

    text->source.text = repl_join(chunk->before, r->text, chunk->after);
    if (text->source.text == NULL)
        luaL_error(L, "not enough memory");
    text->source.size = strlen(text->source.text);
    vm_compile(L, co, text, chunk->name, r->host.options);
    lua_xmove(L, co, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, repl_signal.repl);
    chunk->thread = co;
    return 0;
}

/* NULL when it compiled; else why not, on top of the session's stack. */
static const char *repl_compile(struct repl *r, struct repl_chunk *chunk) {
    const char *why;

    chunk->repl = r;
    chunk->thread = NULL;
    if (lua_cpcall(r->session, repl_compile_protected, chunk) == LUA_OK)
        return NULL;
    why = lua_tostring(r->session, -1);
    return why == NULL ? "(no text)" : why;
}

static bool repl_fails_with(struct repl *r, const char *before,
                            const char *after, const char *text) {
    struct repl_chunk chunk = {.before = before, .after = after, .name = "=?"};
    int top = lua_gettop(r->session); /* an error is still to be told */
    const char *why = repl_compile(r, &chunk);
    bool fails = why != NULL && strstr(why, text) != NULL;

    lua_settop(r->session, top);
    return fails;
}

/* The text ends where more was expected: in a statement or an expression, in a
 * long comment, or in a long string, which closing it would show. */
static bool repl_is_unfinished(struct repl *r) {
    static const char *const closing[] = {"]]", "]=]", "]==]"};
    static const char malformed[] = "did you forget to finish it";

    if (repl_fails_with(r, "", "", "got <eof>") ||
        repl_fails_with(r, "return ", "", "got <eof>") ||
        repl_fails_with(r, "", "", "got unfinished comment"))
        return true;
    if (!repl_fails_with(r, "", "", malformed))
        return false;
    for (size_t i = 0; i < 3; i++)
        if (!repl_fails_with(r, "", closing[i], malformed))
            return true;
    return false;
}

/* ------------------------------------------------------------------------ */
/* Lines                                                                    */
/* ------------------------------------------------------------------------ */

/* What is shown of it with an error is what was typed. */
static void repl_keep_text(struct repl *r, const char *name) {
    struct source source;

    if (source_copy(&source, r->text))
        texts_keep(name, &source);
}

/* By virtual time nothing is left for later, unless there is an interrupt: it
 * does not end who is not running. */
static void repl_run_virtual(struct repl *r) {
    uint64_t at_ns = 0; /* at once */

    while (at_ns != KAHU_NEVER_NS && !kahu_is_stopped(r->host.s)) {
        (void)kahu_stepped_step(r->host.stepped, at_ns);
        if (r->line.interrupted)
            break;
        at_ns = kahu_is_ready(r->host.s) ? 0 : kahu_next_deadline_ns(r->host.s);
    }
}

static void repl_start(struct repl *r, lua_State *co) {
    r->line = (struct repl_line){.runs = true};
    repl_signal.echoed = false;
    if (kahu_watch(r->host.s, co, repl_ended, r, NULL) != KAHU_OK)
        report_no_memory();
    else if (kahu_spawn(r->host.s, co, NULL, 0) != KAHU_OK)
        report_failure("cannot run the line", "the scheduler refuses it");
    r->line.runs = false;
    repl_resume_over();
    if (r->host.stepped != NULL)
        repl_run_virtual(r);
    else
        uv_run(r->host.loop, UV_RUN_NOWAIT); /* what it has deferred */
    r->line = (struct repl_line){.runs = false};
    report_flush();
}

/* Runs the text; false when it is not whole. */
static bool repl_try(struct repl *r) {
    char name[32];
    struct repl_chunk chunk = {.before = "return ", .after = "", .name = name};
    const char *why;

    snprintf(name, sizeof(name), "=repl[%d]", r->number);
    why = repl_compile(r, &chunk);
    if (why != NULL && !vm_is_no_memory(why)) { /* then it is no expression */
        chunk.before = "";
        why = repl_compile(r, &chunk);
        if (why != NULL && repl_is_unfinished(r))
            return false;
    }
    if (why != NULL)
        message_error(r->host.s, NULL, why, "");
    if (chunk.thread != NULL) {
        repl_keep_text(r, name);
        repl_start(r, chunk.thread);
    }
    lua_settop(r->session, 0);
    return true;
}

/* What a line may have beyond the limit of memory: one that gives some back
 * needs some itself. */
#define REPL_RESERVE ((size_t)256 * 1024)

static void repl_reserve(struct repl *r) {
    kahu_memory *memory = r->host.memory;
    size_t least;

    if (r->limit == 0)
        return;
    if (memory->used + REPL_RESERVE > r->limit)
        (void)lua_gc(r->host.L, LUA_GCCOLLECT, 0);
    least = memory->used + REPL_RESERVE;
    memory->limit = r->limit > least ? r->limit : least;
}

static void repl_drop_text(struct repl *r) {
    free(r->text);
    r->text = NULL;
}

static void repl_take_line(struct repl *r, const char *line) {
    char *text =
        r->text == NULL ? strdup(line) : repl_join(r->text, "\n", line);

    repl_reserve(r);
    editor_remember(r->editor, line);
    repl_drop_text(r);
    r->text = text;
    if (text == NULL)
        report_no_memory();
    else if (text[strspn(text, " \t\n")] == '\0')
        repl_drop_text(r);
    else if (repl_try(r)) {
        repl_drop_text(r);
        r->number++;
    }
}

static void repl_loop(struct repl *r) {
    enum editor_result result = EDITOR_LINE;

    while (result != EDITOR_END && !kahu_is_stopped(r->host.s)) {
        const char *line;

        result = editor_read(r->editor, r->text == NULL ? "> " : ">> ", &line);
        if (result == EDITOR_LINE)
            repl_take_line(r, line);
        else if (result == EDITOR_NO_MEMORY)
            report_no_memory();
        else
            repl_drop_text(r);
    }
    repl_drop_text(r);
}

/* ------------------------------------------------------------------------ */
/* Life                                                                     */
/* ------------------------------------------------------------------------ */

static void repl_complete(void *ud, const char *text, size_t length,
                          struct completion *out) {
    const struct repl *r = ud;

    lua_getref(r->host.L, r->globals_ref);
    completion_find(r->host.L, text, length, out);
    lua_pop(r->host.L, 1);
}

static bool repl_is_over(void *ud) {
    const struct repl *r = ud;

    return kahu_is_stopped(r->host.s);
}

/* For modules too, which have globals of their own over these. */
static void repl_replace_print(lua_State *L) {
    lua_setreadonly(L, LUA_GLOBALSINDEX, false);
    lua_getglobal(L, "print");
    lua_pushcclosure(L, repl_print, "print", 1);
    lua_setglobal(L, "print");
    lua_setreadonly(L, LUA_GLOBALSINDEX, true);
}

/* A line sees what later lines make of a global: hence no values of globals are
 * to be kept in functions, as they are where an environment is "safe". */
static int repl_open_protected(lua_State *L) {
    struct repl *r = lua_tolightuserdata(L, 1);

    repl_replace_print(lua_mainthread(L));
    r->session = vm_thread_new(L);
    r->session_ref = lua_ref(L, -1);
    lua_setsafeenv(r->session, LUA_GLOBALSINDEX, false);
    lua_pushvalue(r->session, LUA_GLOBALSINDEX);
    lua_xmove(r->session, L, 1);
    r->globals_ref = lua_ref(L, -1);
    return 0;
}

static bool repl_open(struct repl *r) {
    const struct editor_owner owner = {r, repl_complete, repl_is_over};
    kahu_hooks hooks = KAHU_HOOKS_INIT;
    const char *why;

    hooks.ud = r;
    hooks.on_resume = repl_on_resume;
    hooks.on_event = repl_on_event;
    if (lua_cpcall(r->host.L, repl_open_protected, r) != LUA_OK ||
        kahu_add_hooks(r->host.s, &hooks) != KAHU_OK) {
        report_no_memory();
        return false;
    }
    setlocale(LC_CTYPE, ""); /* the terminal's encoding */
    r->editor = editor_new(r->host.loop, &owner, &why);
    if (r->editor == NULL)
        report_failure("cannot start", why);
    return r->editor != NULL;
}

int repl_run(const struct repl_host *host) {
    struct repl r = {.host = *host, .limit = host->memory->limit, .number = 1};

    repl_signal.repl = &r;
    if (!repl_open(&r))
        return EXIT_SCRIPT;
    message_set_before(repl_before_message);
    safepoint_serve(SAFEPOINT_LINE, repl_at_safepoint, NULL);
    repl_set_handlers(repl_on_signal);
    printf("kahu %d.%d.%d, Ctrl-D to leave\n", KAHU_VERSION_MAJOR,
           KAHU_VERSION_MINOR, KAHU_VERSION_PATCH);
    repl_loop(&r);
    repl_set_handlers(SIG_DFL);
    message_set_before(NULL);
    kahu_stop(host->s, EXIT_SUCCESS); /* unless it is: what waits is left */
    editor_free(r.editor);
    return kahu_exit_code(host->s);
}
