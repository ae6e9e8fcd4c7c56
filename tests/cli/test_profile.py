#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--profile and kahu profile flame.

How many samples a function gets is up to the machine. That it gets some at all
is tried several times; everything else is about the form of what is written.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import sys
import unittest
import xml.etree.ElementTree

import program

TRIES = 10
PR_SET_TIMERSLACK = 29  # linux/prctl.h
LINE = re.compile(r"[^;]+(;[^;]+)* [1-9]\d*")
SVG = "{http://www.w3.org/2000/svg}"
RECORDINGS = os.path.join(program.ROOT, "docs/recordings")

# Each spins for a while by the clock. Main thread, a coroutine in it, and a
# thread that goes on by itself after a wait.
BUSY = """
local function spin(seconds)
    local from = os.clock()
    repeat until os.clock() - from > seconds
end
local function light() spin(0.05) end
local function heavy() spin(0.15) end
local function generator()
    light()
    coroutine.yield()
end
light()
heavy()
coroutine.resume(coroutine.create(generator))
task.spawn(function()
    task.wait(0.01)
    heavy()
end)
"""
SPUN = {
    "main thread;function busy.luau:1;light busy.luau:6;spin busy.luau:2",
    "main thread;function busy.luau:1;heavy busy.luau:7;spin busy.luau:2",
    "main thread;function busy.luau:1;resume [C];thread started at busy.luau:14;"
    "generator busy.luau:8;light busy.luau:6;spin busy.luau:2",
    "thread started at busy.luau:15;function busy.luau:15;heavy busy.luau:7;spin busy.luau:2",
}


class ProfileTest(program.ProgramTest):
    def read(self, name):
        with open(os.path.join(self.dir, name), encoding="utf-8") as file:
            return file.read()

    def profile(self, name, *args, code=0, **options):
        result = self.run_program("--profile", name, *args, **options)
        self.assertEqual(result.code, code, result)
        return self.read(name)

    def folded(self, *args, **options):
        """The stacks with their counts."""
        lines = self.profile("out.folded", *args, **options).splitlines()
        for line in lines:
            self.assertRegex(line, LINE)
        stacks = dict(line.rsplit(" ", 1) for line in lines)
        self.assertEqual(len(stacks), len(lines))
        return {stack: int(count) for stack, count in stacks.items()}

    def until(self, attempt, good):
        """What attempt() gives, as soon as it is good."""
        for _ in range(TRIES):
            result = attempt()
            if good(result):
                return result
        self.fail(f"never good, the last one was {result!r}")

    def until_seen(self, pattern, *args):
        """Stacks among which one is like the pattern."""
        seen = re.compile(pattern)
        return self.until(
            lambda: self.folded(*args), lambda stacks: any(map(seen.fullmatch, stacks))
        )


