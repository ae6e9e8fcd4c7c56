#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
r"""Runs scripts with the program and compares what they print with their comments.

    expect.py --program PATH [--virtual-time] [--timeout SECONDS] FILE... [-- ARG...]

A script says in comments what it must do:

    print("a") -- expect: a          stdout, all of it, in the order of the file;
                                     \t stands for the tab that print writes
    -- expect stderr: text           stderr holds text, after the text before it
    -- expect stderr once: text      the same, and nowhere else in stderr
    -- expect exit: 1                exit code; 0 when not said
    -- args: --strict-wakes          options given to the program
    -- driver: stepped why so        one driver only (stepped or uv), with reason

Without an `expect stderr` line stderr must be empty. A script without any
expectation fails, and so does a comment that looks like one and is not.
What comes after -- are arguments of the scripts.
In stderr the script's path counts as its file name alone; a text that is part
of the file name proves nothing and is refused. The lines of the script that the
program shows, and its hints, prove nothing either and are left out.

Exit code: 0 all passed, 1 one failed, 2 usage, 77 the script is for the other driver.
"""

import argparse
import dataclasses
import difflib
import os
import re
import shlex
import signal
import subprocess
import sys

TIME_LIMIT_S = 20
SKIPPED = 77

DIRECTIVE = re.compile(r"--\s*(expect\w*|args?|drivers?)\b(.*)$", re.IGNORECASE)
SHOWN = re.compile(r"^(?: *\d+ \| | {6}\| |hint: ).*\n", re.MULTILINE)
EXPECT = re.compile(r"-- (expect(?: stderr once| stderr| exit)?|args|driver):(?: (.*))?$")


class Malformed(Exception):
    """The script's comments cannot be understood."""


@dataclasses.dataclass
class Expectation:
    """What one script says about itself."""

    stdout: list[str] = dataclasses.field(default_factory=list)
    stderr: list[tuple[str, bool]] = dataclasses.field(default_factory=list)
    exit_code: int = 0
    says_exit: bool = False
    args: list[str] = dataclasses.field(default_factory=list)
    driver: str | None = None

    def says_nothing(self) -> bool:
        return not (self.stdout or self.stderr or self.says_exit)


def read_driver(text: str) -> str:
    name, _, reason = text.partition(" ")
    if name not in ("stepped", "uv"):
        raise Malformed(f"unknown driver '{name}'")
    if not reason.strip():
        raise Malformed("a script for one driver only must say why")
    return name


def read_directive(line: str, wanted: Expectation) -> None:
    """Adds the directive of one line, if it has one, to wanted."""
    if not DIRECTIVE.search(line):
        return
    match = EXPECT.search(line)
    if not match:
        raise Malformed(f"not a directive: {line.strip()}")
    kind, text = match.group(1), match.group(2) or ""
    if "\t" in text:
        raise Malformed(f"a tab is written \\t: {line.strip()}")
    if kind == "expect":
        wanted.stdout.append(text.replace("\\t", "\t"))
    elif kind == "expect exit":
        if wanted.says_exit or not text.strip().isdigit():
            raise Malformed(f"one exit code, a number: {line.strip()}")
        wanted.exit_code, wanted.says_exit = int(text), True
    elif not text.strip():
        raise Malformed(f"empty directive: {line.strip()}")
    elif kind == "args":
        wanted.args += shlex.split(text)
    elif kind == "driver":
        wanted.driver = read_driver(text)
    else:
        wanted.stderr.append((text, kind == "expect stderr once"))


def read_expectation(source: str) -> Expectation:
    wanted = Expectation()
    for line in source.split("\n"):
        read_directive(line.rstrip("\r"), wanted)
    if wanted.says_nothing():
        raise Malformed("the script expects nothing")
    return wanted


def run(command: list[str], limit_s: float) -> tuple[int | None, str, str]:
    """Runs command; the code is None when it did not end in time."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=limit_s)
            code = process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            code = None
    return code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")


def compare_stdout(wanted: list[str], out: str) -> list[str]:
    expected = "".join(line + "\n" for line in wanted)
    if out == expected:
        return []
    diff = difflib.unified_diff(
        expected.splitlines(), out.splitlines(), "expected stdout", "stdout", lineterm=""
    )
    return list(diff) or ["stdout differs only in its last line end"]


def compare_stderr(wanted: list[tuple[str, bool]], err: str) -> list[str]:
    problems = []
    if not wanted and err:
        problems.append("stderr should be empty")
    place = 0
    for text, once in wanted:
        found = err.find(text, place)
        if found < 0:
            where = "is missing from stderr" if text not in err else "comes too early in stderr"
            problems.append(f"'{text}' {where}")
            continue
        place = found + len(text)
        if once and err.count(text) != 1:
            problems.append(f"'{text}' is in stderr {err.count(text)} times, not once")
    if problems and err:
        problems += ["--- stderr", *err.splitlines(), "---"]
    return problems


def without_shown(err: str) -> str:
    """What the program adds to Luau's messages left out: lines of sources, hints."""
    return SHOWN.sub("", err)


def compare_exit(wanted: int, code: int | None, limit_s: float) -> list[str]:
    if code is None:
        return [f"did not end within {limit_s:g} s"]
    if code < 0:
        return [f"killed by signal {-code}"]
    if code != wanted:
        return [f"exit code {code}, expected {wanted}"]
    return []


def check(
    program: str,
    virtual_time: bool,
    path: str,
    script_args: list[str] | None = None,
    limit_s: float | None = None,
) -> tuple[int, list[str]]:
    """Runs one script; returns an exit code as in the head and the problems."""
    limit_s = limit_s or TIME_LIMIT_S
    with open(path, encoding="utf-8", newline="") as file:
        source = file.read()
    try:
        wanted = read_expectation(source)
    except Malformed as problem:
        return 1, [str(problem)]
    driver = "stepped" if virtual_time else "uv"
    if wanted.driver not in (None, driver):
        return SKIPPED, []
    name = os.path.basename(path)
    for text, _ in wanted.stderr:
        if text in name:
            return 1, [f"'{text}' is in the name of the script: every traceback has it"]
    command = [program, *wanted.args, *(["--virtual-time"] if virtual_time else []), path]
    command += script_args or []
    code, out, err = run(command, limit_s)
    problems = (
        compare_exit(wanted.exit_code, code, limit_s)
        + compare_stdout(wanted.stdout, out)
        + compare_stderr(wanted.stderr, without_shown(err.replace(path, name)))
    )
    if problems:
        return 1, [shlex.join(command), *problems]
    return 0, []


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare scripts with their comments.")
    parser.add_argument("--program", required=True)
    parser.add_argument("--virtual-time", action="store_true")
    parser.add_argument("--timeout", type=float, metavar="SECONDS")
    parser.add_argument("files", nargs="+", metavar="FILE")
    ours, script_args = sys.argv[1:], []
    if "--" in ours:
        end = ours.index("--")
        ours, script_args = ours[:end], ours[end + 1 :]
    options = parser.parse_args(ours)
    verdicts = set()
    for path in options.files:
        verdict, problems = check(
            options.program, options.virtual_time, path, script_args, options.timeout
        )
        verdicts.add(verdict)
        if problems:
            print(f"{path}: failed")
            print("\n".join("  " + line for line in problems))
    if 1 in verdicts:
        return 1
    return SKIPPED if verdicts == {SKIPPED} else 0


if __name__ == "__main__":
    sys.exit(main())
