#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""`kahu compile`: programs that do what their scripts do, elsewhere."""

import os
import shutil
import subprocess
import sys
import unittest

import program

sys.path.insert(1, os.path.join(program.ROOT, "tests/support"))
import expect  # noqa: E402

USAGE = "Try 'kahu compile --help'.\n"
DYNAMIC = "warning: what is required here is known only when it runs: name it with --include\n"


class CompileTest(program.ProgramTest):
    def compile(self, *args, err="", out="", **options):
        """Compiles without more complaints than those that are expected."""
        result = self.run_program("compile", *args, **options)
        self.check(result, out=out, err=err)

    def refuse(self, *args, err, code=1, **options):
        self.check(self.run_program("compile", *args, **options), code=code, err=err)

    def run_app(self, name, *args, cwd="/", env=None):
        """Runs a program with no environment, in another directory."""
        process = subprocess.run(
            [os.path.join(self.dir, name), *args],
            cwd=cwd,
            env=env or {},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=program.TIME_LIMIT_S,
            check=False,
        )
        return program.Result(
            process.returncode, program.decode(process.stdout), program.decode(process.stderr)
        )

    def same(self, script, *args, options=(), cwd=None, sources=False):
        """The program does what its script does, when no source is left; of that it
        shows nothing, unless it has the sources."""
        where = cwd or self.dir
        wanted = self.run_program(*options, script, *args, cwd=where)
        app = os.path.join(self.dir, "moved")
        flags = ["--sources"] if sources else []
        self.compile(*options, *flags, script, "-o", app, cwd=where)
        hidden = self.dir + ".hidden"
        self.addCleanup(lambda: shutil.rmtree(hidden, ignore_errors=True))
        os.mkdir(hidden)
        shutil.move(app, os.path.join(hidden, "app"))
        for name in os.listdir(self.dir):
            shutil.move(os.path.join(self.dir, name), os.path.join(hidden, "+" + name))
        got = self.run_app(os.path.join(hidden, "app"), *args)
        if sources:
            self.check(got, wanted.code, wanted.out, wanted.err)
            return got
        self.assertEqual(
            (expect.without_shown(got.err), got.out, got.code),
            (expect.without_shown(wanted.err), wanted.out, wanted.code),
        )
        self.assertNotRegex(got.err, r"(?m)^ *\d* \| ")
        return got


