#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Why is it still running: lists of threads on signals, and at the end."""

import fcntl
import os
import pty
import re
import signal
import sys
import termios

import program

BUSY = "local n = 0 while true do n += 1 end"
KNOWS_MORE = "kahu: live threads (--explain knows more of them):\n"
LOST = "nothing pending would resume it"


def without_times(text):
    """Times of a real clock are nobody's to tell."""
    return re.sub(r"\d+\.\d{3} s", "T s", text)


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class Explained(program.ProgramTest):
    def start(self, *args, **options):
        """A test run in the background ignores what Ctrl-\\ sends."""
        options.setdefault("preexec_fn", lambda: signal.signal(signal.SIGQUIT, signal.SIG_DFL))
        return super().start(*args, **options)

    def ask(self, process, number=signal.SIGUSR1):
        """Sends the signal; the list that comes of it."""
        process.send_signal(number)
        return self.read_list(process)

    def read_list(self, process):
        lines = []
        while not lines or " threads;" not in lines[-1] and " thread;" not in lines[-1]:
            line = program.decode(process.stderr.readline())
            self.assertNotEqual(line, "", f"only {lines} was said")
            lines.append(line)
        return without_times("".join(lines))

    def begin(self, *args):
        process = self.start(*args)
        program.wait_until_it_catches(process, signal.SIGUSR1)
        return process

    def end(self, process, number=signal.SIGTERM):
        process.send_signal(number)
        result = self.finish(process)
        self.assertEqual(result.code, 128 + number)
        self.assertTrue(result.err.startswith("kahu: interrupted: "), result.err)
        return result


class Waiting(Explained):
    SCRIPT = """\
task.spawn(function() coroutine.yield() end)
task.delay(1000, function() end)
task.spawn(function() require("./slow") end)
task.defer(print, "on") task.wait(2000)
"""
    LIST = """\
kahu: live threads:
  #1 script: sleeping at main.luau:4, for T s, T s to go; made by the host
  #2: yielded at main.luau:1, for T s, nothing pending would resume it; made at main.luau:1 by #1
  #3: delayed, to begin at main.luau:2, for T s, T s to go; made at main.luau:2 by #1
  #4: in an operation at main.luau:3, for T s; made at main.luau:3 by #1
  #5 slow.luau: sleeping at slow.luau:1, for T s, T s to go; made at main.luau:3 by #4
  5 threads; kept alive by 3 sleeping, 1 in operations; next deadline in T s; """ \
        "nothing pending would resume 1 of them\n"

    def setUp(self):
        super().setUp()
        self.write("slow.luau", "task.wait(3000) return 1")
        self.write("main.luau", self.SCRIPT)

    def begin_sleeping(self, *args):
        """What was printed is written when there is nothing left to run."""
        process = self.start(*args, "main.luau")
        self.assertEqual(process.stdout.readline(), b"on\n")
        return process

    def test_both_signals_and_again(self):
        process = self.begin_sleeping("--explain")
        for number in (signal.SIGQUIT, signal.SIGUSR1, signal.SIGQUIT):
            self.assertEqual(self.ask(process, number), self.LIST)
        self.end(process)

    def test_from_the_signal_on(self):
        process = self.begin_sleeping()
        told = self.ask(process)
        self.assertTrue(told.startswith(KNOWS_MORE), told)
        self.assertIn(
            " script: sleeping at main.luau:4, for T s, T s to go; made before tracking\n", told
        )
        self.assertIn(": delayed, to begin at main.luau:2, for T s or more, T s to go;", told)
        self.assertIn("\n  4 threads; kept alive by 3 sleeping, 1 in operations; ", told)
        self.end(process)

    def test_it_goes_on(self):
        process = self.start("-e", "print('on') task.wait(3) print('end')", bufsize=0)
        self.assertEqual(process.stdout.readline(), b"on\n")
        self.assertTrue(self.ask(process).startswith(KNOWS_MORE))
        self.check(self.finish(process), out="end\n")

    def test_precise(self):
        process = self.begin_sleeping("--precise", "--explain")
        self.assertEqual(self.ask(process), self.LIST)
        self.end(process)

    def test_what_was_printed_comes_first(self):
        process = self.begin("-e", "print('out') while true do end")
        self.ask(process)
        self.assertEqual(os.read(process.stdout.fileno(), 100), b"out\n")
        self.end(process)


