#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/check_types finds definitions that are wrong."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("KAHU_PROGRAM", ROOT / "build/release/kahu")

# What is changed in the real definitions, and what must be said then.
MISTAKES = [
    ("cancel: (thread: thread) -> ()", "cancels: (thread: thread) -> ()",
     "task.cancel is not declared in types/"),
    ("cancel: (thread: thread) -> ()", "cancels: (thread: thread) -> ()",
     "task.cancels is declared, but the program has none"),
    ("(thread: thread) -> ()", "(thread: thread?) -> ()",
     "task.cancel with 0 arguments"),
    ("wait: (duration: number?)", "wait: (duration: number)",
     "task.wait with 0 arguments: 'ok' does not name argument #1"),
    ("(duration: number, target:", "(target:",
     "task.delay with 1 arguments: \"invalid argument #1"),
    ("synchronize: () -> ()", "synchronize: (what: number) -> ()",
     "task.synchronize with 0 arguments: 'ok' does not name argument #1"),
    ("wait: (duration: number?)", "wait: (duration: string?)",
     "task.wait with 1 arguments: \"invalid argument #1"),
    ("(duration: number?) -> number", "(duration: number?) -> string",
     "task.wait: declared to return string, but: ok,number"),
    ("(thread: thread) -> ()", "(thread: thread) -> thread",
     "task.cancel: declared to return thread, but: ok"),
    ("declare task: {", "declare tasks: {", "task is not declared in types/"),
    ("declare task: {", "declare tasks: {",
     "tasks is declared, but the program has none"),
    ("operations: number", "operating: number",
     "scheduler.counts: declared to return"),
    ("declare afterAll: Hook", "declare finally: Hook", "afterAll is not declared in types/"),
    ("declare afterAll: Hook", "declare finally: Hook",
     "finally is declared, but the program has none"),
    ("only: Group", "alone: Group", "describe.only is not declared"),
    ("truthy: ()", "true_: ()", "expect(x).truthy is not declared"),
    ("near: (expected: number, eps: number?)", "near: (expected: number)",
     "expect(x).near takes 2 arguments"),
    ("(self: any, expected: any)", "(self: any)",
     "expect(x).be takes 1 arguments"),
]


class CheckTypes(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.types = pathlib.Path(room.name)
        for path in (ROOT / "types").glob("*.d.luau"):
            shutil.copy(path, self.types)

    def change(self, old, new):
        found = 0
        for path in self.types.glob("*.d.luau"):
            text = path.read_text()
            found += text.count(old)
            path.write_text(text.replace(old, new, 1))
        self.assertGreater(found, 0, old)

    def check(self):
        return subprocess.run(
            [ROOT / "tools/check_types", PROGRAM, "--types", self.types],
            capture_output=True, text=True, check=False)

    def test_nothing_to_complain_of(self):
        result = self.check()
        self.assertEqual((result.stderr, result.returncode), ("", 0))

    def test_each_mistake_is_told(self):
        for old, new, told in MISTAKES:
            with self.subTest(new=new):
                self.setUp()
                self.change(old, new)
                result = self.check()
                self.assertIn(told, result.stdout)
                self.assertEqual((result.stderr, result.returncode), ("", 1))

    def test_a_file_that_says_nothing_is_told(self):
        (self.types / "empty.d.luau").write_text("-- nothing\n")
        result = self.check()
        self.assertIn("empty.d.luau declares nothing", result.stderr)
        self.assertEqual(result.returncode, 1)


if __name__ == "__main__":
    unittest.main()
