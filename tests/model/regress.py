#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Programs that once told the library and the model apart, and their traces.

Usage: regress.py RUNNER DIR [--add SLUG < program.json]

Each DIR/NNNN-slug.json has a program (program.py), why it is there, and the
trace the law wants; both must give it. --add makes one from a program on
standard input, with the model's trace, to be read before it is believed.
"""

import argparse
import json
import pathlib
import sys

import differential
import model


def check(runner, file):
    case = json.loads(file.read_text())
    good = True
    for name, trace in (("model", model.Model(case["program"]["strict"]).run(case["program"])),
                        ("library", runner.one(case["program"]))):
        if trace != case["trace"]:
            print(f"{file.name}: the {name} gives")
            print("\n".join(trace))
            good = False
    return good


def add(directory, slug):
    program = json.load(sys.stdin)
    number = 1 + max((int(f.name[:4]) for f in directory.glob("*.json")), default=0)
    trace = ",\n".join("  " + json.dumps(line) for line in
                       model.Model(program["strict"]).run(program))
    file = directory / f"{number:04}-{slug}.json"
    file.write_text(f'{{\n "why": "",\n "program": {json.dumps(program)},\n'
                    f' "trace": [\n{trace}\n ]\n}}\n')
    print(file)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runner")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--add")
    args = parser.parse_args()
    if args.add:
        add(args.directory, args.add)
        return
    files = sorted(args.directory.glob("*.json"))
    runner = differential.Runner(args.runner)
    bad = [f for f in files if not check(runner, f)]
    print(f"regress: {len(files)} programs, {len(bad)} wrong")
    sys.exit(1 if bad or not files else 0)


main()
