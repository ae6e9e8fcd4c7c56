#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/recordings: what the pages show is what the program says today. (Those of
one topic are tested with it.)"""

import os
import re
import shutil
import subprocess
import unittest

import program

PLACE = os.path.join(program.ROOT, "docs/recordings")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def without_measures(text):
    """A summary of a trace, but for what is never the same twice."""
    before, begin, summary = text.partition("$ kahu trace summary")
    summary, end, after = summary.partition("\n\n$ ")
    summary = re.sub(r" +[\d.]+", " N", re.sub(r": [\d.]+ s of", ": N s of", summary))
    return before + begin + summary + end + after


class Recordings(program.ProgramTest):
    def record(self, name, script=None):
        """What it was, and what it is."""
        again = os.path.join(self.dir, "again.txt")
        script = os.path.join(PLACE, script or f"{name}.sh")
        result = subprocess.run(
            [script, program.PROGRAM, again],
            capture_output=True,
            text=True,
            timeout=2 * program.TIME_LIMIT_S,
            check=False,
        )
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return read(os.path.join(PLACE, f"{name}.txt")), read(again)

    def test_those_that_are_the_same_each_time(self):
        for name in ("compile", "messages", "setup"):
            with self.subTest(name=name):
                self.assertEqual(*self.record(name))

    @unittest.skipIf("KAHU_NO_REPL" in os.environ, "this build has no sessions")
    def test_a_session(self):
        self.assertEqual(*self.record("repl", "repl.py"))

    @unittest.skipIf("KAHU_NO_REPL" in os.environ, "this build has no sessions")
    @unittest.skipUnless(shutil.which("cmake"), "it is installed by cmake")
    def test_a_newcomer(self):
        self.assertEqual(*map(without_measures, self.record("newcomer")))


if __name__ == "__main__":
    program.main()
