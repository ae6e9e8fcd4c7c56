#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""kahu test: what is found, what runs, what is reported, and how it ends."""

import os
import pty
import select
import signal
import subprocess
import time
import unittest
import xml.etree.ElementTree

import program

TESTING = os.path.join(os.path.dirname(os.path.realpath(__file__)), "testing")
GOLDEN = os.path.join(TESTING, "golden")


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as file:
        return file.read()


class TestCommand(program.ProgramTest):
    def run_tests(self, *args, **options):
        return self.run_program("test", *args, **options)

    def one(self, text, *args, name="a.test.luau"):
        """The result of a file with this text, run alone."""
        self.write(name, text)
        return self.run_tests(*args, name)

    def passes(self, result, count, files=1):
        self.assertEqual((result.err, result.code), ("", 0), result.out)
        end = f"{count} passed in {files} file{'' if files == 1 else 's'}\n"
        self.assertTrue(result.out.endswith(end), result.out)

    def fails(self, result, *lines):
        """A failure, with all of these in what is said."""
        self.assertEqual((result.err, result.code), ("", 1), result.out)
        for line in lines:
            self.assertIn(line, result.out)


class Golden(TestCommand):
    def test_library_tested_with_itself(self):
        for options in ([], ["-O0"], ["-O2"]):
            result = self.run_tests(*options, "library.test.luau", cwd=TESTING)
            self.assertEqual((result.err, result.code), ("", 0), result.out)

    def test_reports(self):
        for reporter in ("pretty", "tap", "junit"):
            for jobs in ("1", "4"):
                result = self.run_tests("--reporter", reporter, "--jobs", jobs, cwd=GOLDEN)
                self.check(result, code=1, out=read(GOLDEN, f"report.{reporter}"))


    def test_recording_is_of_today(self):
        recordings = os.path.join(program.ROOT, "docs/recordings")
        again = os.path.join(self.dir, "test.txt")
        script = os.path.join(recordings, "test.sh")
        subprocess.run([script, program.PROGRAM, again], check=True)
        self.assertEqual(read(again), read(recordings, "test.txt"))


class Finding(TestCommand):
    def test_by_name_in_order(self):
        for name in ("b.spec.luau", "a.test.luau", "dir/c.test.luau", "dir/d/e.spec.luau"):
            self.write(name, "it('x', function() end)")
        for name in ("no.luau", ".hidden.test.luau", ".git/x.test.luau", "dir/test.luau"):
            self.write(name, "error('not to be run')")
        result = self.run_tests("--reporter", "tap")
        names = ["a.test.luau", "b.spec.luau", "dir/c.test.luau", "dir/d/e.spec.luau"]
        lines = [f"ok {i} - {name}: x" for i, name in enumerate(names, 1)]
        self.check(result, out="\n".join(["TAP version 14", *lines, "1..4"]) + "\n")

    def test_once_each(self):
        self.write("dir/a.test.luau", "it('x', function() end)")
        self.passes(self.run_tests("dir", "dir/a.test.luau", "dir/", "dir"), 1)

    def test_once_by_whatever_path(self):
        self.write("a.test.luau", "it('x', function() end)")
        self.write("dir/b.test.luau", "it('x', function() end)")
        whole = os.path.join(self.dir, "a.test.luau")
        self.passes(self.run_tests("a.test.luau", "./a.test.luau", whole, "dir/../a.test.luau"), 1)
        self.passes(self.run_tests("./a.test.luau", "."), 2, files=2)
        self.passes(self.run_tests(".", self.dir, "dir/", "./dir", "dir/b.test.luau"), 2, files=2)
        os.symlink("dir", os.path.join(self.dir, "link"))
        self.passes(self.run_tests("dir", "link"), 1)

    def test_link_to_a_file_is_a_file(self):
        self.write("one/m.luau", "return 'one'")
        self.write("two/m.luau", "return 'two'")
        self.write("one/a.test.luau", "it(require('./m'), function() end)")
        os.symlink("../one/a.test.luau", os.path.join(self.dir, "two/a.test.luau"))
        result = self.run_tests()
        self.passes(result, 2, files=2)
        self.assertIn("ok    two", result.out)

    def test_file_that_is_named_needs_no_suffix(self):
        self.passes(self.one("it('x', function() end)", name="some.luau"), 1)

    def test_link_that_leads_around(self):
        self.write("a.test.luau", "it('x', function() end)")
        os.symlink(".", os.path.join(self.dir, "around"))
        self.passes(self.run_tests(), 1)

    def test_nothing(self):
        none = "kahu: no test file (*.test.luau, *.spec.luau) found\n"
        self.check(self.run_tests(), code=2, err=none)
        self.write("a.test.luau", "describe('x', function() end)")
        none = "0 passed in 1 file\n"
        self.check(self.run_tests(), code=2, err="kahu: no test found\n", out=none)
        filtered = "kahu: no test has 'x' in its name\n"
        self.check(self.run_tests("--filter", "x"), code=2, err=filtered, out=none)

    def test_path_that_is_not_there(self):
        missing = "kahu: cannot read 'missing': no such file or directory\n"
        self.check(self.run_tests("missing"), code=2, err=missing)


