#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes repl.txt: a session as it is seen on a terminal.

    docs/recordings/repl.py [PROGRAM [OUTPUT]]
"""

import os
import sys
import tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
if len(sys.argv) > 1:
    os.environ["KAHU_PROGRAM"] = os.path.realpath(sys.argv[1])
sys.path.insert(0, os.path.join(ROOT, "tests/cli"))

import terminal  # noqa: E402  (it is found by the lines above)

INTERRUPT = "\x03"

# What is typed, and what is waited for before going on.
TYPED = (
    ("6 * 7, 'and more'\r", "and more\r\n> "),
    ("_ + 1\r", "43\r\n> "),
    ("function greet(name)\r", ">> "),
    ("print(`hello, {name.first}`)\r", ">> "),
    ("end\r", "\n> "),
    ("greet()\r", "repl[4]:1\r\n> "),
    ("do task.delay(0.2, print, 'meanwhile') end\r", "end\r\n> "),
    ("greet({ first = ", "meanwhile\r\n> greet({ first = "),
    ("'Ada' })\r", "hello, Ada\r\n> "),
    ("while true do end\r", "while true do end\r\n"),
    (INTERRUPT, "\n> "),
    ("task.\t", "> task."),
    ("wait(0.25) >= 0.25\r", "true\r\n> "),
    ("\x04", "\n"),
)


def screen(text):
    """The lines that are left when the cursor's movements are done."""
    lines, column = [""], 0
    place = 0
    while place < len(text):
        rest = text[place:]
        if rest.startswith("\r"):
            column = 0
        elif rest.startswith("\n"):
            lines.append("")
        elif rest.startswith("\b"):
            column -= 1
        elif rest.startswith("\x1b["):
            end = place + 2
            while not text[end].isalpha():
                end += 1
            if text[end] in "JK":
                lines[-1] = lines[-1][:column]
            elif text[end] == "G":
                column = int(text[place + 2 : end]) - 1
            place = end
        else:
            lines[-1] = lines[-1][:column].ljust(column) + text[place] + lines[-1][column + 1 :]
            column += 1
        place += 1
    return lines


def record(home, lines=TYPED):
    """What the screen shows of a session there."""
    shell = terminal.Terminal(env={"HOME": home, "NO_COLOR": "1"}, cwd=home)
    shown = shell.expect("> ")
    for typed, wanted in lines:
        if typed == INTERRUPT:
            shell.wait_for_echo()
        shell.type(typed)
        shown += shell.expect(wanted)
    shell.wait()
    shell.close()
    lines = ["$ kahu", *screen(shown)]
    return "\n".join(line.rstrip() for line in lines).rstrip("\n") + "\n"


def main():
    output = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "repl.txt")
    with tempfile.TemporaryDirectory() as home:
        shown = record(home)
    with open(output, "w", encoding="utf-8") as file:
        file.write(shown)


if __name__ == "__main__":
    main()