class Programs(CompileTest):
    def test_modules_in_nested_directories(self):
        self.write("app/main.luau", "print(require('./lib/one'), require('@deep/three'), ...)")
        self.write("app/lib/one.luau", "return 'one ' .. require('./two')")
        self.write("app/lib/two/init.luau", "task.wait() return 'two ' .. require('@self/inner')")
        self.write("app/lib/two/inner.luau", "return require('../../../other')")
        self.write("app/.luaurc", '{ "aliases": { "deep": "./lib/deeper" } } // mine')
        self.write("app/lib/deeper/three.lua", "return debug.info(1, 's')")
        self.write("other.luau", "return 'other'")
        got = self.same("app/main.luau", "a", "--help", "", "-e")
        self.assertEqual(got.out, "one two other\tapp/lib/deeper/three.lua\ta\t--help\t\t-e\n")

    def test_from_wherever_it_was_compiled(self):
        for place, script in (
            (".", "app/main.luau"),
            ("app", "main.luau"),
            ("app/lib", "../main.luau"),
            ("app", "../app/main.luau"),
            (".", "app"),
            ("/", None),
        ):
            with self.subTest(place=place, script=script):
                self.setUp()
                self.write("app/lib/one.luau", "return require('../../far') .. debug.info(1, 's')")
                self.write("far.luau", "return 'far from '")
                self.write("app/main.luau", "print(require('./lib/one'), debug.info(1, 's'))")
                self.write("app/init.luau", "print(require('@self/lib/one'), debug.info(1, 's'))")
                script = script or os.path.join(self.dir, "app/main.luau")
                got = self.same(script, cwd=os.path.join(self.dir, place))
                self.assertIn("far from ", got.out)

    def test_what_leads_nowhere_in_its_path(self):
        for place, script in (
            (".", "./app/./main.luau"),
            (".", "far/../app//main.luau"),
            ("app", "../app/./main.luau"),
            (".", "app/."),
            (".", "link/../main.luau"),
        ):
            with self.subTest(place=place, script=script):
                self.setUp()
                self.write("app/lib/one.luau", "return require('../../far/x') .. debug.info(1, 's')")
                self.write("far/x.luau", "return 'far from '")
                self.write("app/main.luau", "print(require('./lib/one'), require('@abs/x')) error(1)")
                self.write("app/init.luau", "print(require('@self/lib/one'), require('@abs/x'))")
                self.write(".luaurc", '{"aliases": {"abs": "%s/./far/../far"}}' % self.dir)
                os.symlink("app/lib", os.path.join(self.dir, "link"))
                got = self.same(script, cwd=os.path.join(self.dir, place))
                self.assertIn("far from ", got.out)

    def test_errors_have_their_places(self):
        self.write(
            "main.luau",
            "local lib = require('./lib')\n"
            "task.spawn(function()\n    lib.fail()\nend)\n"
            "print(pcall(require, './bad'))\n"
            "error({})\n",
        )
        self.write("lib.luau", "return { fail = function()\n    error('failed')\nend }")
        self.write("bad.luau", "\n\nlocal x = nil + 1")
        got = self.same("main.luau")
        self.assertIn("lib.luau:2: failed\nstack traceback:\n", got.err)
        self.assertIn("  main.luau:3\n", got.err)
        self.assertIn("bad.luau:3: attempt to perform arithmetic", got.out)
        self.assertEqual(got.code, 1)

    def test_hints_that_need_no_source(self):
        self.write("main.luau", "task.spawn(task.delay, print, 1)\nwait(1)")
        self.assertEqual(self.run_program("main.luau").err.count("hint: "), 2)
        hints = [line for line in self.same("main.luau").err.splitlines() if "hint: " in line]
        self.assertEqual(
            hints, ["hint: task.delay takes the seconds first, and then the function"]
        )

    def test_the_lines_of_sources_that_are_in_it(self):
        """Of the script, of modules by all their names, and the hints in them."""
        self.write(
            "main.luau",
            "#!/usr/bin/kahu\n"
            "local lib = require('./lib/x')\n"
            "task.spawn(lib)\n"
            "task.spawn(require('@again/x'))\n"
            "wait(1)\n",
        )
        self.write("lib/x.luau", "local t = {}\nreturn function()\n\tprint(t.a.b)\nend\n")
        self.write(".luaurc", '{"aliases": {"again": "./lib"}}')
        got = self.same("main.luau", sources=True)
        self.assertEqual(got.err.count("    3 | \tprint(t.a.b)\n      | \t          ^\n"), 2)
        self.assertIn("    5 | wait(1)\n      | ^^^^\nhint: there is no global", got.err)
        self.setUp()
        self.write("main.luau", "")
        self.assertEqual(self.same("main.luau", sources=True).err, "")

    def test_the_lines_of_standard_input(self):
        self.compile("--sources", "-", "-o", "app", stdin="error('no')")
        self.assertIn("stdin:1: no\n    1 | error('no')\n", self.run_app("app").err)

    def test_a_source_is_in_it_when_that_was_asked_for(self):
        self.write("main.luau", "-- a secret\n")
        for flags, found in (((), False), (("--sources",), True)):
            self.compile(*flags, "main.luau", "-o", "app")
            with open(os.path.join(self.dir, "app"), "rb") as file:
                self.assertEqual(b"-- a secret" in file.read(), found)

    def test_exit_codes(self):
        self.write("main.luau", "scheduler.stop(tonumber((...)))")
        self.assertEqual(self.same("main.luau", "7").code, 7)

    def test_a_script_that_yields_is_warned_of(self):
        self.write("main.luau", "\ncoroutine.yield()")
        got = self.same("main.luau")
        self.assertIn("main.luau:2: warning: the script yielded here", got.err)

    def test_a_module_has_one_value_by_all_its_names(self):
        self.write("proj/main.luau", "print(require('./x') == require('@abs/x'))")
        self.write("proj/x.luau", "print('once') return {}")
        self.write("proj/.luaurc", f'{{"aliases": {{"abs": "{self.dir}/proj"}}}}')
        self.assertEqual(self.same("proj/main.luau").out, "once\ntrue\n")

    def test_modules_that_require_each_other(self):
        self.write("main.luau", "print(require('./x'))")
        self.write("x.luau", "return require('./y')")
        self.write("y.luau", "return require('./x')")
        self.assertIn("cyclic require: y.luau -> x.luau -> y.luau", self.same("main.luau").err)

    def test_the_script_as_a_module(self):
        self.write("main.luau", "if ... then print(require('./main')) end return 5")
        self.assertEqual(self.same("main.luau", "x").out, "5\n")

    def test_configuration_in_luau(self):
        self.write(".config.luau", 'return { luau = { aliases = { lib = "./things" } } }')
        self.write("things/x.luau", "return 'thing'")
        self.write("main.luau", "print(require('@lib/x'))")
        self.assertEqual(self.same("main.luau").out, "thing\n")

    def test_first_lines_that_are_no_luau(self):
        self.write("main.luau", "\N{BYTE ORDER MARK}#!/usr/bin/env kahu it's\nprint(require('./x'))\nx()")
        self.write("x.luau", "#!/usr/bin/kahu\nreturn debug.info(1, 'l')")
        got = self.same("main.luau")
        self.assertEqual(got.out, "2\n")
        self.assertIn("main.luau:3:", got.err)

    def test_from_standard_input(self):
        self.write("lib.luau", "return debug.info(1, 's')")
        self.compile("-", "-o", "app", stdin="print(require('./lib'), debug.info(1, 's'))")
        os.remove(os.path.join(self.dir, "lib.luau"))
        self.check(self.run_app("app"), out="lib.luau\tstdin\n")


