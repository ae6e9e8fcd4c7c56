#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""How errors are shown: the line and the place in it, hints, origins, colours."""

import program
import terminal


class Shown(program.ProgramTest):
    def shown(self, text, *options):
        """What comes between the message and the traceback."""
        self.write("x.luau", text)
        result = self.run_program(*options, "x.luau")
        self.assertEqual((result.code, result.out), (1, ""))
        lines = result.err.splitlines()[1:]
        if "stack traceback:" in lines:
            lines = lines[: lines.index("stack traceback:")]
        return [line for line in lines if not line.startswith("hint: ")]

    def test_a_field_of_nil(self):
        self.assertEqual(
            self.shown("local a = {}\nprint(a.b.name)"),
            ["    2 | print(a.b.name)", "      |           ^^^^"],
        )

    def test_a_missing_method(self):
        self.assertEqual(
            self.shown("local a = {}\na:go(1)"), ["    2 | a:go(1)", "      |   ^^"]
        )

    def test_the_function_that_raised(self):
        self.assertEqual(
            self.shown("local x = 1 assert(x == 2, 'no')"),
            ["    1 | local x = 1 assert(x == 2, 'no')", "      |             ^^^^^^"],
        )

    def test_a_name_that_is_there_twice_is_not_guessed(self):
        self.assertEqual(
            self.shown("local a, b = {}, {}\n  print(b.x.x == a.x)"),
            ["    2 |   print(b.x.x == a.x)", "      |   ^"],
        )

    def test_what_a_script_s_own_message_quotes_is_no_name(self):
        self.assertEqual(
            self.shown("local wrong = nil  error(\"to 'wrong'\")"),
            ["    1 | local wrong = nil  error(\"to 'wrong'\")", "      |                    ^^^^^"],
        )

    def test_the_line_the_message_speaks_of_not_where_it_was_raised(self):
        self.assertEqual(
            self.shown("local ok, e = pcall(function()\n  error('a')\nend)\n\nerror(e, 0)"),
            ["    2 |   error('a')", "      |   ^"],
        )

    def test_the_caller_s_line(self):
        self.assertEqual(
            self.shown("local function check()\n  error('bad', 2)\nend\ncheck()"),
            ["    4 | check()", "      | ^"],
        )

    def test_without_a_position_it_is_where_the_thread_stands(self):
        self.assertEqual(self.shown("\nerror({})"), ["    2 | error({})", "      | ^^^^^"])

    def test_without_lines_there_is_none(self):
        self.assertEqual(self.shown("error('a')", "-g0"), [])

    def test_tabs_and_wide_text_keep_the_caret_in_its_place(self):
        self.assertEqual(
            self.shown("\tlocal s = 'grüße' error(s)"),
            ["    1 | \tlocal s = 'grüße' error(s)", "      | \t                  ^^^^^"],
        )

    def test_wide_and_combining_characters(self):
        for text, columns in (
            ("漢字漢字", 8),
            ("한글", 4),
            ("ＡＢ", 4),
            ("日本🙂", 6),
            ("e\u0301n\u0303", 2),
            ("か\u3099", 2),
            ("\u200bกี", 1),
            ("Жизнь ελ", 8),
            ("—→½", 3),
        ):
            code = f"local s = '{text}' local n; n.foo = 1"
            caret = "      | " + " " * (len("local s = '' local n; n.") + columns) + "^^^"
            self.assertEqual(self.shown(code)[1], caret, text)

    def test_carets_are_as_wide_as_the_name(self):
        self.assertEqual(
            self.shown("local n; n['漢字'] = 1")[1], "      | " + " " * 12 + "^^^^"
        )

    def test_the_part_of_a_long_line_that_has_the_name(self):
        for fill in ("x", "ü", "漢", "🙂"):
            before, after = "local n --[[" + fill * 4000 + "]] n.foo = 1", " --" + fill * 4000
            for code, last in ((before + after, "..."), (before, "= 1"), (before + "  ", "  ")):
                line, carets = self.shown(code)
                self.assertTrue(line.startswith("    1 | ..." + fill), line)
                self.assertTrue(line.endswith(last), line)
                self.assertLess(len(line), 220)
                self.assertEqual(carets.strip(" |"), "^^^")
                wide = fill in "漢🙂"
                upto = line[: line.index("n.foo") + 2]
                width = len(upto) + (upto.count(fill) if wide else 0)
                self.assertEqual(carets.index("^"), width)

    def test_what_is_no_text_is_shown_somehow(self):
        for fill in (b"\x80", b"\xf0\x9f", b"\xff", b"\xe6\xbc"):
            for code in (b"local n --[[%s]] n.foo = 1", b"local n n.foo = 1 --%s", b"error('%s')"):
                code = code.replace(b"%s", fill * 500)
                self.write("x.luau", code)
                process = self.start("x.luau")
                lines = process.communicate()[1].splitlines()
                self.assertEqual(process.returncode, 1)
                self.assertTrue(lines[1].startswith(b"    1 | "), lines)
                self.assertLess(len(lines[1]), 220)
                self.assertIn(b"^^^", lines[2])

    def test_a_name_that_is_longer_than_what_is_shown(self):
        name = "n" * 1000
        line, carets = self.shown(f"local n; n['{name}'] = 1")
        self.assertTrue(line.endswith("n..."), line)
        self.assertLessEqual(len(carets), len(line))

    def test_a_long_line_is_cut(self):
        shown = self.shown("error('a')" + " " * 30 + "-- " + "ü" * 400)
        self.assertTrue(shown[0].endswith("ü..."), shown[0])
        self.assertLess(len(shown[0]), 220)
        self.assertEqual(shown[1], "      | ^^^^^")

    def test_comments_and_strings_are_no_code(self):
        for code, caret in (
            ("local ready; ready() -- then wait(1)", 1),
            ("ready(--[[ wait(1) ]] 1)", 1),
            ("ready('wait(1)', [==[ wait(1) ]==])", 1),
            ("ready('it\\'s wait(1)', `wait(1) {2} wait(1) {`{3} wait(1)`}`)", 1),
            ("ready(`a { {wait(1)} }`)", 13),  # what is between braces is code
            ("local t = {} print(t.b.c) -- b.c", 24),
            ("local t = {} print(t['b'].c, 'c.d')", 27),
            ("local t = {} print(t.b['c'])", 25),
            ("assert(false) -- or assert(true)", 1),
        ):
            self.assertEqual(self.shown(code)[1].index("^") - 7, caret, code)

    def test_a_function_that_a_library_has_not(self):
        for code, carets in (
            ("task.Wait(1)", "      |      ^^^^"),
            ("print(1, string.gfind('string.gfind()', 'a'))", "      |          ^^^^^^^^^^^^"),
            ("local x = table . length {}", "      |                   ^^^^^^"),
        ):
            self.assertEqual(self.shown(code)[1], carets)

    def test_long_strings_and_comments_of_more_lines(self):
        code = "local s = [[\n]] .. '' --[[\n wait(1)\n]] wait() -- ]]"
        self.assertEqual(self.shown(code)[1], "      |    ^^^^")

    def test_controls_do_not_reach_the_terminal(self):
        self.assertEqual(
            self.shown("error('a') --\x1b[2J\x7f\u009b2J")[0], "    1 | error('a') --?[2J???2J"
        )

    def test_windows_line_ends(self):
        self.assertEqual(self.shown("\r\nerror('a')\r\n")[0], "    2 | error('a')")

    def test_what_was_run_and_not_what_the_file_has_become(self):
        self.write("x.luau", "print('up')\ntask.wait(0.2)\nerror('first')\n")
        process = self.start("x.luau")
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.write("x.luau", "-- other\n-- text\n-- here\n")
        result = self.finish(process)
        self.assertEqual(result.err.splitlines()[1], "    3 | error('first')")

    def test_a_long_path(self):
        path = "/".join(["d" * 100] * 3) + "/x.luau"
        self.write(path, "\nerror('deep')\n")
        lines = self.run_program(path).err.splitlines()
        self.assertTrue(lines[0].startswith("...d") and lines[0].endswith("x.luau:2: deep"))
        self.assertEqual(lines[1], "    2 | error('deep')")

    def test_modules(self):
        self.write("m.luau", "return function()\n  error('of the module')\nend")
        result = self.run_program("-e", "require('./m')()")
        self.assertEqual(result.err.splitlines()[1], "    2 |   error('of the module')")
        self.write("m.luau", "local = 1")
        result = self.run_program("-e", "require('./m')")
        self.assertEqual(
            result.err.splitlines()[:3],
            [
                "m.luau:1: Expected identifier when parsing variable name, got '='",
                "    1 | local = 1",
                "      |       ^",
            ],
        )


