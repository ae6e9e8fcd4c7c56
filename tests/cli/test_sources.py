#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Scripts of every kind that a file can hold, and files that hold none."""

import os
import resource
import subprocess
import unittest

import program

MEGABYTE = 1 << 20


class Unreadable(program.ProgramTest):
    def refuse(self, path, message, **options):
        self.check(self.run_program(path, **options), code=2, err=f"kahu: {message}\n")

    def test_missing(self):
        self.refuse("no.luau", "cannot read 'no.luau': No such file or directory")
        self.refuse("no/no.luau", "cannot read 'no/no.luau': No such file or directory")
        self.refuse("", "cannot read '': No such file or directory")

    def test_directory_without_a_script(self):
        os.mkdir(os.path.join(self.dir, "d"))
        self.refuse("d", "cannot read 'd/init.luau': No such file or directory")
        self.refuse("d/", "cannot read 'd/init.luau': No such file or directory")
        os.mkdir(os.path.join(self.dir, "d/init.luau"))
        self.refuse("d", "cannot read 'd/init.luau': Is a directory")

    def test_a_file_in_the_way(self):
        self.write("file", "")
        self.refuse("file/x.luau", "cannot read 'file/x.luau': Not a directory")

    @unittest.skipIf(os.geteuid() == 0, "root may read everything")
    def test_permission(self):
        self.write("secret.luau", "")
        os.chmod(os.path.join(self.dir, "secret.luau"), 0)
        self.refuse("secret.luau", "cannot read 'secret.luau': Permission denied")

    def test_a_name_too_long(self):
        name = "x" * 5000
        self.refuse(name, f"cannot read '{name}': File name too long")

    def test_a_loop_of_links(self):
        os.symlink("loop.luau", os.path.join(self.dir, "loop.luau"))
        self.refuse("loop.luau", "cannot read 'loop.luau': Too many levels of symbolic links")

    def test_binary(self):
        for name, data in (
            ("null", b"print(1)\0print(2)"),
            ("last", b"print(1)\n\0"),
            ("bytecode", b"\x06\x03\x01\x05print\x00\x01\x02\x00\x00\x01"),
            ("elf", b"\x7fELF\x02\x01\x01" + bytes(9)),
            ("utf16", "print(1)".encode("utf-16")),
        ):
            self.write(name, data)
            self.refuse(name, f"cannot read '{name}': not a text file")
        self.refuse("-", "cannot read '-': not a text file", stdin=b"print(1)\0")

    def test_binary_late_in_a_big_file(self):
        self.write("late", b"-- line\n" * 100000 + b"\0")
        self.refuse("late", "cannot read 'late': not a text file")

    def test_what_never_ends(self):
        self.refuse("/dev/zero", "cannot read '/dev/zero': not a text file")

    @unittest.skipIf(program.SANITIZED, "takes its time")
    def test_what_is_too_large(self):
        path = os.path.join(self.dir, "large.luau")
        with open(path, "wb") as file:
            for _ in range(257):
                file.write(b" " * MEGABYTE)
        self.refuse("large.luau", "cannot read 'large.luau': larger than 256 MiB")

    def test_no_standard_input(self):
        with open("/dev/null", "wb") as unreadable:
            process = self.start("-", stdin=unreadable)
        self.check(self.finish(process), code=2, err="kahu: cannot read '-': Bad file descriptor\n")


