# SPDX-License-Identifier: MIT
"""The program: arguments, messages, exit codes, signals, modules.

KAHU names the program. No test measures time; limits are only there so that
a program that hangs fails.
"""
import os
import pathlib
import re
import resource
import signal
import subprocess
import tempfile
import unittest

KAHU = os.environ["KAHU"]
LIMIT = 60


class Cli(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)

    def write(self, path, content):
        """A file below the test's own directory; its name from there."""
        file = self.dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes)
                         else content.encode())
        return path

    def kahu(self, *args, stdin=""):
        return subprocess.run([KAHU, *args], cwd=self.dir, input=stdin,
                              capture_output=True, text=True, timeout=LIMIT)

    def check(self, args, out="", err="", code=0, stdin=""):
        """Runs and compares all there is to see."""
        ran = self.kahu(*args, stdin=stdin)
        self.assertEqual((ran.stdout, ran.stderr, ran.returncode),
                         (out, err, code))

    def start(self, *args):
        """Starts it with pipes; killed at the end if it still runs."""
        process = subprocess.Popen([KAHU, *args], cwd=self.dir, bufsize=0,
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process


class Arguments(Cli):
    def test_script_and_its_arguments(self):
        self.write("s.luau", "print(...)")
        for args in (["s.luau"], ["run", "s.luau"], ["-O0", "s.luau"]):
            self.check([*args, "one", "--two", "-e"], "one\t--two\t-e\n")

    def test_a_directory_runs_its_init(self):
        self.write("d/init.luau", "print('init', ...)")
        self.check(["d", "x"], "init\tx\n")
        self.check(["d/"], "init\n")

    def test_standard_input(self):
        self.check(["-", "x"], "x\n", stdin="print(...)")

    def test_code(self):
        self.check(["-e", "print(...)", "a", "--version"], "a\t--version\n")
        self.check(["run", "-e", "print(1)"], "1\n")

    def test_a_script_called_run(self):
        self.write("run.luau", "print('mine')")
        self.check(["run.luau"], "mine\n")

    def test_levels_and_codegen(self):
        code = "local function f() return debug.info(1, 'l') end print(f())"
        for o in "012":
            for g in "012":
                ran = self.kahu(f"-O{o}", f"-g{g}", "--codegen", "-e", code)
                self.assertEqual(ran.returncode, 0, ran.stderr)
                self.assertIn(ran.stdout, ("1\n", "0\n", "-1\n"))

    def test_wrong_options(self):
        hint = "Try 'kahu --help'.\n"
        for args, message in (
                ([], "no script given"),
                (["-O3", "x"], "-O takes 0, 1 or 2, not '3'"),
                (["-gx", "x"], "-g takes 0, 1 or 2, not 'x'"),
                (["--min-wait", "-1", "x"],
                 "--min-wait takes seconds, not '-1'"),
                (["--min-wait", "nan", "x"],
                 "--min-wait takes seconds, not 'nan'"),
                (["--min-wait=1s", "x"],
                 "--min-wait takes seconds, not '1s'"),
                (["--max-defer-depth", "0", "x"],
                 "--max-defer-depth takes a number from 1, not '0'"),
                (["--max-defer-depth", "99999999999999999999", "x"],
                 "--max-defer-depth takes a number from 1, not "
                 "'99999999999999999999'"),
                (["--nonsense", "x"], "unrecognized option '--nonsense'"),
                (["-e"], "option requires an argument -- 'e'")):
            self.check(args, "", f"kahu: {message}\n{hint}", 2)

    def test_help_and_version(self):
        for flag in ("-h", "--help"):
            ran = self.kahu(flag)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))
            self.assertTrue(ran.stdout.startswith("Usage: kahu"))
        page = pathlib.Path(__file__).parents[2] / "cli" / "kahu.1"
        manual = page.read_text().replace("\\", "")
        for option in re.findall(r"--[a-z-]+", ran.stdout):
            self.assertIn(option, manual)
        ran = self.kahu("--version")
        self.assertRegex(ran.stdout, r"\Akahu \d+\.\d+\.\d+\nLuau [^\n]+\n"
                                     r"libuv \d+\.\d+\.\d+\n\Z")

    def test_options_reach_the_scheduler(self):
        self.check(["--virtual-time", "--min-wait", "2", "-e",
                    "print(task.wait())"], "2\n")
        self.check(["--strict-defer-depth", "--max-defer-depth", "1", "-e",
                    "task.defer(function() print(select(2, pcall("
                    "task.defer, print))) end)"],
                   "Maximum re-entrancy depth (1) exceeded\n")
        early = ("local t = task.spawn(function() print(task.wait(1)) "
                 "print(coroutine.yield()) end) task.spawn(t, 'early')")
        self.check(["--virtual-time", "-e", early], "early\n1\n")
        self.check(["--virtual-time", "--strict-wakes", "-e", early],
                   "early\n")
        self.check(["--preload", "-e", "print(coroutine.resume(task.delay("
                                       "9, print, 'b')))"],
                   "false\tattempt to call a string value\n")

    def test_stats(self):
        ran = self.kahu("--stats", "-e", "task.defer(task.wait)")
        self.assertEqual((ran.stdout, ran.returncode), ("", 0))
        self.assertRegex(ran.stderr, r"(?m)^wakes +made +delivered +cancelled"
                                     r" +dropped$")
        self.assertRegex(ran.stderr, r"(?m)^defer +1 +1 +0 +0$")
        self.assertRegex(ran.stderr, r"(?m)^wait +1 +1 +0 +0$")
        for row in ("cycles", "resumes", "errors", "pending", "memory",
                    "wall", "CPU", "peak"):
            self.assertRegex(ran.stderr, rf"(?m)^{row} +[\d.]+")


