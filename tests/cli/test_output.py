#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What scripts print arrives, or its loss is told."""

import os
import resource
import signal
import unittest

import program

FULL = "/dev/full"


def close_streams(*numbers):
    """To be run in the child: without these streams."""

    def close():
        for number in numbers:
            os.close(number)

    return close


class Flush(program.ProgramTest):
    def test_before_sleeping(self):
        process = self.start("-e", "print('seen') task.wait(1000)")
        self.assertEqual(process.stdout.readline(), b"seen\n")

    def test_before_every_sleep(self):
        script = "for i = 1, 3 do print(i) task.wait(0.01) end task.wait(1000)"
        process = self.start("-e", script)
        self.assertEqual([process.stdout.readline() for _ in range(3)], [b"1\n", b"2\n", b"3\n"])

    def test_at_the_end(self):
        for script, code in (
            ("print('all')", 0),
            ("print('all') error('x')", 1),
            ("print('all') coroutine.yield()", 0),
        ):
            result = self.run_program("-e", script)
            self.assertEqual((result.out, result.code), ("all\n", code))

    def test_much(self):
        script = "for i = 1, 200000 do print(i) end"
        lines = self.run_lines("-e", script)
        self.assertEqual((len(lines), lines[-1]), (200000, "200000"))


class Idle(program.ProgramTest):
    def cpu_of(self, script):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.check(self.run_program("-e", script))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def test_a_sleeping_program_takes_no_time(self):
        start = self.cpu_of("")
        # A loop that polls would take most of the second.
        sleep = self.cpu_of("for i = 1, 1000 do task.spawn(task.wait, 1) end")
        self.assertLess(sleep - start, 0.5)


class Reader(program.ProgramTest):
    def leave_early(self, script, **options):
        process = self.start("-e", script, **options)
        self.assertEqual(process.stdout.readline(), b"line\n")
        process.stdout.close()
        code = process.wait(program.TIME_LIMIT_S)
        self.assertEqual((code, process.stderr.read()), (-signal.SIGPIPE, b""))

    def test_who_leaves_ends_the_program_quietly(self):
        self.leave_early("while true do print('line') end")
        self.leave_early("while true do print('line') task.wait() end")

    def test_also_where_the_signal_was_ignored(self):
        self.leave_early(
            "while true do print('line') task.wait() end",
            restore_signals=False,
            preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
        )


@unittest.skipUnless(os.path.exists(FULL), "no full device")
class FullDisk(program.ProgramTest):
    MESSAGE = "kahu: cannot write to standard output: No space left on device\n"

    def run_full(self, *args):
        with open(FULL, "wb") as full:
            return self.run_program(*args, stdout=full)

    def test_is_no_success(self):
        for script in (
            "print('lost')",
            "print('lost') task.wait(0.01)",
            "print('lost') task.wait(0.01) print('lost')",
            "print(string.rep('x', 100000)) task.wait(0.01)",
            "for i = 1, 10000 do print(i) end",
        ):
            self.check(self.run_full("-e", script), code=1, err=self.MESSAGE)

    def test_is_told_for_our_own_words_too(self):
        self.check(self.run_full("--help"), code=1, err=self.MESSAGE)
        self.check(self.run_full("--version"), code=1, err=self.MESSAGE)

    def test_does_not_hide_other_codes(self):
        err = "-e:1: Expected identifier when parsing expression, got <eof>\n"
        err += "    1 | local x =\n      | ^\n"
        self.check(self.run_full("-e", "local x ="), code=1, err=err)
        result = self.run_full("-e", "print('lost') error('also')")
        self.assertEqual(result.code, 1)
        self.assertTrue(result.err.startswith("-e:1: also\n"), result.err)
        self.assertTrue(result.err.endswith(self.MESSAGE), result.err)

    def test_silence_needs_no_space(self):
        self.check(self.run_full("-e", "local x = 1"))


class ClosedStreams(program.ProgramTest):
    def test_standard_output(self):
        result = self.run_program("-e", "print('lost')", preexec_fn=close_streams(1))
        self.assertEqual((result.code, result.out), (1, ""))
        self.assertEqual(result.err, "kahu: cannot write to standard output: Bad file descriptor\n")

    def test_all_of_them(self):
        result = self.run_program(
            "-e", "task.wait(0.01) print('lost')", preexec_fn=close_streams(0, 1, 2)
        )
        self.check(result, code=1)

    def test_silence_needs_none(self):
        script = "task.wait(0.01)"
        self.check(self.run_program("-e", script, preexec_fn=close_streams(0, 1, 2)))

    def test_standard_input_is_empty_then(self):
        self.check(self.run_program("-", preexec_fn=close_streams(0)))


if __name__ == "__main__":
    program.main()