class Busy(Explained):
    """Never back in the loop: what is asked is told at a safepoint."""

    def check_busy(self, *args, where="-e:1", count=1):
        for options in ((), ("--explain",)):
            process = self.begin(*options, *args)
            for _ in range(3):
                told = self.ask(process)
                self.assertIn(f" script: running at {where};", told)
                self.assertIn(f"; kept alive by {count} running", told)
            self.end(process, signal.SIGINT)

    def test_loop(self):
        self.check_busy("-e", BUSY)

    def test_native_loop(self):
        self.check_busy("--codegen", "-e", BUSY)

    def test_virtual_time(self):
        self.check_busy("--virtual-time", "-e", BUSY)

    def test_in_a_function_of_the_library(self):
        self.check_busy("-e", f"table.sort({{1, 2}}, function() {BUSY} end)")

    def test_all_that_have_resumed_each_other_run(self):
        process = self.begin("--explain", "-e", f"coroutine.wrap(function() {BUSY} end)()")
        told = self.ask(process)
        self.assertIn("\n  #2: running at -e:1; made at -e:1 by #1\n", told)
        self.assertIn("2 threads; kept alive by 2 running", told)
        self.end(process)

    def test_waits_without_end_under_virtual_time(self):
        process = self.begin("--virtual-time", "--explain", "-e", "while true do task.wait(1) end")
        self.assertIn("#1 script: running at -e:1", self.ask(process))
        self.end(process)

    def test_asked_and_interrupted_at_once(self):
        process = self.begin("-e", BUSY)
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, 130)

    def test_many_questions_change_nothing(self):
        script = """
        local sum = 0
        local function some(...) return ... end
        for i = 1, 20000 do
            local t = {some({i}, some({i}, some(table.unpack({i, i, i}))))}
            table.sort(t, function(a, b) return type(a) < type(b) end)
            sum += #(("x"):rep(9):gsub("x", function(x) return x .. i end))
            for _, v in coroutine.wrap(function() coroutine.yield(1, i) end) do
                sum += v
                break
            end
            sum += #t
            if i % 100 == 0 then task.wait() end
        end
        print(sum)
        """
        expected = self.run_program("-e", script).out
        for options in ((), ("--codegen", "-O2")):
            told = open(os.path.join(self.dir, "told"), "w+", encoding="utf-8")
            self.addCleanup(told.close)
            process = self.start(*options, "-e", script, stderr=told)
            program.wait_until_it_catches(process, signal.SIGUSR1)
            while process.poll() is None:
                process.send_signal(signal.SIGUSR1)
                try:
                    process.wait(0.005)
                except program.subprocess.TimeoutExpired:
                    pass
            self.check(self.finish(process), out=expected)
            told.seek(0)
            self.assertGreater(told.read().count(KNOWS_MORE), 3)


