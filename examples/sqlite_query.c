/* SPDX-License-Identifier: MIT */
/*
 * sqlite_query.c - SQL for scripts, run on libuv's thread pool.
 *
 *     sqlite_query sqlite_query.luau [DATABASE]
 *
 * SQLite's calls block. Here each query is a job of libuv's thread pool, on a
 * connection of its own: what the job needs it has copied, what it finds it
 * keeps, and nothing of Luau is touched by it. Back on the loop's thread the
 * operation ends with the query as its value; it becomes tables when Luau
 * takes delivery.
 *
 * Without DATABASE there is one in memory, for as long as the program runs.
 *
 * For a function that may be left to itself when its thread is cancelled, and
 * takes a fixed number of arguments, kahu_uv_push_async() does most of this.
 */
#include <lualib.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "host.h"
#include "kahu/uv.h"

/* A database in memory, shared by all connections that name it. */
#define IN_MEMORY "file:/example?vfs=memdb"
/* Without a lock: a connection is used by one thread at a time. */
#define OPEN_FLAGS                                                             \
    (SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI |            \
     SQLITE_OPEN_NOMUTEX)
#define BUSY_MS 5000         /* how long a query waits for another's lock */
#define CANCEL_INTERVAL 1000 /* steps of SQLite's machine between two looks */

struct database {
    struct host host;
    uv_loop_t *loop;
    const char *path;
};

/* What stands for a "?" in the SQL. */
struct parameter {
    int type; /* LUA_TNIL, LUA_TNUMBER or LUA_TSTRING */
    double number;
    char *text;
    size_t size;
};

struct query {
    uv_work_t work;
    const struct database *database;
    kahu_op op;
    atomic_bool cancelled; /* told to the job, which has a look now and then */
    /* What comes back: an error, or rows of cells. */
    int code;              /* SQLite's */
    char *problem;         /* in words; NULL: what the code means */
    char **names;          /* of the columns */
    sqlite3_value **cells; /* one row after the other */
    size_t columns, count, capacity;
    /* What was asked. */
    char *sql;
    int nparameters;
    struct parameter parameters[];
};

/* ------------------------------------------------------------------------ */
/* Life of a query                                                          */
/* ------------------------------------------------------------------------ */

static void query_free(void *ud) {
    struct query *q = ud;

    for (int i = 0; i < q->nparameters; i++)
        free(q->parameters[i].text);
    for (size_t i = 0; q->names != NULL && i < q->columns; i++)
        sqlite3_free(q->names[i]);
    for (size_t i = 0; i < q->count; i++)
        sqlite3_value_free(q->cells[i]);
    sqlite3_free(q->problem);
    free(q->names);
    free(q->cells);
    free(q->sql);
    free(q);
}

static char *copy(lua_State *L, int index, size_t *size) {
    const char *text = lua_tolstring(L, index, size);
    char *out = malloc(*size + 1);

    return out == NULL ? NULL : memcpy(out, text, *size + 1);
}

static bool parameter_copy(struct parameter *p, lua_State *L, int index) {
    p->type = lua_type(L, index);
    if (p->type == LUA_TNUMBER)
        p->number = lua_tonumber(L, index);
    if (p->type == LUA_TSTRING)
        p->text = copy(L, index, &p->size);
    return p->type != LUA_TSTRING || p->text != NULL;
}

/* A copy of the arguments; NULL when there is no memory for it. */
static struct query *query_new(lua_State *L) {
    int n = lua_gettop(L) - 1;
    struct query *q =
        calloc(1, sizeof(*q) + (size_t)n * sizeof(*q->parameters));
    size_t size;
    bool copied;

    if (q == NULL)
        return NULL;
    q->database = host_data(L);
    q->work.data = q;
    q->nparameters = n;
    q->sql = copy(L, 1, &size);
    copied = q->sql != NULL;
    for (int i = 0; i < n; i++)
        copied = parameter_copy(&q->parameters[i], L, i + 2) && copied;
    if (copied)
        return q;
    query_free(q);
    return NULL;
}

/* ------------------------------------------------------------------------ */
/* The job, on a thread of the pool: no Luau here                           */
/* ------------------------------------------------------------------------ */

/* Asked by SQLite while it works; it ends the query if told so. Unlike
 * sqlite3_interrupt() this can't come too early, and needs no connection. */
