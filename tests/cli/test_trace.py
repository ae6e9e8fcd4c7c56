#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""--trace: what is recorded, that a viewer can read it, and the summary."""

import collections
import json
import os
import random
import re
import signal
import subprocess
import time

import program

RECORDINGS = os.path.join(program.ROOT, "docs", "recordings")

# Each cause, each outcome, an error and a cancellation.
EVERYTHING = """
local function worker(n)
    task.wait(n)
    error("no " .. n)
end
task.spawn(worker, 1)
task.defer(function() end)
task.delay(0.5, function() task.defer(function() end) end)
require("./module")
local items = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
items() items() items() items()
local sleeper = task.spawn(function() task.wait(9) end)
task.cancel(sleeper)
"""
MODULE = "task.wait(0.25) return true"

Slice = collections.namedtuple("Slice", "tid begin end name args")


def nanoseconds(us):
    return round(us * 1000)


class Trace:
    """A trace, taken apart and checked."""

    def __init__(self, test, path):
        self.test = test
        self.phases = {"M": self.check_name, "X": self.check_slice, "s": self.check_arrow,
                       "f": self.check_arrow, "i": self.check_instant, "C": self.check_counter}
        with open(path, encoding="utf-8") as file:
            text = file.read()
        self.events = json.loads(text)
        test.assertEqual(len(text.splitlines()), len(self.events) + 2)
        test.assertEqual(self.events[0]["name"], "kahu_trace")
        self.clock = self.events[0]["args"]["clock"]
        for event in self.events:
            self.check_format(event)
        self.titles = {e["tid"]: e["args"]["name"] for e in self.of("M", "thread_name")}
        self.slices = [self.slice(e) for e in self.of("X")]
        self.check_tracks()
        self.check_nesting()
        self.arrows = self.check_arrows()

    def of(self, ph, name=None):
        return [e for e in self.events if e["ph"] == ph and name in (None, e["name"])]

    def slice(self, e):
        begin = nanoseconds(e["ts"])
        return Slice(e["tid"], begin, begin + nanoseconds(e["dur"]), e["name"], e["args"])

    # What the format of Chrome's trace events asks of each.

    def check_format(self, e):
        self.test.assertIn(e["ph"], self.phases)
        self.test.assertIsInstance(e["name"], str)
        self.test.assertIs(type(e["pid"]), int)
        if e["ph"] not in "MC" or "tid" in e:
            self.test.assertIs(type(e["tid"]), int)
        if e["ph"] != "M":
            self.test.assertIs(type(e["ts"]), float)
            self.test.assertGreaterEqual(e["ts"], 0)
        self.test.assertIsInstance(e.get("args", {}), dict)
        self.phases[e["ph"]](e)

    def check_name(self, e):
        if e["name"] in ("process_name", "thread_name"):
            self.test.assertEqual([type(v) for v in e["args"].values()], [str])
            self.test.assertIn("name", e["args"])
        self.test.assertEqual("tid" in e, e["name"] == "thread_name")

    def check_slice(self, e):
        """Whole ones: there is no B that an E could be missing of."""
        self.test.assertIs(type(e["dur"]), float)
        self.test.assertGreaterEqual(e["dur"], 0)

    def check_arrow(self, e):
        """A category, and an id; f is bound to the slice that encloses it."""
        self.test.assertIs(type(e["id"]), int)
        self.test.assertIsInstance(e["cat"], str)
        self.test.assertEqual(e.get("bp"), "e" if e["ph"] == "f" else None)

    def check_instant(self, e):
        self.test.assertIn(e["s"], "gpt")

    def check_counter(self, e):
        self.test.assertTrue(e["args"])
        for value in e["args"].values():
            self.test.assertIs(type(value), int)

    def check_tracks(self):
        """The slices of a track come one after the other, in the file too."""
        end = {}
        for s in self.slices:
            self.test.assertIn(s.tid, self.titles)
            self.test.assertLess(s.begin, s.end)
            self.test.assertLessEqual(end.get(s.tid, 0), s.begin)
            end[s.tid] = s.end

    def check_nesting(self):
        """There is one OS thread: two slices nest, or are apart."""
        stack = []
        for s in sorted(self.slices, key=lambda s: s.begin):
            while stack and stack[-1] <= s.begin:
                stack.pop()
            self.test.assertTrue(not stack or s.end <= stack[-1], s)
            stack.append(s.end)

    def check_arrows(self):
        """Each goes from within a slice to the beginning of one: their titles."""
        ends = {e["id"]: e for e in self.of("f")}
        starts = self.of("s")
        self.test.assertEqual(len(ends), len(self.of("f")))
        self.test.assertEqual([e["id"] for e in starts], list(ends))
        begins = {(s.tid, s.begin) for s in self.slices}
        by_track = collections.defaultdict(list)
        for s in self.slices:
            by_track[s.tid].append(s)
        for e in starts:
            f = ends[e["id"]]
            self.test.assertEqual((e["cat"], e["name"]), (f["cat"], f["name"]))
            at = nanoseconds(e["ts"])
            self.test.assertLessEqual(at, nanoseconds(f["ts"]))
            self.test.assertIn((f["tid"], nanoseconds(f["ts"])), begins)
            self.test.assertTrue(
                any(s.begin < at < s.end for s in by_track[e["tid"]]), e)
        return [(self.titles[e["tid"]], self.titles[ends[e["id"]]["tid"]]) for e in starts]


