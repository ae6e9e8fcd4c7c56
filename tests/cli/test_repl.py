#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Sessions: what is typed on a terminal, and what goes on meanwhile."""

import os
import re
import signal
import unittest

import program
import terminal

HAS_REPL = "KAHU_NO_REPL" not in os.environ
INTERRUPT, END, TAB, UP, QUIT = "\x03", "\x04", "\t", "\x1b[A", "\x1c"


class Refused(program.ProgramTest):
    def test_without_a_terminal_it_is_as_ever(self):
        err = "kahu: no script given\nTry 'kahu --help'.\n"
        self.check(self.run_program(), code=2, err=err)

    @unittest.skipUnless(HAS_REPL, "built without libedit")
    def test_a_session_needs_a_terminal(self):
        self.check(self.run_program("repl"), code=2, err="kahu: a session needs a terminal\n")

    def test_a_session_takes_no_script(self):
        err = "kahu: a session takes options only\nTry 'kahu repl --help'.\n"
        self.check(self.run_program("repl", "x.luau"), code=2, err=err)
        self.check(self.run_program("repl", "-e", "x"), code=2, err=err)

    def test_mistakes_in_its_options(self):
        err = "kahu: -O takes 0, 1 or 2, not '3'\nTry 'kahu repl --help'.\n"
        self.check(self.run_program("repl", "-O3"), code=2, err=err)

    @unittest.skipIf(HAS_REPL, "built with libedit")
    def test_what_is_missing_is_said(self):
        shell = terminal.Terminal()
        self.addCleanup(shell.close)
        self.assertEqual(shell.wait(), 2)
        self.assertIn("libedit", shell.shown)


@unittest.skipUnless(HAS_REPL, "built without libedit")
class Session(program.ProgramTest):
    def open(self, *args, env=None, **options):
        variables = {"HOME": self.dir, "NO_COLOR": "1"} | (env or {})
        shell = terminal.Terminal(*args, env=variables, cwd=self.dir, **options)
        self.addCleanup(shell.close)
        shell.expect("Ctrl-D to leave")
        shell.expect("> ")
        return shell

    def run_line(self, shell, line):
        """What comes between a line and the next prompt."""
        shell.type(line + "\r")
        shell.expect("\n")
        shown = shell.expect("> ")
        return shown.removesuffix(">> ").removesuffix("> ").replace("\r\n", "\n")

    def leave(self, shell, code=0):
        shell.type(END)
        self.assertEqual(shell.wait(), code)


class Lines(Session):
    def test_values_are_shown(self):
        shell = self.open()
        self.assertEqual(self.run_line(shell, "1 + 1"), "2\n")
        self.assertEqual(self.run_line(shell, "'a', nil, true"), "a\tnil\ttrue\n")
        self.assertEqual(self.run_line(shell, "print('b')"), "b\n")
        self.assertEqual(self.run_line(shell, "local x = 1"), "")
        self.assertEqual(self.run_line(shell, ""), "")
        self.leave(shell)

    def test_it_may_be_asked_for_by_name(self):
        shell = self.open("repl", "-O2")
        self.assertEqual(self.run_line(shell, "2 ^ 3"), "8\n")
        self.leave(shell)

    def test_the_last_value(self):
        shell = self.open()
        self.run_line(shell, "6 * 7, 8")
        self.assertEqual(self.run_line(shell, "_ + 1"), "43\n")
        self.run_line(shell, "x = 1")
        self.assertEqual(self.run_line(shell, "_"), "43\n")

    def test_lines_share_globals(self):
        shell = self.open()
        self.run_line(shell, "x = 1")
        self.run_line(shell, "function f() return x end")
        self.run_line(shell, "x = 2")
        self.assertEqual(self.run_line(shell, "f()"), "2\n")

    def test_libraries_stay_as_they_are(self):
        shell = self.open()
        self.assertIn("readonly", self.run_line(shell, "math.pi = 3"))
        self.assertIn("readonly", self.run_line(shell, "task.wait = nil"))

    def test_modules(self):
        self.write("m.luau", "print('loading') return { value = 7 }")
        shell = self.open()
        self.assertEqual(self.run_line(shell, "m = require('./m')"), "loading\n")
        self.assertEqual(self.run_line(shell, "m.value"), "7\n")

    def test_values_that_make_their_own_text(self):
        shell = self.open()
        self.run_line(shell, "function make(f) return setmetatable({}, { __tostring = f }) end")
        self.assertEqual(self.run_line(shell, "make(function() return 'mine' end)"), "mine\n")
        self.assertIn("oh no", self.run_line(shell, "make(function() error('oh no') end)"))
        self.assertEqual(self.run_line(shell, "1"), "1\n")

    def test_text_of_any_language(self):
        shell = self.open()
        self.assertEqual(self.run_line(shell, "'grüße, 世界'"), "grüße, 世界\n")


