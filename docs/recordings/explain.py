#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Records a program that is asked why it is still running, by its keys on a
terminal: explain.py [PROGRAM [OUTPUT]]

Under virtual time, whose clock stands still while a script is busy.
"""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios

HERE = os.path.dirname(os.path.realpath(__file__))
COMMAND = ["--virtual-time", "--explain", "explain.luau"]
# What is typed, after what was shown.
KEYS = [("counting\r\n", b"\x1c"), ("next deadline in", b"\x03")]


def attach():
    """In the child: the terminal is its own, and keys make signals."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def read_some(master):
    """What is shown next; nothing when the program has gone."""
    try:
        return os.read(master, 4096).decode()
    except OSError:  # Linux says so
        return ""


def type_and_read(master, keys):
    """All that is shown. A key is pressed once its line is complete."""
    text, keys = "", list(keys)
    while some := read_some(master):
        text += some
        if keys and keys[0][0] in text and text.endswith("\n"):
            os.write(master, keys.pop(0)[1])
    return text.replace("\r\n", "\n")


def run(program, arguments, keys):
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [program, *arguments], stdin=slave, stdout=slave, stderr=slave, cwd=HERE,
        start_new_session=True, preexec_fn=attach)
    os.close(slave)
    shown = type_and_read(master, keys)
    os.close(master)
    return f"$ kahu {' '.join(arguments)}\n{shown}(exit status {process.wait()})\n"


def main():
    program = os.path.realpath(sys.argv[1] if len(sys.argv) > 1
                               else os.path.join(HERE, "../../build/release/kahu"))
    output = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "explain.txt")
    runs = [run(program, COMMAND, []), run(program, [*COMMAND, "forever"], KEYS)]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(runs))


main()