class Folded(ProfileTest):
    def test_functions_and_threads(self):
        self.write("busy.luau", BUSY)
        for options in ([], ["--precise"], ["--max-resume", "1e6"]):
            self.until(lambda o=options: self.folded(*o, "busy.luau"), SPUN.issubset)

    def test_virtual_time(self):
        """Its clock stands still while a thread runs."""
        script = "task.wait(3600) local function spin() for _ = 1, 1e8 do end end spin()"
        self.until_seen("main thread;function -e:1;spin -e:1", "--virtual-time", "-e", script)

    def test_native_code(self):
        self.write("busy.luau", BUSY)
        self.until_seen(".*;heavy busy.luau:7;spin busy.luau:2", "--codegen", "busy.luau")

    def test_time_of_c_is_its_callers(self):
        """It is one sample with a weight."""
        script = """
        local function slow()
            local from = os.clock()
            local x = string.rep('x', 200000)
            repeat string.find(x, string.rep('x', 20000) .. 'b', 1, true)
            until os.clock() - from > 0.3
        end
        slow()
        """
        stacks = self.folded("-e", script)
        counts = [n for stack, n in stacks.items() if re.search(r";slow -e:2(;find \[C\])?$", stack)]
        self.assertGreater(sum(counts), 200)

    def test_sleep_does_not_count(self):
        script = "for _ = 1, 10 do task.wait(0.1) end"
        stacks = self.until(lambda: self.folded("-e", script), lambda s: sum(s.values()) < 100)
        self.assertLess(len(stacks), 100)

    def test_after_a_sleep_it_goes_on(self):
        script = """
        task.wait(0.3)
        local function spin() local from = os.clock() repeat until os.clock() - from > 0.1 end
        spin()"""
        self.until_seen("main thread;function -e:1;spin -e:3", "-e", script)

    def test_what_never_runs_for_a_whole_tick(self):
        script = """
        local function spin() local from = os.clock() repeat until os.clock() - from > 0.0003 end
        for _ = 1, 30 do task.wait(0.02) spin() end"""
        self.until_seen("main thread;function -e:1;spin -e:2", "-e", script)

    @unittest.skipUnless(sys.platform == "linux", "sets the slack of timers")
    def test_timers_that_are_late(self):
        """Then no tick comes while anything runs."""
        script = """
        local function spin() local from = os.clock() repeat until os.clock() - from > 0.0003 end
        for _ = 1, 30 do task.wait(0.02) spin() end"""
        libc = ctypes.CDLL(None, use_errno=True)

        def late():
            assert libc.prctl(PR_SET_TIMERSLACK, ctypes.c_ulong(20_000_000)) == 0

        for _ in range(3):
            stacks = self.folded("-e", script, preexec_fn=late)
            self.assertIn("main thread;function -e:1;spin -e:2", stacks)

    def test_threads_come_and_go(self):
        """One at the address of another that was collected is not taken for it."""
        script = """
        local kept = {}
        for round = 1, 20 do
            for i = 1, 200 do
                table.insert(kept, coroutine.create(function()
                    local from = os.clock() repeat until os.clock() - from > 0.0001
                end))
                coroutine.create(function() end)
                coroutine.create(function() end)
            end
        end
        for _, co in kept do task.spawn(co) end"""
        stacks = self.until_seen(".*;thread started at -e:5;function -e:5", "-e", script)
        for stack in stacks:
            self.assertNotIn("kahu", stack.split(";"))
            if stack.endswith("function -e:5"):
                self.assertTrue(stack.endswith(";thread started at -e:5;function -e:5"), stack)

    def test_collector(self):
        script = "local keep = {} for i = 1, 1e6 do keep[i % 1e4] = {i, {i}} end"
        self.until_seen("main thread;function -e:1;garbage collector", "-e", script)

    def test_c_function_that_calls_back(self):
        script = """local t = table.create(1e5, 1) for i in t do t[i] = i * 7919 % 100003 end
        table.sort(t, function(a, b) return a < b end)"""
        self.until_seen(r"main thread;function -e:1;sort \[C\];function -e:2", "-e", script)

    def test_deep_stack(self):
        script = """local function f(n)
            if n > 0 then return (f(n - 1)) end
            local from = os.clock() repeat until os.clock() - from > 0.1
        end
        f(1000)"""
        stacks = self.until_seen(r".*;\.\.\.;.*", "-e", script)
        for stack in stacks:
            if ";...;" in stack:
                self.assertLessEqual(stack.count(";f -e:1"), 200)

    def test_names_that_would_be_in_the_way(self):
        script = "local from = os.clock() repeat until os.clock() - from > 0.1"
        self.write("a;b\x01 c.luau", script)
        self.until_seen(r"main thread;function a:b\? c.luau:1", "a;b\x01 c.luau")

    def test_rate(self):
        script = "local from = os.clock() repeat until os.clock() - from > 0.5"
        stacks = self.until_seen(".*", "--profile-rate", "100", "-e", script)
        self.assertGreater(sum(stacks.values()), 40)


class Ends(ProfileTest):
    SPIN = "local function spin() repeat until false end spin()"

    def seen(self, stacks):
        return "main thread;function -e:1;spin -e:1" in stacks

    def test_error(self):
        script = "local from = os.clock() repeat until os.clock() - from > 0.1 error('x')"
        self.until(lambda: self.folded("-e", script, code=1), lambda s: len(s) > 0)

    def test_compile_error(self):
        self.assertEqual(self.folded("-e", "local = 1", code=1), {})

    def test_timeout(self):
        self.until(lambda: self.folded("--timeout", "0.3", "-e", self.SPIN, code=124), self.seen)

    def test_signal(self):
        def interrupted():
            process = self.start("--profile", "out.folded", "-e", self.SPIN)
            program.wait_until_it_catches(process)
            process.send_signal(signal.SIGINT)
            self.assertEqual(self.finish(process).code, 130)
            return self.read("out.folded")

        self.until(interrupted, lambda text: "main thread;function -e:1;spin -e:1 " in text)

    def test_files_that_cannot_be_written(self):
        result = self.run_program("--profile", "no/out.svg", "-e", "print(1)")
        self.check(result, 2, "", "kahu: cannot write 'no/out.svg': No such file or directory\n")
        os.symlink("/dev/full", os.path.join(self.dir, "full.svg"))
        result = self.run_program("--profile", "full.svg", "-e", "print(1)")
        err = "kahu: cannot write 'full.svg': No space left on device\n"
        self.check(result, 1, "1\n", err)
        result = self.run_program("--profile", "full.svg", "-e", "scheduler.stop(3)")
        self.check(result, 3, "", err)

    def test_options(self):
        tried = "Try 'kahu --help'.\n"
        for name in ("out", "out.txt", "out.svg/x", ""):
            err = (
                "kahu: --profile takes a file that ends in .folded, .json or .svg, "
                f"not '{name}'\n{tried}"
            )
            self.check(self.run_program("--profile", name, "-e", ""), 2, "", err)
        for rate in ("0", "10001", "x", "-1", "1.5"):
            err = f"kahu: --profile-rate takes a number from 1 to 10000, not '{rate}'\n{tried}"
            self.check(self.run_program("--profile-rate", rate, "-e", ""), 2, "", err)


