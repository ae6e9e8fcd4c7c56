/* SPDX-License-Identifier: MIT */
/*
 * echo_server.c - a TCP server whose connections are served by Luau threads.
 *
 *     echo_server echo_server.luau [PORT]
 *
 * accept, read and write are asynchronous operations: a C function begins one
 * and yields, a callback of libuv's ends it. Who owns what:
 *
 * - A socket is memory that libuv uses until its close callback. The userdata
 *   that stands for it in Luau shares it, and closes it when collected.
 * - A thread that is cancelled while it waits for a socket can't close it any
 *   more, so the operation's cancel callback does.
 * - What an operation delivers travels with it, and is released by its drop
 *   function whether somebody got it or not.
 *
 * Sockets are unreferenced: what keeps the loop running is operations that are
 * pending, so it ends when the scripts have.
 */
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include "host.h"
#include "kahu/uv.h"

#define CONNECTION "connection" /* types, in Luau */
#define LISTENER "listener"
#define BACKLOG 1024

struct server {
    struct host host;
    uv_loop_t *loop;
    int port;
    unsigned opened; /* sockets, ever */
    unsigned closed;
    char buffer[64 * 1024]; /* what libuv reads into */
};

/* A connection, or what listens for them. */
struct peer {
    uv_tcp_t tcp;
    struct server *server;
    int refs;   /* libuv's and the userdata's */
    kahu_op op; /* the accept or read in progress; 0: none */
    bool came;  /* a connection waits to be accepted */
};

/* ------------------------------------------------------------------------ */
/* Life of a socket                                                         */
/* ------------------------------------------------------------------------ */

static void peer_unref(struct peer *p) {
    if (--p->refs == 0)
        free(p);
}

static struct peer *peer_new(struct server *server) {
    struct peer *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    uv_tcp_init(server->loop, &p->tcp); /* fails only with flags */
    uv_unref((uv_handle_t *)&p->tcp);
    p->tcp.data = p;
    p->server = server;
    p->refs = 1;
    server->opened++;
    return p;
}

static void peer_on_closed(uv_handle_t *handle) {
    struct peer *p = handle->data;

    p->server->closed++;
    peer_unref(p);
}

static int push_error(lua_State *L, void *ud) {
    const int *error = ud;

    lua_pushstring(L, uv_strerror(error != NULL ? *error : UV_ENOMEM));
    return 1;
}

/* Ends an operation by raising libuv's error in its thread. */
static void fail_op(struct server *server, kahu_op op, int error) {
    int *ud = malloc(sizeof(*ud));

    if (ud != NULL)
        *ud = error;
    if (kahu_op_fail(server->host.s, op, push_error, ud, free) != KAHU_OK)
        free(ud); /* what was not taken is still ours */
}

/* The operation in progress, which the caller is to end. */
static kahu_op peer_take_op(struct peer *p) {
    kahu_op op = p->op;

    p->op = (kahu_op){0};
    return op;
}

/* A thread that waits for it gets an error. */
static void peer_close(struct peer *p) {
    if (uv_is_closing((uv_handle_t *)&p->tcp))
        return;
    if (p->op.id != 0)
        fail_op(p->server, peer_take_op(p), UV_ECANCELED);
    uv_close((uv_handle_t *)&p->tcp, peer_on_closed);
}

/* That thread is gone: nobody to tell. Closing stops the reading, too. */
static void peer_on_cancel(void *ud, kahu_op op) {
    struct peer *p = ud;

    (void)op;
    (void)peer_take_op(p);
    peer_close(p);
}

/* ------------------------------------------------------------------------ */
/* A socket in Luau                                                         */
/* ------------------------------------------------------------------------ */

/* In the collector: no Luau here. */
static void box_collect(lua_State *L, void *ud) {
    struct peer **box = ud;

    (void)L;
    if (*box == NULL)
        return;
    peer_close(*box);
    peer_unref(*box);
}

/* Pushes a userdata for a socket. It comes first: once there is a socket
 * nothing may raise until somebody owns it. */