class Usage(TestCommand):
    def refused(self, *args, err):
        self.check(self.run_tests(*args), code=2, err=f"kahu: {err}\nTry 'kahu test --help'.\n")

    def test_help(self):
        result = self.run_tests("--help")
        self.assertEqual((result.err, result.code), ("", 0))
        self.assertTrue(result.out.startswith("Usage: kahu test [options] [paths]\n"))

    def test_mistakes(self):
        self.refused("--jobs", "0", err="--jobs takes a number from 1 to 1024, not '0'")
        self.refused("--jobs", "1x", err="--jobs takes a number from 1 to 1024, not '1x'")
        self.refused("--timeout", "0", err="--timeout takes seconds, not '0'")
        self.refused("--timeout", "nan", err="--timeout takes seconds, not 'nan'")
        self.refused("--stall", "x", err="--stall takes seconds, not 'x'")
        self.refused("--reporter", "x", err="--reporter takes pretty, tap or junit, not 'x'")
        self.write("z.test.luau", "it('x', function() end)")
        for name in ("z.test.luau", "z.lua"):
            self.refused(
                "--output", name, err=f"--output takes a file for the report, not '{name}'"
            )
        self.assertEqual(read(self.dir, "z.test.luau"), "it('x', function() end)")
        self.refused("--color", "x", err="--color takes always, never or auto, not 'x'")
        self.refused("-O3", err="-O takes 0, 1 or 2, not '3'")
        self.refused("--none", err="unrecognized option '--none'")

    def test_options_may_stand_behind_paths(self):
        self.write("a.test.luau", "it('x', function() end)")
        self.check(
            self.run_tests("a.test.luau", "--reporter", "tap", "--virtual-time"),
            out="TAP version 14\nok 1 - a.test.luau: x\n1..1\n",
        )


class Loading(TestCommand):
    def test_error_is_of_the_file_and_others_go_on(self):
        self.write("a.test.luau", "error('no good')")
        self.write("b.test.luau", "it('x', function() end)")
        self.fails(self.run_tests(), "FAIL  loading\n        a.test.luau:1: no good\n", "ok    x")

    def test_unreadable_file(self):
        self.write("a.test.luau", b"it('x\0')")
        self.fails(self.run_tests(), "a.test.luau: cannot be read: not a text file")

    def test_may_wait(self):
        text = "task.wait(5) local x = task.wait(2) it('x', function() expect(x).to.be.near(2) end)"
        self.passes(self.one(text), 1)

    def test_that_waits_too_long(self):
        self.fails(self.one("task.wait(50) it('x', print)"), "a.test.luau:1: timed out after 10 s")

    def test_that_yields(self):
        self.fails(self.one("coroutine.yield()"), "loading", "nothing is left that would resume it")

    def test_error_in_another_thread(self):
        text = "task.spawn(error, 'oh', 0) it('x', function() end)"
        self.fails(self.one(text), "FAIL  loading\n        in another thread: oh\n")

    def test_modules(self):
        self.write("slow.luau", "task.wait(100) return {it = it}")
        text = """
        local slow = require("./slow")
        local t = require("@kahu/test")
        t.it("is the same", function() t.expect(slow.it).to.be(it) end)
        """
        self.passes(self.one(text, "--timeout", "200"), 1)

    def test_tests_of_a_module(self):
        self.write("shared.luau", "\n\nreturn function() it('x', error) end")
        text = "require('./shared')() it('y', error)"
        result = self.one(text, "--reporter", "junit")
        cases = xml.etree.ElementTree.fromstring(result.out)[0]
        self.assertEqual([case.get("name") for case in cases], ["x", "y"])
        self.assertEqual([case.get("line") for case in cases], [None, "1"])

    def test_module_that_yields(self):
        self.write("stuck.luau", "coroutine.yield() return 1")
        text = "it('x', function() require('./stuck') end)"
        for options in ([], ["--real-time"]):
            result = self.one(text, *options)
            self.fails(result, "stuck.luau: module yielded and nothing is left")

    def test_wrong_calls(self):
        self.fails(self.one("it('x')"), "a.test.luau:1: it needs a function")
        self.fails(self.one("describe('x', 1)"), "a.test.luau:1: describe needs a function")
        self.fails(self.one("afterAll()"), "a.test.luau:1: afterAll needs a function")
        text = "it('x', print, {timeout = -1})"
        self.fails(self.one(text), "a.test.luau:1: timeout is a number of seconds")


