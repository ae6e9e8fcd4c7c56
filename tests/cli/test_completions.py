#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The completions for bash, zsh and fish know what `kahu --help` knows."""

import os
import re
import shutil
import subprocess
import unittest

import program

PLACE = os.path.join(program.ROOT, "completions")
BASH = os.path.join(PLACE, "kahu.bash")
ZSH = os.path.join(PLACE, "_kahu")
FISH = os.path.join(PLACE, "kahu.fish")


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def fish_options(text):
    """The options that a file for fish declares, as they are typed."""
    found = set()
    for line in text.splitlines():
        if line.startswith("complete "):
            found |= {"--" + name for name in re.findall(r" -l ([\w-]+)", line)}
            found |= {"-" + name for name in re.findall(r" -[so] ([\w]+)", line)}
    return found


class CompletionTest(program.ProgramTest):
    def options_in(self, text):
        """The options that a help text lists."""
        found = set()
        for line in text.splitlines():
            listed = re.match(r" {2,6}((?:-[\w-]+(?:,? |$))+)", line)
            if listed:
                found |= set(re.findall(r"--?[\w-]+", listed[1]))
        return found

    def options(self):
        """What the program takes: {command: options}, "" being none."""
        text = "\n".join(self.run_lines("--help"))
        found = {"": self.options_in(text)}
        for command in re.findall(r"\(kahu (\S+) --help\)", text):
            found[command] = self.options_in("\n".join(self.run_lines(command, "--help")))
        return found


class Known(CompletionTest):
    def test_the_help_is_understood(self):
        options = self.options()
        self.assertLessEqual({"-e", "-O0", "-O2", "--min-wait", "-h", "--help"}, options[""])
        self.assertLessEqual({"-o", "--output", "--include"}, options["compile"])
        self.assertLessEqual({"--editor", "--dry-run"}, options["setup"])

    def test_every_option_is_in_every_file(self):
        wanted = set().union(*self.options().values())
        for path, known in (
            (BASH, set(re.findall(r"(?<![\w-])--?\w[\w-]*", text_of(BASH)))),
            (ZSH, set(re.findall(r"(?<![\w-])--?\w[\w-]*", text_of(ZSH)))),
            (FISH, fish_options(text_of(FISH))),
        ):
            self.assertEqual(wanted - known, set(), path)

    def test_every_command_is_in_every_file(self):
        for command in self.options():
            for path in (BASH, ZSH, FISH):
                self.assertRegex(text_of(path), rf"\b{command}\b")


class Bash(CompletionTest):
    def complete(self, *words):
        script = (
            'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kahu\n'
            'printf "%s\\n" "${COMPREPLY[@]}"'
        )
        result = subprocess.run(
            ["bash", "-uec", script, "bash", BASH, "kahu", *words],
            cwd=self.dir,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return set(result.stdout.split())

    def test_options(self):
        options = self.options()
        self.assertEqual(self.complete("-"), options[""])
        self.assertEqual(self.complete("run", "-"), options[""])
        self.assertEqual(self.complete("compile", "-"), options[""] | options["compile"])
        self.assertEqual(self.complete("setup", "-"), options["setup"])
        self.assertEqual(self.complete("--virtual-time", "--min"), {"--min-wait"})
        self.assertEqual(self.complete("--min-wait", "1", "--pre"), {"--precise", "--preload"})

    def test_files_and_commands(self):
        for name in ("run.luau", "main.lua", "notes.txt", "lib/x.luau"):
            self.write(name, "")
        self.assertEqual(
            self.complete(""), {"run", "compile", "setup", "run.luau", "main.lua", "lib"}
        )
        self.assertEqual(self.complete("ru"), {"run", "run.luau"})
        self.assertEqual(self.complete("run", ""), {"run.luau", "main.lua", "lib"})
        self.assertEqual(self.complete("compile", "main.lua", "--include", ""),
                         {"run.luau", "main.lua", "lib"})
        self.assertEqual(self.complete("setup", "--editor", ""), {"vscode", "neovim", "zed"})

    def test_what_follows_the_script_is_the_scripts(self):
        self.assertEqual(self.complete("main.luau", "-"), set())
        self.assertEqual(self.complete("-e", "print()", "-"), set())
        self.assertEqual(self.complete("compile", "main.luau", "--out"), {"--output"})


@unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
class Zsh(CompletionTest):
    def offered(self, *words):
        """The words that the file gives to zsh's _arguments."""
        script = (
            '_arguments() { print -rl -- "$@" }\n'
            'file=$1; shift; words=("$@"); CURRENT=$#; source $file'
        )
        result = subprocess.run(
            ["zsh", "-f", "-c", script, "zsh", ZSH, "kahu", *words],
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        specs = (re.sub(r"^\([^)]*\)|^\*", "", line) for line in result.stdout.splitlines())
        return {m[0] for m in (re.match(r"--?\w[\w-]*(?=\[)", spec) for spec in specs) if m}

    def test_options(self):
        options = self.options()
        self.assertEqual(self.offered(""), options[""])
        self.assertEqual(self.offered("run", ""), options[""])
        wanted = options[""] | options["compile"]
        self.assertEqual(self.offered("compile", "") | {"-e"}, wanted)
        self.assertEqual(self.offered("setup", ""), options["setup"])


@unittest.skipUnless(shutil.which("fish"), "there is no fish")
class Fish(CompletionTest):
    def complete(self, line):
        result = subprocess.run(
            ["fish", "--no-config", "-c", f"source {FISH}; complete -C '{line}'"],
            cwd=self.dir,
            env={**os.environ, "HOME": self.dir},
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((result.stderr, result.returncode), ("", 0))
        return {row.split("\t")[0] for row in result.stdout.splitlines()}

    def test_options(self):
        options = self.options()
        long = {name for name in options[""] if name.startswith("--")}
        self.assertEqual(self.complete("kahu --"), long)
        self.assertEqual(
            self.complete("kahu setup --"),
            {name for name in options["setup"] if name.startswith("--")},
        )
        wanted = (long | options["compile"]) - {"--version"}
        self.assertEqual(
            self.complete("kahu compile --"), {n for n in wanted if n.startswith("--")}
        )
        self.assertLessEqual({"-O2", "-g0", "-e", "-h"}, self.complete("kahu -"))

    def test_files_and_commands(self):
        for name in ("main.luau", "notes.txt"):
            self.write(name, "")
        offered = self.complete("kahu ")
        self.assertLessEqual({"run", "compile", "setup", "main.luau"}, offered)
        self.assertEqual(self.complete("kahu setup --editor "), {"vscode", "neovim", "zed"})


if __name__ == "__main__":
    program.main()