class Speedscope(ProfileTest):
    def check_sampled(self, profile, frames):
        keys = {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        self.assertEqual(profile.keys(), keys)
        self.assertEqual((profile["type"], profile["unit"]), ("sampled", "microseconds"))
        self.assertEqual(len(profile["samples"]), len(profile["weights"]))
        self.assertEqual(profile["startValue"], 0)
        self.assertAlmostEqual(profile["endValue"], sum(profile["weights"]))
        for stack in profile["samples"]:
            self.assertTrue(all(0 <= frame < frames for frame in stack), stack)
        self.assertTrue(all(weight > 0 for weight in profile["weights"]))

    def stacks(self, document, profile):
        names = [
            f["name"] + f" {f.get('file', '')}".rstrip() + f":{f.get('line', '')}".rstrip(":")
            for f in document["shared"]["frames"]
        ]
        return {";".join(names[frame] for frame in stack) for stack in profile["samples"]}

    def test_whole_and_threads(self):
        self.write("busy.luau", BUSY)

        def document():
            return json.loads(self.profile("out.json", "busy.luau"))

        def complete(d):
            return SPUN.issubset(self.stacks(d, d["profiles"][0]))

        d = self.until(document, complete)
        schema = "https://www.speedscope.app/file-format-schema.json"
        self.assertEqual((d["$schema"], d["name"], d["activeProfileIndex"]), (schema, "busy.luau", 0))
        self.assertRegex(d["exporter"], r"^kahu \d+\.\d+\.\d+$")
        for profile in d["profiles"]:
            self.check_sampled(profile, len(d["shared"]["frames"]))
        whole, *threads = d["profiles"]
        self.assertEqual(whole["name"], "whole")
        self.assertAlmostEqual(whole["endValue"], sum(t["endValue"] for t in threads))
        names = ["main thread (1)", "thread started at busy.luau:14 (2)"]
        names.append("thread started at busy.luau:15 (3)")
        self.assertEqual([t["name"] for t in threads], names)
        # A thread alone is without whoever has resumed it.
        self.assertIn(
            "thread started at busy.luau:14;generator busy.luau:8;light busy.luau:6;spin busy.luau:2",
            self.stacks(d, threads[1]),
        )
        for thread in threads:
            for stack in self.stacks(d, thread):
                self.assertEqual(stack.split(";")[0], thread["name"].rsplit(" ", 1)[0])

    def test_names(self):
        script = "local from = os.clock() repeat until os.clock() - from > 0.1"
        name = 'a"b\\c\xe9;.luau'
        self.write(name, script)
        d = self.until(
            lambda: json.loads(self.profile("out.json", name)), lambda d: d["shared"]["frames"]
        )
        self.assertEqual(d["name"], 'a"b\\c\xe9:.luau')

    def test_nothing(self):
        d = json.loads(self.profile("out.json", "-e", ""))
        self.check_sampled(d["profiles"][0], len(d["shared"]["frames"]))


class Flame(ProfileTest):
    def boxes(self, text):
        """What is said of each box, after a look at its form."""
        picture = xml.etree.ElementTree.fromstring(text)
        width, height = float(picture.get("width")), float(picture.get("height"))
        titles = []
        for group in picture.iter(SVG + "g"):
            box = group.find(SVG + "rect")
            x, y, w, h = (float(box.get(key)) for key in ("x", "y", "width", "height"))
            self.assertTrue(0 <= x and x + w <= width + 0.02, group)
            self.assertTrue(0 <= y and y + h <= height, group)
            label = group.find(SVG + "text")
            if label is not None:
                # At most a bit more than what monospaced fonts take.
                self.assertLessEqual(len(label.text) * 7.2, w)
            titles.append(group.find(SVG + "title").text)
        return titles

    def draw(self, folded):
        name = self.write("in.folded", folded)
        result = self.run_program("profile", "flame", name)
        self.assertEqual((result.err, result.code), ("", 0))
        return result.out

    def test_recording(self):
        for name in ("flame.folded", "flame.svg"):
            shutil.copy(os.path.join(RECORDINGS, name), self.dir)
        result = self.run_program("profile", "flame", "flame.folded")
        self.check(result, 0, self.read("flame.svg"))

    def test_a_box_for_each_frame(self):
        titles = self.boxes(self.draw("a;b;c 3\na;b 2\na;d 4\r\n\ne 1"))
        self.assertEqual(
            titles,
            [
                "all: 10 of 10 samples, 100.00 %, 0 of them its own",
                "a: 9 of 10 samples, 90.00 %, 0 of them its own",
                "e: 1 of 10 samples, 10.00 %, 1 of them its own",
                "b: 5 of 10 samples, 50.00 %, 2 of them its own",
                "d: 4 of 10 samples, 40.00 %, 4 of them its own",
                "c: 3 of 10 samples, 30.00 %, 3 of them its own",
            ],
        )

    def test_what_the_colours_mean(self):
        """Is said beside the boxes, and is no box."""
        text = self.draw("thread started at x:1;f x:2;g [C];garbage collector 1")
        for kind in ("thread", "Luau", "C", "collector"):
            self.assertIn(f">{kind}</text>", text)
        self.assertEqual(len(self.boxes(text)), 5)
        self.assertEqual(text.count('"#d8d8d8"'), 3)  # two boxes, and the key

    def test_stacks_add_up(self):
        self.assertEqual(self.draw("a;b 1\nc 1\na;b 2\n"), self.draw("a;b 3\nc 1\n"))

    def test_what_is_too_small_is_left_out(self):
        titles = self.boxes(self.draw("big 1000000\nsmall 1\n"))
        self.assertEqual([t.split(":")[0] for t in titles], ["all", "big"])

    def test_a_label_is_cut_to_its_box(self):
        text = self.draw(f"{'n' * 100} 1\nrest 9\n")
        self.boxes(text)
        self.assertRegex(text, ">n+\N{HORIZONTAL ELLIPSIS}</text>")
        self.assertNotIn("\N{HORIZONTAL ELLIPSIS}", self.draw("short 1\nrest 9\n"))

    def test_names_that_would_be_in_the_way(self):
        text = self.draw(b"<a> & \"b\" 1\n\xc3\xa9;\xff\xed\xa0\x80;\x01\x7f;\xef\xbf\xbf 1\n")
        names = [title.rsplit(": ", 1)[0] for title in self.boxes(text)]
        self.assertEqual(names, ["all", '<a> & "b"', "\xe9", "????", "??", "???"])

    def test_the_program_draws_it_itself(self):
        self.write("busy.luau", BUSY)
        titles = self.until(
            lambda: self.boxes(self.profile("out.svg", "busy.luau")), lambda titles: len(titles) > 10
        )
        names = [title.rsplit(": ", 1)[0] for title in titles]
        self.assertIn("heavy busy.luau:7", names)
        self.assertEqual(names[0], "all")

    def test_nothing(self):
        self.assertEqual(self.boxes(self.draw("")), [])
        self.assertEqual(self.boxes(self.draw("\n\n")), [])

    def test_standard_input(self):
        result = self.run_program("profile", "flame", "-", stdin="a 1\n")
        self.assertEqual((result.err, result.code), ("", 0))
        self.assertEqual(len(self.boxes(result.out)), 2)


class Command(ProfileTest):
    def test_what_is_no_stack(self):
        for text, line in (
            ("a;b\n", 1),
            ("a 1\n\nb 0\n", 3),
            ("a 1\nb -1\n", 2),
            (" 1\n", 1),
            ("a 1x\n", 1),
            ("a 99999999999999999999\n", 1),
        ):
            name = self.write("bad.folded", text)
            result = self.run_program("profile", "flame", name)
            self.check(result, 2, "", f"kahu: bad.folded:{line}: not a stack and a count\n")

    def test_usage(self):
        tried = "\nTry 'kahu profile --help'.\n"
        self.check(self.run_program("profile"), 2, "", f"kahu: profile takes 'flame'{tried}")
        self.check(self.run_program("profile", "fire"), 2, "", f"kahu: profile takes 'flame'{tried}")
        one = f"kahu: profile flame takes one file{tried}"
        self.check(self.run_program("profile", "flame"), 2, "", one)
        self.check(self.run_program("profile", "flame", "a", "b"), 2, "", one)
        err = "kahu: cannot read 'none': No such file or directory\n"
        self.check(self.run_program("profile", "flame", "none"), 2, "", err)
        err = f"kahu: unrecognized option '--hot'{tried}"
        self.check(self.run_program("profile", "flame", "--hot", "a"), 2, "", err)

    def test_a_full_disk(self):
        self.write("in.folded", "a 1\n")
        with open("/dev/full", "wb") as full:
            result = self.run_program("profile", "flame", "in.folded", stdout=full)
        self.assertEqual(result.code, 1)
        self.assertIn("No space left on device", result.err)


if __name__ == "__main__":
    program.main()