class TraceTest(program.ProgramTest):
    def record(self, script, *options, code=0):
        """Runs the script; its trace."""
        self.write("script.luau", script)
        result = self.run_program(*options, "--trace", "out.json", "script.luau")
        self.assertEqual(result.code, code, result.err)
        return Trace(self, os.path.join(self.dir, "out.json"))

    def summary(self, *args):
        result = self.run_program("trace", "summary", *args)
        self.assertEqual((result.err, result.code), ("", 0))
        return result.out


class Record(TraceTest):
    def check_everything(self, *options):
        self.write("module.luau", MODULE)
        trace = self.record(EVERYTHING, *options, code=1)
        self.assertEqual(
            {s.name for s in trace.slices},
            {"spawn", "defer", "delay", "wait", "operation", "resume"})
        self.assertEqual(
            {s.args["outcome"] for s in trace.slices}, {"yielded", "returned", "failed"})
        (error,) = trace.of("i", "error")
        self.assertEqual(error["args"], {"message": "script.luau:4: no 1"})
        self.assertEqual(trace.titles[error["tid"]], "worker (script.luau:2)")
        (cancelled,) = trace.of("i", "cancelled")
        self.assertEqual(trace.titles[cancelled["tid"]], "script.luau:12")
        return trace

    def test_real_time(self):
        trace = self.check_everything()
        self.assertEqual(trace.clock, "real")
        for s in trace.slices:
            self.assertNotIn("real_us", s.args)
            self.assertEqual("late_us" in s.args, s.name in ("wait", "delay"))

    def test_virtual_time(self):
        """Slices stand at the times of the virtual clock, and tell the real."""
        trace = self.check_everything("--virtual-time")
        self.assertEqual(trace.clock, "virtual")
        for s in trace.slices:
            self.assertGreater(s.args["real_us"], 0)
            self.assertEqual(s.args.get("late_us", 0), 0)
        at = [s.begin // 1000 for s in trace.slices if s.name in ("wait", "delay")]
        self.assertEqual(at, [250000, 500000, 1000000])

    def test_a_virtual_trace_is_the_same_each_time(self):
        self.write("module.luau", MODULE)
        traces = []
        for _ in range(2):
            trace = self.record(EVERYTHING, "--virtual-time", code=1)
            events = [e for e in trace.events if e["name"] != "memory"]
            for e in events:
                for changing in ("real_us", "inside_us", "at"):
                    e.get("args", {}).pop(changing, None)
            traces.append(events)
        self.assertEqual(*traces)

    def test_who_woke_whom(self):
        trace = self.record("""
            local function waiter() task.wait(1) end
            local function later() end
            local function maker() task.defer(later) task.delay(2, later) end
            local function inner() task.defer(waiter) coroutine.yield() end
            task.spawn(maker)
            coroutine.wrap(inner)()
            """, "--virtual-time")
        arrows = [tuple(title.split()[0] for title in arrow) for arrow in trace.arrows]
        self.assertEqual(
            arrows,
            [("main", "maker"), ("main", "inner"), ("maker", "later"),
             ("inner", "waiter"), ("maker", "later")])

    def test_who_woke_itself(self):
        """Needs no arrow, however it did it: it would lead along its track."""
        trace = self.record("""
            task.wait(1)
            task.delay(1, coroutine.running())
            coroutine.yield()
            task.defer(coroutine.running())
            coroutine.yield()
            """, "--virtual-time")
        self.assertEqual([s.name for s in trace.slices], ["spawn", "wait", "delay", "defer"])
        self.assertEqual(trace.arrows, [])

    def test_counters(self):
        trace = self.record("""
            for i = 1, 5 do task.delay(i, function() end) end
            local t = table.create(100000, 0)
            for i = 1, 10 do task.wait(0.1) t[i] = table.create(10000, 0) end
            """, "--virtual-time")
        sleeping = [e["args"]["sleeping"] for e in trace.of("C", "pending")]
        self.assertEqual((max(sleeping), sleeping[-1]), (6, 0))
        memory = [e["args"]["bytes"] for e in trace.of("C", "memory")]
        self.assertGreater(max(memory) - memory[0], 1600000)
        ts = [e["ts"] for e in trace.of("C")]
        self.assertEqual(ts, sorted(ts))

    def test_tracks_are_used_again(self):
        """By threads of the same function, once those before have ended."""
        trace = self.record("""
            local function short() end
            local function long() task.wait(1) end
            for i = 1, 1000 do task.spawn(short) end
            for i = 1, 3 do
                for j = 1, 10 do task.spawn(long) end
                task.wait(2)
            end
            for i = 1, 10 do task.cancel(task.spawn(coroutine.yield)) end
            """, "--virtual-time")
        self.assertEqual(len(trace.slices), 1 + 1000 + 2 * 30 + 3 + 10)
        self.assertEqual(len({s.args["thread"] for s in trace.slices}), 1 + 1000 + 30 + 10)
        count = collections.Counter(title.split()[0] for title in trace.titles.values())
        self.assertEqual(count, {"main": 1, "short": 1, "long": 10, "yield": 1})
        self.assertEqual(trace.titles[1], "main (script.luau)")

    def test_threads_the_collector_took(self):
        """What has their address later is another thread."""
        trace = self.record("""
            local function lost() coroutine.yield() end
            local function other() task.wait() end
            for round = 1, 20 do
                for i = 1, 50 do task.spawn(lost) end
                for i = 1, 1000 do local _ = table.create(100) end
                for i = 1, 50 do task.spawn(other) end
                task.wait(1)
            end
            """, "--virtual-time")
        runs = collections.Counter(s.args["thread"] for s in trace.slices)
        by_title = collections.defaultdict(set)
        for s in trace.slices:
            by_title[trace.titles[s.tid].split()[0]].add(runs[s.args["thread"]])
        self.assertEqual(by_title, {"main": {21}, "lost": {1}, "other": {2}})

    def test_many_promises(self):
        """Kept, and taken back in no order."""
        trace = self.record("""
            local threads = {}
            for i = 1, 20000 do
                threads[i] = task.delay(i * 7919 % 1000 + 1, function() end)
            end
            for i = 1, 20000, 2 do task.cancel(threads[i * 7919 % 20000 + 1]) end
            """, "--virtual-time")
        self.assertEqual(len(trace.arrows), 10000)
        self.assertEqual(len(trace.titles), 2)

    def test_deep(self):
        trace = self.record("""
            local function deep(n)
                if n > 0 then task.spawn(deep, n - 1) end
                if n > 0 then coroutine.wrap(deep)(0) end
            end
            deep(150)
            """)
        self.assertEqual(len(trace.slices), 1 + 150 + 150)

    def test_a_resume_that_was_refused(self):
        trace = self.record("local function deep() task.spawn(deep) end deep()", code=1)
        self.assertIn("failed", {s.args["outcome"] for s in trace.slices})
        self.assertEqual(len(trace.of("i", "error")), 1)

    def test_any_text(self):
        """What is no UTF-8 is replaced, what is long is cut off."""
        trace = self.record(r"""
            error("\"\\\n\u{1F600}\xff\xed\xa0\x80\xc3" .. ("x"):rep(5000), 0)
            """, code=1)
        (error,) = trace.of("i", "error")
        text = error["args"]["message"]
        bad = "\N{REPLACEMENT CHARACTER}"
        self.assertTrue(text.startswith('"\\\n\N{GRINNING FACE}' + 5 * bad + "xxx"), text[:20])
        self.assertLess(len(text), 1001)

    def test_long_resumes_have_a_place(self):
        trace = self.record(
            "local t = os.clock()\n"
            "while os.clock() < t + 0.002 do end\n"
            "task.wait()\n")
        self.assertEqual([s.args.get("at") for s in trace.slices], ["script.luau:3", None])

    def test_what_nests_is_told_apart(self):
        trace = self.record(
            "local function busy() local t = os.clock()\n"
            "while os.clock() < t + 0.002 do end end\n"
            "task.spawn(busy) coroutine.wrap(busy)()\n")
        busy, again, main = trace.slices
        inside = nanoseconds(main.args["inside_us"])
        self.assertEqual(inside, busy.end - busy.begin + again.end - again.begin)
        self.assertGreater(inside, 4000000)

    def test_code_and_standard_input(self):
        for name, args, stdin in (("-e", ("-e", "return"), None), ("stdin", ("-",), "return")):
            self.check(self.run_program("--trace", "out.json", *args, stdin=stdin))
            trace = Trace(self, os.path.join(self.dir, "out.json"))
            self.assertEqual(trace.titles[1], f"main ({name})")


class Endings(TraceTest):
    SLEEPER = "task.spawn(function() task.wait(0.01) end) print('up') task.wait(100)"

    def sleeping(self):
        """A traced program that sleeps, with all that it did in the file."""
        process = self.start("--trace", "out.json", "-e", self.SLEEPER)
        program.wait_until_it_catches(process)
        limit = time.monotonic() + program.TIME_LIMIT_S
        while time.monotonic() < limit:
            with open(os.path.join(self.dir, "out.json"), encoding="utf-8") as file:
                if file.read().count('"ph":"X"') == 3:
                    return process
            time.sleep(0.01)
        raise self.failureException("what was recorded is not written")

    def test_killed(self):
        """The file lacks its end, and nothing else."""
        process = self.sleeping()
        process.kill()
        self.finish(process)
        with open(os.path.join(self.dir, "out.json"), encoding="utf-8") as file:
            events = json.loads(file.read() + "]")
        self.assertEqual(sum(e["ph"] == "X" for e in events), 3)
        self.assertRegex(self.summary("out.json"), "killed.*\n3 resumes of 2 threads")

    def test_interrupted(self):
        process = self.sleeping()
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process).code, 130)
        self.assertEqual(len(Trace(self, os.path.join(self.dir, "out.json")).slices), 3)

    def test_stopped(self):
        trace = self.record("task.defer(print) scheduler.stop(3) error('unheard')", code=3)
        self.assertEqual((len(trace.slices), trace.of("i")), (1, []))

    def test_no_place_for_it(self):
        result = self.run_program("--trace", "no/out.json", "-e", "print('not run')")
        self.check(result, 2, "", "kahu: cannot write 'no/out.json': No such file or directory\n")

    def test_full(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        result = self.run_program("--trace", "/dev/full", "-e", "print('run')")
        self.check(result, 1, "run\n",
                   "kahu: cannot write '/dev/full': No space left on device\n")

    def test_no_file_without_the_option(self):
        self.check(self.run_program("-e", "return"))
        self.assertEqual(os.listdir(self.dir), [])


class Summary(TraceTest):
    def test_recording(self):
        """The page in the documentation shows what the program says."""
        if os.name != "posix":
            self.skipTest("a shell script")
        out = os.path.join(self.dir, "trace.txt")
        subprocess.run(
            [os.path.join(RECORDINGS, "trace.sh"), out], check=True,
            env={**os.environ, "KAHU": program.PROGRAM})
        with open(out, encoding="utf-8") as new, \
                open(os.path.join(RECORDINGS, "trace.txt"), encoding="utf-8") as kept:
            text = new.read()
            self.assertEqual(text, kept.read())
        summary = text[text.index("trace.json: ") : text.index("\n\n$ kahu --virtual")]
        page = os.path.join(program.ROOT, "docs", "program", "trace.md")
        with open(page, encoding="utf-8") as file:
            self.assertIn(summary, file.read())

    # Two tracks, four resumes, as --trace would write them.
    SAMPLE = """[
{"ph":"M","pid":1,"name":"kahu_trace","args":{"version":1,"clock":"real"}},
{"ph":"M","pid":1,"tid":1,"name":"thread_name","args":{"name":"main (a \\u0022b\\u0022)"}},
{"ph":"M","pid":1,"tid":2,"name":"thread_name","args":{"name":"f (x.luau:2)"}},
{"ph":"X","pid":1,"tid":2,"ts":10.000,"dur":4000.000,"name":"spawn","args":{"thread":2,"outcome":"yielded","at":"x.luau:3"}},
{"ph":"X","pid":1,"tid":1,"ts":5.000,"dur":5000.000,"name":"spawn","args":{"thread":1,"outcome":"returned","inside_us":4000.000}},
{"ph":"X","pid":1,"tid":2,"ts":9000.000,"dur":1.000,"name":"wait","args":{"thread":2,"outcome":"returned","late_us":1000.000}},
{"ph":"C","pid":1,"ts":9500.000,"name":"pending","args":{"sleeping":3,"deferred":2,"operations":1}},
{"ph":"C","pid":1,"ts":9500.000,"name":"memory","args":{"bytes":4096}},
{"ph":"X","pid":1,"tid":2,"ts":10000.000,"dur":2.000,"name":"delay","args":{"thread":3,"outcome":"failed","late_us":3000.000}},
{"ph":"i","pid":1,"tid":2,"ts":10003.000,"s":"t","name":"error","args":{"message":"\\u0022ts\\u0022:1"}}
]
"""
    EXPECTED = """\
x.json: 0.010 s of real time
4 resumes of 3 threads, 1 errors, 0 cancelled
at most 3 sleeping, 2 deferred, 1 in operations, 4 KiB of the VM

Functions by time
      own ms     total ms   longest ms    resumes  threads  function
       4.003        4.003        4.000          3        2  f (x.luau:2)
       1.000        5.000        5.000          1        1  main (a "b")

Threads by time
      own ms     total ms   longest ms    resumes   thread  function
       4.001        4.001        4.000          2        2  f (x.luau:2)
       1.000        5.000        5.000          1        1  main (a "b")
       0.002        0.002        0.002          1        3  f (x.luau:2)

Longest resumes
    total ms       own ms        at ms      cause   thread  where
       5.000        1.000        0.005      spawn        1  main (a "b")
       4.000        4.000        0.010      spawn        2  f (x.luau:2), up to x.luau:3
       0.002        0.002       10.000      delay        3  f (x.luau:2)
       0.001        0.001        9.000       wait        2  f (x.luau:2)

Lateness of 2 timed resumes
      p50 ms       p90 ms       p99 ms       max ms
       1.000        3.000        3.000        3.000
"""

    def test_to_the_letter(self):
        self.write("x.json", self.SAMPLE)
        self.assertEqual(self.summary("x.json"), self.EXPECTED)

    def test_top(self):
        self.write("x.json", self.SAMPLE)
        out = self.summary("--top", "1", "x.json")
        self.assertEqual(out.count("f (x.luau:2)"), 2)
        self.assertEqual(out.count("main"), 1)
        self.assertEqual(out, self.summary("--top=1", "x.json"))

    def test_of_standard_input(self):
        self.write("x.json", self.SAMPLE)
        of_file = self.run_lines("trace", "summary", "x.json")
        lines = self.run_lines("trace", "summary", "-", stdin=self.SAMPLE)
        self.assertEqual(lines, [of_file[0].replace("x.json", "-"), *of_file[1:]])

    def test_ties_keep_their_order(self):
        head, line = self.SAMPLE.splitlines()[:4], self.SAMPLE.splitlines()[4]
        lines = [line.replace('"thread":2', f'"thread":{i}') for i in (5, 9, 4, 7)]
        self.write("x.json", "\n".join([*head, *lines]))
        table = self.summary("--top", "2", "x.json").split("Longest")[1]
        self.assertEqual(re.findall(r"spawn +(\d+)", table), ["5", "9"])
        table = self.summary("x.json").split("Threads")[1].split("Longest")[0]
        self.assertEqual(re.findall(r" (\d+)  f ", table), ["4", "5", "7", "9"])

    def test_of_a_run(self):
        self.record("for i = 1, 200 do task.spawn(function() task.wait(0.01) end) end")
        out = self.summary("out.json")
        self.assertRegex(out, "401 resumes of 201 threads, 0 errors, 0 cancelled\n")
        self.assertRegex(out, " 400 +200  script.luau:1\n")
        self.assertIn("Lateness of 200 timed resumes\n", out)

    def test_cut_off_anywhere(self):
        """From the first event on, what is there is summed up."""
        whole = self.SAMPLE.index("\n", 3)
        for size in [*range(whole, len(self.SAMPLE) - 2, 7), len(self.SAMPLE) - 3]:
            self.write("x.json", self.SAMPLE[:size])
            self.assertIn("without its end", self.summary("x.json"))

    def test_nothing_crashes_it(self):
        seed = random.Random(7)
        for _ in range(100):
            data = bytearray(self.SAMPLE.encode())
            for _ in range(seed.randint(1, 8)):
                data[seed.randrange(80, len(data))] = seed.choice(b'0123456789"\\{}[],:\0x')
            self.write("x.json", bytes(data))
            self.summary("x.json")

    def test_other_files_are_refused(self):
        for data in ("", "[", "[\n", "[]\n", '[{"ph":"X"}]', "{}", "[\n{}\n]\n", "\0\xff"):
            self.write("other.json", data)
            self.check(self.run_program("trace", "summary", "other.json"), 2, "",
                       "kahu: cannot read 'other.json': no trace written by kahu --trace\n")
        self.check(self.run_program("trace", "summary", "none.json"), 2, "",
                   "kahu: cannot read 'none.json': No such file or directory\n")
        self.check(self.run_program("trace", "summary", "."), 2, "",
                   "kahu: cannot read '.': Is a directory\n")

    def test_wrong_command_lines(self):
        hint = "Try 'kahu trace --help'.\n"
        for args, why in (
            ((), "trace knows one command: summary"),
            (("other",), "trace knows one command: summary"),
            (("summary",), "trace summary takes one file"),
            (("summary", "a", "b"), "trace summary takes one file"),
            (("summary", "--top", "0", "a"), "--top takes a number from 1 to 1000, not '0'"),
            (("summary", "--top", "x", "a"), "--top takes a number from 1 to 1000, not 'x'"),
            (("summary", "--other", "a"), None),
        ):
            result = self.run_program("trace", *args)
            self.assertEqual((result.code, result.out), (2, ""))
            self.assertTrue(result.err.endswith(hint), result.err)
            if why is not None:
                self.assertEqual(result.err, f"kahu: {why}\n{hint}")
        for args in (("--help",), ("summary", "-h")):
            result = self.run_program("trace", *args)
            self.assertEqual((result.code, result.err), (0, ""))
            self.assertTrue(result.out.startswith("Usage: kahu trace summary"))


if __name__ == "__main__":
    program.main()
