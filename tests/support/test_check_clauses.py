#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that tools/check_clauses finds what is missing."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]

LAW = """
## 1. What the VM imposes
| V1 | a fact | file |
## 2. The model
- **M1 Wake.** One.
- **M2 Delivering.** See S3.1 and **S9.9**.
## 3. Spawn
- **S3.1** Text.
- **S3.11** Text.
## 10. Operations
- **S10.1** Text.
"""


class CheckClauses(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.root = pathlib.Path(room.name)
        self.write("docs/semantics.md", LAW)
        self.write("tests/behaviour/a/b.luau", "-- M1 M2 S3.11: three\nprint(1)\n")
        self.write("tests/unit/test_c.c", "/* S3.1: in C\n * V1 */\n")

    def write(self, place, text):
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def call(self, *args):
        command = [sys.executable, str(ROOT / "tools/check_clauses"), *args, str(self.root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_all_covered(self):
        self.assertEqual(self.call(), (0, "4 clauses, 2 tests, 0 uncovered\n"))

    def test_a_longer_number_covers_no_shorter_one(self):
        self.write("tests/unit/test_c.c", "/* S3.11 V1 */\n")
        code, text = self.call()
        self.assertEqual((code, text.splitlines()[0]), (1, "S3.1: no test"))
        self.assertEqual(text.splitlines()[-1], "4 clauses, 2 tests, 1 uncovered")

    def test_c_outside_comments_does_not_count(self):
        self.write("tests/unit/test_c.c", 'char *S3 = "S3.1";\n')
        self.assertEqual(self.call()[0], 1)
        self.write("tests/unit/test_c.c", "int x; // S3.1\n")
        self.assertEqual(self.call()[0], 0)

    def test_a_script_counts_by_its_first_line_only(self):
        self.write("tests/behaviour/a/b.luau", "-- M1 M2: two\n-- S3.11: later\n")
        code, text = self.call()
        self.assertEqual(code, 1)
        self.assertIn("S3.11: no test", text)

    def test_a_behaviour_without_clause_fails(self):
        self.write("tests/behaviour/a/d.luau", "print(1)\n")
        code, text = self.call()
        self.assertEqual(code, 1)
        self.assertIn("behaviour/a/d.luau: the first line names no clause", text)

    def test_a_clause_the_law_does_not_have_fails(self):
        self.write("tests/behaviour/a/d.luau", "-- S9.9: unknown\nprint(1)\n")
        code, text = self.call()
        self.assertEqual(code, 1)
        self.assertIn("behaviour/a/d.luau: the law has no S9.9", text)

    def test_an_empty_law_fails(self):
        self.write("docs/semantics.md", "# Nothing\n")
        code, text = self.call()
        self.assertEqual(code, 1)
        self.assertIn("defines no clause", text)

    def test_list_shows_the_covered(self):
        code, text = self.call("--list")
        self.assertEqual(code, 0)
        self.assertIn("M1: behaviour/a/b.luau\n", text)

    def test_the_real_law_is_read(self):
        text = subprocess.run(
            [sys.executable, str(ROOT / "tools/check_clauses"), "--list"],
            capture_output=True, text=True, check=False,
        ).stdout
        for clause in ("M1", "M9", "S3.1", "S5.9", "S9.8"):
            self.assertIn(f"\n{clause}: ", "\n" + text)
        self.assertNotIn("\nS10.1: ", text)


if __name__ == "__main__":
    unittest.main()