class Sources(Cli):
    def test_what_is_not_there(self):
        self.check(["none.luau"], "", "kahu: cannot read 'none.luau': "
                   "No such file or directory\n", 2)
        (self.dir / "empty").mkdir()
        self.check(["empty"], "", "kahu: cannot read 'empty/init.luau': "
                   "No such file or directory\n", 2)

    def test_what_is_no_text(self):
        self.write("b.luau", b"print(1)\0print(2)")
        self.check(["b.luau"], "",
                   "kahu: cannot read 'b.luau': not a text file\n", 2)

    def test_what_may_not_be_read(self):
        (self.dir / "d" / "init.luau").mkdir(parents=True)
        self.check(["d"], "",
                   "kahu: cannot read 'd/init.luau': Is a directory\n", 2)

    def test_nothing(self):
        self.write("nothing.luau", "")
        self.check(["nothing.luau"])
        self.check(["-e", ""])

    def test_windows_and_unix(self):
        self.write("bom.luau", b"\xef\xbb\xbf#!/usr/bin/env kahu\r\n"
                               b"print(debug.info(1, 'l'))\r\nlocal x =\r\n")
        self.check(["bom.luau"], "", "bom.luau:4: Expected identifier when "
                   "parsing expression, got <eof>\n", 1)
        self.write("ok.luau", b"\xef\xbb\xbfprint(1)\r\nprint([[a\r\nb]])")
        self.check(["ok.luau"], "1\na\nb\n")

    def test_a_large_one(self):
        lines = 10_000_000
        self.write("big.luau", b"--ab\n" * lines + b"print('end') error('e')")
        ran = self.kahu("big.luau")
        self.assertEqual((ran.stdout, ran.returncode), ("end\n", 1))
        self.assertIn(f"big.luau:{lines + 1}: e\n", ran.stderr)

    def test_compile_errors(self):
        self.write("c.luau", "print(1)\nlocal = 2\n")
        self.check(["c.luau"], "", "c.luau:2: Expected identifier when parsing"
                   " variable name, got '='\n", 1)
        self.check(["-e", "x x"], "", "-e:1: Incomplete statement: expected "
                   "assignment or a function call\n", 1)


