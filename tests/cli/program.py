# SPDX-License-Identifier: MIT
"""What the tests of the program share: running it, and places to run it in."""

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PROGRAM = os.environ.get("KAHU_PROGRAM", os.path.join(ROOT, "build/release/kahu"))
SANITIZED = "KAHU_SANITIZED" in os.environ
TIME_LIMIT_S = 200


@dataclasses.dataclass
class Result:
    """What a run of the program left."""

    code: int
    out: str
    err: str


def decode(data):
    return data.decode("utf-8", "surrogateescape")


class ProgramTest(unittest.TestCase):
    """Each test runs in an empty directory of its own."""

    maxDiff = None

    def setUp(self):
        place = tempfile.TemporaryDirectory(prefix="kahu-cli-")
        self.addCleanup(place.cleanup)
        self.dir = os.path.realpath(place.name)

    def write(self, name, data):
        """Writes a file; its path relative to where the program runs."""
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        return name

    def start(self, *args, **options):
        """Starts the program with pipes for what is not said otherwise."""
        for stream in ("stdout", "stderr"):
            options.setdefault(stream, subprocess.PIPE)
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("cwd", self.dir)
        process = subprocess.Popen([PROGRAM, *args], **options)
        self.addCleanup(self.stop, process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()

    def finish(self, process, data=None):
        out, err = process.communicate(data, timeout=TIME_LIMIT_S)
        return Result(process.returncode, decode(out or b""), decode(err or b""))

    def run_program(self, *args, stdin=None, **options):
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
            stdin = stdin.encode() if isinstance(stdin, str) else stdin
        return self.finish(self.start(*args, **options), stdin)

    def check(self, result, code=0, out="", err=""):
        """All that the program says, to the letter."""
        self.assertEqual((result.err, result.out, result.code), (err, out, code))

    def run_lines(self, *args, **options):
        """The lines of the output of a run without complaints."""
        result = self.run_program(*args, **options)
        self.assertEqual((result.err, result.code), ("", 0))
        return result.out.splitlines()


def wait_until_it_catches(process, number=signal.SIGINT):
    """Returns when the process has its handler for the signal, and runs."""
    wait_until(process, "SigCgt", number)


def wait_until(process, mask, number):
    """Returns when the signal is in this mask of the process, as /proc has it."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii"):
            pass
    except OSError:  # not Linux
        time.sleep(1)
        return
    limit = time.monotonic() + TIME_LIMIT_S
    while time.monotonic() < limit and process.poll() is None:
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith(mask + ":"):
                    caught = int(line.split()[1], 16)
        if caught >> (number - 1) & 1:
            break
        time.sleep(0.01)
    time.sleep(0.1)


def main():
    # A test run in the background of a script ignores SIGINT, and so would
    # what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    unittest.main(argv=[sys.argv[0], *sys.argv[1:]])