static struct peer **box_new(lua_State *L, const char *type) {
    struct peer **box = lua_newuserdatadtor(L, sizeof(*box), box_collect);

    *box = NULL;
    luaL_getmetatable(L, type);
    lua_setmetatable(L, -2);
    return box;
}

static void box_fill(struct peer **box, struct peer *p) {
    p->refs++;
    *box = p;
}

/* Argument 1, which is open. */
static struct peer *peer_check(lua_State *L, const char *type) {
    struct peer **box = luaL_checkudata(L, 1, type);

    if (uv_is_closing((uv_handle_t *)&(*box)->tcp))
        luaL_error(L, "%s is closed", type);
    return *box;
}

/* The same, for one of the operations that only one thread can wait for. */
static struct peer *peer_begin(lua_State *L, const char *type) {
    struct peer *p = peer_check(L, type);
    kahu_status status;

    if (p->op.id != 0)
        luaL_error(L, "another thread is waiting for this %s", type);
    status = kahu_op_begin(L, peer_on_cancel, p, &p->op);
    if (status != KAHU_OK)
        kahu_raise(L, status);
    return p;
}

/* ------------------------------------------------------------------------ */
/* Reading                                                                  */
/* ------------------------------------------------------------------------ */

struct chunk {
    size_t size;
    char bytes[];
};

/* Libuv asks right before it reads, so one buffer is enough for all. */
static void read_on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    struct peer *p = handle->data;

    (void)size;
    *buf = uv_buf_init(p->server->buffer, sizeof(p->server->buffer));
}

static int push_chunk(lua_State *L, void *ud) {
    const struct chunk *chunk = ud;

    lua_pushlstring(L, chunk->bytes, chunk->size);
    return 1;
}

static void read_finish(struct peer *p, const char *bytes, size_t size) {
    kahu_op op = peer_take_op(p);
    struct chunk *chunk = malloc(sizeof(*chunk) + size);

    if (chunk == NULL) {
        fail_op(p->server, op, UV_ENOMEM);
        return;
    }
    chunk->size = size;
    memcpy(chunk->bytes, bytes, size);
    if (kahu_op_finish(p->server->host.s, op, push_chunk, chunk, free) !=
        KAHU_OK)
        free(chunk);
}

/* A thread gets what one read gives, and the rest waits in the system: who
 * does not read is not sent more. */
static void read_on_data(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct peer *p = stream->data;

    if (n == 0)
        return; /* nothing yet, after all */
    uv_read_stop(stream);
    if (n > 0)
        read_finish(p, buf->base, (size_t)n);
    else if (n == UV_EOF)
        kahu_op_finish(p->server->host.s, peer_take_op(p), NULL, NULL, NULL);
    else
        fail_op(p->server, peer_take_op(p), (int)n);
}

/* connection:read(): some bytes, as soon as there are any; nothing at the end.
 */
static int connection_read(lua_State *L) {
    struct peer *p = peer_begin(L, CONNECTION);
    int error =
        uv_read_start((uv_stream_t *)&p->tcp, read_on_alloc, read_on_data);

    if (error != 0)
        fail_op(p->server, peer_take_op(p), error);
    return kahu_op_yield(L);
}

/* ------------------------------------------------------------------------ */
/* Writing                                                                  */
/* ------------------------------------------------------------------------ */

struct writing {
    uv_write_t request;
    kahu_op op; /* 0: cancelled */
    struct peer *peer;
    char bytes[];
};

/* Libuv gives the request back after this. */
static void write_on_cancel(void *ud, kahu_op op) {
    struct writing *w = ud;

    (void)op;
    w->op = (kahu_op){0};
    peer_close(w->peer);
}

static void write_on_done(uv_write_t *request, int error) {
    struct writing *w = request->data;

    if (w->op.id != 0 && error == 0)
        kahu_op_finish(w->peer->server->host.s, w->op, NULL, NULL, NULL);
    else if (w->op.id != 0)
        fail_op(w->peer->server, w->op, error);
    free(w);
}

