#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The `scheduler` library: what a script may do with the whole run."""

import program


class Stop(program.ProgramTest):
    def test_nothing_runs_after_it(self):
        for code in (
            "task.defer(print, 'never') scheduler.stop() print('never')",
            "task.spawn(scheduler.stop) task.wait() print('never')",
            "pcall(function() scheduler.stop() end) print('never')",
        ):
            self.check(self.run_program("-e", code), out="")

    def test_its_code_is_the_program_s(self):
        for code, value in (("0", 0), ("3", 3), ("255", 255), ("", 0)):
            result = self.run_program("-e", f"scheduler.stop({code})")
            self.check(result, out="", code=value)

    def test_it_wins_over_an_error(self):
        result = self.run_program("-e", "task.spawn(error, 'no') scheduler.stop(0)")
        self.assertEqual(result.code, 0)

    def test_a_wrong_code_is_an_error(self):
        for code, text in (
            ("256", "invalid argument #1 to 'stop' (exit code must be a whole number from 0 to 255)"),
            ("-1", "invalid argument #1 to 'stop' (exit code must be a whole number from 0 to 255)"),
            ("1.5", "invalid argument #1 to 'stop' (exit code must be a whole number from 0 to 255)"),
            ("0/0", "invalid argument #1 to 'stop' (exit code must be a whole number from 0 to 255)"),
            ("{}", "invalid argument #1 to 'stop' (number expected, got table)"),
        ):
            result = self.run_program("-e", f"print(pcall(scheduler.stop, {code}))")
            self.check(result, out=f"false\t{text}\n")

    def test_by_the_clock(self):
        code = "task.delay(2.5, scheduler.stop, 4) while true do task.wait(1) print('tick') end"
        result = self.run_program("--virtual-time", "-e", code)
        self.check(result, out="tick\ntick\n", code=4)


class State(program.ProgramTest):
    def test_clear_ends_what_is_pending(self):
        code = """
        local sleeper = task.spawn(function() task.wait(1) print("never") end)
        task.defer(print, "never")
        task.delay(1, print, "never")
        scheduler.clear()
        print(scheduler.counts().all, coroutine.status(sleeper))
        task.defer(print, "made later")
        """
        self.check(self.run_program("--virtual-time", "-e", code), out="0\tsuspended\nmade later\n")

    def test_counts(self):
        code = """
        task.spawn(task.wait, 1)
        task.delay(2, print)
        task.delay(3, print)
        for i = 1, 3 do task.defer(function() end) end
        local c = scheduler.counts()
        print(c.waiting, c.delayed, c.deferred, c.operations, c.all)
        """
        self.check(self.run_program("--virtual-time", "-e", code), out="1\t2\t3\t0\t6\n\n\n")

    def test_next_deadline(self):
        code = "print(scheduler.next()) task.delay(5, print) print(scheduler.next())"
        self.check(self.run_program("--virtual-time", "-e", code), out="\n5\n\n")

    def test_it_is_read_only(self):
        result = self.run_program("-e", "print(pcall(function() scheduler.stop = 1 end))")
        self.assertIn("attempt to modify a readonly table", result.out)


if __name__ == "__main__":
    program.main()
