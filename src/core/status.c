/* SPDX-License-Identifier: MIT */
/*
 * status.c - names and texts of the status codes, and the version.
 */
#include "kahu/kahu.h"

int kahu_version(void) {
    return KAHU_VERSION_NUMBER;
}

const char *kahu_status_name(int status) {
    switch (status) {
    case KAHU_OK:
        return "KAHU_OK";
#define XX(name, value, text)                                                  \
    case value:                                                                \
        return "KAHU_" #name;
        KAHU_STATUS_MAP(XX)
#undef XX
    }
    return "KAHU_UNKNOWN";
}

const char *kahu_status_text(int status) {
    switch (status) {
    case KAHU_OK:
        return "no error";
#define XX(name, value, text)                                                  \
    case value:                                                                \
        return text;
        KAHU_STATUS_MAP(XX)
#undef XX
    }
    return "unknown status";
}