class Errors(Cli):
    def test_an_error_is_traced_and_the_rest_goes_on(self):
        self.write("e.luau", "task.defer(print, 'goes on')\n"
                             "local function inner() error('boom') end\n"
                             "inner()\n")
        self.check(["-O0", "e.luau"], "goes on\n",
                   "e.luau:2: boom\nstack traceback:\n  [C] function error\n"
                   "  e.luau:2 function inner\n  e.luau:3\n", 1)

    def test_of_any_type(self):
        for value, text in (("{}", "(error object is a table value)"),
                            ("nil", "(error object is a nil value)"),
                            ("setmetatable({}, {__tostring = function() "
                             "return 'words' end})", "words"),
                            ("setmetatable({}, {__tostring = error})",
                             "(error object is a table value)")):
            ran = self.kahu("-e", f"error({value})")
            self.assertEqual(ran.stderr.split("\n")[0], text)
            self.assertEqual(ran.returncode, 1)

    def test_a_script_left_yielded(self):
        self.write("y.luau", "print(1)\n\ncoroutine.yield()\n")
        self.check(["y.luau"], "1\n", "y.luau:3: warning: the script yielded "
                   "here and nothing is left that would resume it\n")

    def test_the_sandbox(self):
        for code in ("string.x = 1", "task.x = 1", "coroutine.x = 1",
                     "getmetatable('').x = 1"):
            ran = self.kahu("-e", code)
            self.assertIn("readonly", ran.stderr)
            self.assertEqual(ran.returncode, 1)
        self.check(["-e", "x = 1 print(x)"], "1\n")


class Output(Cli):
    def test_is_seen_before_the_program_sleeps(self):
        process = self.start("-e", "print('first') task.wait(3600)")
        self.assertEqual(process.stdout.readline(), b"first\n")

    def test_a_closed_pipe_ends_it_quietly(self):
        process = self.start("-e", "while true do print('line') end")
        process.stdout.readline()
        process.stdout.close()
        self.assertEqual(process.wait(LIMIT), -signal.SIGPIPE)
        self.assertEqual(process.stderr.read(), b"")

    @unittest.skipUnless(os.path.exists("/dev/full"), "needs a full disk")
    def test_a_full_disk_is_told(self):
        for code, status in (("print(1)", 1), ("print(1) error('x')", 1)):
            with open("/dev/full", "w") as full:
                ran = subprocess.run([KAHU, "-e", code], stdout=full,
                                     stderr=subprocess.PIPE, text=True,
                                     timeout=LIMIT)
            self.assertIn("kahu: cannot write to standard output: No space "
                          "left on device\n", ran.stderr)
            self.assertEqual(ran.returncode, status)

    def test_an_idle_program_takes_no_cpu(self):
        def cpu():
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime

        start = cpu()
        self.check(["-e", ""])
        empty = cpu() - start
        self.check(["-e", "for i = 1, 1000 do task.spawn(task.wait, 1) end"])
        # A loop that polls would take most of the second.
        self.assertLess(cpu() - start - 2 * empty, 0.5)


