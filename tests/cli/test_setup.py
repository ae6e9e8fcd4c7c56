#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kahu setup`: editors learn of kahu, and nothing that was there is lost."""

import json
import os
import random
import re
import stat

import program

TYPES = sorted(
    name for name in os.listdir(os.path.join(program.ROOT, "types")) if name.endswith(".d.luau")
)
PATHS = [".kahu/types/" + name for name in TYPES]
VSCODE = ".vscode/settings.json"
ZED = ".zed/settings.json"
PACKAGES = {
    "@kahu-" + name.removesuffix(".d.luau"): path for name, path in zip(TYPES, PATHS)
}


def loads(text):
    """JSON with comments and commas behind the last."""
    token = r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|,(?=(?:\s|//[^\n]*\n|/\*(?:(?!\*/).)*\*/)*[}\]])'
    plain = re.sub(
        token, lambda m: m[0] if m[0][0] == '"' else " ", text.removeprefix("\ufeff"), flags=re.S
    )
    return json.loads(plain)


def is_kept(old, new):
    """Is all of the old text in the new one, in its order, but for blanks?"""
    rest = iter(new)
    return all(char in rest for char in old if not char.isspace())


class SetupTest(program.ProgramTest):
    def setup(self, *args, code=0, err="", **options):
        result = self.run_program("setup", *args, **options)
        self.assertEqual((result.err, result.code), (err, code))
        return result.out

    def read(self, name):
        with open(os.path.join(self.dir, name), encoding="utf-8", newline="") as file:
            return file.read()

    def files(self):
        found = {}
        for root, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.relpath(os.path.join(root, name), self.dir)
                found[path] = self.read(path)
        return found

    def add(self, name, text, editor=None):
        """What the file is after the setup, by its text and as data."""
        self.write(name, text)
        self.setup(*(["--editor", editor] if editor else []))
        new = self.read(name)
        self.assertTrue(is_kept(text, new), new)
        return new, loads(new)


class Fresh(SetupTest):
    def test_everything_is_made(self):
        out = self.setup()
        made = self.files()
        names = [".luaurc", VSCODE, ".nvim.lua", ZED]
        self.assertEqual(out, "".join(f"create   {n}\n" for n in PATHS + names))
        self.assertEqual(sorted(made), sorted(PATHS + names))
        for name, path in zip(TYPES, PATHS):
            with open(os.path.join(program.ROOT, "types", name), encoding="utf-8") as file:
                self.assertEqual(made[path], file.read())
        self.assertEqual(json.loads(made[".luaurc"]), {"languageMode": "strict"})
        vscode = json.loads(made[VSCODE])
        self.assertEqual(vscode["luau-lsp.types.definitionFiles"], PACKAGES)
        self.assertEqual(vscode["luau-lsp.platform.type"], "standard")
        zed = json.loads(made[ZED])["lsp"]["luau-lsp"]["settings"]
        self.assertEqual(zed["ext"]["definitions"], PATHS)
        for name in TYPES:
            self.assertIn(f'types .. "/{name}"', made[".nvim.lua"])

    def test_twice_is_once(self):
        self.setup()
        made = self.files()
        out = self.setup()
        self.assertEqual({line.split()[0] for line in out.splitlines()}, {"keep"})
        self.assertEqual(self.files(), made)

    def test_dry_runs_do_nothing(self):
        self.write(".luaurc", "{}")
        before = self.files()
        out = self.setup("--dry-run")
        self.assertIn("add to   .luaurc\n", out)
        self.assertIn(f"create   {VSCODE}\n", out)
        self.assertEqual(self.files(), before)

    def test_editors_can_be_chosen(self):
        self.setup("--editor", "zed", "--editor=vscode")
        self.assertEqual(sorted(self.files()), sorted(PATHS + [".luaurc", VSCODE, ZED]))

    def test_another_directory(self):
        os.mkdir(os.path.join(self.dir, "project"))
        self.setup("project/", "--editor", "neovim")
        self.assertEqual(
            sorted(self.files()),
            sorted("project/" + n for n in PATHS + [".luaurc", ".nvim.lua"]),
        )


class Additions(SetupTest):
    def test_comments_stay_where_they_are(self):
        new, _ = self.add(
            VSCODE,
            "// mine\n"
            "{\n"
            "\t// before\n"
            '\t"editor.tabSize": 8, // behind\n'
            '\t"files.exclude": { "**/x": true } // last\n'
            "\t/* at the end */\n"
            "}\n"
            "// after\n",
        )
        definitions = ",\n".join(f'\t\t"{k}": "{v}"' for k, v in PACKAGES.items())
        self.assertEqual(
            new,
            "// mine\n"
            "{\n"
            "\t// before\n"
            '\t"editor.tabSize": 8, // behind\n'
            '\t"files.exclude": { "**/x": true }, // last\n'
            "\t/* at the end */\n"
            '\t"luau-lsp.platform.type": "standard",\n'
            '\t"luau-lsp.types.definitionFiles": {\n'
            f"{definitions}\n"
            "\t}\n"
            "}\n"
            "// after\n",
        )

    def test_commas_behind_the_last(self):
        new, data = self.add(".luaurc", '{\n  "lint": { "*": true, }, // all\n}\n')
        self.assertEqual(data, {"lint": {"*": True}, "languageMode": "strict"})
        self.assertEqual(
            new, '{\n  "lint": { "*": true, }, // all\n  "languageMode": "strict"\n}\n'
        )

    def test_one_line(self):
        new, _ = self.add(".luaurc", '{"aliases": {"a": "b"}}')
        self.assertEqual(new, '{"aliases": {"a": "b"}, "languageMode": "strict"}')

    def test_files_with_nothing_in_them(self):
        for text in ("", " \n\n", "{}", "{ }\n", "{\n}", "// only this\n{}", "{ // here\n}"):
            with self.subTest(text=text):
                self.assertEqual(self.add(".luaurc", text)[1], {"languageMode": "strict"})

    def test_ends_of_lines_and_byte_order_marks(self):
        new, data = self.add(ZED, '\ufeff{\r\n  "a": 1\r\n}\r\n', "zed")
        self.assertEqual(new.count("\n"), new.count("\r\n"))
        self.assertEqual(data["a"], 1)
        self.assertEqual(data["lsp"]["luau-lsp"]["settings"]["ext"]["definitions"], PATHS)

    def test_what_was_said_is_not_changed(self):
        text = '{"languageMode": "nocheck"}'
        self.assertEqual(self.add(".luaurc", text)[0], text)
        _, data = self.add(
            VSCODE,
            '{"luau-lsp.platform.type": "roblox",'
            f' "luau-lsp.types.definitionFiles": {{"@mine": "x", "@kahu-{TYPES[0][:-7]}": "y"}}}}',
        )
        self.assertEqual(data["luau-lsp.platform.type"], "roblox")
        wanted = {"@mine": "x", **PACKAGES, "@kahu-" + TYPES[0][:-7]: "y"}
        self.assertEqual(data["luau-lsp.types.definitionFiles"], wanted)

    def test_definitions_in_an_array(self):
        _, data = self.add(VSCODE, '{"luau-lsp.types.definitionFiles": ["a.d.luau"]}')
        self.assertEqual(data["luau-lsp.types.definitionFiles"], ["a.d.luau"] + PATHS)
        self.assertIn(f"keep     {VSCODE}", self.setup())

    def test_objects_on_the_way(self):
        _, data = self.add(
            ZED,
            '{\n  "lsp": {\n    "rust-analyzer": {},\n    "luau-lsp": {\n'
            '      "settings": { "ext": { "definitions": ["mine.d.luau"] } }\n    }\n  }\n}\n',
            "zed",
        )
        settings = data["lsp"]["luau-lsp"]["settings"]
        self.assertEqual(settings["ext"]["definitions"], ["mine.d.luau"] + PATHS)
        self.assertEqual(settings["luau-lsp"], {"platform": {"type": "standard"}})
        self.assertEqual(data["lsp"]["rust-analyzer"], {})

    def test_a_file_elsewhere_and_its_permissions(self):
        self.write("elsewhere.json", "{}")
        path = os.path.join(self.dir, "elsewhere.json")
        os.chmod(path, 0o660)
        os.symlink("elsewhere.json", os.path.join(self.dir, ".luaurc"))
        self.setup(umask=0o077)
        self.assertTrue(os.path.islink(os.path.join(self.dir, ".luaurc")))
        self.assertEqual(loads(self.read("elsewhere.json")), {"languageMode": "strict"})
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)


class Left(SetupTest):
    def leave(self, name, text, shown, editor=None):
        self.write(name, text)
        out = self.setup(*(["--editor", editor] if editor else []))
        self.assertIn(f"leave    {name}: please add by hand\n", out)
        self.assertIn(shown, out)
        self.assertEqual(self.read(name), text)

    def test_what_is_no_json(self):
        for text in (
            "{", "}", "[]", '"text"', "{} {}", '{"a" 1}', '{"a": }', '{"a": 1 "b": 2}', "{,}",
            '{"a: 1}', '{"a": "x\n"}', "{ /* }", '-- Lua\n{"a": 1}', "{" * 200, "[" * 200,
            '{"a": [1, 2}', '{"a": 1}}', '{"a\\',
        ):
            with self.subTest(text=text):
                self.leave(".luaurc", text, '    {\n        "languageMode": "strict"\n    }\n')

    def test_something_else_in_the_place(self):
        shown = '"luau-lsp.types.definitionFiles": {\n'
        self.leave(VSCODE, '{"luau-lsp.types.definitionFiles": 5}', shown)
        self.leave(VSCODE, '{"luau-lsp.types.definitionFiles": "a"}', shown)
        for text in (
            '{"lsp": []}', '{"lsp": {"luau-lsp": null}}',
            '{"lsp": {"luau-lsp": {"settings": {"ext": {"definitions": {}}}}}}',
        ):
            self.leave(ZED, text, '"lsp": {\n', "zed")

    def test_an_init_file_of_neovim(self):
        self.leave(".nvim.lua", "vim.o.tabstop = 2\n", '    vim.lsp.enable("luau_lsp")\n')

    def test_one_that_has_it(self):
        self.write(".nvim.lua", "-- " + " ".join(PATHS))
        self.assertIn("keep     .nvim.lua\n", self.setup())

    def test_definitions_of_another_kahu(self):
        self.write(PATHS[0], "declare x: number")
        out = self.setup()
        self.assertIn(f"leave    {PATHS[0]}: not of this kahu; --update replaces it\n", out)
        self.assertEqual(self.read(PATHS[0]), "declare x: number")
        self.assertIn(f"update   {PATHS[0]}\n", self.setup("--update"))
        self.assertIn("declare scheduler", self.read(PATHS[0]))


class Mistakes(SetupTest):
    def test_command_lines(self):
        try_ = "Try 'kahu setup --help'.\n"
        for line, err in (
            (["--editor", "ed"],
             "kahu: --editor takes vscode, neovim or zed, not 'ed'\n" + try_),
            (["a", "b"], "kahu: setup takes one directory, and there is also b\n" + try_),
            (["none"], "kahu: 'none' is no directory\n"),
        ):
            self.setup(*line, code=2, err=err)
        self.assertEqual(self.files(), {})

    def test_help(self):
        self.assertTrue(self.setup("--help").startswith("Usage: kahu setup"))

    def test_files_in_the_way(self):
        self.write(".vscode", "")
        self.setup(
            "--editor=vscode", code=1,
            err="kahu: cannot read './.vscode/settings.json': Not a directory\n",
        )
        os.mkdir(os.path.join(self.dir, ".zed"))
        os.mkdir(os.path.join(self.dir, ZED))
        result = self.run_program("setup", "--editor=zed")
        self.assertEqual(result.code, 1)
        self.assertIn("Is a directory", result.err)

    def test_a_link_that_leads_nowhere(self):
        os.symlink("nowhere", os.path.join(self.dir, ".luaurc"))
        self.setup(code=1, err="kahu: cannot read './.luaurc': No such file or directory\n")


class Random(SetupTest):
    """Whatever the settings are like, they are kept and ours are added."""

    def blank(self):
        return "".join(
            self.rng.choice(["", " ", "\n", "\t", "// c } \" ,\n", "/* ] \" */", "\n  "])
            for _ in range(self.rng.randrange(3))
        )

    def value(self, depth):
        kind = self.rng.randrange(4 if depth < 3 else 2)
        if kind == 0:
            return self.rng.choice(["1", "-2.5e3", "true", "null"])
        if kind == 1:
            return self.rng.choice(['""', '"a\\"b"', '"// no"', '"\\\\"', '"{"'])
        return self.container(depth, "{}" if kind == 2 else "[]", [])

    def container(self, depth, brackets, members):
        names = [f'"k{i}"' for i in range(self.rng.randrange(4))]
        items = [(name, self.value(depth + 1)) for name in names] + members
        self.rng.shuffle(items)
        parts = []
        for name, value in items:
            named = f"{name}{self.blank()}:{self.blank()}" if brackets == "{}" else ""
            parts.append(self.blank() + named + value + self.blank())
        last = "," + self.blank() if parts and self.rng.random() < 0.3 else ""
        return brackets[0] + (",".join(parts) or self.blank()) + last + brackets[1]

    def merged(self, old):
        """What zed's settings should have become."""
        at = old
        for name in ("lsp", "luau-lsp", "settings"):
            at = at.setdefault(name, {})
        at.setdefault("luau-lsp", {}).setdefault("platform", {}).setdefault("type", "standard")
        files = at.setdefault("ext", {}).setdefault("definitions", [])
        files += [path for path in PATHS if path not in files]
        return old

    def test_random_settings(self):
        for seed in range(20 if program.SANITIZED else 150):
            self.rng = random.Random(seed)
            members = []
            for name in ("settings", "luau-lsp", "lsp"):
                if members or self.rng.random() < 0.5:
                    members = [(f'"{name}"', self.container(1, "{}", members))]
            text = self.blank() + self.container(0, "{}", members) + self.blank()
            with self.subTest(seed=seed, text=text):
                new, data = self.add(ZED, text, "zed")
                self.assertEqual(data, self.merged(loads(text)))


if __name__ == "__main__":
    program.main()
