#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How the program was linked and compiled: what readelf says of it."""

import os
import subprocess
import unittest

import program

HARDENED = "KAHU_HARDENED" in os.environ


def readelf(*options):
    return subprocess.run(["readelf", "-W", *options, program.PROGRAM],
                          check=True, capture_output=True, text=True).stdout


@unittest.skipUnless(HARDENED, "a build for people only")
class Hardening(unittest.TestCase):
    def test_it_is_placed_anywhere(self):
        self.assertRegex(readelf("-h"), r"Type: +DYN \(Position-Independent")

    def test_no_stack_is_executable(self):
        stack = [line.split() for line in readelf("-l").splitlines() if "GNU_STACK" in line]
        self.assertEqual([line[-2] for line in stack], ["RW"])

    def test_what_is_linked_is_read_only(self):
        self.assertIn("GNU_RELRO", readelf("-l"))
        self.assertRegex(readelf("-d"), r"BIND_NOW|FLAGS_1\) .*NOW")

    def test_stacks_and_copies_are_guarded(self):
        symbols = readelf("--dyn-syms")
        self.assertIn("__stack_chk_fail", symbols)
        self.assertRegex(symbols, r"__\w+_chk\b(?<!__stack_chk)")


if __name__ == "__main__":
    program.main()