class Running(TestCommand):
    def test_each_on_its_own_thread(self):
        text = """
        local seen = {}
        for i = 1, 3 do
            it(`test {i}`, function()
                local co = coroutine.running()
                expect(seen[co]).to.be.nilValue()
                seen[co] = true
                task.wait(1)
                expect(coroutine.running()).to.be(co)
            end)
        end
        """
        self.passes(self.one(text), 3)

    def test_timeouts(self):
        text = """
        it("ends", function() task.wait(2) end, {timeout = 2})
        it("does not", function() task.wait(2.1) print("never") end, {timeout = 2})
        it("waits for ever", function() task.wait(math.huge) end)
        afterEach(function() print("after") end)
        """
        result = self.one(text, "--timeout", "4.5")
        self.fails(
            result,
            "ok    ends (2.0 s)",
            "FAIL  does not (2.0 s)\n        a.test.luau:3: timed out after 2 s\n",
            "FAIL  waits for ever (4.5 s)\n        a.test.luau:4: timed out after 4.5 s\n",
            "  | after\n  | after\n  | after\n\n",
            "1 passed, 2 failed in 1 file\n",
        )

    def test_thread_of_a_test_that_took_too_long_is_cancelled(self):
        text = """
        local co
        it("a", function() co = coroutine.running() task.wait(20) end)
        it("b", function()
            expect(coroutine.status(co)).to.be("dead")
            task.wait(20)
        end, {timeout = 30})
        """
        self.fails(self.one(text), "FAIL  a", "ok    b", "1 passed, 1 failed in 1 file")

    def test_all_that_was_waiting_is_named(self):
        self.write("slow.luau", "return function()\n    task.wait(50)\nend")
        text = "local slow = require('./slow')\nit('x', function()\n    slow()\nend)"
        self.fails(
            self.one(text, name="a b.test.luau"),
            "        slow.luau:2: timed out after 10 s\n"
            "          slow.luau:2\n"
            "          a b.test.luau:3\n"
            "            2 |     task.wait(50)\n"
            "              |     ^\n\n",
        )
        self.fails(
            self.one("it('x', function() error('oh') end)", name="a b.test.luau"),
            "        a b.test.luau:1: oh\n"
            "            1 | it('x', function() error('oh') end)\n"
            "              |                    ^^^^^\n\n",
        )

    def test_cancelled(self):
        text = """
        it("x", function()
            task.delay(1, task.cancel, coroutine.running())
            task.wait(2)
        end)
        """
        self.fails(self.one(text), "a.test.luau:4: the thread was cancelled here")

    def test_yield_without_an_end(self):
        text = "it('x', function() coroutine.yield() end)"
        self.fails(self.one(text), "a.test.luau:1: yielded here, and nothing is left")
        self.fails(self.one(text, "--real-time"), "a.test.luau:1: yielded here, and nothing")

    def test_no_end_of_work(self):
        text = """
        it("defers", function()
            local function again() task.defer(again) end
            again()
            task.wait(1)
        end)
        it("goes on", function() task.wait(1) end)
        it("leaves it behind", function()
            local function again() task.defer(again) end
            again()
        end)
        it("loops", function() while true do end end)
        it("catches", function() while true do pcall(function() while true do end end) end end)
        it("loops elsewhere", function()
            task.delay(1, function() while true do end end)
            task.wait(2)
        end)
        it("is well", function() task.wait(1) end)
        """
        result = self.one(text, "--stall", "0.3")
        self.fails(
            result,
            "FAIL  defers\n        a.test.luau:5: busy for more than 0.3 s of real time\n",
            "ok    goes on",
            "FAIL  leaves it behind\n        threads defer each other without an end\n",
            "FAIL  loops\n        a.test.luau:12: busy for more than 0.3 s of real time\n",
            "FAIL  catches\n        a.test.luau:13: busy for more than 0.3 s of real time\n",
            "        in another thread: a.test.luau:15: busy for more than 0.3 s of real time\n",
            "ok    is well",
            "2 passed, 5 failed in 1 file",
        )

    def test_errors_of_other_threads(self):
        text = """
        it("later", function() task.delay(1, error, "oh", 0) end)
        it("is told", function() task.wait(2) end)
        it("is not", function() task.wait(2) end)
        it("at the end", function() task.defer(error, "ah", 0) end)
        it("both", function() task.spawn(error, "one", 0) error("two", 0) end)
        """
        result = self.one(text)
        self.fails(
            result,
            "ok    later\n",
            "FAIL  is told (2.0 s)\n        in another thread: oh\n",
            "ok    is not",
            "FAIL  at the end\n        in another thread: ah\n",
            "FAIL  both\n        two\n          a.test.luau:6\n        in another thread: one\n",
        )

    def test_scheduler_library(self):
        text = """
        it("stops", function() scheduler.stop(3) end)
        it("clears", function() task.delay(1, scheduler.clear) task.wait(3) end)
        it("is well", function() task.wait(1) end)
        """
        for options in ([], ["--real-time"]):
            self.fails(
                self.one(text, *options),
                "FAIL  stops\n        a.test.luau:2: scheduler.stop() was called\n",
                "a.test.luau:3: yielded here, and nothing is left",
                "ok    is well",
            )

    def test_virtual_time(self):
        text = """
        it("x", function()
            local before = os.clock()
            task.wait(1e6)
            expect(os.clock() - before).to.be.near(1e6)
        end, {timeout = 2e6})
        """
        self.passes(self.one(text), 1)

    def test_real_time(self):
        text = """
        it("waits", function() expect(task.wait(0.05) >= 0.05).to.be(true) end)
        it("gives up", function() task.wait(1000) end, {timeout = 0.05})
        """
        result = self.one(text, "--real-time")
        self.fails(result, "ok    waits", "a.test.luau:3: timed out after 0.05 s")

    def test_output(self):
        text = """
        print("a\\0b", nil, setmetatable({}, {__tostring = function() return "t" end}))
        it("x", function() print("in") end)
        """
        self.check(
            self.one(text),
            out="a.test.luau\n  ok    x\n  | a\\0b\tnil\tt\n  | in\n\n1 passed in 1 file\n",
        )