class Options(CompileTest):
    def test_levels_are_those_of_the_compilation(self):
        self.write("main.luau", "local function f() error('x') end f()")
        self.assertEqual(self.same("main.luau", options=["-g0"]).err.splitlines()[0], "x")
        self.setUp()
        self.write("main.luau", "local function f() error('x') end\nf()")
        self.assertIn("main.luau:1: x", self.same("main.luau", options=["-O2", "-g2"]).err)

    def test_what_a_run_is_told_is_kept(self):
        self.write("main.luau", "print(task.wait())")
        options = ["--virtual-time", "--min-wait", "0.5"]
        self.assertEqual(self.same("main.luau", options=options).out, "0.5\n")
        self.setUp()
        self.write("main.luau", "print(task.wait())")
        self.compile("--stats", "--codegen", "main.luau", "-oapp")
        self.assertIn("resumes ", self.run_app("app").err)

    def test_every_option_of_a_run_is_kept(self):
        """What each makes of a script that shows it; the others are above."""
        spin = "while true do end"
        for option, script, said in (
            (["--timeout", "0.2"], spin, "timeout: 0.2 s are over"),
            (["--max-resume", "50"], spin, "exhausted allowed execution time"),
            (["--max-threads", "5"], "for i = 1, 9 do task.delay(1, print) end",
             "thread limit reached"),
            (["--max-memory", "4"], "local t = table.create(1e6, 0)", "not enough memory"),
            (["--strict-wakes", "--virtual-time"],
             "local t = task.spawn(task.wait, 5) task.spawn(t) print('slept', os.clock())",
             "slept 0\n"),
            (["--max-defer-depth", "3", "--strict-defer-depth"],
             "local function f(n) task.defer(f) end f()", "defer"),
            (["--origins"], "task.spawn(function() error('x') end)", "started at main.luau:1"),
            (["--color", "always"], "error('x')", "\x1b[31mmain.luau:1: x\x1b[0m"),
            (["--explain"], "task.spawn(coroutine.yield)", "nothing is left that would resume"),
            (["--precise", "--preload", "--gc-pace", "200,300,32"], "print('ran')", "ran\n"),
        ):
            with self.subTest(option=option):
                self.write("main.luau", script)
                self.compile(*option, "main.luau", "-o", "app")
                got = self.run_app("app")
                self.assertIn(said, got.err + got.out.replace("\t", " "))
                if "--timeout" in option:
                    self.assertEqual(got.code, 124)

    def test_files_of_each_run_are_where_it_runs(self):
        self.write("main.luau", "local n = 0 for i = 1, 3e6 do n += i % 7 end")
        self.write("there/nothing", "")
        there = os.path.join(self.dir, "there")
        options = ["--trace", "a.json", "--profile", "b.folded", "--profile-rate", "500"]
        self.compile(*options, "main.luau", "-o", "app")
        self.assertEqual(sorted(os.listdir(self.dir)), ["app", "main.luau", "there"])
        for _ in range(2):
            self.check(self.run_app("app", cwd=there))
            self.assertEqual(sorted(os.listdir(there)), ["a.json", "b.folded", "nothing"])
            os.remove(os.path.join(there, "a.json"))
            os.remove(os.path.join(there, "b.folded"))

    def test_options_that_end_the_program(self):
        self.write("main.luau", "")
        result = self.run_program("compile", "--version", "main.luau", "-o", "app")
        self.assertRegex(result.out, r"^kahu \d")
        self.assertEqual(os.listdir(self.dir), ["main.luau"])

    def test_ours_stand_anywhere(self):
        self.write("main.luau", "print(...)")
        for line in (
            ["-oapp", "main.luau"],
            ["--output=app", "--", "main.luau"],
            ["--virtual-time", "main.luau", "--output", "app"],
        ):
            self.compile(*line)
            self.check(self.run_app("app", "--", "-o"), out="--\t-o\n")
            os.remove(os.path.join(self.dir, "app"))

    def test_help(self):
        result = self.run_program("compile", "--help")
        self.assertTrue(result.out.startswith("Usage: kahu compile"))
        self.check(result, out=result.out)

    def test_names(self):
        self.write("dir/tool.luau", "print('tool')")
        self.write("whole/init.luau", "print('whole')")
        self.compile("dir/tool.luau")
        self.check(self.run_app("tool"), out="tool\n")
        os.remove(os.path.join(self.dir, "tool"))
        self.refuse(
            "whole/", err="kahu: will not write over 'whole', which is no file: say -o OUTPUT\n"
        )

    def test_list(self):
        self.write("main.luau", "require('@lib/x')")
        self.write("lib/x.luau", "return require('../y')")
        self.write("y.luau", "return 1")
        self.write(".luaurc", '{"aliases": {"lib": "./lib"}}')
        self.compile("-v", "main.luau", out="main.luau\nlib/x.luau\n.luaurc\ny.luau\n")


