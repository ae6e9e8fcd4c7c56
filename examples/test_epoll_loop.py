# SPDX-License-Identifier: MIT
"""What epoll_loop does with its input, and when it is interrupted."""

import os
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
TIME_LIMIT_S = 60
PROGRAM, SCRIPT = sys.argv[1], os.path.join(HERE, "epoll_loop.luau")


class EpollLoop(unittest.TestCase):
    def setUp(self):
        signal.signal(signal.SIGALRM, lambda *_: self.fail("it takes too long"))
        signal.alarm(TIME_LIMIT_S)

    def start(self, stdin):
        process = subprocess.Popen(
            [PROGRAM, SCRIPT],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        return process

    def assert_says(self, process, code, lines):
        # Not communicate(): it would miss what readline() has buffered.
        self.assertEqual(process.stdout.read().splitlines(), lines)
        self.assertEqual(process.stderr.read(), "")
        self.assertEqual(process.wait(), code)

    def test_lines_of_a_pipe(self):
        lines = ["one", "", "three " * 500, "no end of line"]
        said = [f"you said:\t{line}" for line in lines]
        process = self.start(subprocess.PIPE)
        process.stdin.write("\n".join(lines))
        process.stdin.close()
        self.assert_says(process, 0, [*said, "the clock went on:\ttrue"])

    def test_a_file(self):
        with tempfile.TemporaryFile("w+") as file:
            file.write("one\ntwo\n")
            file.seek(0)
            said = ["you said:\tone", "you said:\ttwo", "the clock went on:\ttrue"]
            self.assert_says(self.start(file), 0, said)

    def test_an_interrupt_while_it_waits(self):
        process = self.start(subprocess.PIPE)
        process.stdin.write("one\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "you said:\tone\n")
        process.send_signal(signal.SIGINT)
        self.assert_says(process, 128 + signal.SIGINT, [])
        process.stdin.close()


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
