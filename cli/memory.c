/* SPDX-License-Identifier: MIT */
#include "memory.h"

#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "options.h"
#include "report.h"

/* std::set_new_handler(): C++ has no other name for it that C could say. */
typedef void (*memory_handler)(void);
memory_handler _ZSt15set_new_handlerPFvvE(memory_handler handler);

/* Without buffers, which there may be no memory for. */
static void memory_is_out(void) {
    static const char text[] = "kahu: not enough memory\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);

    (void)written;
    _exit(EXIT_SCRIPT);
}

/* Tables that belong to the program, such as Luau's compiler has, are made
 * before main(); this is called before they are. */
__attribute__((constructor(101))) static void memory_before_main(void) {
    memory_set_fatal(true);
}

void memory_set_fatal(bool fatal) {
    (void)_ZSt15set_new_handlerPFvvE(fatal ? memory_is_out : NULL);
}

/* What libuv makes larger is its table of descriptors; it would abort. */
static void *memory_uv_realloc(void *block, size_t size) {
    void *grown = realloc(block, size);

    if (grown == NULL && size > 0) {
        report_flush();
        memory_is_out();
    }
    return grown;
}

/* Of its own functions this fails only without all of them. */
void memory_open(void) {
    memory_set_fatal(false);
    (void)uv_replace_allocator(malloc, memory_uv_realloc, calloc, free);
}