static int job_is_cancelled(void *ud) {
    const struct query *q = ud;

    return atomic_load(&q->cancelled);
}

static int job_open(struct query *q, sqlite3 **out) {
    int code = sqlite3_open_v2(q->database->path, out, OPEN_FLAGS, NULL);

    if (code != SQLITE_OK)
        return code;
    sqlite3_progress_handler(*out, CANCEL_INTERVAL, job_is_cancelled, q);
    return sqlite3_busy_timeout(*out, BUSY_MS);
}

/* A parameter that is nil stays what all are at first: NULL. */
static int job_bind(const struct query *q, sqlite3_stmt *statement) {
    const struct parameter *p;
    int code = SQLITE_OK;

    for (int i = 0; i < q->nparameters && code == SQLITE_OK; i++) {
        p = &q->parameters[i];
        if (p->type == LUA_TNUMBER)
            code = sqlite3_bind_double(statement, i + 1, p->number);
        else if (p->type == LUA_TSTRING)
            code = sqlite3_bind_text(statement, i + 1, p->text, (int)p->size,
                                     SQLITE_STATIC);
    }
    return code;
}

static int job_name_columns(struct query *q, sqlite3_stmt *statement) {
    q->columns = (size_t)sqlite3_column_count(statement);
    q->names = calloc(q->columns + 1, sizeof(*q->names));
    if (q->names == NULL)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < q->columns; i++) {
        q->names[i] =
            sqlite3_mprintf("%s", sqlite3_column_name(statement, (int)i));
        if (q->names[i] == NULL)
            return SQLITE_NOMEM;
    }
    return SQLITE_OK;
}

static bool job_reserve(struct query *q, size_t cells) {
    size_t capacity = q->capacity * 2 + cells;
    sqlite3_value **grown;

    if (q->count + cells <= q->capacity)
        return true;
    grown = realloc(q->cells, capacity * sizeof(*grown));
    if (grown == NULL)
        return false;
    q->cells = grown;
    q->capacity = capacity;
    return true;
}

static int job_keep_row(struct query *q, sqlite3_stmt *statement) {
    sqlite3_value *cell;

    if (!job_reserve(q, q->columns))
        return SQLITE_NOMEM;
    for (size_t i = 0; i < q->columns; i++) {
        cell = sqlite3_value_dup(sqlite3_column_value(statement, (int)i));
        if (cell == NULL)
            return SQLITE_NOMEM;
        q->cells[q->count++] = cell;
    }
    return SQLITE_OK;
}