class MoreLines(Session):
    def check_lines(self, lines, shown):
        """All but the last ask for more."""
        shell = self.open()
        for line in lines[:-1]:
            shell.type(line + "\r")
            shell.expect(">> ")
        self.assertEqual(self.run_line(shell, lines[-1]), shown)
        self.leave(shell)

    def test_statements(self):
        self.check_lines(["for i = 1, 2 do", "print(i)", "end"], "1\n2\n")

    def test_expressions(self):
        self.check_lines(["math.max(1,", "2)"], "2\n")
        self.check_lines(["1 +", "2"], "3\n")

    def test_an_empty_line_inside(self):
        self.check_lines(["if true then", "", "print('in')", "end"], "in\n")

    def test_long_strings_and_comments(self):
        self.check_lines(["print([[a", "b]])"], "a\nb\n")
        self.check_lines(["print([=[a", "]] b]=])"], "a\n]] b\n")
        self.check_lines(["--[[ a", "]] print(1)"], "1\n")

    def test_what_no_line_could_finish_is_told_at_once(self):
        shell = self.open()
        self.assertIn("Expected", self.run_line(shell, "x = = 1"))
        self.assertIn("finish it", self.run_line(shell, "print('a"))
        self.assertIn("Expected", self.run_line(shell, "for i = 1 10 do"))

    def test_an_interrupt_drops_them(self):
        shell = self.open()
        shell.type("function f(\r")
        shell.expect(">> ")
        shell.type("a, b" + INTERRUPT)
        shell.expect("\n> ")
        self.assertEqual(self.run_line(shell, "f"), "nil\n")


class Errors(Session):
    def test_they_keep_the_session(self):
        shell = self.open()
        self.run_line(shell, "function f() error('boom') end")
        self.assertEqual(
            self.run_line(shell, "f()"),
            "repl[1]:1: boom\n"
            "    1 | function f() error('boom') end\n"
            "      |              ^^^^^\n"
            "stack traceback:\n"
            "  [C] function error\n"
            "  repl[1]:1 function f\n"
            "  repl[2]:1\n",
        )
        self.assertEqual(self.run_line(shell, "1"), "1\n")
        self.leave(shell, 0)

    def test_without_memory_a_line_can_still_give_some_back(self):
        shell = self.open("repl", "--max-memory", "3")
        for _ in range(2):
            shown = self.run_line(shell, "t = {} for i = 1, 1e6 do t[i] = {} end")
            self.assertIn("not enough memory", shown)
            self.assertEqual(self.run_line(shell, "#t > 1000"), "true\n")
            self.assertEqual(self.run_line(shell, "t = nil"), "")
            self.assertEqual(self.run_line(shell, "#string.rep('x', 1e6)"), "1000000\n")
        self.assertIn("not enough memory", self.run_line(shell, "string.rep('x', 4e6)"))
        self.leave(shell)

    def test_hints(self):
        shell = self.open()
        self.assertIn("hint: there is no global 'wait'", self.run_line(shell, "wait(1)"))

    def test_of_the_compiler(self):
        shell = self.open()
        self.assertEqual(
            self.run_line(shell, "local = 5"),
            "repl[1]:1: Expected identifier when parsing variable name, got '='\n"
            "    1 | local = 5\n"
            "      |       ^\n",
        )