class Scanning(CompileTest):
    def files(self, script):
        """What is found to be required, beside the script."""
        self.write("main.luau", script)
        result = self.run_program("compile", "-v", "main.luau", "-o", "app")
        self.assertEqual(result.code, 0, result.err)
        return result.out.split()[1:], result.err

    def test_calls_of_every_form(self):
        for name in "abcdefgh":
            self.write(f"{name}.luau", f"return '{name}'")
        self.write("it's.luau", "return 1")
        found, err = self.files(
            "local a = require('./a')\n"
            'local b = require "./b"\n'
            "local c = require[==[./c]==]\n"
            "local d = require (  -- why\n  './d' --[[ how ]] )\n"
            "local e = `{require('./e')}{ { `{require(`./f`)}` } }`\n"
            "local g = pcall(require, './g')\n"
            "local h = 'x'..require('\\x2e/\\104')\n"
            "local i = require('./it\\'s', 5)\n"
        )
        self.assertEqual(found, [f"{n}.luau" for n in "abcdefgh"] + ["it's.luau"])
        self.assertEqual(err, "")

    def test_what_looks_like_one(self):
        found, err = self.files(
            "-- require('./a')\n"
            "--[[ require('./a')\n]] --[=[ ]] require('./a') ]=]\n"
            "local text = \"require('./a')\" .. 'require(\"./a\") \\'' .. [[ require('./a') ]]\n"
            "local t = { require = function(p) return p end }\n"
            "t.require('./a') t:require('./a') local prequire, required = print, print\n"
            "prequire('./a') required('./a')\n"
            "local u = `require('./a') \\{ require('./a') {1} require('./a')`\n"
        )
        self.assertEqual((found, err), ([], ""))

    def test_calls_that_nobody_can_know(self):
        found, err = self.files(
            "if not ... then return end\n"
            "local name = './a'\n"
            "require(name)\n"
            "require('./' .. 'a')\n"
            "require(`./{name}`)\n"
            "local r = require\n"
        )
        self.assertEqual(found, [])
        self.assertEqual(err, "".join(f"main.luau:{n}: {DYNAMIC}" for n in (3, 4, 5, 6)))

    def test_a_guarded_one_may_find_nothing(self):
        found, err = self.files("print(pcall(require, './none'))")
        self.assertEqual(found, [])
        self.assertTrue(err.startswith("main.luau:1: warning: error requiring module"), err)
        self.assertIn("could not resolve child component", self.run_app("app").out)


