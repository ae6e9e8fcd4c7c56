#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""SIGINT and SIGTERM: the end of every kind of script, and what is said."""

import signal
import time

import program


def told(sleeping=0, deferred=0, operations=0):
    waiting = sleeping + deferred + operations
    return (
        f"kahu: interrupted: {waiting} waiting "
        f"({sleeping} sleeping, {deferred} deferred, {operations} in operations)\n"
    )


class Signals(program.ProgramTest):
    def interrupt(self, *args, number=signal.SIGINT, **options):
        process = self.start(*args, **options)
        program.wait_until_it_catches(process)
        process.send_signal(number)
        return self.finish(process)

    def both(self, *args, out="", err=told()):
        self.check(self.interrupt(*args), code=130, out=out, err=err)
        self.check(self.interrupt(*args, number=signal.SIGTERM), code=143, out=out, err=err)


class Sleepers(Signals):
    def test_one(self):
        self.both("-e", "print('out') task.wait(1000)", out="out\n", err=told(sleeping=1))

    def test_of_every_kind(self):
        self.write("slow.luau", "task.wait(1000) return 1")
        script = """
        task.spawn(require, './slow')
        task.spawn(function() require('./slow') end)
        task.delay(1000, print)
        task.delay(math.huge, print)
        task.wait(1000)
        """
        # The first one is no Luau function: it can not require.
        result = self.interrupt("-e", script)
        self.assertEqual(result.code, 130)
        self.assertTrue(result.err.endswith(told(sleeping=4, operations=1)), result.err)

    def test_an_error_before_counts_no_more(self):
        result = self.interrupt("-e", "task.spawn(error, 'x', 0) task.wait(1000)")
        self.assertEqual(result.code, 130)
        self.assertTrue(result.err.startswith("x\n"), result.err)

    def test_stats_still_come(self):
        result = self.interrupt("--stats", "-e", "task.wait(1000)")
        self.assertEqual(result.code, 130)
        self.assertTrue(result.err.startswith(told(sleeping=1)), result.err)
        self.assertIn("resumes", result.err)


class BusyScripts(Signals):
    def test_loop(self):
        self.both("-e", "print('out') while true do end", out="out\n")

    def test_native_loop(self):
        self.both("--codegen", "-e", "while true do end")

    def test_loop_that_catches_everything(self):
        self.both("-e", "while true do pcall(function() while true do end end) end")
        handler = "function() while true do end end"
        self.both("-e", f"while true do xpcall({handler}, {handler}) end")

    def test_loop_of_failing_threads(self):
        self.both("-e", "while true do coroutine.wrap(pcall)(function() while true do end end) end")
        self.both("-e", "while true do task.spawn(function() while true do end end) end")

    def test_recursion(self):
        self.both("-e", "local function f() pcall(f) f() end while true do pcall(f) end")

    def test_in_callbacks_of_the_library(self):
        loop = "function() while true do end end"
        self.both("-e", f"table.sort({{1, 2, 3}}, {loop})")
        self.both("-e", f"print(('x'):gsub('.', {loop}))")
        self.both("-e", f"local t = setmetatable({{}}, {{__index = {loop}}}) print(t.x)")

    def test_other_threads_stay_counted(self):
        script = "task.delay(1000, print) task.defer(print) while true do end"
        self.both("-e", script, err=told(sleeping=1, deferred=1))

    def test_loop_in_a_module(self):
        self.write("busy.luau", "while true do end return 1")
        self.both("-e", "print(pcall(require, './busy'))")

    def test_nothing_runs_after_it(self):
        script = """
        local function forever() while true do end end
        task.defer(print, 'never')
        task.delay(0, print, 'never')
        pcall(forever)
        print('never')
        """
        result = self.interrupt("-e", script)
        self.assertEqual((result.code, result.out), (130, ""))


class WorkWithoutEnd(Signals):
    def check_end(self, *args):
        """The signal may come while one runs or while one waits."""
        result = self.interrupt(*args)
        self.assertEqual((result.code, result.out), (130, ""))
        self.assertIn(result.err, (told(sleeping=1), told(deferred=1), told()))

    def test_defers(self):
        self.check_end("-e", "local function f() task.defer(f) end f()")

    def test_waits(self):
        self.check_end("-e", "while true do task.wait() end")

    def test_virtual_time(self):
        self.check_end("--virtual-time", "-e", "while true do task.wait(1) end")


class FullPipe(Signals):
    def test_what_is_being_written_is_not_lost(self):
        script = "local i = 0 while true do i += 1 print(i) end"
        process = self.start("-e", script)
        program.wait_until_it_catches(process)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        lines = result.out.splitlines()
        self.assertEqual((result.code, result.err), (130, told()))
        self.assertEqual(lines, [str(i + 1) for i in range(len(lines))])


class SecondSignal(Signals):
    # Luau's own code in C, for minutes, without a place to stop at.
    DEAF = """
    local text, part = string.rep('a', 4e6), string.rep('a', 2e6) .. 'b'
    print(string.rep('x', 1e5)) -- more than a buffer keeps back
    string.find(text, part, 1, true)
    """

    def test_kills(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start("-e", self.DEAF)
            self.assertEqual(process.stdout.read(1), b"x")
            time.sleep(0.1)  # from its last safepoint to the call
            process.send_signal(number)
            time.sleep(0.5)
            self.assertIsNone(process.poll(), "the script should have been deaf")
            process.send_signal(number)
            result = self.finish(process)
            self.assertEqual((result.err, result.code), ("", -number))

    def test_an_echo_does_not(self):
        process = self.start("-e", "task.wait(1000)")
        program.wait_until_it_catches(process)
        for _ in range(3):
            process.send_signal(signal.SIGINT)
        self.check(self.finish(process), code=130, err=told(sleeping=1))


class Ignored(Signals):
    def test_what_was_ignored_stays_so(self):
        process = self.start(
            "-e",
            "print('on') task.wait(1000)",
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        self.assertEqual(process.stdout.readline(), b"on\n")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.check(self.finish(process), code=143, err=told(sleeping=1))


if __name__ == "__main__":
    program.main()
