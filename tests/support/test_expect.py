#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that expect.py fails where it must: each kind of mismatch, one test.

The program under it is a stand-in that does what `--! verb text` lines say.
"""

import os
import subprocess
import sys
import tempfile
import unittest

import expect

RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "expect.py")

STAND_IN = f"""#!{sys.executable}
import os, sys, time
for line in open(sys.argv[-1], newline=""):
    verb, _, text = line.rstrip("\\n").removeprefix("--! ").partition(" ")
    if not line.startswith("--! "): continue
    if verb == "out": print(text, flush=True)
    if verb == "raw": print(text, end="", flush=True)
    if verb == "err": print(text, file=sys.stderr, flush=True)
    if verb == "args": print(*sys.argv[1:-1])
    if verb == "sleep": time.sleep(float(text))
    if verb == "signal": os.kill(os.getpid(), int(text))
    if verb == "exit": sys.exit(int(text))
"""


class Case(unittest.TestCase):
    def setUp(self):
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        self.room = room.name
        self.program = self.write("program", STAND_IN)
        os.chmod(self.program, 0o755)

    def write(self, name, text):
        path = os.path.join(self.room, name)
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        return path

    def verdict(self, script, virtual_time=False):
        path = self.write("script.luau", script)
        code, problems = expect.check(self.program, virtual_time, path)
        return code, "\n".join(problems)

    def passes(self, script, **kw):
        self.assertEqual(self.verdict(script, **kw), (0, ""))

    def fails(self, script, because, **kw):
        code, text = self.verdict(script, **kw)
        self.assertEqual(code, 1, text)
        self.assertIn(because, text)


class Stdout(Case):
    def test_equal_passes(self):
        self.passes("--! out a\nx() -- expect: a\n")

    def test_order_of_the_file_is_the_order_expected(self):
        self.passes("--! out a\n--! out b\n-- expect: a\n-- expect: b\n")
        self.fails("--! out a\n--! out b\n-- expect: b\n-- expect: a\n", "+a")

    def test_wrong_line_shows_a_diff(self):
        self.fails("--! out b\n-- expect: a\n", "-a\n+b")

    def test_missing_and_surplus_lines_fail(self):
        self.fails("--! out a\n-- expect: a\n-- expect: b\n", "-b")
        self.fails("--! out a\n--! out b\n-- expect: a\n", "+b")

    def test_output_where_only_the_exit_code_is_expected_fails(self):
        self.fails("--! out a\n-- expect exit: 0\n", "+a")

    def test_empty_line_and_inner_spaces_count(self):
        self.passes("--! out \n-- expect:\n")
        self.passes("--! out a  b\n-- expect: a  b\n")
        self.fails("--! out a b\n-- expect: a  b\n", "+a b")

    def test_a_tab_is_written_as_an_escape(self):
        self.passes("--! out a\tb\n-- expect: a\\tb\n")
        self.fails("--! out a b\n-- expect: a\\tb\n", "+a b")
        self.fails("--! out a\tb\n-- expect: a\tb\n", "a tab is written")

    def test_missing_last_line_end_fails(self):
        self.fails("--! raw a\n-- expect: a\n", "last line end")

    def test_crlf_script(self):
        self.passes("-- expect: a\r\n--! out a\n")


class Stderr(Case):
    def test_unexpected_text_fails(self):
        self.fails("--! err oops\n--! out a\n-- expect: a\n", "should be empty")

    def test_substring_passes_and_missing_fails(self):
        self.passes("--! err f.luau:3: boom\n-- expect stderr: boom\n")
        self.fails("--! err f.luau:3: boom\n-- expect stderr: bang\n", "'bang' is missing")

    def test_order_counts(self):
        both = "--! err one\n--! err two\n"
        self.passes(both + "-- expect stderr: one\n-- expect stderr: two\n")
        self.fails(both + "-- expect stderr: two\n-- expect stderr: one\n", "too early")

    def test_the_same_text_twice_needs_two_places(self):
        twice = "-- expect stderr: one\n-- expect stderr: one\n"
        self.fails("--! err one\n" + twice, "too early")
        self.passes("--! err one one\n" + twice)

    def test_once(self):
        self.passes("--! err one\n-- expect stderr once: one\n")
        self.fails("--! err one one\n-- expect stderr once: one\n", "2 times")


    def test_what_is_shown_of_the_script_proves_nothing(self):
        shown = "    7 | error(x) -- said\n      | ^^^^^\nhint: said\n"
        script = "".join(f"--! err {line}\n" for line in shown.splitlines())
        self.fails(script + "-- expect stderr: said\n", "is missing from stderr")
        self.passes(script + "--! err said\n-- expect stderr once: said\n")

    def test_the_path_proves_nothing(self):
        path = os.path.join(self.room, "script.luau")
        self.fails("-- expect stderr: script\n--! err script\n", "name of the script")
        folder = os.path.basename(self.room)
        self.fails(f"-- expect stderr: {folder}\n--! err {path}:3: boom\n", "is missing")
        self.passes(f"-- expect stderr once: script.luau:3: boom\n--! err {path}:3: boom\n")


class Exit(Case):
    def test_code(self):
        self.passes("--! exit 3\n-- expect exit: 3\n")
        self.fails("--! exit 3\n-- expect exit: 1\n", "exit code 3, expected 1")
        self.fails("-- expect exit: 1\n", "exit code 0, expected 1")

    def test_zero_is_expected_when_not_said(self):
        self.fails("--! out a\n--! exit 1\n-- expect: a\n", "exit code 1")

    def test_signal(self):
        self.fails("--! signal 9\n-- expect exit: 0\n", "killed by signal 9")

    def test_too_slow(self):
        self.addCleanup(setattr, expect, "TIME_LIMIT_S", expect.TIME_LIMIT_S)
        expect.TIME_LIMIT_S = 0.3
        self.fails("--! sleep 60\n-- expect exit: 0\n", "did not end")


class Directives(Case):
    def test_nothing_expected_fails(self):
        self.fails("print(1)\n", "expects nothing")
        self.fails("-- args: -x\n", "expects nothing")

    def test_what_looks_like_a_directive_and_is_none_fails(self):
        for line in ("--expect: a", "-- expects: a", "-- Expect: a", "-- expect a",
                     "-- expect stdout: a", "-- expect:a", "-- arg: -x", "-- drivers: uv x"):
            self.fails(f"--! out a\n-- expect: a\n{line}\n", "not a directive")

    def test_empty_or_repeated_ones_fail(self):
        self.fails("-- expect stderr:\n", "empty directive")
        self.fails("-- expect exit: one\n", "a number")
        self.fails("-- expect exit: 0\n-- expect exit: 0\n", "one exit code")

    def test_args_reach_the_program_before_the_file(self):
        self.passes("--! args\n-- args: --min-wait 0.5\n-- expect: --min-wait 0.5\n")
        self.passes("--! args\n-- args: -x\n-- expect: -x --virtual-time\n", virtual_time=True)

    def test_driver(self):
        script = "--! out a\n-- driver: stepped why\n-- expect: a\n"
        self.passes(script, virtual_time=True)
        self.assertEqual(self.verdict(script), (expect.SKIPPED, ""))
        self.fails("-- driver: stepped\n-- expect: a\n", "must say why")
        self.fails("-- driver: epoll why\n-- expect: a\n", "unknown driver")


class Command(Case):
    def call(self, *args):
        done = subprocess.run([sys.executable, RUNNER, *args], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    def test_exit_codes(self):
        good = self.write("good.luau", "--! out a\n-- expect: a\n")
        bad = self.write("bad.luau", "--! out a\n-- expect: b\n")
        other = self.write("other.luau", "-- driver: stepped why\n-- expect: b\n")
        self.assertEqual(self.call("--program", self.program, good)[0], 0)
        code, text = self.call("--program", self.program, good, bad)
        self.assertEqual(code, 1)
        self.assertIn("bad.luau: failed", text)
        self.assertEqual(self.call("--program", self.program, other)[0], expect.SKIPPED)
        self.assertEqual(self.call("--program", self.program)[0], 2)

    def test_what_follows_two_dashes_reaches_the_script(self):
        printer = self.write("printer", f"#!{sys.executable}\nimport sys\nprint(*sys.argv[2:])\n")
        os.chmod(printer, 0o755)
        script = self.write("script.luau", "-- expect: 0.5 --x\n")
        self.assertEqual(self.call("--program", printer, script, "--", "0.5", "--x")[0], 0)
        self.assertEqual(self.call("--program", printer, script)[0], 1)

    def test_timeout(self):
        slow = self.write("slow.luau", "--! sleep 60\n-- expect exit: 0\n")
        code, text = self.call("--program", self.program, "--timeout", "0.3", slow)
        self.assertEqual(code, 1)
        self.assertIn("did not end within 0.3 s", text)


if __name__ == "__main__":
    unittest.main()
