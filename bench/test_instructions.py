#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Proves that bench/instructions fails where it must, and only there."""
import contextlib
import importlib.machinery
import importlib.util
import io
import pathlib
import unittest


def load():
    path = pathlib.Path(__file__).resolve().parent / "instructions"
    loader = importlib.machinery.SourceFileLoader("instructions", str(path))
    spec = importlib.util.spec_from_loader("instructions", loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


tool = load()


def judged(recorded, now, built_with="gcc 12"):
    """Exit code and output, for counts by name."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = tool.judge({"built_with": "gcc 12", "instructions": recorded},
                          {"built_with": built_with, "instructions": now})
    return code, out.getvalue() + err.getvalue()


class Judging(unittest.TestCase):
    def test_four_percent_more_fails(self):
        code, said = judged({"op": 100.0, "wait": 7.0},
                            {"op": 104.0, "wait": 7.0})
        self.assertEqual(code, 1)
        self.assertIn("+4.00 % more", said)
        self.assertIn("bench/instructions: op: give the reason", said)

    def test_two_percent_more_passes(self):
        code, said = judged({"op": 100.0}, {"op": 102.0})
        self.assertEqual(code, 0)
        self.assertIn("+2.00 %", said)

    def test_three_percent_is_the_most(self):
        self.assertEqual(judged({"op": 100.0}, {"op": 103.0})[0], 0)
        self.assertEqual(judged({"op": 100.0}, {"op": 103.01})[0], 1)

    def test_each_is_judged_alone(self):
        code, _ = judged({"op": 100.0, "wait": 1000.0},
                         {"op": 110.0, "wait": 500.0})
        self.assertEqual(code, 1)

    def test_fewer_passes_and_is_said(self):
        code, said = judged({"op": 100.0}, {"op": 50.0})
        self.assertEqual(code, 0)
        self.assertIn("-50.00 % fewer", said)

    def test_one_that_is_gone_fails(self):
        code, said = judged({"op": 100.0, "wait": 7.0}, {"op": 100.0})
        self.assertEqual(code, 1)
        self.assertIn("missing", said)
        self.assertIn("bench/instructions: wait:", said)

    def test_one_that_was_never_recorded_fails(self):
        code, said = judged({"op": 100.0}, {"op": 100.0, "wait": 7.0})
        self.assertEqual(code, 1)
        self.assertIn("new", said)

    def test_another_compiler_is_shown_and_not_judged(self):
        code, said = judged({"op": 100.0}, {"op": 150.0}, "clang 14")
        self.assertEqual(code, 0)
        self.assertIn("+50.00 % more", said)
        self.assertIn("recorded with gcc 12, this is clang 14", said)

    def test_what_is_gone_fails_with_any_compiler(self):
        self.assertEqual(judged({"op": 100.0}, {}, "clang 14")[0], 1)


class Counting(unittest.TestCase):
    def test_total(self):
        text = "summary: 12\n\nfn=(1) f\n1 12\n\ntotals: 4711\n"
        self.assertEqual(tool.total(text), 4711)

    def test_nothing_counted_is_no_count(self):
        for text in "totals: 0\n", "fn=(1) f\n":
            with self.assertRaises(SystemExit):
                tool.total(text)


if __name__ == "__main__":
    unittest.main()