static int job_run(struct query *q, sqlite3_stmt *statement) {
    int code = job_bind(q, statement);

    if (code == SQLITE_OK)
        code = job_name_columns(q, statement);
    while (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            code = job_keep_row(q, statement);
    }
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* SQL without a statement, such as a comment, is done at once. */
static void job(uv_work_t *work) {
    struct query *q = work->data;
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;

    q->code = job_open(q, &db);
    if (q->code == SQLITE_OK)
        q->code = sqlite3_prepare_v2(db, q->sql, -1, &statement, NULL);
    if (statement != NULL)
        q->code = job_run(q, statement);
    if (q->code != SQLITE_OK && q->code == sqlite3_errcode(db))
        q->problem = sqlite3_mprintf("%s", sqlite3_errmsg(db));
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

/* ------------------------------------------------------------------------ */
/* What Luau gets                                                           */
/* ------------------------------------------------------------------------ */

static void push_cell(lua_State *L, sqlite3_value *cell) {
    int type = sqlite3_value_type(cell);
    const char *text;

    if (type == SQLITE_NULL) {
        lua_pushnil(L);
    } else if (type == SQLITE_INTEGER || type == SQLITE_FLOAT) {
        lua_pushnumber(L, sqlite3_value_double(cell));
    } else {
        text = sqlite3_value_blob(cell); /* of a text: its bytes */
        lua_pushlstring(L, text == NULL ? "" : text,
                        (size_t)sqlite3_value_bytes(cell));
    }
}

static void push_row(lua_State *L, const struct query *q, size_t row) {
    sqlite3_value **cells = q->cells + row * q->columns;

    lua_createtable(L, 0, (int)q->columns);
    for (size_t i = 0; i < q->columns; i++) {
        push_cell(L, cells[i]);
        lua_setfield(L, -2, q->names[i]);
    }
}

/* An array of rows, each a table by the names of the columns. */
static int push_rows(lua_State *L, void *ud) {
    const struct query *q = ud;
    size_t rows = q->columns == 0 ? 0 : q->count / q->columns;

    lua_createtable(L, (int)rows, 0);
    for (size_t i = 0; i < rows; i++) {
        push_row(L, q, i);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static int push_problem(lua_State *L, void *ud) {
    const struct query *q = ud;

    lua_pushstring(L,
                   q->problem != NULL ? q->problem : sqlite3_errstr(q->code));
    return 1;
}

/* ------------------------------------------------------------------------ */
/* What scripts see                                                         */
/* ------------------------------------------------------------------------ */

/* A job that runs comes to its end soon; one that waits for its turn is taken
 * out. Either way on_done is called, and finds the query its own. */
static void query_on_cancel(void *ud, kahu_op op) {
    struct query *q = ud;

    (void)op;
    atomic_store(&q->cancelled, true);
    uv_cancel((uv_req_t *)&q->work);
}

/* Back on the loop's thread. After a cancel there may be no scheduler left. */
static void query_on_done(uv_work_t *work, int error) {
    struct query *q = work->data;
    kahu_sched *s = q->database->host.s;
    bool cancelled = atomic_load(&q->cancelled);
    kahu_status status = KAHU_ESTALE;

    (void)error; /* says the same as our flag */
    if (!cancelled && q->code == SQLITE_OK)
        status = kahu_op_finish(s, q->op, push_rows, q, query_free);
    else if (!cancelled)
        status = kahu_op_fail(s, q->op, push_problem, q, query_free);
    if (status != KAHU_OK)
        query_free(q);
}

static void query_check(lua_State *L) {
    int type;

    (void)luaL_checkstring(L, 1);
    for (int i = 2; i <= lua_gettop(L); i++) {
        type = lua_type(L, i);
        luaL_argexpected(
            L, type == LUA_TNIL || type == LUA_TNUMBER || type == LUA_TSTRING,
            i, "number, string or nil");
    }
}

/* query(sql, ...): the rows, each a table. It raises first, then allocates,
 * then begins: see docs/internals/luau-exceptions.md. */
static int database_query(lua_State *L) {
    struct query *q;
    kahu_status status = KAHU_ENOMEM;

    query_check(L);
    q = query_new(L);
    if (q != NULL)
        status = kahu_op_begin(L, query_on_cancel, q, &q->op);
    if (status != KAHU_OK) {
        if (q != NULL)
            query_free(q);
        return kahu_raise(L, status);
    }
    uv_queue_work(q->database->loop, &q->work, job, query_on_done);
    return kahu_op_yield(L);
}

static int database_open(lua_State *L) {
    lua_pushcfunction(L, database_query, "query");
    lua_setglobal(L, "query");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

static int database_run(struct database *d, const char *path) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;
    int code;

    if (kahu_uv_driver(&driver, d->loop) != KAHU_OK)
        return EXIT_FAILURE;
    options.driver = &driver;
    options.strict_wakes = true; /* no rows but to those who wait for them */
    if (!host_open(&d->host, &options, database_open, d))
        return EXIT_FAILURE;
    if (host_run(&d->host, path))
        uv_run(d->loop, UV_RUN_DEFAULT);
    code = host_close(&d->host);
    uv_run(d->loop, UV_RUN_DEFAULT); /* jobs that were cancelled come back */
    return uv_loop_close(d->loop) == 0 ? code : EXIT_FAILURE;
}

int main(int argc, char **argv) {
    struct database d = {.loop = uv_default_loop(), .path = IN_MEMORY};
    sqlite3 *keeper = NULL; /* what is in memory lives while it is open */
    int code = EXIT_FAILURE;

    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s SCRIPT [DATABASE]\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (argc == 3)
        d.path = argv[2];
    if (sqlite3_open_v2(d.path, &keeper, OPEN_FLAGS, NULL) == SQLITE_OK)
        code = database_run(&d, argv[1]);
    else
        fprintf(stderr, "%s: %s\n", d.path, sqlite3_errmsg(keeper));
    sqlite3_close(keeper);
    return code;
}
