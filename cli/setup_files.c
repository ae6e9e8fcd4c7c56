/* SPDX-License-Identifier: MIT */
#include "setup_files.h"

#include <stdlib.h>
#include <string.h>

#include "definitions.h"

#define SETUP_TYPES ".kahu/types/"

/* ------------------------------------------------------------------------ */
/* JSON                                                                     */
/* ------------------------------------------------------------------------ */

/* An object to add to, where there is nothing but blanks, if at all. */
static void json_begin(struct bytes *text) {
    for (size_t i = 0; i < text->size; i++)
        if (strchr(" \t\r\n", text->at[i]) == NULL)
            return;
    bytes_puts(text, "{\n}\n");
}

/* Several changes are one: a conflict in any leaves the text as it was. */
struct changes {
    struct bytes text;
    bool added;
    bool conflict;
};

static struct changes changes_begin(const struct bytes *text) {
    struct changes c = {{0}, false, false};

    if (text->size > 0)
        bytes_put(&c.text, text->at, text->size);
    json_begin(&c.text);
    return c;
}

static void changes_note(struct changes *c, enum jsonc_result result) {
    c->added |= result == JSONC_ADDED;
    c->conflict |= result == JSONC_CONFLICT;
}

static enum jsonc_result changes_end(struct changes *c, struct bytes *text) {
    bool changed = c->added && !c->conflict && !c->text.failed;
    struct bytes unused = changed ? *text : c->text;

    unused.failed = false;
    if (changed)
        *text = c->text;
    else
        text->failed |= c->text.failed;
    bytes_free(&unused);
    if (c->conflict)
        return JSONC_CONFLICT;
    return c->added ? JSONC_ADDED : JSONC_KEPT;
}

/* ".kahu/types/task.d.luau", with what else is to stand around it. */
static char *types_path(const struct definition *d, const char *before,
                        const char *after) {
    struct bytes path = {0};

    bytes_puts(&path, before);
    bytes_puts(&path, SETUP_TYPES);
    bytes_puts(&path, d->name);
    bytes_puts(&path, ".d.luau");
    bytes_puts(&path, after);
    bytes_put(&path, "", 1);
    if (path.failed)
        bytes_free(&path);
    return path.at;
}

/* ------------------------------------------------------------------------ */
/* Type checkers                                                            */
/* ------------------------------------------------------------------------ */

static enum jsonc_result add_luaurc(struct bytes *text) {
    static const char *const mode[] = {"languageMode", NULL};
    struct changes c = changes_begin(text);

    changes_note(&c, jsonc_set(&c.text, mode, "\"strict\""));
    return changes_end(&c, text);
}

/* ------------------------------------------------------------------------ */
/* VS Code                                                                  */
/* ------------------------------------------------------------------------ */

#define VSCODE_DEFINITIONS "luau-lsp.types.definitionFiles"

/* An object from names to paths; in settings of older extensions, an array. */
static void vscode_add_definition(struct changes *c,
                                  const struct definition *d) {
    const char *files[] = {VSCODE_DEFINITIONS, NULL};
    const char *package[] = {VSCODE_DEFINITIONS, NULL, NULL};
    bool array = jsonc_at(&c->text, files) == JSONC_ARRAY;
    char *path = types_path(d, array ? "" : "\"", array ? "" : "\"");
    struct bytes name = {0};

    bytes_puts(&name, "@kahu-");
    bytes_puts(&name, d->name);
    bytes_put(&name, "", 1);
    package[1] = name.at;
    if (path == NULL || name.failed)
        c->text.failed = true;
    else
        changes_note(c, array ? jsonc_append(&c->text, files, path)
                              : jsonc_set(&c->text, package, path));
    bytes_free(&name);
    free(path);
}

static enum jsonc_result add_vscode(struct bytes *text) {
    static const char *const platform[] = {"luau-lsp.platform.type", NULL};
    struct changes c = changes_begin(text);

    changes_note(&c, jsonc_set(&c.text, platform, "\"standard\""));
    for (const struct definition *d = definitions; d->name != NULL; d++)
        vscode_add_definition(&c, d);
    return changes_end(&c, text);
}

/* ------------------------------------------------------------------------ */
/* Zed                                                                      */
/* ------------------------------------------------------------------------ */

static enum jsonc_result add_zed(struct bytes *text) {
    static const char *const platform[] = {
        "lsp", "luau-lsp", "settings", "luau-lsp", "platform", "type", NULL};
    static const char *const files[] = {"lsp", "luau-lsp",    "settings",
                                        "ext", "definitions", NULL};
    struct changes c = changes_begin(text);

    changes_note(&c, jsonc_set(&c.text, platform, "\"standard\""));
    for (const struct definition *d = definitions; d->name != NULL; d++) {
        char *path = types_path(d, "", "");

        if (path == NULL)
            c.text.failed = true;
        else
            changes_note(&c, jsonc_append(&c.text, files, path));
        free(path);
    }
    return changes_end(&c, text);
}

/* ------------------------------------------------------------------------ */
/* Neovim                                                                   */
/* ------------------------------------------------------------------------ */

static const char neovim_head[] =
    "-- kahu's libraries for luau-lsp. Neovim (0.11 or newer) runs this file\n"
    "-- when the option 'exrc' is set.\n"
    "local types = vim.fs.joinpath(vim.fn.getcwd(), \".kahu/types\")\n"
    "vim.lsp.config(\"luau_lsp\", {\n"
    "    cmd = {\n"
    "        \"luau-lsp\",\n"
    "        \"lsp\",\n";
static const char neovim_tail[] =
    "    },\n"
    "    filetypes = { \"luau\" },\n"
    "    root_markers = { \".luaurc\", \".git\" },\n"
    "    settings = { [\"luau-lsp\"] = { platform = { type = \"standard\" } } "
    "},\n"
    "})\n"
    "vim.lsp.enable(\"luau_lsp\")\n";

static void neovim_put(struct bytes *out) {
    bytes_puts(out, neovim_head);
    for (const struct definition *d = definitions; d->name != NULL; d++) {
        bytes_puts(out, "        \"--definitions:@kahu-");
        bytes_puts(out, d->name);
        bytes_puts(out, "=\" .. types .. \"/");
        bytes_puts(out, d->name);
        bytes_puts(out, ".d.luau\",\n");
    }
    bytes_puts(out, neovim_tail);
}

/* A file in Lua is nobody's to add to but its author's; one that names each of
 * the definitions has what it needs. */
static enum jsonc_result add_neovim(struct bytes *text) {
    bool all = true;

    if (text->size == 0) {
        neovim_put(text);
        return JSONC_ADDED;
    }
    bytes_put(text, "", 1);
    if (text->failed)
        return JSONC_KEPT;
    text->size--;
    for (const struct definition *d = definitions; d->name != NULL; d++) {
        char *path = types_path(d, "", "");

        text->failed |= path == NULL;
        all =
            all && path != NULL && strstr(text->at, strrchr(path, '/')) != NULL;
        free(path);
    }
    return all ? JSONC_KEPT : JSONC_CONFLICT;
}

const struct setup_file setup_files[] = {
    {SETUP_ANY, ".luaurc", add_luaurc},
    {SETUP_VSCODE, ".vscode/settings.json", add_vscode},
    {SETUP_NEOVIM, ".nvim.lua", add_neovim},
    {SETUP_ZED, ".zed/settings.json", add_zed},
    {SETUP_ANY, NULL, NULL},
};
