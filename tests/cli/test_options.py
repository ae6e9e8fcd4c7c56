#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What each option does, seen from a script or from what is printed."""

import time

import program

# Prints the same three lines whatever the compiler does to it.
SAMPLE = """
local function add(a, b) return a + b end
local sum = 0
for i = 1, 1000 do sum = add(sum, i) end
print(sum, math.max(1, 2, 3), ("x"):rep(3))
task.defer(print, "deferred")
print(pcall(error, "no", 0))
"""
SAMPLE_OUT = "500500\t3\txxx\nfalse\tno\ndeferred\n"


class Compiler(program.ProgramTest):
    def test_every_level_gives_the_same(self):
        for option in ("-O0", "-O1", "-O2", "-g0", "-g1", "-g2", "--codegen"):
            self.check(self.run_program(option, "-e", SAMPLE), out=SAMPLE_OUT)
        result = self.run_program("-O", "2", "-g", "2", "--codegen", "-e", SAMPLE)
        self.check(result, out=SAMPLE_OUT)

    def test_modules_are_compiled_alike(self):
        self.write("sample.luau", SAMPLE + "return true")
        for option in ("-O0", "-O2", "--codegen"):
            self.check(self.run_program(option, "-e", "require('./sample')"), out=SAMPLE_OUT)

    def test_no_lines_without_debug_information(self):
        result = self.run_program("-g0", "-e", "\n\nerror('boom')")
        self.assertEqual(result.code, 1)
        self.assertTrue(result.err.startswith("boom\n"), result.err)
        result = self.run_program("-g1", "-e", "\n\nerror('boom')")
        self.assertTrue(result.err.startswith("-e:3: boom\n"), result.err)


class Scheduler(program.ProgramTest):
    def test_min_wait(self):
        wait = "print(task.wait(), task.wait(0.01), task.wait(3))"
        for option, out in (
            ("0.5", "0.5\t0.5\t3\n"),
            ("0.001", "0.001\t0.01\t3\n"),
            ("0", "1e-09\t0.01\t3\n"),
        ):
            result = self.run_program("--virtual-time", "--min-wait", option, "-e", wait)
            self.check(result, out=out)
        self.check(self.run_program("--virtual-time", "-e", wait), out="0.001\t0.01\t3\n")

    # M3: the wait ends early; one second after its call the wake comes, or not.
    EARLY = """
    local thread = task.spawn(function()
        print("wait", task.wait(1))
        print("yield", coroutine.yield())
    end)
    task.spawn(thread, "early")
    task.wait(2)
    print("end")
    """

    def test_strict_wakes(self):
        self.check(
            self.run_program("--virtual-time", "-e", self.EARLY),
            out="wait\tearly\nyield\t1\nend\n",
        )
        self.check(
            self.run_program("--virtual-time", "--strict-wakes", "-e", self.EARLY),
            out="wait\tearly\nend\n",
        )

    # M4: values that lie on a thread from the call on are in the way of others.
    PRELOADED = """
    local thread = task.delay(1, function(...) print(...) end, "late")
    task.spawn(thread, "now")
    """

    def test_preload(self):
        self.check(self.run_program("--virtual-time", "-e", self.PRELOADED), out="now\n")
        result = self.run_program("--virtual-time", "--preload", "-e", self.PRELOADED)
        self.check(result, code=1, err="attempt to call a string value\n")

    # M6: at what depth a timer that is due gets its turn between the defers.
    DEEP = """
    local depth, seen = 0, nil
    local function deeper()
        depth += 1
        if not seen then task.defer(deeper) end
    end
    task.defer(deeper)
    task.delay(0, function() seen = depth end)
    repeat task.wait() until seen
    print(seen)
    """

    def test_max_defer_depth(self):
        five = self.run_lines("--max-defer-depth", "5", "-e", self.DEEP)
        self.assertEqual(int(five[0]) % 5, 0)
        eighty = self.run_lines("-e", self.DEEP)
        self.assertEqual(int(eighty[0]) % 80, 0)

    def test_strict_defer_depth(self):
        deep = "local function f() task.defer(f) end task.defer(f)"
        result = self.run_program("--max-defer-depth", "7", "--strict-defer-depth", "-e", deep)
        self.assertEqual(result.code, 1)
        self.assertIn("Maximum re-entrancy depth (7) exceeded", result.err)
        self.assertTrue(result.err.startswith("-e:1: "), result.err)

    # How much garbage there is at the most before it is collected.
    PEAK = """
    local live, peak = table.create(1e5, 0), 0
    for i = 1, 3e5 do
        local garbage = { i, i, i, i }
        peak = math.max(peak, gcinfo())
    end
    print(peak, #live)
    """

    def peak_kib(self, *options):
        return float(self.run_lines(*options, "-e", self.PEAK)[0].split()[0])

    def test_gc_pace(self):
        least = self.peak_kib("--gc-pace", "110,1000,1")
        own = self.peak_kib("--gc-pace", "200,200,1")
        most = self.peak_kib("--gc-pace", "1000")
        self.assertLess(least, own)
        self.assertLess(own * 1.5, most)