class Signals(Cli):
    # More than a buffer holds: what was printed before it is out by then.
    FILL = "print('ready') print(string.rep('x', 2^13)) "
    LOOPS = {
        "print('ready') task.wait(3600)": "1 waiting (1 sleeping, 0 deferred",
        FILL + "while true do end": "0 waiting (0 sleeping, 0 deferred",
        FILL + "while true do pcall(function() while true do end end) end":
            "0 waiting (0 sleeping, 0 deferred",
        "task.delay(9, print) task.defer(print) " + FILL +
        "while true do end": "2 waiting (1 sleeping, 1 deferred",
        FILL + "while true do task.spawn(function() while true do end end) end":
            "0 waiting (0 sleeping, 0 deferred",
    }

    def interrupt(self, number, *args):
        process = self.start(*args)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out.decode(), err.decode()

    def test_say_what_was_waiting(self):
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            for loop, waiting in self.LOOPS.items():
                status, _, err = self.interrupt(number, "-e", loop)
                self.assertEqual(err, f"kahu: interrupted: {waiting}, 0 in "
                                      "operations)\n", loop)
                self.assertEqual(status, code)

    def test_in_virtual_time(self):
        status, _, err = self.interrupt(
            signal.SIGINT, "--virtual-time", "-e",
            self.FILL + "while true do task.wait(1) end")
        self.assertEqual(status, 130)
        self.assertIn("kahu: interrupted: ", err)

    def test_output_is_flushed(self):
        for loop in ("while true do end", "task.wait(3600)"):
            status, out, _ = self.interrupt(signal.SIGINT, "-e",
                                            self.FILL + loop)
            self.assertEqual((status, out), (130, "x" * 2**13 + "\n"))

    def test_a_write_is_not_cut_short(self):
        lines = 20000  # more than a pipe holds
        status, out, err = self.interrupt(
            signal.SIGINT, "-e", "print('ready') for i = 1, "
            f"{lines} do print('line') end while true do end")
        self.assertEqual(status, 130)
        self.assertEqual(out, "line\n" * (len(out) // 5))
        self.assertNotIn("cannot write", err)

    def test_the_second_ends_at_once(self):
        # Luau can not be interrupted inside string.rep and its like.
        process = self.start("-e", self.FILL + "while true do "
                             "string.rep('x', 2^29):find('y') end")
        self.assertEqual(process.stdout.readline(), b"ready\n")
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        self.assertIn(process.wait(LIMIT), (130, -signal.SIGINT))


class VirtualTime(Cli):
    def test_an_hour_passes_at_once(self):
        ran = self.kahu("--virtual-time", "-e",
                        "local n = 0 local t = task.spawn(function() while "
                        "task.wait(1) do n += 1 end end) task.wait(3600.5) "
                        "print(n, os.clock()) task.cancel(t)")
        self.assertEqual((ran.stdout, ran.returncode), ("3600\t3600.5\n", 0))

    def test_the_order_is_that_of_real_time(self):
        self.write("o.luau", "for i = 1, 50 do task.delay((i * 7 % 10) / 200, "
                             "print, i) end task.defer(print, 'd')")
        real, virtual = (self.kahu(*args, "o.luau").stdout
                         for args in ([], ["--virtual-time"]))
        self.assertEqual(len(real.split()), 51)
        self.assertEqual(real, virtual)


class Modules(Cli):
    def test_names(self):
        self.write("main.luau", "for _, name in {'./a', './lib/b', './pack', "
                   "'@lib/b'} do print(require(name)) end")
        self.write("a.luau", "return 'a'")
        self.write("lib/b.luau", "return require('../a') .. 'b'")
        self.write("pack/init.luau", "return require('@self/part')")
        self.write("pack/part.luau", "return 'part'")
        self.write(".luaurc", '{"aliases": {"lib": "./lib"}}')
        self.check(["main.luau"], "a\nab\npart\nab\n")
        ran = subprocess.run([KAHU, f"{self.dir.name}/main.luau"],
                             cwd=self.dir.parent, capture_output=True,
                             text=True, timeout=LIMIT)
        self.assertEqual(ran.stdout, "a\nab\npart\nab\n")

    def test_from_code_and_standard_input(self):
        self.write("a.luau", "return 'a'")
        self.check(["-e", "print(require('./a'))"], "a\n")
        self.check(["-"], "a\n", stdin="print(require('./a'))")

    def test_what_can_not_be_found(self):
        self.write("x.luau", "return 1")
        self.write("x/init.luau", "return 2")
        for name, words in (("./none", "none"), ("./x", "ambiguous"),
                            ("@none/x", "alias")):
            ran = self.kahu("-e", f"print(pcall(require, '{name}'))")
            self.assertTrue(ran.stdout.startswith("false\t"), ran.stdout)
            self.assertIn(words, ran.stdout)

    def test_a_module_may_wait_and_runs_once(self):
        self.write("slow.luau", "print('runs') task.wait(0.02) return {}")
        self.check(["-e", "local seen = {} for i = 1, 3 do task.spawn("
                    "function() table.insert(seen, require('./slow')) end) "
                    "end table.insert(seen, require('./slow')) print(#seen, "
                    "seen[1] == seen[2] and seen[1] == seen[4])"],
                   "runs\n4\ttrue\n")

    def test_an_error_reaches_each_and_may_be_tried_again(self):
        self.write("bad.luau", "print('runs') task.wait(0.01) error({})")
        self.check(["-e", "local seen = {} for i = 1, 3 do task.spawn("
                    "function() table.insert(seen, select(2, pcall(require, "
                    "'./bad'))) end) end task.wait(0.05) print(#seen, "
                    "type(seen[1]), seen[1] == seen[3]) "
                    "print((pcall(require, './bad')))"],
                   "runs\n3\ttable\ttrue\nruns\nfalse\n")

    def test_errors_name_the_module(self):
        self.write("e.luau", "\nerror('boom')")
        self.write("c.luau", "\nlocal = 1")
        self.write("none.luau", "local x = 1")
        self.write("two.luau", "return 1, 2")
        for name, message in (
                ("e", "e.luau:2: boom"),
                ("c", "c.luau:2: Expected identifier when parsing variable "
                      "name, got '='"),
                ("none", "none.luau: module must return a single value"),
                ("two", "two.luau: module must return a single value")):
            self.check(["-e", f"print(select(2, pcall(require, './{name}')))"],
                       message + "\n")

    def test_cycles_name_the_chain(self):
        for wait in ("", "task.wait(0.01) "):
            self.write("a.luau", f"{wait}return require('./b')")
            self.write("b.luau", f"{wait}return require('./c')")
            self.write("c.luau", f"{wait}return require('./a')")
            self.check(["-e", "print(select(2, pcall(require, './a')))"],
                       "cyclic require: c.luau -> a.luau -> b.luau -> c.luau\n")
        self.write("self.luau", "return require('./self')")
        self.check(["-e", "print(select(2, pcall(require, './self')))"],
                   "cyclic require: self.luau -> self.luau\n")

    def test_no_cycle_where_nobody_waits_for_himself(self):
        self.write("a.luau", "task.defer(function() print('b says', "
                             "require('./b')) end) return 'a'")
        self.write("b.luau", "return 'b and ' .. require('./a')")
        self.check(["-e", "print(require('./a'))"],
                   "a\nb says\tb and a\n")

    def test_a_cancelled_module(self):
        self.write("m.luau", "local t = coroutine.running() task.delay(0.01, "
                   "function() task.cancel(t) end) task.wait(3600) return 1")
        self.check(["-e", "print(pcall(require, './m'))"],
                   "false\tm.luau: module was cancelled\n")

    def test_a_cancelled_requirer(self):
        self.write("m.luau", "task.wait(0.02) print('loaded') return 'm'")
        self.check(["-e", "local t = task.spawn(function() require('./m') end) "
                    "task.cancel(t) print(require('./m'))"], "loaded\nm\n")

    def test_where_no_wait_is_possible(self):
        self.write("m.luau", "task.wait(0.01) return 'm'")
        ran = self.kahu("-e", "print(pcall(function() return setmetatable({}, "
                        "{__index = function() return require('./m') end}).x "
                        "end)) print(require('./m'))")
        self.assertRegex(ran.stdout, r"\Afalse\t.*attempt to yield across "
                                     r"metamethod/C-call boundary\nm\n\Z")

    def test_modules_do_not_share_globals(self):
        self.write("h.luau", "g = 1 return tostring(h)")
        ran = self.kahu("-e", "h = 1 print(require('./h'), g)")
        self.assertEqual(ran.stdout, "nil\tnil\n")


if __name__ == "__main__":
    unittest.main()
