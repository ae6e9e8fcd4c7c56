#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the library with the reference model on random programs.

Usage: differential.py RUNNER [--count N] [--seed S] [--keep DIR]

Each program runs under both; the traces must be the same byte for byte. One
that differs is made as small as it goes and written to DIR with both traces;
the exit code is then 1. The last line has the figures.
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import time

import model
import program

BATCH = 200


def expected(p):
    return model.Model(p["strict"]).run(p)


class Runner:
    """The library: programs in, traces out."""

    def __init__(self, path):
        self.path = path

    def traces(self, programs):
        data = bytearray()
        for p in programs:
            text = program.write(p).encode()
            data += f"{len(text)} {int(p['strict'])}\n".encode() + text
        done = subprocess.run([self.path], input=bytes(data), capture_output=True, timeout=300)
        if done.returncode != 0:
            return None, done.stderr.decode(errors="replace")
        lines = iter(done.stdout.decode().splitlines())
        return [self.trace(lines) for _ in programs], ""

    @staticmethod
    def trace(lines):
        trace = []
        for line in lines:
            trace.append(line)
            if line == ".":
                break
        return trace

    def one(self, p):
        traces, problem = self.traces([p])
        return traces[0] if traces is not None else ["crash", *problem.splitlines()[:20]]


def wrong(runner, p):
    return runner.one(p) != expected(p)


def shrink(runner, p):
    """The smallest program near p that is wrong."""
    found = True
    while found:
        found = False
        for candidate in program.smaller(p):
            if wrong(runner, candidate):
                p, found = candidate, True
                break
    return p


def report(runner, p, seed, keep):
    small = shrink(runner, p)
    here, there = expected(small), runner.one(small)
    text = [f"seed {seed}", json.dumps(small), program.write(small), "--- the model"]
    text += here + ["--- the library"] + there
    print("\n".join(text))
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"seed-{seed}.txt").write_text("\n".join(text) + "\n")


def first_wrong(runner, programs):
    """Index of the first that differs, or None; a crash is found one by one."""
    traces, _ = runner.traces([p for _, p in programs])
    if traces is None:
        return next(i for i, (_, p) in enumerate(programs) if wrong(runner, p))
    for i, (_, p) in enumerate(programs):
        if traces[i] != expected(p):
            return i
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=pathlib.Path)
    args = parser.parse_args()
    runner = Runner(args.runner)
    start = time.monotonic()
    seeds = iter(range(args.seed, args.seed + args.count))
    while batch := [(s, program.Maker(s).program()) for s in itertools.islice(seeds, BATCH)]:
        index = first_wrong(runner, batch)
        if index is not None:
            report(runner, batch[index][1], batch[index][0], args.keep)
            print(f"differential: seed {batch[index][0]} differs")
            sys.exit(1)
    seconds = time.monotonic() - start
    print(f"differential: {args.count} programs from seed {args.seed}, "
          f"0 differences, {seconds:.1f} s")


if __name__ == "__main__":
    main()
