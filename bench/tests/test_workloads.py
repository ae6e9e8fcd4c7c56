#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every workload runs once, small, with what was just built, and counts right.

The build directory is in KAHU_BUILD. Peers have no part in this.
"""
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from kahubench import contenders, measure, workloads  # noqa: E402
from kahubench.results import FAILED, OK  # noqa: E402
from kahubench.session import Session  # noqa: E402

SMALL = 0.001


def run_all():
    """The rows of all scripts."""
    with tempfile.TemporaryDirectory() as folder:
        found = contenders.all_contenders(os.environ["KAHU_BUILD"], {}, folder)
        for name in contenders.PEERS:
            found[name] = contenders.Contender(name, ours=False)
        session = Session(found, pathlib.Path(folder), rounds=1, scale=SMALL)
        return [session.run_row(workload)
                for workload in workloads.all_workloads()
                if workload.kind != "program"]


class Workloads(unittest.TestCase):
    """A subtest for each of them."""

    @classmethod
    def setUpClass(cls):
        cls.rows = run_all()

    def cells(self, *statuses):
        """Row, name and cell of every contender in every row."""
        return [(row, name, cell) for row in self.rows
                for name, cell in row.cells.items() if cell.status in statuses]

    def test_each_does_what_it_should(self):
        for row, name, cell in self.cells(FAILED):
            with self.subTest(row=row.workload.name, contender=name):
                self.fail(cell.why)

    def test_none_is_early_or_out_of_order(self):
        for row, name, cell in self.cells(OK):
            if row.workload.waits and name != "floor":
                with self.subTest(row=row.workload.name, contender=name):
                    self.assertEqual(cell.checks["early"], 0)
                    self.assertEqual(cell.checks["out_of_order"], 0)

    def test_the_floor_and_the_program_are_built(self):
        for name in ("floor", "kahu"):
            self.assertEqual(
                [row.workload.name for row in self.rows
                 if name in row.cells and not row.cells[name].has_figures], [])


class Checks(unittest.TestCase):
    """What a script says of a scheduler that is early, or out of order."""

    def facts(self, body):
        with tempfile.TemporaryDirectory() as folder:
            script = pathlib.Path(folder) / "script.luau"
            script.write_text(workloads.beginning("task", 1, True, "") + body
                              + "\nfinish(1, 1)\n", encoding="utf-8")
            program = pathlib.Path(os.environ["KAHU_BUILD"]) / "kahu"
            return measure.run([program, "--virtual-time", script], 60).facts

    def expect(self, body, early, out_of_order):
        facts = self.facts(body)
        self.assertEqual((facts["early"], facts["out_of_order"]),
                         (early, out_of_order))

    def test_all_is_well(self):
        self.expect("""
            local one, other = ask(1), ask(2)
            task.wait(3)
            woke(one) woke(other)""", 0, 0)

    def test_early(self):
        self.expect("""
            local one = ask(1)
            task.wait(0.9)
            woke(one)""", 1, 0)

    def test_not_by_deadline(self):
        self.expect("""
            local one, other = ask(1), ask(2)
            task.wait(3)
            woke(other) woke(one)""", 0, 1)

    def test_not_by_call(self):
        self.expect("""
            local one, other = ask(1), ask(1)
            task.wait(3)
            woke(other) woke(one)""", 0, 1)


if __name__ == "__main__":
    unittest.main()
