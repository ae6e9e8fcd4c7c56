#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the system can do to the program, done to it.

Usage: faults.py PROGRAM

docs/internals/faults.md has what is to come of each. The last line has the
figure; the exit code is 1 when something else came of one.
"""

import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve()) if len(sys.argv) > 1 else sys.exit(__doc__)
TICKING = "while true do print(task.wait(0.01)) end"


def run(code, *options, **more):
    more.setdefault("timeout", 300)
    return subprocess.run([PROGRAM, *options, "-e", code], capture_output=True, text=True, **more)


def limited(which, soft):
    return lambda: resource.setrlimit(which, (soft, soft))


def check(condition, what):
    if not condition:
        raise AssertionError(what)


def killed():
    """SIGKILL in the middle of a run: what was flushed is there, nothing hangs."""
    with subprocess.Popen([PROGRAM, "-e", TICKING], stdout=subprocess.PIPE) as process:
        first = process.stdout.readline()
        process.kill()
        check(process.wait(10) == -signal.SIGKILL, "it outlived SIGKILL")
    check(float(first) >= 0.01, first)


def full_disk():
    """A full disk is an error that is said, and exit code 1."""
    with open("/dev/full", "w") as full:
        result = subprocess.run([PROGRAM, "-e", "print('x')"], stdout=full,
                                stderr=subprocess.PIPE, text=True, timeout=60)
    check(result.returncode == 1 and "No space left" in result.stderr, result.stderr)


def closed_descriptors():
    """Without stdin, stdout and stderr at all it ends with an error, not a crash."""
    result = subprocess.run(["/bin/sh", "-c", f"{PROGRAM} -e 'print(1) error(2)' <&- >&- 2>&-"],
                            timeout=60)
    check(result.returncode == 1, result.returncode)


def few_descriptors():
    """Few descriptors are enough; none left for the loop is said."""
    check(run("print(task.wait(0.01) > 0)", preexec_fn=limited(resource.RLIMIT_NOFILE, 1000)).stdout
          == "true\n", "a thousand descriptors")
    result = run("print(1)", preexec_fn=limited(resource.RLIMIT_NOFILE, 7))
    check(result.returncode != 0 and result.stderr and result.returncode > 0, result)


def little_memory():
    """Under a limit of the address space the script gets an error it can catch."""
    code = """
    local ok, why = pcall(function() local t = {} while true do t[#t + 1] = ("x"):rep(1e6) .. #t end end)
    print(ok, why) task.wait(0.01) print("goes on")"""
    result = run(code, preexec_fn=limited(resource.RLIMIT_AS, 300 << 20))
    check(result.stdout == "false\tnot enough memory\ngoes on\n", result)


def suspended():
    """SIGSTOP and SIGCONT: timers are late, in order, and none is lost."""
    code = ("for i = 1, 50 do task.delay(i / 100, print, i) end "
            "print('ready') task.wait(0.6) print('end')")
    with subprocess.Popen([PROGRAM, "-e", code], stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)
        lines = process.stdout.read().split()
    check(lines == [str(i) for i in range(1, 51)] + ["end"], lines)


def two_million_sleepers():
    """Two million threads asleep wake in order."""
    code = """
    local n, last = 0, 0
    for i = 1, 2000000 do task.delay(i % 1000 / 1000, function(i) n += 1 end, i) end
    task.wait(2) print(n, task.count())"""
    result = run(code, "--virtual-time")
    check(result.stdout == "2000000\t0\n", result)


def a_gigabyte_in_wakes():
    """A gigabyte of strings waits in wakes, arrives whole, and is given back."""
    code = """
    for i = 1, 1024 do task.delay(1, function(s) assert(#s == 1048576) n = (n or 0) + 1 end,
        string.rep(string.char(i % 256), 1048576 - 4) .. string.format("%04d", i)) end
    task.wait(2) print(n) print(gcinfo() < 4e6)"""
    result = run(code, "--virtual-time")
    check(result.stdout == "1024\ntrue\n", result)


def deep_recursion():
    """Recursion without end, of every kind, is an error of its thread."""
    kinds = {
        "local function f() return 1 + f() end f()": "stack overflow",
        "local function f() task.spawn(f) end f()": "C stack overflow",
        "local function f() coroutine.wrap(f)() end f()": "C stack overflow",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end local x = t.x":
            "stack overflow",
        "local s = string.rep('(', 100000) print(#s, pcall(string.find, 'x', s))": "",
    }
    for code, text in kinds.items():
        result = run(code + " ", "--virtual-time")
        check(result.returncode in (0, 1) and text in result.stderr + result.stdout, (code, result))


def many_signals():
    """A hail of signals it does not ask for changes nothing."""
    with subprocess.Popen([PROGRAM, "-e", "for i = 1, 50 do task.wait(0.01) end print('whole')"],
                          stdout=subprocess.PIPE, text=True) as process:
        for _ in range(200):
            for number in (signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG, signal.SIGCONT):
                process.send_signal(number)
            time.sleep(0.001)
        check(process.stdout.read() == "whole\n", "cut short")


def the_clock_of_the_wall():
    """The clock that can be set is not asked for the time: only os.time is of it."""
    result = subprocess.run(["strace", "-f", "-e", "trace=clock_gettime,clock_nanosleep,gettimeofday",
                             PROGRAM, "-e", "task.wait(0.05)"], capture_output=True, text=True, timeout=60)
    check("CLOCK_REALTIME" not in result.stderr and "gettimeofday" not in result.stderr, result.stderr)


CASES = (killed, full_disk, closed_descriptors, few_descriptors, little_memory, suspended,
         two_million_sleepers, a_gigabyte_in_wakes, deep_recursion, many_signals, the_clock_of_the_wall)


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
        for case in CASES:
            try:
                case()
                print(f"as said   {case.__doc__}")
            except (AssertionError, subprocess.TimeoutExpired) as error:
                wrong += 1
                print(f"NOT SO    {case.__doc__}\n{error!r:.2000}")
    print(f"faults: {len(CASES)} tried, {wrong} not as said")
    sys.exit(wrong > 0)


main()