class Including(CompileTest):
    def setUp(self):
        super().setUp()
        self.write("src/main.luau", "print(require('../plugins/' .. ...))")
        for name in ("a", "sub/b"):
            self.write(f"plugins/{name}.luau", "return debug.info(1, 's') .. require('./c')")
            self.write(f"plugins/{os.path.dirname(name)}/c.luau", "return '+c'")
        self.write("plugins/readme.md", "no module")
        self.warning = f"src/main.luau:1: {DYNAMIC}"

    def test_a_directory(self):
        for path in ("plugins", "./plugins/", "src/../plugins/."):
            self.compile("src/main.luau", "-o", "app", "--include", path)
            self.check(self.run_app("app", "a"), out="plugins/a.luau+c\n")
            self.check(self.run_app("app", "sub/b"), out="plugins/sub/b.luau+c\n")

    def test_the_current_directory_and_one_above(self):
        for path, where in ((".", "plugins"), ("..", "plugins/sub")):
            self.write("plugins/main.luau", "print(require('./' .. ...))")
            script = os.path.relpath("plugins/main.luau", where)
            self.compile(
                script, "-o", "../app" if path == "." else "../../app", "--include=" + path,
                cwd=os.path.join(self.dir, where),
            )
            self.assertIn("a.luau+c\n", self.run_app("app", "a").out)

    def test_a_file_and_a_script_with_an_absolute_name(self):
        script = os.path.join(self.dir, "src/main.luau")
        self.compile(script, "-o", "app", "--include", "plugins/a.luau")
        shutil.rmtree(os.path.join(self.dir, "plugins"))
        self.check(self.run_app("app", "a"), out=f"{self.dir}/plugins/a.luau+c\n")

    def test_what_is_not_included_is_looked_for(self):
        self.compile("src/main.luau", "-o", "app", err=self.warning)
        self.check(self.run_app("app", "a", cwd=self.dir), out="plugins/a.luau+c\n")
        result = self.run_app("app", "a")
        self.assertIn("could not resolve child component", result.err)
        self.assertEqual(result.code, 1)

    def test_mistakes(self):
        for path, why in (
            ("none", "it is not there"),
            ("plugins/readme.md", "it is no .luau or .lua file"),
        ):
            self.refuse(
                "src/main.luau", "--include", path,
                err=f"kahu: cannot include '{path}': {why}\n",
            )


class Inside(CompileTest):
    def test_nothing_on_the_disk_comes_before(self):
        self.write("main.luau", "print(require('./x'), require('@lib/x'))")
        self.write("x.luau", "return 'inside'")
        self.write(".luaurc", '{"aliases": {"lib": "./"}}')
        self.compile("main.luau", "-o", "app")
        for name in ("x.luau", "x.lua", "x/init.luau", "other/x.luau"):
            self.write("there/" + name, "return 'disk'")
        self.write("there/.luaurc", '{"aliases": {"lib": "./other"}}')
        there = os.path.join(self.dir, "there")
        self.check(self.run_app("app", cwd=there), out="inside\tinside\n")

    def test_the_libraries_it_needs_are_the_programs(self):
        ldd = shutil.which("ldd")
        if ldd is None:
            self.skipTest("there is no ldd")

        def needed(path):
            result = subprocess.run([ldd, path], capture_output=True, text=True, check=False)
            return sorted(line.split()[0] for line in result.stdout.splitlines())

        self.write("main.luau", "")
        self.compile("main.luau", "-o", "app")
        self.assertEqual(needed(os.path.join(self.dir, "app")), needed(program.PROGRAM))

    def test_permissions_are_those_of_a_program(self):
        self.write("main.luau", "")
        self.compile("main.luau", "-o", "app", umask=0o027)
        self.assertEqual(os.stat(os.path.join(self.dir, "app")).st_mode & 0o777, 0o750)