class Meanwhile(Session):
    def test_threads_go_on_while_one_types(self):
        shell = self.open()
        self.run_line(shell, "task.spawn(function() task.wait(0.3) print('late') end)")
        shell.type("print('ty")
        shell.expect("print('ty")
        self.assertEqual(shell.expect("late"), "\r\x1b[Jlate")
        shell.expect("> print('ty")
        shell.type("ped')\r")
        shell.expect("\r\ntyped\r\n> ")
        self.leave(shell)

    def test_a_line_that_waits_gives_the_prompt_back(self):
        shell = self.open()
        self.assertEqual(self.run_line(shell, "task.wait(0.2) >= 0.2"), "")
        shell.expect("true\r\n> ")
        self.assertEqual(self.run_line(shell, "_"), "true\n")

    def test_errors_come_between(self):
        shell = self.open()
        self.run_line(shell, "task.delay(0.2, error, 'lost', 0)")
        shell.type("1 +")
        shell.expect("lost\r\n")
        shell.expect("> 1 +")
        shell.type(" 1\r")
        shell.expect("2\r\n> ")

    def test_what_is_deferred_comes_before_the_prompt(self):
        shell = self.open()
        self.assertEqual(self.run_line(shell, "do task.defer(print, 'soon') end"), "soon\n")

    def test_a_line_of_many_rows_is_taken_away_whole(self):
        shell = self.open(columns=20)
        self.run_line(shell, "do task.delay(0.5, print, 'late') end")
        shell.type("-- " + "x" * 50)
        self.assertIn("\r\x1b[A\x1b[A\x1b[Jlate", shell.expect("late"))

    def test_an_escape_alone_keeps_nobody_waiting(self):
        shell = self.open()
        self.run_line(shell, "task.delay(0.3, print, 'late')")
        shell.type("\x1b")
        shell.expect("late")

    def test_by_virtual_time_nothing_is_left_for_later(self):
        shell = self.open("repl", "--virtual-time")
        self.assertEqual(self.run_line(shell, "task.wait(3600)"), "3600\n")

    def test_a_dumb_terminal(self):
        shell = self.open(env={"TERM": "dumb"})
        self.run_line(shell, "task.delay(0.2, print, 'late')")
        shell.type("1")
        self.assertIn("\nlate", shell.expect("late").replace("\r", ""))
        self.assertNotIn("\x1b", shell.expect("> 1"))


class Questions(Session):
    """SIGQUIT, which is Ctrl-\\, and SIGUSR1: what is there."""

    def test_while_one_types(self):
        shell = self.open("repl", "--explain")
        self.run_line(shell, "task.delay(1000, print)")
        shell.type("6 * ")
        shell.expect("6 * ")
        for ask in (lambda: shell.type(QUIT), lambda: shell.process.send_signal(signal.SIGUSR1)):
            ask()
            shown = shell.expect("> 6 * ")
            self.assertIn("kahu: live threads:\r\n  #", shown)
            self.assertIn("1 thread; kept alive by 1 sleeping", shown)
        shell.type("7\r")
        shell.expect("42\r\n> ")
        self.leave(shell)

    def test_while_a_line_runs(self):
        shell = self.open()
        shell.type("print('runs') while true do end\r")
        shell.expect("\nruns\r\n")
        shell.type(QUIT)
        shell.expect("live threads (--explain knows more of them):\r\n")
        shell.expect("running at repl[1]:1")
        shell.type(INTERRUPT)
        shell.expect("interrupted\r\n")
        shell.expect("> ")
        self.assertEqual(self.run_line(shell, "1"), "1\n")
        self.leave(shell)

    def test_between_two_interrupts(self):
        """Neither is lost for the other."""
        shell = self.open()
        shell.type("print('runs') while true do end\r")
        shell.expect("\nruns\r\n")
        for number in (signal.SIGQUIT, signal.SIGINT, signal.SIGQUIT):
            shell.process.send_signal(number)
        shell.expect("live threads")
        shell.expect("interrupted")
        shell.expect("> ")
        self.assertEqual(self.run_line(shell, "1"), "1\n")
        self.leave(shell)