class Hooks(TestCommand):
    def test_failing_before_all(self):
        text = """
        describe("s", function()
            beforeAll(function() error("no", 0) end)
            beforeAll(function() print("second") end)
            beforeEach(function() print("each") end)
            afterEach(function() print("after each") end)
            afterAll(function() print("after all") end)
            describe("inner", function()
                beforeAll(function() print("inner") end)
                it("a", function() print("a") end)
            end)
            it("b", function() print("b") end)
        end)
        it("c", function() end)
        """
        result = self.one(text)
        self.fails(
            result,
            "FAIL  s > inner > a\n        s > beforeAll failed: no\n",
            "FAIL  s > b\n        s > beforeAll failed: no\n",
            "ok    c\n  | after all\n\n",
        )

    def test_failing_before_each(self):
        text = """
        beforeEach(function() error("no", 0) end)
        afterEach(function() print("after") end)
        it("a", function() print("a") end)
        """
        self.fails(self.one(text), "FAIL  a\n        no\n", "  | after\n\n")

    def test_failing_after_each(self):
        text = """
        afterEach(function() print("outer") end)
        describe("s", function()
            afterEach(function() error("one", 0) end)
            afterEach(function() error("two", 0) end)
            it("well", function() end)
            it("not", function() error("x", 0) end)
        end)
        """
        self.fails(
            self.one(text),
            "FAIL  s > well\n        one\n",
            "FAIL  s > not\n        x\n",
            "afterEach: one\n",
            "  | outer\n  | outer\n",
        )

    def test_failing_after_all(self):
        text = """
        describe("s", function()
            afterAll(function() task.wait(5) end, {timeout = 1})
            it("well", function() end)
        end)
        """
        result = self.one(text)
        self.fails(result, "ok    s > well\n  FAIL  s > afterAll (1.0 s)\n", "timed out after 1 s")

    def test_not_for_what_does_not_run(self):
        text = """
        describe("s", function()
            beforeAll(print)
            afterAll(print)
            it.skip("x", print)
        end)
        it("y", function() end)
        """
        self.check(
            self.one(text),
            out="a.test.luau\n  skip  s > x\n  ok    y\n\n1 passed, 1 skipped in 1 file\n",
        )


class Choosing(TestCommand):
    TEXT = """
    describe("one", function()
        it("a", function() end)
        it("b", function() end)
    end)
    describe("two", function()
        it("a", function() end)
    end)
    """

    def names(self, text, *args):
        result = self.one(text, *args)
        self.assertEqual((result.err, result.code), ("", 0), result.out)
        return [line.split("  ")[1:] for line in result.out.splitlines()[1:-2]]

    def test_filter(self):
        self.assertEqual(
            [name for _, _, name in self.names(self.TEXT, "--filter", "a")],
            ["one > a", "two > a"],
        )
        self.assertEqual(
            [name for _, _, name in self.names(self.TEXT, "--filter", "one > ")],
            ["one > a", "one > b"],
        )

    def test_only(self):
        for old, new, ran in (
            ('it("b"', 'it.only("b"', ["one > b"]),
            ('describe("one"', 'describe.only("one"', ["one > a", "one > b"]),
            ('describe("two"', 'describe.skip("two"', ["one > a", "one > b"]),
            ('it("b"', 'it.skip("b"', ["one > a", "two > a"]),
        ):
            names = self.names(self.TEXT.replace(old, new))
            self.assertEqual(len(names), 3)
            self.assertEqual([name[-1] for name in names if name[0] == "ok"], ran)

    def test_only_in_only(self):
        """The inner one narrows down what the outer one left."""
        text = """
        describe.only("s", function()
            it("a", error)
            describe("t", function() it.only("b", function() end) it("c", error) end)
            it.only("d", function() end)
        end)
        describe("u", function() it("e", error) end)
        describe.only("v", function() it("f", function() end) end)
        """
        names = self.names(text)
        self.assertEqual(len(names), 6)
        self.assertEqual(
            [name[-1] for name in names if name[0] == "ok"],
            ["s > t > b", "s > d", "v > f"],
        )

    def test_skip_in_only(self):
        text = """
        describe.only("s", function() it.skip("a") it("b", function() end) end)
        it("c", print)
        """
        self.assertEqual(
            [name[0] for name in self.names(text)],
            ["skip", "ok", "skip"],
        )


class Words(TestCommand):
    def test_a_script_may_speak_as_the_vm_does(self):
        """In any words: there is only no hint."""
        for word in ("invalid", "missing"):
            message = f"{word} argument"
            result = self.one(f'it("a", function() error("{message} of ours") end)')
            self.fails(result, f"a.test.luau:1: {message} of ours")