class Modules(CompileTest):
    """The cases that `kahu run` is tested with, as programs with their sources."""

    def test_they_do_the_same(self):
        cases = os.path.join(program.ROOT, "tests/cli/modules")
        # Where a module does not compile, or its configuration is wrong, nothing is
        # written.
        refused = {"aliases", "compile_error", "config_script"}
        for name in sorted(set(os.listdir(cases)) - refused):
            with self.subTest(case=name):
                self.setUp()
                self.same_case(os.path.join(cases, name), name)

    def same_case(self, case, name):
        where = os.path.join(self.dir, name)  # which one of them requires
        shutil.copytree(case, where)
        wanted = self.run_program("--virtual-time", "main.luau", cwd=where)
        flags = ["--virtual-time", "--sources", "--include", ".", "-o", "../app"]
        compiled = self.run_program("compile", *flags, "main.luau", cwd=where)
        self.assertEqual(compiled.code, 0, compiled.err)
        shutil.rmtree(where)
        self.check(self.run_app("app"), wanted.code, wanted.out, wanted.err)

    def test_one_that_requires_its_own_directory(self):
        """By an init.luau's @self, and by the name of the directory."""
        self.write("main.luau", "print(require('./pkg'), require('./pkg/part'))")
        self.write("pkg/init.luau", "return 'pkg of ' .. require('@self/part')")
        self.write("pkg/part.luau", "return 'part'")
        self.assertEqual(self.same("main.luau").out, "pkg of part\tpart\n")