class Interrupts(Session):
    def test_a_line_being_typed(self):
        shell = self.open()
        shell.type("print('never')" + INTERRUPT)
        shell.expect("\n> ")
        self.assertEqual(self.run_line(shell, "1"), "1\n")

    def test_a_line_that_runs(self):
        shell = self.open()
        for line in (
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "coroutine.wrap(function() while true do end end)()",
            "while true do task.spawn(function() while true do end end) end",
            "do task.defer(function() while true do end end) end",
        ):
            shell.type(f"print('runs') {line}\r")
            shell.expect("\nruns\r\n")
            shell.type(INTERRUPT)
            self.assertIn("interrupted", shell.expect("\n> "))
        self.assertEqual(self.run_line(shell, "1"), "1\n")
        self.leave(shell)

    def check_whole(self, shell, line, *never):
        """One interrupt of the line gives back a prompt that takes lines."""
        shell.type(line + "\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT)
        shown = shell.expect("\n> ")
        for text in ("\r\n\r\n", *never):
            self.assertNotIn(text, shown)
        self.assertTrue(shown.startswith("^C\r\ninterrupted\r\n"), shown)
        self.assertEqual(self.run_line(shell, "6 * 7"), "42\n")

    def test_a_line_and_what_it_has_deferred(self):
        shell = self.open()
        self.run_line(shell, "function endless() print('ru' .. 'ns') while true do end end")
        self.run_line(shell, "function dead() print('ne' .. 'ver') while true do end end")
        for line in (
            "do task.defer(dead) endless() end",
            "for i = 1, 3 do task.defer(i == 1 and endless or dead) end",
            "do task.defer(function() task.defer(dead) endless() end) end",
            "do task.defer(endless) task.defer(task.defer, dead) end",
            "do task.defer(endless) task.defer(task.spawn, dead) end",
        ):
            self.check_whole(shell, line, "never")
        self.leave(shell)

    def test_what_is_deferred_once_more_is_the_lines_too(self):
        shell = self.open()
        self.run_line(shell, "function endless() print('ru' .. 'ns') while true do end end")
        self.check_whole(shell, "do task.defer(task.defer, endless) end")
        self.check_whole(shell, "do task.defer(task.spawn, endless) end")

    def test_a_thread_that_runs_while_one_types(self):
        shell = self.open()
        self.run_line(shell, "task.delay(0.2, function() print('runs') while true do end end)")
        shell.type("1 +")
        shell.expect("runs\r\n")
        shell.type(INTERRUPT)
        shell.expect("interrupted\r\n")
        shell.expect("> 1 +")
        shell.type(" 1\r")
        shell.expect("2\r\n> ")

    def test_the_others_go_on(self):
        shell = self.open()
        self.run_line(shell, "do task.delay(0.5, print, 'the other') end")
        shell.type("print('runs') while true do end\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT)
        shell.expect("interrupted")
        shell.expect("the other\r\n")

    def test_who_is_due_when_the_line_ends_is_not_ended(self):
        shell = self.open()
        self.run_line(shell, "function other() for i = 1, 9 do end print('the ' .. 'other') end")
        self.run_line(shell, "function later() for i = 1, 9 do end task.defer(other) end")
        self.run_line(shell, "function due(t) t += os.clock() while os.clock() < t do end end")
        line = "do task.delay(0.1, later) due(0.2) print('ru' .. 'ns') while true do end end"
        shell.type(line + "\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT)
        shell.expect("interrupted")
        self.assertNotIn("interrupted", shell.expect("the other\r\n"))

    def test_by_virtual_time(self):
        shell = self.open("repl", "--virtual-time")
        shell.type("print('runs') while true do task.wait(1) end\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT)
        shell.expect("interrupted")
        shell.expect("\n> ")

    def test_by_virtual_time_the_others_wait_for_the_next_line(self):
        shell = self.open("repl", "--virtual-time")
        self.run_line(shell, "function endless() while true do task.wait(1) end end")
        shell.type("do task.spawn(endless) task.spawn(endless) task.delay(1, print, 'runs') end\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT)
        self.assertIn("interrupted", shell.expect("\n> "))
        shell.type("'next'\r")
        shell.expect("\nnext\r\n")
        shell.type(INTERRUPT)
        self.assertIn("interrupted", shell.expect("\n> "))
        self.assertEqual(self.run_line(shell, "1"), "1\n")

    def test_two_in_a_row(self):
        shell = self.open()
        shell.type("half" + INTERRUPT + INTERRUPT)
        shell.expect("\n> ")
        shell.type("print('runs') while true do end\r")
        shell.expect("\nruns\r\n")
        shell.type(INTERRUPT + INTERRUPT)
        shell.expect("interrupted")
        shell.expect("\n> ")
        shell.type("6 * 7\r")
        shell.expect("\n42\r\n> ")
        self.leave(shell)

    def test_who_waits_behind_goes_on(self):
        shell = self.open()
        # By what no interrupt can meet.
        self.run_line(shell, "for i = 1, 6000 do task.delay(i / 100, print, 'tick ' .. i) end")
        for _ in range(3):
            shell.type("1 +")
            shell.expect("> 1 +")
            shell.type(INTERRUPT)
            shell.expect("\r\n> ")
        ticks = [int(shell.expect("\r\n").split()[-1]) for _ in range(3) if shell.expect("tick ")]
        self.assertEqual(ticks, [ticks[0], ticks[0] + 1, ticks[0] + 2])
        shell.type("'it ' .. 'goes on'\r")
        shell.expect("it goes on\r\n")
        shell.expect("> ")  # before it, Ctrl-D is no key yet
        self.leave(shell)


class Ends(Session):
    def test_the_end_of_the_input(self):
        shell = self.open()
        self.run_line(shell, "error('no matter')")
        self.leave(shell, 0)

    def test_in_the_middle_of_a_line_it_is_none(self):
        shell = self.open()
        shell.type("11\x01" + END)  # to the begin, and the next character away
        shell.type("\r")
        shell.expect("\r\n1\r\n> ")

    def test_inside_of_lines(self):
        shell = self.open()
        shell.type("function f(\r")
        shell.expect(">> ")
        self.leave(shell, 0)

    def test_what_waits_is_left(self):
        shell = self.open()
        self.run_line(shell, "task.delay(3600, print)")
        self.leave(shell, 0)

    def test_who_runs_again_and_again_is_left(self):
        shell = self.open()
        self.run_line(shell, "task.spawn(function() while true do task.wait(0.001) end end)")
        self.run_line(shell, "task.spawn(function() while true do task.wait(0) end end)")
        self.leave(shell, 0)

    def test_a_stop(self):
        shell = self.open()
        shell.type("scheduler.stop(3)\r")
        self.assertEqual(shell.wait(), 3)

    def test_a_stop_while_one_types(self):
        shell = self.open()
        self.run_line(shell, "task.delay(0.2, scheduler.stop, 4)")
        shell.type("print(")
        self.assertEqual(shell.wait(), 4)

    def test_a_signal(self):
        shell = self.open()
        shell.process.send_signal(signal.SIGTERM)
        self.assertEqual(shell.wait(), 143)
        shell = self.open()
        shell.type("print('runs') while true do end\r")
        shell.expect("\nruns\r\n")
        shell.process.send_signal(signal.SIGTERM)
        self.assertEqual(shell.wait(), 143)

    def test_the_terminal_goes(self):
        shell = self.open()
        os.close(shell.master)
        shell.master = os.open(os.devnull, os.O_RDWR)
        self.assertIn(shell.process.wait(program.TIME_LIMIT_S), (0, 1, -signal.SIGHUP))


class History(Session):
    def test_it_is_kept_from_session_to_session(self):
        shell = self.open()
        self.run_line(shell, "print('remember')")
        self.leave(shell)
        path = os.path.join(self.dir, ".local/state/kahu/history")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        shell = self.open()
        shell.type(UP)
        shell.expect("print('remember')")
        shell.type("\r")
        shell.expect("\r\nremember\r\n> ")

    def test_it_is_where_the_state_is(self):
        shell = self.open(env={"XDG_STATE_HOME": os.path.join(self.dir, "state")})
        self.run_line(shell, "1")
        self.leave(shell)
        self.assertTrue(os.path.exists(os.path.join(self.dir, "state/kahu/history")))

    def test_without_a_place_there_is_none(self):
        for home in ("/dev/null", "relative", ""):
            shell = self.open(env={"HOME": home})
            self.assertEqual(self.run_line(shell, "1"), "1\n")
            self.leave(shell)
        self.assertEqual(os.listdir(self.dir), [])


class Completion(Session):
    def complete(self, shell, typed, wanted):
        shell.type(typed + TAB)
        shown = ""
        while wanted not in shown:  # the cursor moves in the middle of it
            shown += shell.expect(wanted[-1])
            shown = re.sub(r"\r\x1b\[\d+G", "", shown)
        shell.type(INTERRUPT)
        shell.expect("\n> ")

    def test_names(self):
        shell = self.open()
        self.run_line(shell, "function mine() end")
        self.run_line(shell, "t = { field = { inner = 1 }, [1] = 2, ['no name'] = 3 }")
        for typed, wanted in (
            ("mi", "mine"),
            ("corou", "coroutine"),
            ("task.sy", "task.synchronize"),
            ("print(t.fi", "print(t.field"),
            ("t.field.in", "t.field.inner"),
            ("unt", "until"),
        ):
            self.complete(shell, typed, wanted)

    def test_methods(self):
        shell = self.open()
        self.run_line(shell, "s = 'text'")
        self.run_line(shell, "class = { value = 1, verb = function() end } class.__index = class")
        self.run_line(shell, "object = setmetatable({}, class)")
        self.complete(shell, "s:up", "s:upper")
        self.complete(shell, "object:v", "object:verb")

    def test_several_are_listed(self):
        shell = self.open()
        shell.type("string.re" + TAB)
        shell.expect("rep")
        shell.expect("reverse")
        shell.expect("> string.re")

    def test_what_they_have_in_common_is_typed(self):
        shell = self.open()
        self.run_line(shell, "common_a, common_b = 1, 2")
        self.complete(shell, "com", "common_")

    def test_no_code_is_run(self):
        shell = self.open()
        self.run_line(shell, "t = setmetatable({}, { __index = function() print('called') end })")
        shell.type("t.x" + TAB + "t.x.y" + TAB + "nothing.at.all" + TAB + INTERRUPT)
        self.assertNotIn("called", shell.expect("\n> "))

    def test_a_chain_that_goes_round(self):
        shell = self.open()
        self.run_line(shell, "a = {} a.__index = a setmetatable(a, a)")
        shell.type("a.x" + TAB + INTERRUPT)
        shell.expect("\n> ")


if __name__ == "__main__":
    program.main()
