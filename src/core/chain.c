/* SPDX-License-Identifier: MIT */
/*
 * chain.c - the callbacks of the VM, shared with the host.
 *
 * Ours are in place only while somebody needs them, and call the host's own
 * first. When the host has set its own after ours and chains to us, ours stays
 * in its chain, and may have to outlive the scheduler.
 *
 * The VM gives them no pointer of ours. After a resume the box is looked up in
 * the VM's registry, by way of the main thread's stack: that thread is in a C
 * function then, if it is in anything, and so has room. When a thread is freed
 * not even that can be done, and the VM is looked up in a list of our own.
 */
#include "../base/common.h"
#include "../base/lock.h"
#include "sched.h"

/* ------------------------------------------------------------------------ */
/* Threads that are made and freed                                          */
/* ------------------------------------------------------------------------ */

/* A VM whose userthread callback is ours. */
struct chain_vm {
    lua_State *main;
    kahu_sched *s; /* NULL when it is gone, and the host chains to us still */
    void (*host_userthread)(lua_State *LP, lua_State *L);
    struct chain_vm *next;
};

/* Of the process: while a thread is freed the collector is at work, and the VM
 * can be asked for nothing, not even for its registry. */
static kahu__lock vms_lock = KAHU__LOCK_INIT;
static struct chain_vm *vms;

/* The entry of a VM comes to the front: it is the one asked for next. */
static struct chain_vm *vms_find(const lua_State *main) {
    struct chain_vm **at = &vms;
    struct chain_vm *vm;

    kahu__lock_take(&vms_lock);
    while ((vm = *at) != NULL && vm->main != main)
        at = &vm->next;
    if (vm != NULL) {
        *at = vm->next;
        vm->next = vms;
        vms = vm;
    }
    kahu__lock_give(&vms_lock);
    return vm;
}

static void vms_add(struct chain_vm *vm) {
    kahu__lock_take(&vms_lock);
    vm->next = vms;
    vms = vm;
    kahu__lock_give(&vms_lock);
}

/* vm is at the front: it was found just now. */
static void vms_remove(struct chain_vm *vm) {
    struct chain_vm **at = &vms;

    kahu__lock_take(&vms_lock);
    while (*at != vm)
        at = &(*at)->next;
    *at = vm->next;
    kahu__lock_give(&vms_lock);
}

static void chain_userthread(lua_State *LP, lua_State *L) {
    struct chain_vm *vm = vms_find(lua_mainthread(L));

    if (vm == NULL)
        return;
    if (vm->host_userthread != NULL)
        vm->host_userthread(LP, L);
    if (vm->s == NULL)
        return;
    if (LP != NULL)
        kahu__track_made(vm->s, LP, L);
    else
        kahu__track_gone(vm->s, L);
}

bool kahu__chain_take_userthread(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);
    struct chain_vm *vm = vms_find(s->main);
    struct kahu__alloc alloc;

    if (vm != NULL) { /* left below one of the host's */
        vm->s = s;
        return true;
    }
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    vm = kahu__calloc(&alloc, sizeof(*vm));
    if (vm == NULL)
        return false;
    vm->main = s->main;
    vm->s = s;
    vm->host_userthread = callbacks->userthread;
    vms_add(vm);
    callbacks->userthread = chain_userthread;
    return true;
}

/* Somebody who came later chains to ours: it stays, and chains on. */
void kahu__chain_give_userthread(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);
    struct chain_vm *vm = vms_find(s->main);
    struct kahu__alloc alloc;

    if (vm == NULL)
        return;
    vm->s = NULL;
    if (callbacks->userthread != chain_userthread)
        return;
    callbacks->userthread = vm->host_userthread;
    vms_remove(vm);
    kahu__alloc_init(&alloc, kahu__alloc_libc, NULL);
    kahu__free(&alloc, vm, sizeof(*vm));
}

/* ------------------------------------------------------------------------ */
/* Resumes that are over                                                    */
/* ------------------------------------------------------------------------ */

static struct kahu__box *chain_box(lua_State *L) {
    lua_State *main = lua_mainthread(L);

    return lua_checkstack(main, 1) ? kahu__sched_box(main) : NULL;
}

static void chain_postresume(lua_State *L) {
    struct kahu__box *box = chain_box(L);

    if (box == NULL)
        return;
    if (box->host_postresume != NULL)
        box->host_postresume(L);
    if (box->s == NULL || box->s->closing)
        return;
    kahu__park_notice(box->s, L);
    if (L != box->s->running)
        kahu__resumed_by_user(box->s, L);
}

/* Who wants to know of resumes that are over? */
static bool chain_wants_resumes(const kahu_sched *s) {
    return !s->closed &&
           (s->lists[KAHU__PARKED].first != 0 || s->user_hooks > 0 ||
            s->watches.live > 0 || s->deadlines > 0 || s->tracker != NULL);
}

void kahu__chain_update(kahu_sched *s) {
    lua_Callbacks *callbacks = lua_callbacks(s->main);
    struct kahu__box *box = s->box;
    bool wanted = chain_wants_resumes(s);

    if (wanted && !box->took_postresume) {
        box->host_postresume = callbacks->postresume;
        callbacks->postresume = chain_postresume;
        box->took_postresume = true;
    } else if (!wanted && box->took_postresume &&
               callbacks->postresume == chain_postresume) {
        callbacks->postresume = box->host_postresume;
        box->took_postresume = false;
    }
}
