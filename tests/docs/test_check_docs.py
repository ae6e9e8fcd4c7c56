#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/check_docs notices what is wrong with a page."""

import contextlib
import io
import os
import pathlib
import tempfile
import unittest

import tool
PROGRAM = os.environ.get("KAHU_PROGRAM", tool.ROOT / "build/release/kahu")


def block(head, code, output=None):
    text = f"```{head}\n{code}\n```\n"
    return text + (f"```text\n{output}\n```\n" if output is not None else "")


class CheckDocs(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.root = pathlib.Path(room.name).resolve()
        self.tool = tool.load("check_docs")
        self.tool.ROOT = self.root

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def said(self, check, *args):
        """(whether it was good, what was said)."""
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            good = check(*args)
        return good, out.getvalue()

    def check(self, text, name="docs/guide/page.md"):
        page = self.write(name, text)
        tools = self.tool.Tools(None, pathlib.Path(PROGRAM).resolve())
        return self.said(self.tool.check_pages, [page], tools)

    def refuses(self, text, told, **more):
        good, said = self.check(text, **more)
        self.assertFalse(good, text)
        self.assertIn(told, said)

    def accepts(self, text, count):
        self.assertEqual(self.check(text), (True, f"docs: {count} examples, 0 wrong\n"))

    def test_examples_are_run_in_virtual_time(self):
        self.accepts(block("luau", "print(task.wait(3600))", "3600"), 1)

    def test_other_output_is_told_with_its_place(self):
        page = "# Page\n\n" + block("luau", "print(1)", "2")
        self.refuses(page, "docs/guide/page.md:3: it printed\n1\n\nand not\n2\n")

    def test_errors_belong_to_the_output(self):
        code = 'print("one")\ntask.spawn(error, "two", 0)\nprint("three")'
        out = "one\ntwo\nstack traceback:\n  [C] function error\nthree"
        self.accepts(block("luau exit=1", code, out), 1)
        self.refuses(block("luau", code, out), "exit status 1, not 0")

    def test_an_example_without_output_has_to_end_well(self):
        self.accepts(block("luau", "print(1)"), 1)
        self.refuses(block("luau", "error('no')"), "exit status 1, not 0")

    def test_files_stay_for_the_page(self):
        page = block("luau module.luau", "return 5") + block(
            "luau", 'print(require("./module"))', "5")
        self.accepts(page, 2)
        self.refuses(block("luau", 'require("./module")'), 'could not resolve')

    def test_options(self):
        code = "task.defer(task.defer, task.defer, print)"
        self.accepts(block("luau --max-defer-depth=1", code), 1)
        self.refuses(block("luau --no-such", code), "unrecognized option")

    def test_test_files(self):
        page = block("luau x.test.luau", 'it("is", function() end)',
                     "x.test.luau\n  ok    is\n\n1 passed in 1 file")
        self.accepts(page, 1)

    def test_commands(self):
        self.accepts(block("sh run", "kahu -e 'print(1)'", "1"), 1)
        self.refuses(block("sh run", "kahu -e 'print(1)'", "2"), "it printed")
        self.accepts(block("sh", "rm -rf everything"), 0)

    def test_what_is_no_example(self):
        self.accepts(block("luau skip", "...") + block("luau type", "f: () -> ()")
                     + block("text", "x") + block("console", "$ x"), 0)

    def test_a_page_of_a_function_has_an_example(self):
        self.refuses("# f\n", "no example", name="docs/luau/f.md")
        self.assertTrue(self.check("# all\n", name="docs/luau/README.md")[0])


class Functions(CheckDocs):
    def setUp(self):
        super().setUp()
        self.tool.given_functions = lambda program: {"box.open", "box.shut"}
        self.write("types/box.d.luau", "declare box: {\n    -- Opens.\n"
                   "    open: (\n        far: number?\n    ) -> (),\n\n"
                   "    shut: () -> {\n        is: boolean,\n    },\n}\n")
        self.page("box.open", "(far: number?) -> ()")
        self.page("box.shut", "() -> { is: boolean }")

    def page(self, name, of):
        text = f"# {name}\n\n```luau type\n{name}: {of}\n```\n"
        return self.write(f"docs/luau/{name}.md", text)

    def check_functions(self):
        return self.said(self.tool.check_functions, "")

    def test_all_is_well(self):
        self.assertEqual(self.check_functions(),
                         (True, "functions: 2 given, 2 pages, 2 types, 0 wrong\n"))

    def test_each_mistake_is_told(self):
        for change, told in (
            (lambda: (self.root / "docs/luau/box.shut.md").unlink(),
             "box.shut has no page"),
            (lambda: self.page("box.lock", "() -> ()"),
             "box.lock.md: the program has no such function"),
            (lambda: self.page("box.open", "(far: number) -> ()"), "and not\n"),
            (lambda: self.write("docs/luau/box.open.md", "# box.open\n"),
             "no ```luau type of box.open"),
            (lambda: self.write("docs/luau/box.open.md", "# open\n"),
             "the title is '# open'"),
        ):
            self.setUp()
            change()
            good, said = self.check_functions()
            self.assertFalse(good)
            self.assertIn(told, said)


class Recordings(CheckDocs):
    def check_recordings(self):
        return self.said(self.tool.check_recordings)

    def test_all_of_it_is_shown_and_nothing_else(self):
        self.write("docs/recordings/a.txt", "$ one\n1\n\n$ two\n2\n")
        page = block("console", "$ one\n1") + "words\n" + block("console", "$ two\n2")
        self.write("docs/program/page.md", page)
        self.assertTrue(self.check_recordings()[0])
        self.write("docs/program/page.md", block("console", "$ one\n1"))
        self.assertIn("no page shows this of it:\n$ two\n2", self.check_recordings()[1])
        self.write("docs/program/page.md", page.replace("2", "3"))
        good, said = self.check_recordings()
        self.assertFalse(good)
        self.assertIn("docs/program/page.md:6: this is in no recording", said)


if __name__ == "__main__":
    unittest.main()