class Hints(program.ProgramTest):
    def hint(self, code):
        result = self.run_program("--virtual-time", "-e", code)
        hints = [line for line in result.err.splitlines() if line.startswith("hint: ")]
        self.assertLessEqual(len(hints), 1)
        return hints[0] if hints else None

    def check_hint(self, code, *words):
        hint = self.hint(code) or ""
        for word in words:
            self.assertIn(word, hint, code)

    def test_yields(self):
        wait = "task.wait()"
        self.check_hint(
            f"table.sort({{2, 1}}, function(a, b) {wait} return a < b end)", "'wait'", "'sort'"
        )
        self.check_hint(
            f"string.gsub('a', 'a', function() {wait} end)", "'wait' inside of 'gsub' can't yield"
        )
        meta = f"local mt = {{}} function mt.__index() {wait} end print(setmetatable({{}}, mt).x)"
        self.check_hint(meta, "'wait' inside of '__index' can't yield")
        nameless = f"local mt = {{__index = function() {wait} end}} print(setmetatable({{}}, mt).x)"
        self.check_hint(nameless, "can't yield")

    def test_threads(self):
        ended = "local co = coroutine.create(print) coroutine.resume(co) "
        self.check_hint(ended + "task.spawn(co)", "task.defer")
        self.check_hint(ended + "task.defer(co)", "ends once")
        self.check_hint(ended + "task.delay(1, co)", "ends once")
        self.check_hint("local f = coroutine.wrap(function() end) f() f()", "ends once")
        self.check_hint("task.cancel(coroutine.running())", "returning")

    def test_arguments(self):
        self.check_hint("task.delay(print, 1)", "seconds first")
        self.check_hint("task.spawn(print())", "task.spawn(f, x)")
        self.check_hint("task.defer(print())", "task.defer(f, x)")
        self.check_hint("task.delay(1, print())", "task.delay(1, f, x)")

    def test_stacks(self):
        self.check_hint("local function f() task.spawn(f) end f()", "do not nest")
        self.check_hint("local function f() return 1 + f() end f()", "itself")

    def test_names_that_others_have(self):
        for name, other in (
            ("wait(1)", "task.wait"),
            ("spawn(print)", "task.spawn"),
            ("delay(1, print)", "task.delay"),
            ("loadstring('x')", "require"),
            ("io.write('x')", "no 'io'"),
            ("os.exit(1)", "scheduler.stop(code)"),
            ("game.Players.x = 1", "Roblox"),
        ):
            self.check_hint(name, other)

    def test_functions_that_others_have(self):
        for name, other in (
            ("os.getenv('HOME')", "arguments"),
            ("os.execute('ls')", "no programs"),
            ("string.gfind('a', 'b')", "string.gmatch"),
            ("print(('a'):gfind('b'))", "string.gmatch"),
            ("print(('a'):Upper())", "case matters, string.upper"),
            ("print(('a'):trim())", "there is no 'string.trim' here"),
            ("table.length({})", "there is no 'table.length' here"),
            ("collectgarbage('count')", "gcinfo"),
            ("local v = Vector3.new(1, 2, 3)", "vector.create"),
            ("table.getn()", "#t"),
            ("table.foreach({}, 1)", "for k, v in t"),
            ("table.foreachi({1})", "ipairs"),
        ):
            self.check_hint(name, other)

    def test_the_wrong_case(self):
        """Of every function there is."""
        libraries = "bit32 buffer coroutine debug math os scheduler string table task utf8 vector"
        code = f"""
            for _, name in string.split("{libraries}", " ") do
                for key, f in getfenv()[name] do
                    if type(f) == "function" then print(name .. "." .. key) end
                end
            end"""
        names = self.run_program("-e", code).out.split()
        self.assertGreater(len(names), 100)
        calls = [name.split(".")[0] + "." + name.split(".")[1].capitalize() for name in names]
        lines = [f"task.defer(function() {call}() end)" for call in calls]
        self.write("x.luau", "\n".join(lines))
        err = self.run_program("x.luau").err
        hints = [line for line in err.splitlines() if line.startswith("hint: ")]
        self.assertEqual(
            hints,
            [f"hint: there is no '{c}': case matters, {n}" for c, n in zip(calls, names)],
        )
        # And what is there is not missed.
        lines = [f"task.defer(function() local x {name}(x()) end)" for name in names]
        self.write("x.luau", "\n".join(lines))
        err = self.run_program("x.luau").err
        self.assertEqual(err.count(": attempt to call a nil value\n"), len(names))
        self.assertNotIn("hint: ", err)

    def test_modules_with_a_suffix(self):
        self.check_hint("require('./lib.luau')", "without its suffix")
        self.check_hint("require('./lib')", "no lib.luau")
        self.check_hint("require('lib')", 'require("./lib")')

    def test_read_only(self):
        self.check_hint("math.pi = 3", "table.clone")
        self.check_hint("_G.y = 2", "plain global", "require")
        self.check_hint("_G['y'] = 2", "plain global", "require")
        self.check_hint("local t = table.freeze({}) t._G = 2", "table.clone")

    def test_where_there_is_nothing_to_say(self):
        for code in (
            "local t = {} t.wait(1)",  # a field is no global
            "local t = {} t.io.x = 1",
            "local t = {} t.os = {} t.os.exit(1)",
            "local x x()",
            "error('wait')",
            "local waiter waiter(1)",
            "local ready; ready() -- then wait(1)",
            "foo('wait(1) for it')",
            "local cfg = {x = {}} print(cfg.spawn, cfg.x.y.z, 'io.read')",
            "local cfg = {} print(cfg.x.y, io)",
            "error('the queue: C stack overflow')",
            'error("the parser\'s stack overflow protection")',
            "error('stack overflow')",
            "error('x.luau:1: stack overflow', 0)",
            "assert(false, 'attempt to modify a readonly table')",
            "error('no, attempt to yield across metamethod/C-call boundary')",
            "local wait = task.wait; local f; f(wait(0.1))",
            "local function delay() end delay() local f; f()",
            "local function f(spawn) local g; g(spawn()) end f(print)",
            "local os = {} os.exit(1)",
            "local function f(task) task.Run() end f({})",
            "local t = {string = {}} t.string.Len()",
            "local task = {} local s = 'a' task.run(s)",
        ):
            self.assertIsNone(self.hint(code), code)


