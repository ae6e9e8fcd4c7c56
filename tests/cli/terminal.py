# SPDX-License-Identifier: MIT
"""Running the program on a terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

import program


class Terminal:
    """The program with a terminal for all its streams, and what it has shown."""

    def __init__(
        self, *args, path=program.PROGRAM, env=None, cwd=None, columns=80, streams=(0, 1, 2)
    ):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        for name in [("stdin", "stdout", "stderr")[i] for i in streams]:
            given[name] = slave
        variables = {"PATH": os.environ["PATH"], "TERM": "xterm", "LC_ALL": "C.UTF-8"}
        variables |= {k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")}
        self.process = subprocess.Popen(
            [path, *args],
            env=variables | (env or {}),
            cwd=cwd,
            preexec_fn=lambda: self.take_terminal(slave),
            **given,
        )
        os.close(slave)
        self.shown = ""

    @staticmethod
    def take_terminal(slave):
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, limit_s):
        """Adds what comes within the time; False when nothing did, or no more will."""
        if not select.select([self.master], [], [], max(limit_s, 0))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # Linux: nobody has the other end any more
            return False
        self.shown += program.decode(data)
        return data != b""

    def expect(self, text):
        """Waits for text, and takes what was shown up to its end."""
        limit = time.monotonic() + program.TIME_LIMIT_S
        while text not in self.shown:
            if not self.read(limit - time.monotonic()):
                raise AssertionError(f"{text!r} did not come, but {self.shown!r}")
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def wait_for_echo(self):
        """Waits until the terminal shows what is typed by itself: nobody edits."""
        limit = time.monotonic() + program.TIME_LIMIT_S
        while not termios.tcgetattr(self.master)[3] & termios.ECHO:
            if time.monotonic() > limit:
                raise AssertionError("a line is edited all the time")
            time.sleep(0.01)

    def wait(self):
        """The exit code, once all was shown."""
        while self.read(program.TIME_LIMIT_S):
            pass
        return self.process.wait(program.TIME_LIMIT_S)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
        os.close(self.master)