class Readable(program.ProgramTest):
    def run_text(self, data, out="", code=0, err=""):
        """The same from a file and from standard input."""
        self.write("x.luau", data)
        self.check(self.run_program("x.luau"), code, out, err.replace("FILE", "x.luau"))
        self.check(self.run_program("-", stdin=data), code, out, err.replace("FILE", "stdin"))

    def fail_at(self, data, line):
        """The script says `error("here")` in this line."""
        self.write("x.luau", data)
        result = self.run_program("x.luau")
        self.assertEqual((result.code, result.out), (1, ""))
        self.assertEqual(result.err.splitlines()[0], f"x.luau:{line}: here")

    def test_empty(self):
        self.run_text("")
        self.run_text("\n")
        self.run_text("-- nothing")

    def test_line_ends(self):
        self.run_text("print(1)\r\nprint(2)\r\n", out="1\n2\n")
        self.run_text("print(1)\nprint(2)", out="1\n2\n")
        self.fail_at("\r\n\r\nerror('here')\r\n", 3)
        self.run_text("print([[a\r\nb]])\r\n", out="a\nb\n")

    def test_byte_order_mark(self):
        self.run_text(b"\xef\xbb\xbfprint(1)", out="1\n")
        self.run_text(b"\xef\xbb\xbf")
        self.fail_at(b"\xef\xbb\xbf\nerror('here')", 2)
        self.fail_at(b"\xef\xbb\xbferror('here')", 1)

    def test_interpreter_line(self):
        self.run_text("#!/usr/bin/env kahu\nprint(1)", out="1\n")
        self.run_text("#!/usr/bin/env kahu\r\nprint(1)", out="1\n")
        self.run_text("#![[ not a comment\nprint(1)", out="1\n")
        self.run_text("#!")
        self.fail_at("#!/usr/bin/kahu\nerror('here')", 2)
        self.fail_at(b"\xef\xbb\xbf#!/usr/bin/kahu\n\nerror('here')", 3)

    def test_an_interpreter_line_works(self):
        self.write("tool", f"#!{program.PROGRAM} --virtual-time\nprint(task.wait(3600), ...)\n")
        os.chmod(os.path.join(self.dir, "tool"), 0o755)
        tool = [os.path.join(self.dir, "tool"), "x"]
        out = subprocess.run(tool, stdout=subprocess.PIPE, check=True, timeout=60).stdout
        self.assertEqual(out, b"3600\tx\n")

    def test_compile_errors(self):
        self.run_text(
            "local x = = 1",
            code=1,
            err="FILE:1: Expected identifier when parsing expression, got '='\n"
            "    1 | local x = = 1\n"
            "      | ^\n",
        )
        self.run_text(
            "\r\n\r\nx ==\r\n",
            code=1,
            err="FILE:3: Incomplete statement: expected assignment or a function call\n"
            "    3 | x ==\n"
            "      | ^\n",
        )
        self.check(
            self.run_program("-e", "break"),
            code=1,
            err="-e:1: break statement must be inside a loop\n    1 | break\n      | ^\n",
        )

    def test_an_error_in_the_file_s_own_name(self):
        self.write("sub/deep er.luau", "error('here')")
        result = self.run_program("sub/deep er.luau")
        self.assertEqual(result.err.splitlines()[0], "sub/deep er.luau:1: here")

    def test_utf8(self):
        self.run_text("print('grüße, 世界')", out="grüße, 世界\n")

    def test_one_long_line(self):
        self.run_text("local x = 0 " + "x += 1 " * 100000 + "print(x)", out="100000\n")

    def test_fifty_megabytes(self):
        line = "-- " + "x" * 75 + "\n"
        count = 50 * MEGABYTE // len(line)
        code = "local x = 0\n" + ("x += 1\n" + line * 99) * (count // 100)
        data = code + "print(x)\nerror('here')\n"
        self.write("x.luau", data)
        result = self.run_program("x.luau")
        lines = data.count("\n")
        self.assertEqual((result.code, result.out), (1, f"{count // 100}\n"))
        self.assertEqual(result.err.splitlines()[0], f"x.luau:{lines}: here")

    @unittest.skipIf(program.SANITIZED, "takes its time")
    def test_fifty_megabytes_of_code(self):
        block = "do local y = x + 1 end\n"
        count = 50 * MEGABYTE // len(block)
        self.write("x.luau", "local x = 1\n" + block * count + "print(x)\n")
        self.check(self.run_program("x.luau"), out="1\n")


@unittest.skipIf(program.SANITIZED, "a limit of the address space is none")
class Memory(program.ProgramTest):
    def run_limited(self, megabytes, *args):
        limit = megabytes * MEGABYTE
        return self.run_program(
            *args, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        )

    def test_a_script_that_takes_all(self):
        script = """
        task.delay(0, print, "the others go on")
        local t = {}
        while true do t[#t + 1] = string.rep("x", 1e6) .. #t end
        """
        result = self.run_limited(200, "-e", script)
        self.assertEqual((result.out, result.code), ("the others go on\n", 1))
        told = result.err.splitlines()
        self.assertEqual(told[0], "kahu: not enough memory")
        self.assertIn("string.rep", told[1])
        self.assertEqual(told[3], "stack traceback:")

    def test_an_error_like_others(self):
        script = "print(pcall(string.rep, 'x', 5e8))"
        self.check(self.run_limited(200, "-e", script), out="false\tnot enough memory\n")

    def test_a_script_too_large_to_read(self):
        self.write("x.luau", "-- comment\n" * 10000000)
        self.check(self.run_limited(100, "x.luau"), code=1, err="kahu: not enough memory\n")

    def test_a_script_too_large_to_compile(self):
        self.write("x.luau", "do local y = x + 1 end\n" * 1000000)
        self.check(self.run_limited(150, "x.luau"), code=1, err="kahu: not enough memory\n")
        result = self.run_limited(150, "-e", "print(pcall(require, './x'))")
        self.check(result, out="false\tnot enough memory\n")

    def test_threads_without_end(self):
        script = "while true do task.delay(1e9, function() end) end"
        result = self.run_limited(100, "--virtual-time", "-e", script + " task.wait(1)")
        self.assertIn("not enough memory\n", result.err)
        self.assertEqual(result.code, 1)


if __name__ == "__main__":
    program.main()
