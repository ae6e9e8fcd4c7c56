#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--timeout, --max-resume, --max-threads, --max-memory: scripts that don't end by themselves."""

import os
import signal
import subprocess

import program

RUNS = "kahu: timeout: 0.2 s are over, and the script runs\nstack traceback:\n"
TRY = "Try 'kahu --help'.\n"


def waiting(sleeping=0, deferred=0, operations=0):
    return (
        f"kahu: timeout: 0.2 s are over: {sleeping + deferred + operations} waiting "
        f"({sleeping} sleeping, {deferred} deferred, {operations} in operations)\n"
    )


class Timeout(program.ProgramTest):
    def run_out(self, *args, **options):
        result = self.run_program("--timeout", "0.2", *args, **options)
        self.assertEqual(result.code, 124, result)
        return result

    def check_spinning(self, *args, frames, out=""):
        """Stopped, with these frames."""
        self.check(self.run_out(*args), 124, out, RUNS + "".join(f"  {f}\n" for f in frames))


class Spinning(Timeout):
    def test_loop(self):
        self.check_spinning("-e", "print('out') while true do end", out="out\n", frames=["-e:1"])

    def test_function(self):
        self.write("spin.luau", "local function spin()\n  repeat until false\nend\n\nspin()")
        self.check_spinning("spin.luau", frames=["spin.luau:2 function spin", "spin.luau:5"])

    def test_native_loop(self):
        self.check_spinning("--codegen", "-e", "while true do end", frames=["-e:1"])

    def test_who_has_resumed_it(self):
        script = """local function spin() repeat until false end
        local inner = coroutine.wrap(function() spin() end)
        local function outer() inner() end
        local co = coroutine.create(outer)
        task.spawn(function() coroutine.resume(co) end)"""
        frames = [
            "-e:1 function spin",
            "-e:2",
            "[C]",
            "-e:3 function outer",
            "[C] function resume",
            "-e:5",
            "[C] function spawn",
            "-e:5",
        ]
        self.check_spinning("-e", script, frames=frames)

    def test_what_has_ended_is_no_resumer(self):
        script = """for _ = 1, 3 do
            coroutine.wrap(function() coroutine.yield() end)()
            pcall(coroutine.wrap(error))
            task.spawn(task.wait, 1000)
        end
        task.defer(function() repeat until false end)"""
        self.check_spinning("-e", script, frames=["-e:6"])

    def test_module(self):
        self.write("busy.luau", "repeat until false return 1")
        frames = ["busy.luau:1", "[C] function module", "[C] function require", "-e:1"]
        self.check_spinning("-e", "require('./busy')", frames=frames)

    def test_deep_stack(self):
        script = "local function f(n)\nif n > 0 then f(n - 1) end\nrepeat until false end\nf(99)"
        frames = ["-e:3 function f"] + 9 * ["-e:2 function f"] + ["... (+81 frames)"]
        self.check_spinning("-e", script, frames=[*frames, *9 * ["-e:2 function f"], "-e:4"])

    def test_catching_is_of_no_use(self):
        spin = "function() while true do end end"
        for script in (
            f"while true do pcall({spin}) end",
            f"while true do xpcall({spin}, {spin}) end",
            f"while true do coroutine.wrap(pcall)({spin}) end",
            f"while true do task.spawn({spin}) end",
            "local function f() pcall(f) f() end while true do pcall(f) end",
            f"table.sort({{1, 2, 3}}, {spin})",
            "while true do local t = table.create(100, {}) end",
        ):
            result = self.run_out("-e", script)
            self.assertTrue(result.err.startswith(RUNS), result.err)
            self.assertEqual((result.err.count("timeout"), result.out), (1, ""))

    def test_nothing_runs_after_it(self):
        script = """
        task.defer(print, 'never')
        task.delay(0, print, 'never')
        pcall(function() repeat until false end)
        print('never')
        """
        self.assertEqual(self.run_out("-e", script).out, "")

    def test_stopping_itself_before_does_not_count(self):
        # It can not yield there.
        script = "table.sort({2, 1}, function() scheduler.stop(3) while true do end end)"
        result = self.run_out("-e", script)
        self.assertTrue(result.err.startswith("kahu: timeout"), result.err)


