/* SPDX-License-Identifier: MIT */
/*
 * test_find.c - the test files below the paths, each once, in an order that is
 * the same everywhere: that of the paths, and by name within a directory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>

#include "report.h"
#include "test.h"

struct finding {
    struct test_list *files;
    struct test_list *directories;
    struct test_list met; /* the one path of each file that was found */
};

/* ------------------------------------------------------------------------ */
/* Lists                                                                    */
/* ------------------------------------------------------------------------ */

void test_list_add(struct test_list *l, const char *path) {
    l->paths = text_memory(l->paths, l->count + 1, sizeof(*l->paths));
    l->paths[l->count++] = text_copy(path);
}

void test_list_free(struct test_list *l) {
    for (size_t i = 0; i < l->count; i++)
        free(l->paths[i]);
    free(l->paths);
    *l = (struct test_list){NULL, 0};
}

bool test_list_has(const struct test_list *l, const char *path) {
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->paths[i], path) == 0)
            return true;
    return false;
}

void test_list_add_once(struct test_list *l, const char *path) {
    if (!test_list_has(l, path))
        test_list_add(l, path);
}

char *test_directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    struct text directory = {NULL, 0, 0};

    if (slash == NULL)
        text_add_string(&directory, ".");
    else
        text_add(&directory, path, slash > path ? (size_t)(slash - path) : 1);
    return text_take(&directory);
}

static int find_compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ------------------------------------------------------------------------ */
/* Directories                                                              */
/* ------------------------------------------------------------------------ */

static bool find_ends_in(const char *path, const char *suffix) {
    size_t length = strlen(path);
    size_t end = strlen(suffix);

    return length > end && strcmp(path + length - end, suffix) == 0;
}

static bool find_is_test(const char *path) {
    return find_ends_in(path, ".test.luau") || find_ends_in(path, ".spec.luau");
}

static bool find_refuse(const char *path, int error) {
    struct text what = {NULL, 0, 0};

    text_addf(&what, "cannot read '%s'", path);
    report_failure(text_string(&what), uv_strerror(error));
    text_free(&what);
    return false;
}

/* The names in a directory, in order, without those that are hidden. */
static int find_names(const char *path, struct test_list *names) {
    uv_fs_t request;
    uv_dirent_t entry;
    int error = uv_fs_scandir(NULL, &request, path, 0, NULL);

    while (error >= 0 && (error = uv_fs_scandir_next(&request, &entry)) == 0)
        if (entry.name[0] != '.')
            test_list_add(names, entry.name);
    uv_fs_req_cleanup(&request);
    if (error != UV_EOF)
        return error;
    if (names->count > 0)
        qsort(names->paths, names->count, sizeof(*names->paths), find_compare);
    return 0;
}

/* The current directory is not named: messages are as short as can be. */
static char *find_join(const char *directory, const char *name) {
    struct text path = {NULL, 0, 0};
    size_t length = strlen(directory);

    if (strcmp(directory, ".") != 0)
        text_addf(&path, "%s%s", directory,
                  directory[length - 1] == '/' ? "" : "/");
    text_add_string(&path, name);
    return text_take(&path);
}

/* The one path of the directory, by whatever path it was named. */
static char *find_real(const char *path) {
    uv_fs_t request;
    char *real;

    uv_fs_realpath(NULL, &request, path, NULL);
    real = text_copy(request.ptr != NULL ? request.ptr : path);
    uv_fs_req_cleanup(&request);
    return real;
}

/* Unless it was found by another path. A link to a file is a file of its own:
 * what it requires is beside the link. */
static void find_add(struct finding *f, const char *path) {
    const char *slash = strrchr(path, '/');
    char *directory = test_directory_of(path);
    char *real = find_real(directory);
    struct text one = {NULL, 0, 0};

    text_addf(&one, "%s/%s", real, slash != NULL ? slash + 1 : path);
    if (!test_list_has(&f->met, text_string(&one))) {
        test_list_add(&f->met, text_string(&one));
        test_list_add(f->files, path);
    }
    text_free(&one);
    free(real);
    free(directory);
}

static bool find_directory(struct finding *f, const char *path);

/* A link to a directory is not followed: it may lead around. */
static bool find_entry(struct finding *f, const char *path) {
    struct stat st;

    if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return find_directory(f, path);
    if (find_is_test(path))
        find_add(f, path);
    return true;
}

static bool find_directory(struct finding *f, const char *path) {
    struct test_list names = {NULL, 0};
    int error = find_names(path, &names);
    bool found = error == 0 || find_refuse(path, error);

    test_list_add_once(f->directories, path);
    for (size_t i = 0; i < names.count && found; i++) {
        char *entry = find_join(path, names.paths[i]);

        found = find_entry(f, entry);
        free(entry);
    }
    test_list_free(&names);
    return found;
}

/* ------------------------------------------------------------------------ */
/* Paths of the command line                                                */
/* ------------------------------------------------------------------------ */

/* A file that is named is a test file, whatever it is called. */
static void find_file(struct finding *f, const char *path) {
    char *directory = test_directory_of(path);

    find_add(f, path);
    test_list_add_once(f->directories, directory);
    free(directory);
}

static bool find_path(struct finding *f, const char *path) {
    struct stat st;

    if (stat(path, &st) != 0)
        return find_refuse(path, uv_translate_sys_error(errno));
    if (S_ISDIR(st.st_mode))
        return find_directory(f, path);
    find_file(f, path);
    return true;
}

bool test_find(const struct test_options *o, struct test_list *files,
               struct test_list *directories) {
    struct finding f = {.files = files, .directories = directories};
    bool found = true;

    for (size_t i = 0; i < o->npaths && found; i++)
        found = find_path(&f, o->paths[i]);
    test_list_free(&f.met);
    return found;
}