class Bail(TestCommand):
    def test_is_the_same_each_time(self):
        bad = "it('a', function() end) it('b', function() error('x') end) it('c', error)"
        for i in range(20):
            slow = "local n = 0 for i = 1, 3e6 do n += i end "
            self.write(f"{i:02}.test.luau", slow + ("it('w', function() end)" if i != 3 else bad))
        self.write("19.test.luau", "error('first to be done')")
        reports = {self.run_tests("--bail", "--jobs", jobs).out for jobs in ("1", "2", "7")}
        self.assertEqual(len(reports), 1)
        (report,) = reports
        self.assertTrue(
            report.endswith("4 passed, 1 failed in 4 files; stopped at the first failure\n"), report
        )

    def test_a_later_failure_changes_nothing(self):
        work = "local n = 0 for i = 1, {} do n += i end "
        self.write("0.test.luau", work.format("3e7") + "it('w', function() end)")
        self.write("1.test.luau", work.format("3e6") + "it('x', error)")
        self.write("2.test.luau", work.format("6e6") + "error('after the first one')")
        result = self.run_tests("--bail", "--jobs", "3")
        self.fails(result, "1 passed, 1 failed in 2 files; stopped at the first failure\n")

    def test_cleans_up(self):
        text = """
        afterAll(function() print("all") end)
        describe("never begun", function() beforeAll(print) afterAll(error) it("z", error) end)
        afterEach(function() print("each") end)
        """
        text = "it('x', error)" + text
        self.fails(self.one(text, "--bail"), "  | each\n  | all\n\n", "0 passed, 1 failed")

    def test_without_a_failure(self):
        self.passes(self.one("it('x', function() end)", "--bail"), 1)


class Leaks(TestCommand):
    TEXT = """
    it("x", function()
        task.spawn(function()
            task.wait(20)
        end)
        task.delay(math.huge, print)
        task.wait(1)
    end)
    """
    LIST = (
        "        thread started at a.test.luau:3, sleeps at a.test.luau:4\n"
        "        thread started at a.test.luau:6, delayed for ever\n"
    )

    def test_are_failures(self):
        self.check(
            self.one(self.TEXT),
            code=1,
            out="a.test.luau\n  ok    x (1.0 s)\n  FAIL  leaks\n" + self.LIST + "\n"
            "1 passed, 1 failed in 1 file\n",
        )

    def test_are_allowed(self):
        self.check(
            self.one(self.TEXT, "--allow-leaks"),
            out="a.test.luau\n  ok    x (1.0 s)\n  note  leaks\n" + self.LIST + "\n"
            "1 passed in 1 file\n",
        )
        tap = self.one(self.TEXT, "--allow-leaks", "--reporter", "tap")
        self.assertIn("# leaks:\n#   thread started at a.test.luau:3, sleeps at", tap.out)
        junit = self.one(self.TEXT, "--allow-leaks", "--reporter", "junit")
        suite = xml.etree.ElementTree.fromstring(junit.out)[0]
        self.assertEqual(suite.get("tests"), "1")
        self.assertIn("a.test.luau:6, delayed for ever", suite.findtext("system-err"))

    def test_what_ends_in_time_is_none(self):
        text = """
        it("x", function() task.delay(3, print) end)
        it("y", function() task.wait(5) task.defer(function() task.defer(print) end) end)
        it("z", function()
            local co = task.delay(100, print)
            task.cancel(co)
            local parked = coroutine.create(function() coroutine.yield() end)
            coroutine.resume(parked)
        end)
        """
        self.assertEqual(self.one(text).code, 0)