class Waiting(Timeout):
    def test_sleepers(self):
        script = "print('out') task.delay(1000, print) task.wait(1000)"
        self.check(self.run_out("-e", script), 124, "out\n", waiting(sleeping=2))
        self.check(self.run_out("--precise", "-e", script), 124, "out\n", waiting(sleeping=2))

    def test_virtual_time_is_not_what_counts(self):
        """It may come while the thread runs, or while it waits."""
        result = self.run_out("--virtual-time", "-e", "while true do task.wait(1000) end")
        told = (waiting(sleeping=1), waiting(), RUNS + "  -e:1\n")
        self.assertIn(result.err, told)

    def test_stats_still_come(self):
        result = self.run_out("--stats", "-e", "task.wait(1000)")
        self.assertTrue(result.err.startswith(waiting(sleeping=1)), result.err)
        self.assertIn("resumes", result.err)


class Deaf(Timeout):
    # Luau's own code in C, for minutes, without a place to stop at.
    SCRIPT = "string.find(string.rep('a', 4e6), string.rep('a', 2e6) .. 'b', 1, true)"
    LIMIT_S = 2  # to begin in, on any machine
    TOLD = (
        f"kahu: timeout: {LIMIT_S} s are over, and a call of a library function has not ended "
        "in 2 s more\n"
    )

    def test_library_function(self):
        script = f"print('out') {self.SCRIPT}"
        result = self.run_program("--timeout", str(self.LIMIT_S), "-e", script)
        self.check(result, 124, "out\n", self.TOLD)

    def test_full_pipe(self):
        """Neither the script's writing nor ours waits for a reader who never reads."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        script = "while true do print(string.rep('x', 1000)) end"
        process = self.start("--timeout", str(self.LIMIT_S), "-e", script, stdout=writer)
        os.close(writer)
        self.check(self.finish(process), 124, "", self.TOLD)

    def test_it_is_told_once(self):
        """Nor is there a place to stop at between the error caught and a metamethod in C."""
        script = """local t = setmetatable(table.create(6e6, 0), {__mod = table.sort})
        pcall(function() repeat until false end)
        local _ = t % bit32.btest"""
        result = self.run_program("--timeout", str(self.LIMIT_S), "-e", script)
        self.assertTrue(result.err.startswith(f"kahu: timeout: {self.LIMIT_S} s are over"), result)
        told = (result.err.count("timeout"), result.err.splitlines()[-1], result.code)
        self.assertEqual(told, (1, "  -e:2", 124))


class InTime(program.ProgramTest):
    def test_nothing_is_said(self):
        self.check(self.run_program("--timeout", "1e6", "-e", "print(1)"), 0, "1\n")
        result = self.run_program("--timeout", "1000", "-e", "error('x', 0)")
        self.assertEqual((result.code, result.err.splitlines()[0]), (1, "x"))
        result = self.run_program("--timeout", "1000", "-e", "scheduler.stop(7)")
        self.check(result, 7)
        self.check(self.run_program("--timeout", "1000", "-e", "task.wait(0.01)"), 0)

    def test_a_signal_comes_first(self):
        process = self.start("--timeout", "1000", "-e", "while true do end")
        program.wait_until_it_catches(process)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assertEqual(result.code, 130)
        self.assertTrue(result.err.startswith("kahu: interrupted"), result.err)


class Resume(program.ProgramTest):
    LATE = "script timeout: exhausted allowed execution time\n"

    def run_limited(self, script, *args):
        return self.run_program("--max-resume", "300", *args, "-e", script)

    def test_the_others_go_on(self):
        script = "task.delay(0, print, 'other') while true do end"
        shown = f"    1 | {script}\n      | ^\n"
        err = f"-e:1: {self.LATE}{shown}stack traceback:\n  -e:1\n"
        self.check(self.run_limited(script), 1, "other\n", err)
        self.check(self.run_limited(script, "--codegen"), 1, "other\n", err)
        self.check(self.run_limited(script, "--virtual-time"), 1, "other\n", err)

    def test_catching_is_of_no_use(self):
        result = self.run_limited("while true do pcall(function() while true do end end) end")
        self.assertEqual(result.code, 1)
        self.assertIn(self.LATE, result.err)

    def test_many_short_ones_are_fine(self):
        script = "for _ = 1, 20 do for _ = 1, 1000 do end task.wait(0.02) end print('end')"
        self.check(self.run_limited(script), 0, "end\n")

    def test_signals_and_timeouts_too(self):
        result = self.run_program(
            "--max-resume", "1e9", "--timeout", "0.2", "-e", "while true do end"
        )
        self.check(result, 124, "", RUNS + "  -e:1\n")
        process = self.start("--max-resume", "1e9", "-e", "while true do pcall(error) end")
        program.wait_until_it_catches(process)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, 143)


class Amounts(program.ProgramTest):
    def test_threads(self):
        script = "for i = 1, 4 do print((pcall(task.delay, i, print))) end"
        result = self.run_program("--virtual-time", "--max-threads", "3", "-e", script)
        self.check(result, 0, "true\ntrue\nfalse\nfalse\n\n\n")
        result = self.run_program("--max-threads", "1", "-e", "task.defer(print)")
        self.assertEqual(result.code, 1)
        self.assertTrue(result.err.startswith("-e:1: thread limit reached\n"), result.err)

    def test_memory(self):
        script = """
        task.delay(0, print, 'other')
        local t = {}
        while true do table.insert(t, string.rep('x', 1000) .. #t) end
        """
        result = self.run_program("--max-memory", "8", "-e", script)
        self.assertEqual((result.code, result.out), (1, "other\n"))
        self.assertTrue(result.err.startswith("kahu: not enough memory\n"), result.err)
        enough = "print(#string.rep('x', 6 * 2 ^ 20))"
        self.check(self.run_program("--max-memory", "8", "-e", enough), 0, f"{6 * 2**20}\n")
        self.assertEqual(self.run_program("--max-memory", "4", "-e", enough).code, 1)

    def test_wrong_values(self):
        takes = {
            "--timeout": ("seconds above 0", ("0", "-1", "x", "1s", "", "nan", "inf", "1e10")),
            "--max-resume": ("milliseconds above 0", ("0", "-5", "fast", "1e13")),
            "--max-threads": ("a number from 1", ("0", "-1", "1.5", "x", "1e3", "4294967297")),
            "--max-memory": ("a number from 1", ("0", "1MiB", " 1", "99999999999999999999")),
        }
        for option, (what, values) in takes.items():
            for value in values:
                err = f"kahu: {option} takes {what}, not '{value}'\n{TRY}"
                self.check(self.run_program(option, value, "-e", "print(1)"), 2, "", err)


class Recording(program.ProgramTest):
    def test_it_is_what_the_program_says(self):
        place = os.path.join(program.ROOT, "docs/recordings")
        for name in ("timeout.sh", "timeout.luau"):
            with open(os.path.join(place, name), "rb") as file:
                self.write(name, file.read())
        script = os.path.join(self.dir, "timeout.sh")
        subprocess.run(["sh", script, program.PROGRAM], check=True, timeout=program.TIME_LIMIT_S)
        with (
            open(os.path.join(self.dir, "timeout.txt"), encoding="utf-8") as new,
            open(os.path.join(place, "timeout.txt"), encoding="utf-8") as kept,
        ):
            self.assertEqual(new.read(), kept.read())


if __name__ == "__main__":
    program.main()
