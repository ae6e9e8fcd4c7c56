/* SPDX-License-Identifier: MIT */
/*
 * A scheduler that is freed as soon as it has seen what another OS thread did,
 * while that one may still be on its way out of the call.
 */
#include "embed.h"

#define ROUNDS 200

static kahu_sched *sched;
static kahu_op op;
static pthread_t worker;

/* ------------------------------------------------------------------------ */
/* The other OS thread                                                      */
/* ------------------------------------------------------------------------ */

/* What was waited for. */
static void let_go(void *ud, lua_State *L) {
    (void)ud;
    must(kahu_unref(kahu_get(L)) == KAHU_OK);
}

static void *do_finish(void *ud) {
    must(kahu_op_finish(sched, op, NULL, NULL, NULL) == KAHU_OK);
    return ud;
}

static void *do_post(void *ud) {
    must(kahu_post(sched, let_go, NULL, NULL) == KAHU_OK);
    return ud;
}

static void *do_call(void *ud) {
    must(kahu_call(sched, let_go, NULL) == KAHU_OK);
    return ud;
}

static void *do_stop(void *ud) {
    kahu_stop(sched, 3);
    return ud;
}

/* ------------------------------------------------------------------------ */
/* The scheduler's                                                          */
/* ------------------------------------------------------------------------ */

static int lua_finish(lua_State *L) {
    must(kahu_op_begin(L, NULL, NULL, &op) == KAHU_OK);
    worker = start(do_finish, NULL);
    return kahu_op_yield(L);
}

/* Nobody joins the worker before the scheduler is gone. */
static void leave(int driver, void *(*act)(void *ud), kahu_status expected) {
    struct host h;

    embed_open(&h, driver);
    sched = h.s;
    if (act == do_finish) {
        host_global(&h, "finish", lua_finish);
        host_run(&h, "finish() log('finished')");
    } else {
        kahu_ref(h.s);
        worker = start(act, NULL);
    }
    assert_int_equal(kahu_run(h.s), expected);
    assert_log(&h, act == do_finish ? "finished" : "");
    host_close(&h);
    join(worker);
}

static void leave_often(void *(*act)(void *ud), kahu_status expected) {
    for (int round = 0; round < ROUNDS; round++) {
        leave(UV, act, expected);
        leave(BLOCKING, act, expected);
    }
}

static void after_a_completion(void **state) {
    (void)state;
    leave_often(do_finish, KAHU_OK);
}

static void after_a_posted_call(void **state) {
    (void)state;
    leave_often(do_post, KAHU_OK);
}

static void after_a_call(void **state) {
    (void)state;
    leave_often(do_call, KAHU_OK);
}

static void after_a_stop(void **state) {
    (void)state;
    leave_often(do_stop, KAHU_ESTOPPED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_completion),
        cmocka_unit_test(after_a_posted_call),
        cmocka_unit_test(after_a_call),
        cmocka_unit_test(after_a_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
