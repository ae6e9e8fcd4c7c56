#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The command line: what is the program's, and what is the script's."""

import os
import re

import program

TRY = "Try 'kahu --help'.\n"
SHOW = "print(select('#', ...), ...)"


class ScriptArguments(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("show.luau", SHOW)

    def test_the_script_gets_what_follows_it(self):
        self.check(self.run_program("show.luau", "a", "b c"), out="2\ta\tb c\n")

    def test_there_may_be_none(self):
        self.check(self.run_program("show.luau"), out="0\n")

    def test_an_empty_one_is_one(self):
        self.check(self.run_program("show.luau", "", ""), out="2\t\t\n")

    def test_options_after_the_script_are_its_own(self):
        result = self.run_program("show.luau", "--stats", "-O9", "--", "-")
        self.check(result, out="4\t--stats\t-O9\t--\t-\n")

    def test_bytes_are_kept(self):
        result = self.run_program("show.luau", b"\xff\xfe\xc3\xa9")
        self.check(result, out="1\t" + program.decode(b"\xff\xfe\xc3\xa9") + "\n")

    def test_there_may_be_many(self):
        args = [str(i) for i in range(7000)]
        self.write("count.luau", "print(select('#', ...), (select(-1, ...)))")
        self.check(self.run_program("count.luau", *args), out="7000\t6999\n")

    def test_there_may_be_too_many(self):
        err = "kahu: 10000 arguments for the script, at most 7900 are taken\n" + TRY
        self.check(self.run_program("show.luau", *["x"] * 10000), code=2, err=err)
        err = err.replace("10000", "7901")
        self.check(self.run_program("show.luau", *["x"] * 7901), code=2, err=err)
        result = self.run_program("-e", "print(select('#', ...))", *["x"] * 7900)
        self.check(result, out="7900\n")

    def test_run_changes_nothing(self):
        self.check(self.run_program("run", "show.luau", "x"), out="1\tx\n")
        self.check(self.run_program("run", "-O2", "show.luau", "run"), out="1\trun\n")
        self.check(self.run_program("run", "-e", SHOW, "x"), out="1\tx\n")

    def test_a_script_named_run(self):
        self.write("run", SHOW)
        self.check(self.run_program("run", "run", "x"), out="1\tx\n")
        self.check(self.run_program("./run", "x"), out="1\tx\n")

    def test_who_meant_a_command_is_told(self):
        missing = "kahu: cannot read '{}': No such file or directory\n"
        result = self.run_program("--color", "never", "compile", "show.luau")
        first = "'compile' is a command: it comes before its options.\n"
        self.check(result, code=2, err=missing.format("compile") + first)
        self.check(self.run_program("tset"), code=2, err=missing.format("tset") + TRY)
        for name in ("none.luau", "no/file"):
            self.check(self.run_program(name), code=2, err=missing.format(name))

    def test_two_dashes_end_the_options(self):
        self.write("-odd", SHOW)
        self.check(self.run_program("--", "-odd", "x"), out="1\tx\n")


class OtherScripts(program.ProgramTest):
    def test_code(self):
        self.check(self.run_program("-e", SHOW), out="0\n")
        self.check(self.run_program("-e", SHOW, "a", "--stats"), out="2\ta\t--stats\n")
        self.check(self.run_program("-e", ""))

    def test_standard_input(self):
        self.check(self.run_program("-", stdin=SHOW), out="0\n")
        self.check(self.run_program("-", "a", "-", stdin=SHOW), out="2\ta\t-\n")
        self.check(self.run_program("-", stdin=""))

    def test_directory(self):
        self.write("app/init.luau", SHOW)
        for name in ("app", "app/", "app//", "./app", os.path.join(self.dir, "app")):
            self.check(self.run_program(name, "x"), out="1\tx\n")
        self.check(self.run_program(".", "x", cwd=os.path.join(self.dir, "app")), out="1\tx\n")

    def test_any_name_will_do(self):
        for name in ("script", "a b.luau", "é.luau", "x.txt"):
            self.write(name, SHOW)
            self.check(self.run_program(name), out="0\n")

    def test_a_pipe_is_a_file(self):
        result = self.run_program("/dev/stdin", "x", stdin=SHOW)
        self.check(result, out="1\tx\n")


class Mistakes(program.ProgramTest):
    def refuse(self, args, message):
        self.check(self.run_program(*args), code=2, err=f"kahu: {message}\n{TRY}")

    def test_no_script(self):
        self.refuse([], "no script given")
        self.refuse(["run"], "no script given")
        self.refuse(["--stats"], "no script given")

    def test_unknown_options(self):
        self.refuse(["--nope", "x"], "unrecognized option '--nope'")
        self.refuse(["-z", "x"], "invalid option -- 'z'")

    def test_values_that_miss(self):
        self.refuse(["-e"], "option requires an argument -- 'e'")
        self.refuse(["-O"], "option requires an argument -- 'O'")
        self.refuse(["--min-wait"], "option '--min-wait' requires an argument")

    def test_values_too_many(self):
        self.refuse(["--stats=1", "x"], "option '--stats' doesn't allow an argument")

    def test_levels(self):
        for value in ("3", "-1", "x", "11", ""):
            self.refuse(["-O", value, "x"], f"-O takes 0, 1 or 2, not '{value}'")
            self.refuse(["-g", value, "x"], f"-g takes 0, 1 or 2, not '{value}'")

    def test_min_wait(self):
        for value in ("", "x", "-1", "nan", "inf", "1s", "1e300"):
            self.refuse(["--min-wait", value, "x"], f"--min-wait takes seconds, not '{value}'")

    def test_max_defer_depth(self):
        for value in ("", "x", "0", "-1", "1.5", "99999999999999999999"):
            self.refuse(
                ["--max-defer-depth", value, "x"],
                f"--max-defer-depth takes a number from 1, not '{value}'",
            )

    def test_gc_pace(self):
        for value in ("", "x", "100", "-200", "200,", "200,100", "200,,1", "200,200,0",
                      "200,200,1,1", "200 ", "1e3", "200,200,1001", "200,2001", "10001", "99999999999999999999"):
            self.refuse(["--gc-pace", value, "x"],
                        "--gc-pace takes GOAL[,SPEED[,STEP]], at least 101,101,1 and at most "
                        f"10000,2000,1000, not '{value}'")

    def test_what_is_written_is_no_script(self):
        text = "print(1)"
        for script, output, *link in (
            ("x.luau", "x.luau"),
            ("x.luau", "./x.luau"),
            ("x.luau", "other.luau"),
            ("x.luau", "new.lua"),
            ("x", "x"),
            ("x", "link.json", "x"),
        ):
            self.write(script, text)
            self.write("other.luau", text)
            if link:
                os.symlink(link[0], os.path.join(self.dir, output))
            self.refuse(["--trace", output, script], f"will not write over '{output}', a script")
            for name in (script, "other.luau"):
                with open(os.path.join(self.dir, name), encoding="utf-8") as file:
                    self.assertEqual(file.read(), text)
            self.assertFalse(os.path.exists(os.path.join(self.dir, "new.lua")))
        self.write("x.json", text)
        self.refuse(["--profile", "x.json", "x.json"], "will not write over 'x.json', a script")

    def test_two_files_are_two(self):
        self.write("x.luau", "print(1)")
        args = ["--trace", "./t.json", "--profile", "t.json"]
        self.write("t.json", "")
        self.refuse([*args, "x.luau"], "--trace and --profile both write to 't.json'")
        args[1] = "t.json"
        self.refuse([*args, "x.luau"], "--trace and --profile both write to 't.json'")


class Information(program.ProgramTest):
    def test_version(self):
        lines = self.run_lines("--version")
        self.assertRegex(lines[0], r"^kahu \d+\.\d+\.\d+$")
        self.assertRegex(lines[1], r"^Luau \S+")
        self.assertRegex(lines[2], r"^libuv \d+\.\d+\.\d+$")
        self.assertEqual(len(lines), 3)

    def test_help_goes_to_standard_output(self):
        lines = self.run_lines("--help")
        self.assertRegex(lines[0], r"^Usage: kahu ")
        self.assertEqual(lines, self.run_lines("-h"))
        self.assertEqual([line for line in lines if len(line) > 80], [])

    def test_help_is_given_whatever_follows(self):
        self.assertEqual(self.run_lines("--help"), self.run_lines("--help", "nofile", "-z"))

    def usages(self):
        """{command: how its usage begins}, of all commands that the program names."""
        names = re.findall(r"^(?:Usage:| {6}) kahu \[?(\w+)", "\n".join(self.run_lines("--help")), re.M)
        self.assertLessEqual({"run", "repl", "test", "trace", "profile", "compile", "setup"}, set(names))
        return {name: "kahu [run]" if name == "run" else f"kahu {name}" for name in names}

    def test_every_command_has_help(self):
        for command, usage in self.usages().items():
            lines = self.run_lines(command, "--help")
            self.assertEqual(lines[0].split()[0], "Usage:")
            self.assertTrue(lines[0].removeprefix("Usage: ").startswith(usage), lines[0])
            self.assertIn("  -h, --help             this text", lines)
            self.assertEqual([line for line in lines if len(line) > 80], [])
            self.assertEqual(lines, self.run_lines(command, "-h"))

    def test_help_of_a_command_may_stand_behind_what_it_takes(self):
        for command, taken in (
            ("trace", ["summary"]),
            ("trace", ["summary", "none"]),
            ("profile", ["flame"]),
            ("profile", ["flame", "none"]),
            ("compile", ["none.luau"]),
            ("setup", ["none"]),
            ("test", ["none"]),
            ("repl", ["none"]),
            ("repl", ["--virtual-time"]),
            ("run", ["--virtual-time"]),
        ):
            for option in ("-h", "--help"):
                lines = self.run_lines(command, *taken, option)
                self.assertEqual(lines, self.run_lines(command, "--help"))

    def test_help_of_a_session_is_its_own(self):
        lines = self.run_lines("repl", "--help")
        self.assertEqual(lines[0], "Usage: kahu repl [options]")
        self.assertEqual([line for line in lines if "SCRIPT" in line or "-e CODE" in line], [])

    def all_help(self):
        """What the program says of itself and of its commands."""
        text = "\n".join(self.run_lines("--help"))
        for command in re.findall(r"\(kahu (\S+) --help\)", text):
            text += "\n".join(self.run_lines(command, "--help"))
        return text

    def test_help_and_the_manual_know_the_same_options(self):
        told = set(re.findall(r"--[a-z-]+", self.all_help()))
        with open(os.path.join(program.ROOT, "cli/kahu.1"), encoding="utf-8") as file:
            manual = file.read().replace("\\-", "-")
        described = set(re.findall(r"--[a-z-]+", manual))
        self.assertEqual(told, described)


if __name__ == "__main__":
    program.main()
