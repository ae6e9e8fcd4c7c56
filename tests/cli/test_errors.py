#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What is said about errors and warnings, and the exit codes."""

import subprocess

import program


class Errors(program.ProgramTest):
    def test_message_and_traceback(self):
        self.write("x.luau", "local function f()\n\terror('boom')\nend\nf()\n")
        self.check(
            self.run_program("x.luau"),
            code=1,
            err="x.luau:2: boom\n"
            "    2 | \terror('boom')\n"
            "      | \t^^^^^\n"
            "stack traceback:\n"
            "  [C] function error\n"
            "  x.luau:2 function f\n"
            "  x.luau:4\n",
        )

    def test_from_code_and_standard_input(self):
        result = self.run_program("-e", "error('boom')")
        shown = "    1 | error('boom')\n      | ^^^^^\nstack traceback:\n"
        self.assertTrue(result.err.startswith("-e:1: boom\n" + shown), result.err)
        result = self.run_program("-", stdin="\nerror('boom')")
        shown = shown.replace("1", "2")
        self.assertTrue(result.err.startswith("stdin:2: boom\n" + shown), result.err)

    def test_others_go_on(self):
        script = """
        task.delay(0.02, print, "later")
        task.spawn(error, "one", 0)
        task.defer(error, "two", 0)
        task.delay(0.01, error, "three", 0)
        print("script")
        """
        result = self.run_program("--virtual-time", "-e", script)
        self.assertEqual((result.code, result.out), (1, "script\nlater\n"))
        told = [line for line in result.err.splitlines() if not line.startswith(("stack", "  "))]
        self.assertEqual(told, ["one", "two", "three"])

    def test_values_that_are_no_text(self):
        for value, text in (
            ("{}", "-e:1: (error object is a table value)"),
            ("nil", "-e:1: (error object is a nil value)"),
            ("42", "42"),
            ("setmetatable({}, {__tostring = function() return 'mine' end})", "-e:1: mine"),
            ("setmetatable({}, {__tostring = function() return 'a:2: mine' end})", "a:2: mine"),
        ):
            result = self.run_program("-e", f"error({value}, 0)")
            self.assertEqual((result.code, result.err.splitlines()[0]), (1, text))

    def test_where_a_value_that_is_no_text_was_raised(self):
        self.write("x.luau", "local function f()\n\terror({code = 5})\nend\nf()\n")
        self.check(
            self.run_program("x.luau"),
            code=1,
            err="x.luau:2: (error object is a table value)\n"
            "    2 | \terror({code = 5})\n"
            "      | \t^^^^^\n"
            "stack traceback:\n"
            "  [C] function error\n"
            "  x.luau:2 function f\n"
            "  x.luau:4\n",
        )
        for code in ("task.spawn(error, {})", "task.defer(error)"):  # in no line at all
            err = self.run_program("-e", code).err
            self.assertTrue(err.startswith("(error object is a "), err)
        err = self.run_program("-g0", "-e", "error({})").err
        self.assertTrue(err.startswith("(error object is a "), err)

    def test_caught_errors_are_nobody_s_business(self):
        self.check(self.run_program("-e", "print(pcall(error, 'x', 0))"), out="false\tx\n")

    def test_a_deep_stack_is_cut(self):
        result = self.run_program("-e", "local function f() return 1 + f() end f()")
        self.assertEqual(result.code, 1)
        self.assertIn("stack overflow", result.err.splitlines()[0])
        self.assertLess(len(result.err.splitlines()), 40)

    def test_output_before_an_error_comes_before_it(self):
        script = "print('first') task.spawn(error, 'second', 0) print('third')"
        result = self.run_program("-e", script, stderr=subprocess.STDOUT)
        lines = result.out.splitlines()
        self.assertEqual((lines[0], lines[1], lines[-1]), ("first", "second", "third"))


class Yielded(program.ProgramTest):
    WARNING = "warning: the script yielded here and nothing is left that would resume it"

    def test_script(self):
        self.write("x.luau", "print('a')\n\ncoroutine.yield()\nprint('never')\n")
        for options in ([], ["--virtual-time"]):
            result = self.run_program(*options, "x.luau")
            self.check(result, out="a\n", err=f"x.luau:3: {self.WARNING}\n")

    def test_in_a_function_of_a_module(self):
        self.write("m.luau", "return function()\n\tcoroutine.yield()\nend")
        result = self.run_program("-e", "require('./m')()")
        self.check(result, err=f"m.luau:2: {self.WARNING}\n")

    def test_without_lines(self):
        result = self.run_program("-g0", "-e", "coroutine.yield()")
        self.check(result, err=f"-e: {self.WARNING}\n")

    def test_after_everything_else(self):
        script = "task.delay(1, print, 'late') coroutine.yield()"
        result = self.run_program("--virtual-time", "-e", script)
        self.check(result, out="late\n", err=f"-e:1: {self.WARNING}\n")

    def test_other_threads_may_end_so(self):
        self.check(self.run_program("-e", "task.spawn(coroutine.yield)"))

    def test_a_cancelled_script_did_not_yield(self):
        script = "task.defer(task.cancel, coroutine.running()) coroutine.yield()"
        self.check(self.run_program("-e", script))


class Sandbox(program.ProgramTest):
    def test_libraries_are_read_only(self):
        for code in ("math.pi = 3", "task.x = 1", "coroutine.x = 1", "getmetatable('').x = 1"):
            result = self.run_program("-e", f"print(pcall(function() {code} end))")
            self.assertIn("readonly table", result.out)

    def test_globals_are_the_script_s(self):
        script = "x = 1 print(x, _G.x, getfenv().x, math.pi > 3, require ~= nil)"
        self.check(self.run_program("-e", script), out="1\tnil\t1\ttrue\ttrue\n")

    def test_threads_share_them(self):
        self.check(self.run_program("-e", "x = 1 task.spawn(function() print(x) end)"), out="1\n")


if __name__ == "__main__":
    program.main()