class Origins(program.ProgramTest):
    SCRIPT = """task.spawn(function()
    task.wait(1)
    task.defer(function()
        error("lost")
    end)
end)
"""

    def test_chain(self):
        self.write("x.luau", self.SCRIPT)
        result = self.run_program("--virtual-time", "--origins", "x.luau")
        self.check(
            result,
            code=1,
            err="x.luau:4: lost\n"
            '    4 |         error("lost")\n'
            "      |         ^^^^^\n"
            "stack traceback:\n"
            "  [C] function error\n"
            "  x.luau:4\n"
            "started at x.luau:3\n"
            "started at x.luau:1\n",
        )

    def test_it_costs_and_has_to_be_asked_for(self):
        self.write("x.luau", self.SCRIPT)
        result = self.run_program("--virtual-time", "x.luau")
        self.assertNotIn("started at", result.err)

    def test_a_long_chain_is_cut(self):
        script = "local function f(n) if n == 0 then error('deep') end task.defer(f, n - 1) end f(50)"
        result = self.run_program("--virtual-time", "--origins", "-e", script)
        self.assertLessEqual(result.err.count("started at"), 10)

    def test_the_script_itself_was_started_by_nobody(self):
        result = self.run_program("--origins", "-e", "error('x')")
        self.assertNotIn("started at", result.err)


