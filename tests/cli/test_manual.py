#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual page: it is well-formed, and has what the help texts have."""

import os
import re
import shutil
import subprocess
import unittest

import program

MANUAL = os.path.join(program.ROOT, "cli/kahu.1")


class Manual(program.ProgramTest):
    def setUp(self):
        super().setUp()
        with open(MANUAL, encoding="utf-8") as file:
            self.source = file.read().replace("\\-", "-")

    def help(self, *command):
        return "\n".join(self.run_lines(*command, "--help"))

    def commands(self):
        usage = re.findall(r"^(?:Usage:| {6}) kahu \[?(\w+)", self.help(), re.M)
        self.assertLessEqual({"run", "test", "compile", "repl"}, set(usage))
        return set(usage)

    def test_every_command_is_in_the_synopsis(self):
        synopsis = self.source.partition(".SH SYNOPSIS")[2].partition(".SH")[0]
        named = re.findall(r"^\.B kahu (\w+)|^\.RB \[ (\w+) \]", synopsis, re.M)
        self.assertEqual({a or b for a, b in named}, self.commands())

    def test_every_option_has_an_entry(self):
        entries = set()
        for line in re.findall(r"^\.TP\n(.*)$", self.source, re.M):
            entries |= set(re.findall(r"--?\w[\w-]*", line))
        for command in self.commands() - {"trace"}:  # in the synopsis
            for line in self.help(command).splitlines():
                listed = re.match(r" {2,6}((?:-[\w-]+(?:,? |$))+)", line)
                for option in re.findall(r"--?[\w-]+", listed[1] if listed else ""):
                    self.assertIn(option, entries, command)
        self.assertRegex(self.source, r"(?m)^\.B kahu trace summary\n\.RB \[ --top$")

    @unittest.skipUnless(shutil.which("man"), "there is no man")
    def test_it_has_no_warnings(self):
        result = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", MANUAL],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
            text=True,
            check=False,
        )
        self.assertEqual((result.stderr, result.returncode), ("", 0))


if __name__ == "__main__":
    program.main()
