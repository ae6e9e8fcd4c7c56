#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Memory that runs out: whichever allocation fails, the program says so, or
does without, and never crashes or hangs."""

import os
import unittest

import program

FAILING = os.environ.get("KAHU_FAILING")  # failing.c; not on every system
ALL = 1 << 30
MAIN = """
local lib = require("./lib")
local t = {}
for i = 1, 100 do t[i] = string.rep("x", i) end
task.defer(print, "deferred")
task.delay(0.001, function()
    print("delayed")
    task.spawn(function() task.wait(0.001) print(lib.value, #table.concat(t)) end)
end)
local waits = coroutine.create(function() task.wait(1) end)
coroutine.resume(waits)
task.cancel(waits)
print(pcall(error, "caught"))
"""
PRINTED = "false\tcaught\ndeferred\ndelayed\n7\t5050\n"
NO_MEMORY = (
    "not enough memory",
    "Cannot allocate memory",
    "resource temporarily unavailable",  # what libuv says where an OS thread gets none
)


@unittest.skipUnless(FAILING, "no allocations that can be made to fail")
class Failing(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("main.luau", MAIN)
        self.write("lib.luau", "return { value = 7 }")

    def run_failing(self, first, count, *args):
        """What came of it, and whether any allocation failed."""
        told, tells = os.pipe()
        variables = os.environ | {
            "LD_PRELOAD": FAILING,
            "KAHU_FAIL_AT": str(first),
            "KAHU_FAIL_COUNT": str(count),
            "KAHU_FAIL_FD": str(tells),
        }
        try:
            result = self.run_program(*args, env=variables, pass_fds=(tells,))
        finally:
            os.close(tells)
            failed = os.read(told, 1) != b""
            os.close(told)
        return result, failed

    def check_one(self, result, whole):
        said = result.err + result.out
        if result.code == 0:  # it did without
            whole(result.out)
            said = result.err
        self.assertGreaterEqual(result.code, 0)
        self.assertNotIn("bad_alloc", said)
        if result.code != 0 or result.err != "":
            self.assertTrue(any(text in said for text in NO_MEMORY))

    def check_all(self, args, whole, count=1, stride=1, crashes=0):
        """Lets the allocations fail one after the other, until there are no more."""
        failed, first = True, 1
        while failed:
            result, failed = self.run_failing(first, count, *args)
            with self.subTest(args=args, first=first, count=count, result=result):
                if result.code < 0 and crashes > 0:
                    crashes -= 1
                else:
                    self.check_one(result, whole)
            first += stride
        self.assertEqual(result.code, 0)
        self.assertGreater(first, 30)  # or nothing was made to fail

    def check_script(self, *options, **how):
        self.check_all(
            [*options, "main.luau"], lambda out: self.assertEqual(out, PRINTED), **how
        )

    def test_each_of_a_script(self):
        self.check_script()

    def test_each_and_all_behind_it(self):
        self.check_script(count=ALL)

    def test_what_is_asked_for_beside(self):
        for options in (
            ["--trace", "trace.json"],
            ["--profile", "profile.folded"],
            ["--timeout", "60", "--max-resume", "60000", "--max-threads", "99"],
            ["--virtual-time", "--max-memory", "64"],
            ["--origins", "--explain", "--precise"],
        ):
            self.check_script(*options, stride=3)
            self.check_script(*options, count=ALL, stride=7)

    # Luau's own assertions do not hold where its generator has no memory.
    @unittest.skipIf("KAHU_ASSERTS" in os.environ, "Luau's assertions are on")
    def test_native_code(self):
        # Where the unwinder of libgcc is told of new code, it crashes without
        # memory for a note of that.
        self.check_script("--codegen", crashes=1)

    def test_compile(self):
        self.check_all(["compile", "main.luau", "-o", "app"], self.assertFalse, stride=2)
        line = ["compile", "--sources", "main.luau", "-o", "app"]
        self.check_all(line, self.assertFalse, stride=3)

    def test_tests(self):
        self.write("a.test.luau", "it('waits', function() task.wait(1) end)")
        self.check_all(["test"], lambda out: self.assertIn("1 passed", out), stride=7)

    def test_what_reads_files(self):
        self.run_program("--trace", "trace.json", "main.luau")
        self.write("in.folded", "a;b 1\na;c 2\n")
        for args in (["trace", "summary", "trace.json"], ["profile", "flame", "in.folded"]):
            wanted = self.run_program(*args).out
            self.check_all(args, lambda out: self.assertEqual(out, wanted))


if __name__ == "__main__":
    program.main()