class Colors(program.ProgramTest):
    def on_terminal(self, *args, **options):
        shell = terminal.Terminal(*args, "-e", "error('boom')", cwd=self.dir, **options)
        self.addCleanup(shell.close)
        self.assertEqual(shell.wait(), 1)
        return shell.shown

    def test_on_a_terminal(self):
        shown = self.on_terminal()
        self.assertIn("\x1b[31m-e:1: boom\x1b[0m\r\n", shown)
        self.assertIn("      | \x1b[1m^^^^^\x1b[0m\r\n", shown)
        self.assertIn("\x1b[2mstack traceback:\x1b[0m\r\n", shown)

    def test_where_they_are_not_wanted(self):
        self.assertNotIn("\x1b", self.on_terminal(env={"NO_COLOR": "1"}))
        self.assertNotIn("\x1b", self.on_terminal(env={"TERM": "dumb"}))
        self.assertNotIn("\x1b", self.on_terminal("--color", "never"))

    def test_an_empty_no_color_is_none(self):
        self.assertIn("\x1b[31m", self.on_terminal(env={"NO_COLOR": ""}))

    def test_the_option_is_stronger(self):
        self.assertIn("\x1b[31m", self.on_terminal("--color=always", env={"NO_COLOR": "1"}))
        result = self.run_program("--color=always", "-e", "error('boom')")
        self.assertIn("\x1b[31m-e:1: boom\x1b[0m\n", result.err)

    def test_not_elsewhere(self):
        self.assertNotIn("\x1b", self.run_program("-e", "error('boom')").err)
        result = self.run_program("--color=auto", "-e", "error('boom')")
        self.assertNotIn("\x1b", result.err)

    def test_the_terminal_has_to_be_standard_error_s(self):
        shell = terminal.Terminal("-e", "error('boom')", streams=(0, 1))
        self.addCleanup(shell.close)
        self.assertNotIn(b"\x1b", shell.process.stderr.read())

    def test_a_wrong_word(self):
        err = "kahu: --color takes always, never or auto, not 'red'\nTry 'kahu --help'.\n"
        self.check(self.run_program("--color", "red", "-e", ""), code=2, err=err)


if __name__ == "__main__":
    program.main()
