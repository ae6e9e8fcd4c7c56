# SPDX-License-Identifier: MIT
"""What minimal prints, and what it exits with."""

import subprocess
import sys
import unittest

PROGRAM = sys.argv[1]


class Minimal(unittest.TestCase):
    def assert_runs(self, arguments, code, out, err):
        result = subprocess.run(
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=False
        )
        self.assertEqual(result.stdout, out)
        self.assertRegex(result.stderr, err)
        self.assertEqual(result.returncode, code)

    def test_its_own_script(self):
        self.assert_runs([], 0, "hello\n", "^$")

    def test_a_script_that_waits_and_one_that_is_closed(self):
        script = (
            "coroutine.close(task.delay(math.huge, print)) print(task.count())"
            "task.defer(print, 'deferred') print(task.wait(0.01) >= 0.01)"
        )
        self.assert_runs([script], 0, "0\ndeferred\ntrue\n", "^$")

    def test_an_error(self):
        self.assert_runs(["task.delay(0, error, 'oh')"], 1, "", "^oh\n")

    def test_no_script_at_all(self):
        self.assert_runs(["this is none"], 1, "", r"^script:1: Incomplete statement")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
