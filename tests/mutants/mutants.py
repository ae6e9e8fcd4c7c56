#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Puts small faults into the library, one at a time, and sees who notices.

Usage: mutants.py [--jobs N] [--only K] [--from K] [--least PERCENT] BUILD_DIR
       mutants.py --check

mutants.txt lists the faults. The tree is copied, each fault is applied to the
copy, and the tests below are run on it; a fault that passes them all has
survived. BUILD_DIR is where the copy is built: Luau once, ours each time. The
last line has the figure; the exit code is 1 when fewer are noticed than --least
percent. --from goes on with a run that was interrupted. --check builds nothing:
it says whether each fault still has its place.
"""

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# What has to notice: all that is quick and runs on the stepped driver or in C,
# the quickest first.
TESTS = (r"^(unit|embed)\.", r"^(behaviour|programs|fuzz|regress)\.", r"^(model|fault)\.")
SLOW = r"\.uv$|footprint"

# A part that takes so many times what it does without a fault hangs: noticed.
MOST_TIMES = 4


def read(path):
    """(file, old, new) of each fault: blocks of three parts, between lines
    `=== FILE`, `---` and the next `===`."""
    faults = []
    for block in path.read_text().split("=== ")[1:]:
        head, _, body = block.partition("\n")
        old, _, new = body.partition("---\n")
        faults.append((head.strip(), old.rstrip("\n"), new.strip("\n")))
    return faults


def run(command, log, **more):
    return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, **more).returncode


def build(tree, directory, jobs, log):
    return run(["cmake", "--build", directory, "-j", jobs], log, cwd=tree) == 0


def pass_in(seconds, command, log):
    """Did it end well in time? What it has begun goes with it: a test that
    hangs would take its core from those that come after."""
    with subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                          start_new_session=True) as process:
        try:
            return process.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return False


def test(directory, jobs, log, seconds):
    """Did all pass, each part in its time? Stops at the first that does not."""
    return all(pass_in(limit, ["ctest", "--test-dir", directory, "-j", jobs, "-R", tests, "-E",
                               SLOW, "--stop-on-failure"], log)
               for tests, limit in zip(TESTS, seconds))


def time_of(directory, jobs, log, tests):
    """What a part takes without a fault."""
    start = time.monotonic()
    if run(["ctest", "--test-dir", directory, "-j", jobs, "-R", tests, "-E", SLOW], log) != 0:
        sys.exit("mutants: the tree does not pass without a fault; see the log")
    return time.monotonic() - start


def check(faults):
    """Before anything is built: is each fault's place there, once?"""
    lost = []
    for number, (file, old, _) in enumerate(faults, 1):
        times = (ROOT / file).read_text().count(old)
        if times != 1:
            lost.append(f"mutants: {number}: {file} has {times} times:\n{old}")
    if lost:
        sys.exit("\n".join(lost))


def apply(tree, fault):
    file, old, new = fault
    path = tree / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    return path, text


def try_one(tree, directory, fault, jobs, log, seconds):
    """killed, survived, or how it could not be built."""
    path, text = apply(tree, fault)
    try:
        if not build(tree, directory, jobs, log):
            return "not built"
        return "survived" if test(directory, jobs, log, seconds) else "noticed"
    finally:
        path.write_text(text)


def prepare(directory, jobs, log):
    """A copy of the tree, built and passing, and how long a part may take."""
    tree = directory / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    # With times of now: what an interrupted run has left built is older.
    shutil.copytree(ROOT, tree, copy_function=shutil.copy,
                    ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    built = directory / "build"
    if run(["cmake", "-S", tree, "-B", built, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
            "-DKAHU_ASSERT=ON", "-DKAHU_CLI=ON"], log) or not build(tree, built, jobs, log):
        sys.exit("mutants: the tree does not build; see the log")
    return tree, built, [MOST_TIMES * (time_of(built, jobs, log, tests) + 5) for tests in TESTS]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=pathlib.Path, nargs="?")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--jobs", default=str(os.cpu_count()))
    parser.add_argument("--only", type=int, action="append")
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--least", type=float, default=94)
    args = parser.parse_args()
    faults = read(HERE / "mutants.txt")
    check(faults)
    if args.check:
        print(f"mutants: {len(faults)} faults have their places")
        return
    if args.directory is None:
        parser.error("BUILD_DIR is missing")
    args.directory = args.directory.resolve()
    args.directory.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    counts = {"noticed": 0, "survived": 0, "not built": 0}
    with open(args.directory / "log", "w") as log:
        tree, built, seconds = prepare(args.directory, args.jobs, log)
        for number, fault in enumerate(faults, 1):
            if number < args.first or args.only and number not in args.only:
                continue
            verdict = try_one(tree, built, fault, args.jobs, log, seconds)
            counts[verdict] += 1
            print(f"{number:3} {verdict:9} {fault[0]}: {fault[1].strip().splitlines()[0]}", flush=True)
    total = sum(counts.values())
    print(f"mutants: {counts['noticed']} of {total} noticed, {counts['survived']} survived, "
          f"{counts['not built']} not built, {time.monotonic() - start:.0f} s")
    sys.exit(counts["noticed"] * 100 < args.least * total)


main()
