/* SPDX-License-Identifier: MIT */
/*
 * options.c - reading what a host hands over in structs that may grow.
 */
#include <string.h>

#include "sched.h"

#define DEFAULT_MIN_WAIT_NS UINT64_C(1000000)
#define DEFAULT_DEFER_DEPTH 80

bool kahu__options_read_struct(void *out, size_t size, const void *in) {
    const unsigned char *bytes = in;
    size_t in_size;

    if (in == NULL)
        return false;
    memcpy(&in_size, in, sizeof(in_size));
    if (in_size < size)
        return false;
    for (size_t i = size; i < in_size; i++)
        if (bytes[i] != 0)
            return false;
    memcpy(out, in, size);
    return true;
}

static bool options_driver_valid(const kahu_driver *d) {
    return d->now_ns != NULL && d->arm != NULL && d->wake != NULL;
}

bool kahu__options_read(kahu_options *out, kahu_driver *driver,
                        const kahu_options *in) {
    if (!kahu__options_read_struct(out, sizeof(*out), in) ||
        !kahu__options_read_struct(driver, sizeof(*driver), out->driver) ||
        !options_driver_valid(driver))
        return false;

    out->driver = driver;
    if (driver->again == NULL)
        driver->again = driver->wake;
    if (out->min_wait_ns == 0)
        out->min_wait_ns = DEFAULT_MIN_WAIT_NS;
    if (out->max_defer_depth == 0)
        out->max_defer_depth = DEFAULT_DEFER_DEPTH;
    return true;
}