static void write_start(struct writing *w, size_t size) {
    uv_buf_t buf = uv_buf_init(w->bytes, (unsigned)size);
    uv_stream_t *stream = (uv_stream_t *)&w->peer->tcp;
    int error;

    w->request.data = w;
    error = uv_write(&w->request, stream, &buf, 1, write_on_done);
    if (error != 0)
        write_on_done(&w->request, error);
}

/* connection:write(bytes): returns when the system has them all. */
static int connection_write(lua_State *L) {
    struct peer *p = peer_check(L, CONNECTION);
    size_t size;
    const char *bytes = luaL_checklstring(L, 2, &size);
    struct writing *w = malloc(sizeof(*w) + size);
    kahu_status status = KAHU_ENOMEM;

    if (w != NULL)
        status = kahu_op_begin(L, write_on_cancel, w, &w->op);
    if (status != KAHU_OK) {
        free(w);
        return kahu_raise(L, status);
    }
    w->peer = p;
    memcpy(w->bytes, bytes, size);
    write_start(w, size);
    return kahu_op_yield(L);
}

static int connection_close(lua_State *L) {
    struct peer **box = luaL_checkudata(L, 1, CONNECTION);

    peer_close(*box);
    return 0;
}

/* ------------------------------------------------------------------------ */
/* Accepting                                                                */
/* ------------------------------------------------------------------------ */

static int push_connection(lua_State *L, void *ud) {
    struct peer **box = box_new(L, CONNECTION);

    box_fill(box, ud);
    return 1;
}

/* Nobody but libuv has it: it was not pushed. */
static void drop_connection(void *ud) {
    struct peer *p = ud;

    if (p->refs == 1)
        peer_close(p);
}

/* Gives the connection that came to the thread that waits for one. */
static void listener_take(struct peer *listener) {
    kahu_op op = peer_take_op(listener);
    struct peer *p = peer_new(listener->server);
    int error = UV_ENOMEM;

    if (p != NULL) {
        listener->came = false;
        error =
            uv_accept((uv_stream_t *)&listener->tcp, (uv_stream_t *)&p->tcp);
    }
    if (error != 0)
        fail_op(listener->server, op, error);
    else if (kahu_op_finish(listener->server->host.s, op, push_connection, p,
                            drop_connection) == KAHU_OK)
        return; /* and took the connection */
    if (p != NULL)
        peer_close(p);
}

/* Until a connection is taken libuv tells of no other. */
static void listener_on_connection(uv_stream_t *stream, int error) {
    struct peer *p = stream->data;

    p->came = error == 0;
    if (p->op.id == 0)
        return;
    if (p->came)
        listener_take(p);
    else
        fail_op(p->server, peer_take_op(p), error);
}

/* listener:accept(): the next connection. */
static int listener_accept(lua_State *L) {
    struct peer *p = peer_begin(L, LISTENER);

    if (p->came)
        listener_take(p);
    return kahu_op_yield(L);
}

static int listener_port(lua_State *L) {
    const struct peer *p = peer_check(L, LISTENER);
    struct sockaddr_in address = {0};
    int size = sizeof(address);

    uv_tcp_getsockname(&p->tcp, (struct sockaddr *)&address, &size);
    lua_pushinteger(L, ntohs(address.sin_port));
    return 1;
}

static int listener_start(struct peer *p, int port) {
    struct sockaddr_in address;
    int error = uv_ip4_addr("127.0.0.1", port, &address);

    if (error == 0)
        error = uv_tcp_bind(&p->tcp, (struct sockaddr *)&address, 0);
    if (error == 0)
        error =
            uv_listen((uv_stream_t *)&p->tcp, BACKLOG, listener_on_connection);
    return error;
}

