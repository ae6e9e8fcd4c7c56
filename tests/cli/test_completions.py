#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The completions for bash, zsh and fish know what `kahu --help` knows."""

import os
import re
import shutil
import subprocess
import unittest

import program
import terminal

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

    def help(self, *command):
        return "\n".join(self.run_lines(*command, "--help"))

    def commands(self):
        """The commands that the usage lists."""
        return set(re.findall(r"^(?:Usage:| {6}) kahu \[?(\w+)", self.help(), re.MULTILINE))

    def options(self):
        """What the program takes: {command: options}, "" being none."""
        found = {command: self.options_in(self.help(command)) for command in self.commands()}
        found[""] = self.options_in(self.help())
        found["compile"] |= found[""] - {"-e"}
        return found


class Known(CompletionTest):
    def test_the_help_is_understood(self):
        options = self.options()
        self.assertLessEqual({"-e", "-O0", "-O2", "--min-wait", "-h", "--help"}, options[""])
        self.assertLessEqual({"-o", "--output", "--include"}, options["compile"])
        self.assertLessEqual({"--editor", "--dry-run"}, options["setup"])
        self.assertLessEqual({"--watch", "-O0"}, options["test"])
        self.assertEqual({"--top", "-h", "--help"}, options["trace"])
        self.assertEqual({"-h", "--help"}, options["profile"])
        self.assertEqual(options["run"], options[""])
        self.assertEqual(options["repl"], options[""] - {"-e"})

    def test_every_option_is_in_every_file(self):
        wanted = set().union(*self.options().values())
        for path, known in (
            (BASH, set(re.findall(r"(?<![\w-])--?\w[\w-]*", text_of(BASH)))),
            (ZSH, set(re.findall(r"(?<![\w-])--?\w[\w-]*", text_of(ZSH)))),
            (FISH, fish_options(text_of(FISH))),
        ):
            self.assertEqual(wanted - known, set(), path)

    def test_every_command_is_in_every_file(self):
        for command in self.commands():
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
        for command in self.commands():
            self.assertEqual(self.complete(command, "-"), options[command], command)
        self.assertEqual(self.complete("--virtual-time", "--min"), {"--min-wait"})
        self.assertEqual(self.complete("--min-wait", "1", "--pre"), {"--precise", "--preload"})

    def test_files_and_commands(self):
        for name in ("run.luau", "main.lua", "notes.txt", "lib/x.luau"):
            self.write(name, "")
        scripts = {"run.luau", "main.lua", "lib"}
        self.assertEqual(self.complete(""), self.commands() | scripts)
        self.assertEqual(self.complete("ru"), {"run", "run.luau"})
        for line in (
            ["run"],
            ["test"],
            ["--color", "never"],
            ["compile", "main.lua", "--include"],
        ):
            self.assertEqual(self.complete(*line, ""), scripts, line)
        self.assertEqual(self.complete("trace", ""), {"summary"})
        self.assertEqual(self.complete("profile", ""), {"flame"})

    def test_values(self):
        self.write("main.luau", "")
        self.assertEqual(self.complete("setup", "--editor", ""), {"vscode", "neovim", "zed"})
        self.assertEqual(self.complete("--color", ""), {"always", "never", "auto"})
        self.assertEqual(self.complete("test", "--reporter", "t"), {"tap"})
        self.assertEqual(self.complete("--color", "="), {"always", "never", "auto"})
        self.assertEqual(self.complete("test", "--color", "=", "n"), {"never"})
        self.assertEqual(self.complete("--min-wait", "=", "1", "--pre"), {"--precise", "--preload"})
        self.assertEqual(self.complete("--min-wait", "=", "1", "main.luau", "--pre"), set())
        for line in (["--trace"], ["repl", "--profile"], ["test", "--output"]):
            self.assertEqual(self.complete(*line, ""), set(), line)  # any file

    def test_what_follows_the_script_is_the_scripts(self):
        self.assertEqual(self.complete("main.luau", "-"), set())
        self.assertEqual(self.complete("main.luau", "--color", ""), set())
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
        options["run"] -= {"-e"}  # it has a place of its own
        for command in self.commands():
            self.assertEqual(self.offered(command, "") - {"-e"}, options[command], command)
        self.assertIn("-e", self.offered("run", ""))

    def test_a_session(self):
        shell = terminal.Terminal(
            "-f", "-i", path=shutil.which("zsh"), cwd=self.dir,
            env={"TERM": "dumb", "HOME": self.dir, "PS1": "ready> "},
        )
        self.addCleanup(shell.close)
        shell.expect("ready> ")
        shell.type(f"fpath=('{PLACE}' $fpath); autoload -U compinit; compinit -D -u\n")
        shell.expect("-u")  # the echo
        shell.expect("ready> ")
        for typed, shown in (
            ("kahu prof\t", "kahu profile "),
            ("kahu --max-me\t", "kahu --max-memory "),
            ("kahu repl --tim\t", "kahu repl --timeout "),
            ("kahu test --reporter t\t", "kahu test --reporter tap "),
            ("kahu compile --inc\t", "kahu compile --include "),
        ):
            shell.type(typed)
            shell.expect(shown)
            shell.type("\x15")  # away with the line


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
        long = {
            command: {name for name in names if name.startswith("--")}
            for command, names in options.items()
        }
        self.assertEqual(self.complete("kahu --"), long[""])
        for command in self.commands():
            offered = self.complete(f"kahu {command} --")
            self.assertEqual(offered, long[command] - {"--version"}, command)
        self.assertLessEqual({"-O2", "-g0", "-e", "-h"}, self.complete("kahu -"))

    def test_files_and_commands(self):
        for name in ("main.luau", "notes.txt"):
            self.write(name, "")
        offered = self.complete("kahu ")
        self.assertLessEqual(self.commands() | {"main.luau"}, offered)
        self.assertIn("summary", self.complete("kahu trace "))
        self.assertIn("flame", self.complete("kahu profile "))
        self.assertEqual(self.complete("kahu setup --editor "), {"vscode", "neovim", "zed"})
        self.assertEqual(self.complete("kahu --color "), {"always", "never", "auto"})


if __name__ == "__main__":
    program.main()
