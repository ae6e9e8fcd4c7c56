#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Requiring modules: how a script's own place and name matter. What modules
are and do is in modules/."""

import os

import program


class Places(program.ProgramTest):
    def setUp(self):
        super().setUp()
        self.write("app/main.luau", "print(require('./lib/one'))")
        self.write("app/lib/one.luau", "return debug.info(1, 's')")

    def test_names_are_as_the_user_wrote_them(self):
        for script, name in (
            ("app/main.luau", "app/lib/one.luau"),
            ("./app/main.luau", "app/lib/one.luau"),
            (os.path.join(self.dir, "app/main.luau"), os.path.join(self.dir, "app/lib/one.luau")),
        ):
            self.check(self.run_program(script), out=f"{name}\n")

    def test_from_inside(self):
        inside = os.path.join(self.dir, "app")
        self.check(self.run_program("main.luau", cwd=inside), out="lib/one.luau\n")
        self.check(
            self.run_program("../main.luau", cwd=os.path.join(inside, "lib")),
            out="../lib/one.luau\n",
        )

    def test_code_stands_in_the_current_directory(self):
        code = "print(require('./app/lib/one'))"
        self.check(self.run_program("-e", code), out="app/lib/one.luau\n")
        self.check(self.run_program("-", stdin=code), out="app/lib/one.luau\n")
        code = "print(require('../app/lib/one'))"
        lib = os.path.join(self.dir, "app")
        self.check(self.run_program("-e", code, cwd=lib), out="../app/lib/one.luau\n")

    def test_up_to_the_root_and_no_further(self):
        up = "../" * 50
        result = self.run_program("-e", f"print(pcall(require, './{up}x'))")
        self.assertIn("could not get parent of component", result.out)
        self.check(
            self.run_program("-e", "print(pcall(require, './x'))", cwd="/"),
            out='false\terror requiring module "./x": could not resolve child component "x"\n',
        )

    def test_a_script_without_a_suffix(self):
        self.write("tool", "print(require('./app/lib/one'))")
        self.check(self.run_program("tool"), out="app/lib/one.luau\n")

    def test_a_script_beside_a_directory_of_its_name(self):
        self.write("app.luau", "print(require('./app/lib/one'))")
        result = self.run_program("app.luau")
        self.assertIn("(ambiguous)", result.err)
        self.write("app.luau", "print(require('./two'))")
        self.write("two.luau", "return 2")
        self.check(self.run_program("app.luau"), out="2\n")

    def test_what_leads_nowhere_is_left_out_of_names(self):
        self.write("app/deep/sub/file", "")
        for script in (
            "app/../app/main.luau",
            "app/./main.luau",
            "././app//.//main.luau",
            "app/deep/../main.luau",
            "app/deep/sub/../../main.luau",
            "app/deep/sub/../.././deep/../main.luau",
        ):
            self.check(self.run_program(script), out="app/lib/one.luau\n")
        script = f"/../{self.dir}/.//app/deep/../main.luau"
        one = os.path.join(self.dir, "app/lib/one.luau")
        self.check(self.run_program(script), out=f"{one}\n")

    def test_a_step_up_is_one_from_where_the_script_is(self):
        self.write("lib/x.luau", "return 'x of ' .. debug.info(1, 's')")
        self.write("app/up.luau", "print(require('../lib/x'))")
        self.write("app/sub/up.luau", "print(require('../../lib/x'))")
        self.write("app/sub/init.luau", "print(require('../lib/x'))")
        for cwd, script, name in (
            ("app", "../app/./up.luau", "../lib/x.luau"),
            ("app", ".././app//up.luau", "../lib/x.luau"),
            ("app", "./up.luau", "../lib/x.luau"),
            ("app", "sub/../up.luau", "../lib/x.luau"),
            ("app", "sub/.././up.luau", "../lib/x.luau"),
            ("app", "./sub/./up.luau", "../lib/x.luau"),
            ("app", "sub/.", "../lib/x.luau"),
            ("app", "sub/./", "../lib/x.luau"),
            ("app", "sub//init.luau", "../lib/x.luau"),
            ("app/sub", "../../app/./sub/../up.luau", "../../lib/x.luau"),
            ("app/sub", ".././sub/./up.luau", "../../lib/x.luau"),
            ("app/sub", ".././sub", "../../lib/x.luau"),
            (".", "app/./up.luau", "lib/x.luau"),
            (".", "app/sub/./../up.luau", "lib/x.luau"),
            (".", "app/sub/../sub/up.luau", "lib/x.luau"),
            (".", "lib/../app/sub/", "lib/x.luau"),
        ):
            with self.subTest(cwd=cwd, script=script):
                result = self.run_program(script, cwd=os.path.join(self.dir, cwd))
                self.check(result, out=f"x of {name}\n")

    def test_what_is_beside_a_link_is_beside_it(self):
        self.write("far/away/app/up.luau", "print(require('../x'))")
        self.write("far/away/app/sub/file", "")
        self.write("far/away/main.luau", "print(require('./x'), require('../x'))")
        self.write("far/away/x.luau", "return 'away'")
        self.write("far/x.luau", "return 'far'")
        self.write("near/x.luau", "return 'near'")
        self.write("x.luau", "return 'here'")
        os.symlink("../far/away/app", os.path.join(self.dir, "near/link"))
        for script in ("near/link/up.luau", "near/link/sub/../up.luau", "near/link/./up.luau"):
            self.check(self.run_program(script), out="near\n")
        # Above a link is what is above where it leads to, as the system has it.
        self.check(self.run_program("near/link/../main.luau"), out="away\tfar\n")
        self.check(self.run_program("near/link/.././main.luau"), out="away\tfar\n")
        self.check(self.run_program("near/link/../../away/main.luau"), out="away\tfar\n")
        # A link to a file is where the link is.
        os.symlink("../far/away/main.luau", os.path.join(self.dir, "near/main.luau"))
        self.check(self.run_program("near/main.luau"), out="near\there\n")

    def test_links_lead_to_one_module(self):
        os.symlink("lib", os.path.join(self.dir, "app/link"))
        self.write("app/lib/one.luau", "print('runs') return {}")
        self.write("app/main.luau", "print(require('./lib/one') == require('./link/one'))")
        self.check(self.run_program("app/main.luau"), out="runs\ntrue\n")


class Directories(program.ProgramTest):
    def test_a_script_that_is_a_directory(self):
        self.write("app/init.luau", "print(require('@self/inner'), require('./outer'))")
        self.write("app/inner.luau", "return debug.info(1, 's')")
        self.write("outer.luau", "return debug.info(1, 's')")
        self.check(self.run_program("app"), out="app/inner.luau\touter.luau\n")
        self.check(self.run_program("app/"), out="app/inner.luau\touter.luau\n")
        self.check(self.run_program("app/init.luau"), out="app/inner.luau\touter.luau\n")
        inside = os.path.join(self.dir, "app")
        self.check(self.run_program(".", cwd=inside), out="inner.luau\t../outer.luau\n")
        self.check(self.run_program("init.luau", cwd=inside), out="inner.luau\t../outer.luau\n")

    def test_aliases_above_the_current_directory(self):
        self.write(".luaurc", '{"aliases": {"lib": "./lib", "abs": "%s/lib"}}' % self.dir)
        self.write("lib/one.luau", "return debug.info(1, 's')")
        self.write("app/main.luau", "print(require('@lib/one'), require('@abs/one'))")
        one = os.path.join(self.dir, "lib/one.luau")
        # One module, named as it was first.
        self.check(
            self.run_program("main.luau", cwd=os.path.join(self.dir, "app")),
            out="../lib/one.luau\t../lib/one.luau\n",
        )
        self.write("app/main.luau", "print(require('@abs/one'), require('@lib/one'))")
        self.check(self.run_program("app/main.luau"), out=f"{one}\t{one}\n")

    def test_an_alias_with_what_leads_nowhere(self):
        self.write("lib/one.luau", "return require('../two')")
        self.write("two.luau", "return 2")
        for path in ("/lib", "/lib/.", "//lib//", "/lib/../lib", "/./lib/./"):
            self.write(".luaurc", '{"aliases": {"lib": "%s%s"}}' % (self.dir, path))
            self.check(self.run_program("-e", "print(require('@lib/one'))"), out="2\n")

    def test_an_alias_that_names_a_file(self):
        self.write("lib/one.luau", "return 1")
        self.write(".luaurc", '{"aliases": {"one": "%s/lib/one.luau"}}' % self.dir)
        self.check(self.run_program("-e", "print(require('@one'))"), out="1\n")


class Errors(program.ProgramTest):
    def test_traceback_names_who_required(self):
        self.write("bad.luau", "\nerror('boom')")
        self.write("main.luau", "\n\nrequire('./bad')")
        self.check(
            self.run_program("main.luau"),
            code=1,
            err="bad.luau:2: boom\n"
            "    2 | error('boom')\n"
            "      | ^\n"
            "stack traceback:\n"
            "  [C] function require\n"
            "  main.luau:3\n",
        )

    def test_what_is_not_found(self):
        self.write("main.luau", "\nrequire('./bad')")
        self.check(
            self.run_program("main.luau"),
            code=1,
            err='main.luau:2: error requiring module "./bad": '
            'could not resolve child component "bad"\n'
            "    2 | require('./bad')\n"
            "      |          ^^^^^\n"
            "hint: there is no bad.luau and no bad/init.luau\n"
            "stack traceback:\n"
            "  [C] function require\n"
            "  main.luau:2\n",
        )

    def test_where_it_would_be(self):
        missing = "hint: there is no {0}.luau and no {0}/init.luau\n"
        for script, path, place in (
            ("main.luau", "./bad", "bad"),
            ("main.luau", "../bad", "../bad"),
            ("main.luau", "./lib/bad", "lib/bad"),
            ("lib/x.luau", "./bad", "lib/bad"),
            ("lib/x.luau", "../bad", "bad"),
            ("lib/x.luau", "./../lib/./bad", "lib/bad"),
            ("lib/init.luau", "./bad", "bad"),
            ("init.luau", "./bad", "../bad"),
        ):
            self.write(script, f"require('{path}')")
            self.assertIn(missing.format(place), self.run_program(script).err)
        self.assertIn(missing.format("bad"), self.run_program("-e", "require('./bad')").err)
        self.write("m.luau", "\n return require('./bad')")
        err = self.run_program("-e", "require('./m')").err
        self.assertTrue(err.startswith('m.luau:2: error requiring module "./bad"'), err)
        self.assertIn(missing.format("bad"), err)

    def test_what_is_no_path(self):
        self.write("dir/x.txt", "")
        self.write("two.luau", "")
        self.write("two/init.luau", "")
        for path, message, hint in (
            ("bad", "require path must start", '; for a file beside this one: require("./bad")\n'),
            ("", "require path must start", "hint: paths begin with ./, ../ or @\n"),
            ("/bad", "require path must start", "hint: paths begin with ./, ../ or @\n"),
            ("bad.luau", "require path must start", "hint: paths begin with ./, ../ or @\n"),
            ("@bad/x", "@bad is not", '.luaurc, beside the file or above it: {"aliases": {"bad":'),
            ("./two", "could not resolve", "hint: more than one file"),
            ("./dir", "no module present", "it has no init.luau"),
            ("./bad.luau", "could not resolve", "without its suffix"),
        ):
            err = self.run_program("-e", f"\nrequire('{path}')").err
            first, line = err.splitlines()[:2]
            self.assertTrue(first.startswith("-e:2: "), err)
            self.assertIn(message, first)
            self.assertEqual(line, f"    2 | require('{path}')")
            self.assertIn(hint, err)

    def test_no_place_where_none_is(self):
        for code in ("print(pcall(require, './bad'))", "print(pcall(require, 'bad'))"):
            out = self.run_program("-e", code).out
            self.assertTrue(out.startswith("false\terror requiring module "), out)
        code = "print(pcall(function() require('./bad') end))"
        out = self.run_program("-e", code).out
        self.assertTrue(out.startswith("false\t-e:1: error requiring module "), out)

    def test_a_cycle_through_the_script_itself(self):
        self.write("main.luau", "print('main') require('./a')")
        self.write("a.luau", "return require('./main')")
        result = self.run_program("main.luau")
        self.assertEqual((result.code, result.out), (1, "main\nmain\n"))
        self.assertTrue(
            result.err.startswith("main.luau:1: cyclic require: main.luau -> a.luau -> main.luau\n"),
            result.err,
        )

    def test_a_module_that_is_gone(self):
        self.write("a.luau", "return 1")
        os.symlink("nowhere.luau", os.path.join(self.dir, "dangling.luau"))
        result = self.run_program("-e", "print(pcall(require, './dangling'))")
        self.assertIn('could not resolve child component "dangling"', result.out)

    def test_nesting_too_deep_for_the_stack(self):
        for i in range(400):
            self.write(f"m{i}.luau", f"return require('./m{i + 1}')")
        self.write("m400.luau", "return 'deep'")
        result = self.run_program("-e", "print(pcall(require, './m300'))")
        self.check(result, out="true\tdeep\n")
        result = self.run_program("-e", "print(pcall(require, './m0'))")
        self.check(result, out="false\tC stack overflow\n")


if __name__ == "__main__":
    program.main()
