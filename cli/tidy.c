/* SPDX-License-Identifier: MIT */
#include "tidy.h"

#include <string.h>
#include <sys/stat.h>

/* Where the last part begins of what is between the two. */
static char *tidy_last(const char *start, char *end) {
    while (end > start && end[-1] != '/')
        end--;
    return end;
}

static char *tidy_add(const char *start, char *end, const char *part,
                      size_t length) {
    if (end > start)
        *end++ = '/';
    memcpy(end, part, length);
    return end + length;
}

static bool tidy_is_dots(const char *part, size_t length) {
    return length == 2 && memcmp(part, "..", 2) == 0;
}

/* Is the path, which ends at `end`, a directory and no link to one? */
static bool tidy_is_dir(const char *path, char *end) {
    struct stat st;

    *end = '\0';
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Above the root is the root. */
static char *tidy_up(const char *path, char *start, char *end, bool looks) {
    char *last = tidy_last(start, end);

    if (end == start)
        return start > path ? start : tidy_add(start, end, "..", 2);
    if (!looks || tidy_is_dots(last, (size_t)(end - last)) ||
        !tidy_is_dir(path, end))
        return tidy_add(start, end, "..", 2);
    return last > start ? last - 1 : start;
}

bool tidy_path(char *out, size_t size, const char *path, bool looks) {
    char *start = out;
    char *end;
    size_t length;

    if (strlen(path) >= size)
        return false;
    if (*path == '/')
        *start++ = '/';
    end = start;
    for (; *path != '\0'; path += length + strspn(path + length, "/")) {
        length = strcspn(path, "/");
        if (tidy_is_dots(path, length))
            end = tidy_up(out, start, end, looks);
        else if (length > 0 && !(length == 1 && *path == '.'))
            end = tidy_add(start, end, path, length);
    }
    *end = '\0';
    return true;
}