class Reports(TestCommand):
    def test_xml_of_anything(self):
        name = "<&>\\\"' \\1\\255 \u00e4\\n\\0"
        text = f"it(\"{name}\", function() error('\\t\\r\\n]]>\\237', 0) end)"
        result = self.one(text, "--reporter", "junit")
        self.assertEqual(result.code, 1)
        case = xml.etree.ElementTree.fromstring(result.out.encode())[0][0]
        self.assertEqual(case.get("name"), "<&>\"' ?? \u00e4\n\\0")
        self.assertEqual(case.get("line"), "1")
        self.assertEqual(case[0].get("message"), "\t\r")
        self.assertTrue(case[0].text.startswith("\t\r\n]]>?"), case[0].text)

    def test_output_file(self):
        self.write("a.test.luau", "it('x', function() end) it.skip('y')")
        result = self.run_tests("--reporter", "tap", "--output", "report")
        self.check(result, out="1 passed, 1 skipped in 1 file\n")
        self.assertEqual(
            read(self.dir, "report"),
            "TAP version 14\nok 1 - a.test.luau: x\nok 2 - a.test.luau: y # SKIP\n1..2\n",
        )

    def test_output_that_can_not_be_written(self):
        self.write("a.test.luau", "it('x', function() end)")
        result = self.run_tests("--output", "no/report")
        why = "No such file or directory"
        self.check(result, code=2, err=f"kahu: cannot write 'no/report': {why}\n")
        if os.path.exists("/dev/full"):
            result = self.run_tests("--output", "/dev/full")
            full = "kahu: cannot write '/dev/full': No space left on device\n"
            self.check(result, code=1, out="1 passed in 1 file\n", err=full)

    def test_what_is_often_mistaken_has_a_hint(self):
        self.fails(
            self.one("it('x', function()\n    wait(1)\nend)"),
            "            2 |     wait(1)\n              |     ^^^^\n        hint: there is no global",
        )

    def test_errors_of_other_threads_have_their_lines(self):
        self.fails(
            self.one("it('x', function()\n    task.spawn(error, 'no', 2)\n"
                     "    task.spawn(function()\n        error('oh')\n    end)\nend)"),
            "in another thread: no\n        in another thread: a.test.luau:4: oh\n",
        )
        self.fails(
            self.one("it('x', function()\n    task.spawn(function()\n        error('oh')\n"
                     "    end)\nend)"),
            "        in another thread: a.test.luau:3: oh\n"
            "            3 |         error('oh')\n              |         ^^^^^\n",
        )

    def test_errors_of_functions_have_their_lines(self):
        """Whether they name it or not, and also where they come from a module."""
        self.write("syntax.luau", "\nreturn (")
        for call, caret in (
            ("error('oh')", "^^^^^"),
            ("error('oh', 0)", "^^^^^"),
            ("error({})", "^^^^^"),
            ("assert(false)", "^^^^^^"),
            ("local function f() error('oh') end f()", " " * 19 + "^^^^^"),
            ("require('./nothing')", " " * 9 + "^^^^^^^^^"),
            ("task.spawn(function() require('./nothing') end)", " " * 31 + "^^^^^^^^^"),
        ):
            self.fails(
                self.one(f"it('x', function()\n{call}\nend)"),
                f"            2 | {call}\n              | {caret}\n",
            )
        self.fails(
            self.one("it('x', function() require('./syntax') end)"),
            "            2 | return (\n              | ^\n",
        )
        self.fails(
            self.one("\nrequire('./nothing')"),
            "            2 | require('./nothing')\n              |          ^^^^^^^^^\n",
        )

    def on_terminal(self, *options, **env):
        """What a terminal gets to see."""
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = self.start("test", *options, stdout=slave, env={**os.environ, **env})
        os.close(slave)
        process.wait(timeout=program.TIME_LIMIT_S)
        return program.decode(os.read(master, 65536))

    def test_colors_on_a_terminal(self):
        self.write("a.test.luau", "it('x', function() expect(1).to.equal(2) end)")
        text = self.on_terminal(TERM="xterm", NO_COLOR="")
        self.assertIn("\033[31mFAIL\033[0m  x", text)
        self.assertIn("              |                    \033[1m^^^^^^\033[0m", text)
        for env in ({"TERM": "dumb", "NO_COLOR": ""}, {"TERM": "xterm", "NO_COLOR": "1"}):
            self.assertNotIn("\033", self.on_terminal(**env))

    def test_no_color_in_a_pipe(self):
        self.assertNotIn("\033", self.one("it('x', function() end)").out)

    def test_colors_by_option(self):
        result = self.one("it('x', function() end)", "--color", "always")
        self.assertIn("\033[32mok  \033[0m  x", result.out)
        text = self.on_terminal("--color", "never", TERM="xterm", NO_COLOR="")
        self.assertNotIn("\033", text)
        for reporter in ("tap", "junit"):
            result = self.one("it('x', function() end)", "--color", "always", "--reporter", reporter)
            self.assertNotIn("\033", result.out)


class Pool(TestCommand):
    def test_order_is_that_of_the_files(self):
        for i in range(30):
            work = 4000000 if i % 7 == 0 else 0
            text = f"it('x', function() local n = 0 for i = 1, {work} do n += i end end) print({i})"
            self.write(f"{i:02}.test.luau", text)
        result = self.run_tests("--jobs", "8", "--reporter", "tap")
        self.assertEqual((result.err, result.code), ("", 0))
        printed = [line for line in result.out.splitlines() if line.startswith("# ")]
        self.assertEqual(printed, [f"# {i}" for i in range(30)])

    @unittest.skipUnless(os.path.isdir("/proc/self/task"), "counts OS threads by /proc")
    def test_several_at_once(self):
        text = "it('x', function() task.wait(1000) end, {timeout = 2000})"
        for name in "abc":
            self.write(f"{name}.test.luau", text)
        process = self.start("test", "--real-time", "--jobs", "3")
        limit = time.monotonic() + program.TIME_LIMIT_S
        while len(os.listdir(f"/proc/{process.pid}/task")) < 4:
            self.assertLess(time.monotonic(), limit)
            self.assertIsNone(process.poll())
            time.sleep(0.01)


