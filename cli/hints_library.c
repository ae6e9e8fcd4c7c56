/* SPDX-License-Identifier: MIT */
#include "hints_library.h"

#include <string.h>
#include <strings.h>

/* A test holds it against what there is. Read here and not from the VM, which
 * may be out of memory, or in the middle of anything. */
static const struct {
    const char *name;
    const char *members;
} hints_libraries[] = {
    {"bit32", "arshift band bnot bor btest bxor byteswap countlz countrz "
              "extract lrotate lshift replace rrotate rshift"},
    {"buffer", "copy create fill fromstring len readbits readf32 readf64 "
               "readi16 readi32 readi8 readstring readu16 readu32 readu8 "
               "tostring writebits writef32 writef64 writei16 writei32 "
               "writei8 writestring writeu16 writeu32 writeu8"},
    {"coroutine", "close create isyieldable resume running status wrap yield"},
    {"debug", "info traceback"},
    {"math", "abs acos asin atan atan2 ceil clamp cos cosh deg e exp floor "
             "fmod frexp huge isfinite isinf isnan ldexp lerp log log10 "
             "map max min modf nan noise phi pi pow rad random randomseed "
             "round sign sin sinh sqrt sqrt2 tan tanh tau"},
    {"os", "clock date difftime time"},
    {"scheduler", "clear counts next stop"},
    {"string", "byte char find format gmatch gsub len lower match pack "
               "packsize rep reverse split sub unpack upper"},
    {"table", "clear clone concat create find foreach foreachi freeze getn "
              "insert isfrozen maxn move pack remove sort unpack"},
    {"task", "cancel count defer delay desynchronize spawn synchronize "
             "wait"},
    {"utf8", "char charpattern codepoint codes len offset"},
    {"vector", "abs angle ceil clamp create cross dot floor lerp magnitude "
               "max min normalize one sign zero"},
};

const char *hints_library(size_t index) {
    return index < sizeof(hints_libraries) / sizeof(*hints_libraries)
               ? hints_libraries[index].name
               : NULL;
}

static const char *hints_members(const char *library) {
    for (size_t i = 0; hints_library(i) != NULL; i++)
        if (strcmp(hints_library(i), library) == 0)
            return hints_libraries[i].members;
    return NULL;
}

bool hints_is_missing(struct hints_member *out, const char *library,
                      const char *name, size_t length) {
    const char *at = hints_members(library);

    *out = (struct hints_member){.library = library};
    if (at == NULL)
        return false;
    while (*at != '\0') {
        size_t n = strcspn(at, " ");

        if (n == length && strncmp(at, name, n) == 0)
            return false;
        if (n == length && strncasecmp(at, name, n) == 0) {
            out->name = at;
            out->length = n;
        }
        at += n + strspn(at + n, " ");
    }
    return true;
}
