#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The console lists what the script started, and kills what it is told to."""

import pathlib
import subprocess
import sys

SCRIPT = pathlib.Path(__file__).with_suffix(".luau").with_name("console.luau")
COMMANDS = "threads\nwhat\nkill 2\nkill 2\nkill 99\nthreads\nquit\n"
EXPECTED = """\
1 asleep at console.luau:5, started at console.luau:9
2 waiting for somebody at console.luau:13, started at console.luau:11
3 asleep at console.luau:5, started at console.luau:12 by 2
4 delayed, started at console.luau:16
4 live
threads, kill ID or quit
killed
no such thread
no such thread
1 asleep at console.luau:5, started at console.luau:9
3 asleep at console.luau:5, started at console.luau:12 by 2
4 delayed, started at console.luau:16
3 live
"""


def main():
    result = subprocess.run([sys.argv[1], "console.luau"], input=COMMANDS, cwd=SCRIPT.parent,
                            capture_output=True, text=True, timeout=60)
    if (result.returncode, result.stdout, result.stderr) != (0, EXPECTED, ""):
        print(f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}")
        print(f"expected 0 and\n{EXPECTED}")
        sys.exit(1)


main()