@unittest.skipUnless(os.path.exists("/proc/self/status"), "sees blocked signals by /proc")
class Signals(TestCommand):
    WAITS = """
    afterEach(function() print("after") end)
    it("ends", function() end)
    it("waits", function()
        task.wait(1000)
    end, {timeout = 2000})
    it("is not begun", function() end)
    afterAll(function() task.wait(0.001) print("all") end)
    """
    SPINS = """
    it("spins", function()
        while true do pcall(function() while true do end end) end
    end)
    """

    def begun(self, name, *args, text, **options):
        """A run of a file with this text that is at this test, and what it has said of that."""
        self.write("a.test.luau", text)
        process = self.start("test", *args, **options)
        program.wait_until(process, "SigBlk", signal.SIGUSR1)
        limit = time.monotonic() + program.TIME_LIMIT_S
        os.set_blocking(process.stderr.fileno(), False)
        said = b""
        while f"a.test.luau: {name}, for ".encode() not in said:
            self.assertLess(time.monotonic(), limit, said)
            process.send_signal(signal.SIGUSR1)
            time.sleep(0.05)
            said += process.stderr.read() or b""
        os.set_blocking(process.stderr.fileno(), True)
        return process, said.decode()

    def interrupted(self, process, number=signal.SIGINT):
        process.send_signal(number)
        result = self.finish(process)
        self.assertEqual(result.code, 128 + number, result)
        return result.out

    def test_a_test_that_waits(self):
        process, _ = self.begun("waits", "--real-time", text=self.WAITS)
        out = self.interrupted(process)
        head, tail = out.split("  FAIL  waits")
        self.assertEqual(head, "a.test.luau\n  ok    ends\n")
        self.assertIn("        a.test.luau:5: interrupted by SIGINT\n", tail)
        end = "  | after\n  | after\n  | all\n\n1 passed, 1 failed in 1 file; interrupted by SIGINT\n"
        self.assertTrue(tail.endswith(end), tail)

    def test_a_test_that_spins(self):
        for options in ([], ["--real-time"]):
            process, _ = self.begun("spins", *options, text=self.SPINS)
            out = self.interrupted(process, signal.SIGTERM)
            self.assertIn("  FAIL  spins", out)
            self.assertIn("        a.test.luau:3: interrupted by SIGTERM\n", out)
            self.assertIn("0 passed, 1 failed in 1 file; interrupted by SIGTERM\n", out)

    def test_loading_and_hooks(self):
        for text, name in (
            ("task.wait(1000) it('x', function() end)", "loading"),
            ("beforeAll(function() task.wait(1000) end) it('x', function() end)", "beforeAll"),
            ("afterAll(function() task.wait(1000) end) it('x', function() end)", "afterAll"),
        ):
            process, _ = self.begun(name, "--real-time", "--timeout", "2000", text=text)
            out = self.interrupted(process)
            self.assertIn(f"  FAIL  {name}", out)
            self.assertIn("        a.test.luau:1: interrupted by SIGINT\n", out)

    def test_reports_are_whole(self):
        process, _ = self.begun(
            "waits", "--real-time", "--reporter", "junit", "--output", "r.xml", text=self.WAITS
        )
        self.assertEqual(
            self.interrupted(process), "1 passed, 1 failed in 1 file; interrupted by SIGINT\n"
        )
        cases = xml.etree.ElementTree.fromstring(read(self.dir, "r.xml"))[0].findall("testcase")
        self.assertEqual([case.get("name") for case in cases], ["ends", "waits"])
        self.assertEqual(cases[1][0].get("message"), "a.test.luau:5: interrupted by SIGINT")
        process, _ = self.begun("waits", "--real-time", "--reporter", "tap", text=self.WAITS)
        out = self.interrupted(process)
        self.assertIn("ok 1 - a.test.luau: ends\nnot ok 2 - a.test.luau: waits\n", out)
        self.assertTrue(out.endswith("\n1..2\n"), out)

    def test_files_that_were_not_begun(self):
        self.write("b.test.luau", "it('x', function() end)")
        process, _ = self.begun("waits", "--real-time", "--jobs", "1", text=self.WAITS)
        self.assertIn("1 passed, 1 failed in 1 file; interrupted", self.interrupted(process))

    def test_several_files(self):
        self.write("b.test.luau", self.WAITS.replace("ends", "also ends"))
        process, _ = self.begun("waits", "--real-time", "--jobs", "2", text=self.WAITS)
        limit = time.monotonic() + program.TIME_LIMIT_S
        said = b""
        while b"b.test.luau: waits, for " not in said:
            self.assertLess(time.monotonic(), limit)
            process.send_signal(signal.SIGUSR1)
            said = process.stderr.readline()
        out = self.interrupted(process)
        self.assertIn("a.test.luau:5: interrupted by SIGINT", out)
        self.assertIn("b.test.luau:5: interrupted by SIGINT", out)
        self.assertIn("2 passed, 2 failed in 2 files; interrupted by SIGINT\n", out)

    def test_the_second_kills(self):
        text = "it('waits', function() task.wait(1000) end, {timeout = 2000})"
        text += " afterEach(function() while true do end end)"
        process, _ = self.begun("waits", "--real-time", text=text)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)  # nearer together, they are one
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        self.assertEqual(self.finish(process).code, -signal.SIGTERM)

    def test_what_runs_is_told(self):
        for number in (signal.SIGQUIT, signal.SIGUSR1):
            process, _ = self.begun("waits", "--real-time", text=self.WAITS)
            process.send_signal(number)
            said = process.stderr.readline().decode()
            while "sleeping at a.test.luau:5" not in said:
                said += process.stderr.readline().decode()
            self.assertIn("kahu: live threads of a.test.luau:\n", said)
            self.assertIsNone(process.poll())
            self.interrupted(process)

    def test_a_test_that_spins_is_told(self):
        process, _ = self.begun("spins", text=self.SPINS)
        process.send_signal(signal.SIGQUIT)
        said = process.stderr.readline().decode()
        while "live threads of a.test.luau:\n" not in said:
            said += process.stderr.readline().decode()
        self.assertIn("running at a.test.luau:3", process.stderr.readline().decode())
        self.interrupted(process)

    def test_ignored_stays_ignored(self):
        self.write("a.test.luau", "it('x', function() task.wait(0.3) end)")
        process = self.start(
            "test", "--real-time",
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        process.send_signal(signal.SIGINT)
        self.passes(self.finish(process), 1)


class Watch(TestCommand):
    def setUp(self):
        super().setUp()
        self.write("dir/a.test.luau", "it('first', function() end)")

    def until(self, process, text):
        """What is printed up to this text."""
        seen = b""
        limit = time.monotonic() + program.TIME_LIMIT_S
        while text.encode() not in seen:
            ready, _, _ = select.select([process.stdout], [], [], limit - time.monotonic())
            self.assertTrue(ready, seen)
            data = os.read(process.stdout.fileno(), 65536)
            self.assertTrue(data, seen)
            seen += data
        return seen.decode()

    def silence(self, process):
        """Nothing is printed for several times as long as a change needs."""
        ready, _, _ = select.select([process.stdout], [], [], 1)
        self.assertFalse(ready)

    def test_runs_again(self):
        process = self.start("test", "--watch", "dir")
        told = "watching; Ctrl-C ends it\n"
        self.assertIn("ok    first", self.until(process, told))
        self.write("dir/a.test.luau", "it('second', error)")
        self.assertIn("FAIL  second", self.until(process, told))
        self.write("dir/new/b.test.luau", "it('third', function() end)")
        self.assertIn("ok    third", self.until(process, told))
        self.write("dir/new/b.test.luau", "it('fourth', function() end)")
        self.assertIn("ok    fourth", self.until(process, told))
        os.remove(os.path.join(self.dir, "dir/a.test.luau"))
        self.assertNotIn("second", self.until(process, told))
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(program.TIME_LIMIT_S), -signal.SIGINT)

    def test_modules_that_are_required(self):
        told = "watching; Ctrl-C ends it\n"
        self.write("src/m.luau", "return require('./n')")
        self.write("src/n.luau", "return 'one'")
        self.write("dir/a.test.luau", "it(require('../src/m'), function() end)")
        process = self.start("test", "--watch", "dir")
        self.assertIn("ok    one", self.until(process, told))
        self.write("src/n.luau", "return 'two'")
        self.assertIn("ok    two", self.until(process, told))
        self.write("src/n.luau", "return (")
        self.assertIn("FAIL  loading", self.until(process, told))
        self.write("other/n.luau", "return 'three'")
        self.write("src/m.luau", "return require('../other/n')")
        self.assertIn("ok    three", self.until(process, told))
        self.write("other/n.luau", "return 'four'")
        self.assertIn("ok    four", self.until(process, told))
        self.write("src/m.luau", "return 'five'")
        self.assertIn("ok    five", self.until(process, told))
        self.write("other/n.luau", "return 'six'")
        self.silence(process)

    def test_modules_beside_a_file_that_is_named(self):
        told = "watching; Ctrl-C ends it\n"
        self.write("m.luau", "return 'one'")
        self.write("w.test.luau", "it(require('./m'), function() end)")
        process = self.start("test", "--watch", "w.test.luau")
        self.assertIn("ok    one", self.until(process, told))
        self.write("m.luau", "return 'two'")
        self.assertIn("ok    two", self.until(process, told))

    def test_module_that_changes_during_the_first_run(self):
        self.write("src/m.luau", "return 'one'")
        self.write("dir/a.test.luau", """
        local name = require("../src/m")
        it(name, function()
            if name == "one" then task.wait(0.5) end
        end)
        """)
        process = self.start("test", "--real-time", "--watch", "dir")
        program.wait_until(process, "SigBlk", signal.SIGINT)
        self.write("src/m.luau", "return 'two'")
        self.until(process, "ok    two")

    def test_other_files_do_not_matter(self):
        process = self.start("test", "--watch", "dir")
        told = "watching; Ctrl-C ends it\n"
        self.until(process, told)
        self.write("dir/output.txt", "x")
        self.silence(process)
        self.write("dir/helper.luau", "return 1")
        self.until(process, told)
        process.send_signal(signal.SIGINT)
        process.wait(program.TIME_LIMIT_S)

    def test_signal_during_a_run(self):
        self.write("dir/a.test.luau", "print('x') it('spins', function() while true do end end)")
        process = self.start("test", "--watch", "dir")
        program.wait_until(process, "SigBlk", signal.SIGINT)
        process.send_signal(signal.SIGINT)
        result = self.finish(process)
        self.assertEqual(result.code, 130)
        self.assertTrue(result.out.endswith("; interrupted by SIGINT\n"), result.out)

    def test_nothing_to_watch(self):
        result = self.run_tests("--watch", "missing")
        self.check(result, code=2, err="kahu: cannot read 'missing': no such file or directory\n")


if __name__ == "__main__":
    program.main()