class End(Explained):
    def check_end(self, code, told, *options, out=""):
        result = self.run_program("--explain", "--virtual-time", *options, "-e", code)
        self.check(result, out=out, err=told)

    def test_nothing_left(self):
        self.check_end("task.spawn(task.wait, 1) print(task.wait(2))", "", out="2\n")

    def test_two_that_wait_for_each_other(self):
        # Nobody else refers to them: without a hold they would be garbage.
        script = """
        do
            local a, b
            a = task.spawn(function() coroutine.yield() task.spawn(b) end)
            b = task.spawn(function() task.wait(1) coroutine.yield() task.spawn(a) end)
        end
        task.wait(3)
        """
        self.check_end(
            script,
            f"""\
kahu: nothing is left that would resume these threads:
  #2: yielded at -e:4, for 3.000 s, {LOST}; made at -e:4 by #1
  #3: yielded at -e:5, for 2.000 s, {LOST}; made at -e:5 by #1
""",
        )

    def test_the_script_too(self):
        self.check_end(
            "task.spawn(function()\ncoroutine.yield() end) coroutine.yield()",
            f"""\
-e:2: warning: the script yielded here and nothing is left that would resume it
kahu: nothing is left that would resume these threads:
  #1 script: yielded at -e:2, for 0.000 s, {LOST}; made by the host
  #2: yielded at -e:2, for 0.000 s, {LOST}; made at -e:1 by #1
""",
        )

    def test_a_wait_that_never_ends(self):
        self.check_end(
            "task.wait(math.huge)",
            """\
kahu: what is left can never be done:
  #1 script: sleeping at -e:1, for 0.000 s, without end; made by the host
  1 thread; kept alive by 1 sleeping; it can never finish by itself
""",
        )

    ENDLESS = (
        "kahu: warning: this can never finish by itself: "
        "1 waiting (1 sleeping, 0 deferred, 0 in operations)\n"
    )

    def test_a_wait_that_never_ends_is_told_of_anyway(self):
        script = "task.spawn(coroutine.yield) print('on') task.wait(math.huge)"
        self.check(self.run_program("--virtual-time", "-e", script), 0, "on\n", self.ENDLESS)

    def test_on_the_real_clock_at_once(self):
        """Also with others before it; and only once."""
        script = "task.delay(0.01, print, 'on') task.wait(math.huge)"
        process = self.start("-e", script)
        self.assertEqual(program.decode(process.stderr.readline()), self.ENDLESS)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assertEqual((result.out, result.code), ("on\n", 130))
        self.assertTrue(result.err.startswith("kahu: interrupted: 1 waiting"), result.err)

    def test_on_the_real_clock_with_a_list(self):
        process = self.start("--explain", "-e", "task.wait(math.huge)")
        lines = [program.decode(process.stderr.readline()) for _ in range(3)]
        self.assertEqual(
            without_times("".join(lines)),
            "kahu: what is left can never be done:\n"
            "  #1 script: sleeping at -e:1, for T s, without end; made by the host\n"
            "  1 thread; kept alive by 1 sleeping; it can never finish by itself\n",
        )
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, 130)

    def test_beside_a_module_that_nobody_resumes(self):
        """Its require fails, as it would without the wait."""
        self.write("hang.luau", "coroutine.yield() return 1")
        script = "task.delay(math.huge, print) require('./hang')"
        told = "hang.luau: module yielded and nothing is left that would resume it\n"
        result = self.run_program("--virtual-time", "-e", script)
        self.assertEqual(result.code, 1)
        self.assertIn(told, result.err)
        self.assertTrue(result.err.endswith(self.ENDLESS), result.err)
        process = self.start("-e", script)
        self.assertIn(told, program.decode(process.stderr.readline()))
        while (line := program.decode(process.stderr.readline())) != self.ENDLESS:
            self.assertNotEqual(line, "")
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, 130)

    def test_what_ended_is_not_held(self):
        script = """
        local dead = setmetatable({}, {__mode = "k"})
        for i = 1, 100 do
            dead[task.spawn(function() task.wait(1) end)] = true
        end
        dead[coroutine.create(print)] = true
        task.wait(2)
        for i = 1, 1e6 do local garbage = {} end
        print(next(dead))
        """
        self.check_end(script, "", out="nil\n")

    def test_what_only_scripts_resume_is_left_to_them(self):
        self.check_end("for i in coroutine.wrap(coroutine.yield) do end", "")

    def test_a_stop_leaves_no_list(self):
        self.check_end("task.spawn(coroutine.yield) scheduler.stop(0) coroutine.yield()", "")

    def test_on_the_real_clock(self):
        result = self.run_program("--explain", "-e", "task.spawn(coroutine.yield)")
        self.assertEqual(
            (without_times(result.err), result.code),
            (
                "kahu: nothing is left that would resume these threads:\n"
                f"  #2: yielded, for T s, {LOST}; made at -e:1 by #1\n",
                0,
            ),
        )

    def test_only_if_asked_for(self):
        self.check(self.run_program("-e", "task.spawn(coroutine.yield)"))


class Ignored(Explained):
    def test_what_was_ignored_stays_so(self):
        process = self.start(
            "-e",
            "print('on') task.wait(1000)",
            preexec_fn=lambda: signal.signal(signal.SIGQUIT, signal.SIG_IGN),
        )
        self.assertEqual(process.stdout.readline(), b"on\n")
        process.send_signal(signal.SIGQUIT)
        self.assertTrue(self.ask(process, signal.SIGUSR1).startswith(KNOWS_MORE))
        self.end(process)


class Recording(Explained):
    def test_it_is_what_the_program_does(self):
        """By the keys of a terminal too; and the page shows it."""
        docs = os.path.join(program.ROOT, "docs")
        script = os.path.join(docs, "recordings", "explain.py")
        again = os.path.join(self.dir, "again.txt")
        program.subprocess.run([sys.executable, script, program.PROGRAM, again], check=True)
        recorded = read(docs, "recordings", "explain.txt")
        self.assertEqual(read(again), recorded)
        self.assertIn(recorded, read(docs, "program", "explain.md"))


class Terminal(Explained):
    def attach(self):
        """In the child: its terminal is the one whose keys make signals."""
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def read_until(self, text):
        data = ""
        while text not in data:
            data += program.decode(os.read(self.master, 4096))
        return data

    def test_keys(self):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        process = self.start(
            "--explain",
            "-e",
            "task.defer(print, 'on') task.wait(1000)",  # when it is on, it sleeps
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=self.attach,
        )
        os.close(slave)
        self.read_until("on\r\n")
        for _ in range(2):
            os.write(self.master, b"\x1c")  # Ctrl-\
            told = without_times(self.read_until("next deadline in"))
            self.assertIn(
                "kahu: live threads:\r\n  #1 script: sleeping at -e:1, for T s, "
                "T s to go; made by the host\r\n  1 thread; kept alive by 1 sleeping;",
                told,
            )
        os.write(self.master, b"\x03")  # Ctrl-C
        self.assertIn("kahu: interrupted: 1 waiting", self.read_until("in operations)"))
        self.assertEqual(process.wait(program.TIME_LIMIT_S), 130)


if __name__ == "__main__":
    program.main()