class VirtualTime(program.ProgramTest):
    def test_an_hour_takes_no_time(self):
        script = """
        local start = os.clock()
        for i = 1, 3600 do
            task.delay(i, function()
                if i % 1200 == 0 then print(i, os.clock() - start) end
            end)
        end
        print(task.wait(3600.5), os.clock() - start)
        """
        begun = time.monotonic()
        result = self.run_program("--virtual-time", "-e", script)
        self.assertLess(time.monotonic() - begun, 30)
        self.check(
            result, out="1200\t1200\n2400\t2400\n3600\t3600\n3600.5\t3600.5\n"
        )

    def test_the_clock_begins_at_zero_and_stands_while_scripts_run(self):
        script = """
        local start = os.clock()
        local x = 0
        for i = 1, 1e5 do x += i end
        print(start, os.clock())
        """
        self.check(self.run_program("--virtual-time", "-e", script), out="0\t0\n")

    def test_without_it_the_clock_is_the_machine_s(self):
        script = "local a = os.clock() task.wait(0.05) print(os.clock() - a < 100)"
        self.check(self.run_program("-e", script), out="true\n")

    def test_the_order_is_that_of_real_time(self):
        script = """
        for i = 1, 50 do task.delay(i * 7 % 10 / 100, print, i) end
        task.defer(print, "deferred")
        """
        real = self.run_lines("-e", script)
        self.assertEqual(len(real), 51)
        self.assertEqual(real, self.run_lines("--virtual-time", "-e", script))

    def test_the_same_run_twice(self):
        script = """
        for i = 1, 200 do
            task.delay(i * 7 % 31 / 10, print, i)
            task.defer(print, -i)
        end
        """
        first = self.run_program("--virtual-time", "-e", script)
        self.assertEqual(first, self.run_program("--virtual-time", "-e", script))
        self.assertEqual(len(first.out.splitlines()), 400)


class Precise(program.ProgramTest):
    def test_nothing_is_early_and_the_order_is_the_same(self):
        script = """
        local start = os.clock()
        for i = 1, 50 do
            local due = i * 7 % 10 / 500
            task.delay(due, function()
                print(i, os.clock() - start >= due)
            end)
        end
        print(task.wait(0.0303) >= 0.0303)
        """
        precise = self.run_lines("--precise", "-e", script)
        self.assertEqual(len(precise), 51)
        self.assertEqual(precise, self.run_lines("-e", script))
        self.assertNotIn("false", "".join(precise))


class Stats(program.ProgramTest):
    SCRIPT = """
    task.defer(function() end)
    task.delay(0.5, function() end)
    task.cancel(task.delay(9, function() end))
    task.spawn(function() error("counted") end)
    task.wait(1)
    print("out")
    """

    def read(self, *args):
        """The numbers behind each word of the table, and the rest of stderr."""
        result = self.run_program(*args)
        numbers, rest = {}, []
        for line in result.err.splitlines():
            words = line.split()
            if len(words) > 1 and words[1].replace(".", "").isdigit():
                numbers[words[0]] = [float(w) for w in words[1:] if w.replace(".", "").isdigit()]
            else:
                rest.append(line)
        return result, numbers, rest

    def test_counters(self):
        result, numbers, rest = self.read("--stats", "--virtual-time", "-e", self.SCRIPT)
        self.assertEqual((result.out, result.code), ("out\n", 1))
        self.assertEqual(rest[0], "-e:5: counted")
        self.assertEqual(rest[-1].split(), ["wakes", "made", "delivered", "cancelled", "dropped"])
        self.assertEqual(numbers["defer"], [1, 1, 0, 0])
        self.assertEqual(numbers["delay"], [2, 1, 1, 0])
        self.assertEqual(numbers["wait"], [1, 1, 0, 0])
        self.assertEqual(numbers["operation"], [0, 0, 0, 0])
        self.assertEqual(numbers["errors"], [1])
        self.assertEqual(numbers["resumes"], [5])
        self.assertEqual(numbers["pending"], [3])
        for word in ("cycles", "memory", "wall", "CPU", "peak"):
            self.assertIn(word, numbers)

    def test_they_come_whatever_happens(self):
        for args, code in (
            (["-e", "local x = ="], 1),
            (["-e", "coroutine.yield()"], 0),
            (["-e", ""], 0),
        ):
            result, numbers, _ = self.read("--stats", *args)
            self.assertEqual(result.code, code)
            self.assertIn("resumes", numbers)


if __name__ == "__main__":
    program.main()