class Mistakes(CompileTest):
    def test_command_lines(self):
        self.write("main.luau", "")
        for line, err in (
            (["main.luau", "-o"], "kahu: a value is missing after -o\n" + USAGE),
            (["--include"], "kahu: a value is missing after --include\n" + USAGE),
            (["-e", "print()"], "kahu: compile takes a script, not -e\n" + USAGE),
            (["a", "-O2"], "kahu: options of a run stand before the script: -O2\n" + USAGE),
            (["a", "b"], "kahu: compile takes one script, and there is also b\n" + USAGE),
            ([], "kahu: no script given\n" + USAGE),
            (["--min-wait", "x", "a"],
             "kahu: --min-wait takes seconds, not 'x'\n" + USAGE),
            (["-"], "kahu: a script from standard input needs -o\n" + USAGE),
            (["none"], "kahu: cannot read 'none': No such file or directory\n"),
        ):
            with self.subTest(line=line):
                self.refuse(*line, err=err, code=2)
        self.assertEqual(os.listdir(self.dir), ["main.luau"])

    def test_sources_that_do_not_compile(self):
        """Told as at a run, and nothing is written."""
        self.write("main.luau", "print(")
        self.refuse("main.luau", err=self.run_program("main.luau").err)
        self.write("main.luau", "\nrequire('./x')")
        self.write("x.luau", "\nlocal = 5")
        shown = "x.luau:2: Expected identifier when parsing variable name, got '='\n"
        shown += "    2 | local = 5\n      |       ^\n"
        self.assertTrue(self.run_program("main.luau").err.startswith(shown))
        self.refuse("main.luau", err=shown)
        self.refuse(
            "--color", "always", "main.luau",
            err="\x1b[31mx.luau:2: Expected identifier when parsing variable name, got '='\x1b[0m\n"
            "    2 | local = 5\n      |       \x1b[1m^\x1b[0m\n",
        )
        self.assertEqual(sorted(os.listdir(self.dir)), ["main.luau", "x.luau"])

    def test_what_was_there_stays_when_nothing_is_written(self):
        self.write("main.luau", "print('old')")
        self.compile("main.luau", "-o", "app")
        for script in ("print(", "require('./none')"):
            self.write("main.luau", script)
            self.assertEqual(self.run_program("compile", "main.luau", "-o", "app").code, 1)
        self.check(self.run_app("app"), out="old\n")
        self.assertEqual(sorted(os.listdir(self.dir)), ["app", "main.luau"])

    def test_modules_that_are_not_there(self):
        self.write("main.luau", "require('./a')\nrequire('b')\nrequire('./c\\0')")
        result = self.run_program("compile", "main.luau")
        lines = result.err.splitlines()
        self.assertIn('main.luau:1: error requiring module "./a": could not resolve', lines[0])
        self.assertEqual(lines[1:3], ["    1 | require('./a')", "      |          ^^^"])
        self.assertEqual(lines[3], "hint: there is no a.luau and no a/init.luau")
        self.assertTrue(lines[4].startswith("main.luau:2: "), lines)
        self.assertTrue(lines[7].startswith("hint: paths begin with "), lines)
        self.assertEqual(lines[8], "main.luau:3: path contains a zero byte")
        self.assertEqual((len(lines), result.code), (11, 1))

    def test_outputs_that_cannot_be(self):
        self.write("tool", "print(1)")
        self.write("main.luau", "require('./x')")
        self.write("x.luau", "return 1")
        source = "which is a source: say -o OUTPUT\n"
        for line, err in (
            (["tool"], f"kahu: will not write over 'tool', {source}"),
            (["main.luau", "-o", "./x.luau"], f"kahu: will not write over './x.luau', {source}"),
            (["main.luau", "-o", "/dev/null"],
             "kahu: will not write over '/dev/null', which is no file: say -o OUTPUT\n"),
            (["main.luau", "-o", "no/app"],
             "kahu: cannot write 'no/app': No such file or directory\n"),
        ):
            self.refuse(*line, err=err)
        self.assertEqual(sorted(os.listdir(self.dir)), ["main.luau", "tool", "x.luau"])

    def test_a_program_that_runs_is_replaced(self):
        self.write("main.luau", "io = print('ready') task.wait(60)")
        self.compile("main.luau", "-o", "app")
        app = subprocess.Popen(
            [os.path.join(self.dir, "app")], stdout=subprocess.PIPE, text=True
        )
        try:
            self.assertEqual(app.stdout.readline(), "ready\n")
            self.write("main.luau", "print('new')")
            self.compile("main.luau", "-o", "app")
            self.check(self.run_app("app"), out="new\n")
        finally:
            app.kill()
            app.wait()
            app.stdout.close()


class Damage(CompileTest):
    def setUp(self):
        super().setUp()
        self.write("main.luau", "print('the script', ...)")
        self.compile("main.luau", "-o", "app")
        self.path = os.path.join(self.dir, "app")
        with open(self.path, "rb") as file:
            self.bytes = file.read()

    def damage(self, data, why):
        with open(self.path, "wb") as file:
            file.write(data)
        for args in ([], ["--help"], ["-e", "print(1)"]):
            self.check(
                self.run_app("app", *args), code=2, err=f"kahu: cannot run the script in this program: it {why}\n"
            )

    def test_a_byte_that_changed(self):
        at = self.bytes.rindex(b"the script")
        self.damage(self.bytes[:at] + b"T" + self.bytes[at + 1 :], "is damaged")

    def test_sizes_and_formats_that_cannot_be(self):
        head, trailer = self.bytes[:-32], self.bytes[-32:]
        self.damage(head + trailer[:8] + b"\xff" + trailer[9:], "has an unknown format")
        self.damage(head + trailer[:16] + b"\xff" * 8 + trailer[24:], "is damaged")
        self.damage(head + trailer[:16] + b"\0" * 8 + trailer[24:], "is damaged")

    def test_an_end_that_was_cut(self):
        why = "is missing: the file was cut, stripped, or changed"
        self.damage(self.bytes[:-1], why)
        self.damage(self.bytes + b"more", why)

    @unittest.skipUnless(shutil.which("strip"), "there is no strip")
    def test_strip_takes_it_away(self):
        subprocess.run(["strip", self.path], check=True)
        with open(self.path, "rb") as file:
            data = file.read()
        self.damage(data, "is missing: the file was cut, stripped, or changed")


if __name__ == "__main__":
    program.main()