/* listen(port): a listener on this machine alone; port 0 is any free one. */
static int server_listen(lua_State *L) {
    int port = luaL_checkinteger(L, 1);
    struct peer **box = box_new(L, LISTENER);
    struct peer *p = peer_new(host_data(L));
    int error;

    if (p == NULL)
        return kahu_raise(L, KAHU_ENOMEM);
    box_fill(box, p);
    error = listener_start(p, port);
    if (error != 0)
        luaL_error(L, "cannot listen: %s", uv_strerror(error));
    return 1;
}

/* ------------------------------------------------------------------------ */
/* What scripts see                                                         */
/* ------------------------------------------------------------------------ */

static const luaL_Reg connection_methods[] = {
    {"read", connection_read},
    {"write", connection_write},
    {"close", connection_close},
    {NULL, NULL},
};

static const luaL_Reg listener_methods[] = {
    {"accept", listener_accept},
    {"port", listener_port},
    {NULL, NULL},
};

static void open_type(lua_State *L, const char *type, const luaL_Reg *methods) {
    luaL_newmetatable(L, type);
    luaL_register(L, NULL, methods);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, type);
    lua_setfield(L, -2, "__type"); /* what typeof() says */
    lua_setreadonly(L, -1, true);
    lua_pop(L, 1);
}

static int server_open(lua_State *L) {
    const struct server *server = host_data(L);

    open_type(L, CONNECTION, connection_methods);
    open_type(L, LISTENER, listener_methods);
    lua_pushcfunction(L, server_listen, "listen");
    lua_setglobal(L, "listen");
    lua_pushinteger(L, server->port);
    lua_setglobal(L, "PORT");
    return 0;
}

/* ------------------------------------------------------------------------ */
/* The program                                                              */
/* ------------------------------------------------------------------------ */

/* A descriptor a connection: as many as we are allowed to have. */
static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* What is pending is cancelled when the host is closed. */
static void server_on_signal(uv_signal_t *handle, int signal) {
    (void)signal;
    uv_stop(handle->loop);
}

static void catch_signal(struct server *server, uv_signal_t *handle,
                         int signal) {
    uv_signal_init(server->loop, handle);
    uv_signal_start(handle, server_on_signal, signal);
    uv_unref((uv_handle_t *)handle);
}

static int server_run(struct server *server, const char *path) {
    kahu_options options = KAHU_OPTIONS_INIT;
    kahu_driver driver;

    if (kahu_uv_driver(&driver, server->loop) != KAHU_OK)
        return EXIT_FAILURE;
    options.driver = &driver;
    options.strict_wakes = true; /* no bytes but to those who wait for them */
    if (!host_open(&server->host, &options, server_open, server))
        return EXIT_FAILURE;
    if (host_run(&server->host, path))
        uv_run(server->loop, UV_RUN_DEFAULT);
    return host_close(&server->host);
}

/* Whatever was closed is given back by the loop. */
static int server_end(struct server *server, int code) {
    uv_run(server->loop, UV_RUN_DEFAULT);
    printf("sockets opened: %u, closed: %u\n", server->opened, server->closed);
    if (uv_loop_close(server->loop) != 0)
        return EXIT_FAILURE; /* something is open still */
    return code;
}

int main(int argc, char **argv) {
    static struct server server = {.port = 7007};
    uv_signal_t interrupt, terminate;
    int code;

    server.loop = uv_default_loop();
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: %s SCRIPT [PORT]\n", argv[0]);
        return EXIT_FAILURE;
    }
    if (argc == 3)
        server.port = (int)strtol(argv[2], NULL, 10);
    setvbuf(stdout, NULL, _IOLBF, 0); /* lines are seen when they are said */
    signal(SIGPIPE, SIG_IGN);         /* a write to who has left just fails */
    raise_descriptor_limit();
    catch_signal(&server, &interrupt, SIGINT);
    catch_signal(&server, &terminate, SIGTERM);
    code = server_run(&server, argv[1]);
    uv_close((uv_handle_t *)&interrupt, NULL);
    uv_close((uv_handle_t *)&terminate, NULL);
    return server_end(&server, code);
}
