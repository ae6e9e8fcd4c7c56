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

from kahubench import contenders, workloads  # noqa: E402
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
        """Name and cell of every contender in every row."""
        for row in self.rows:
            for name, cell in row.cells.items():
                if cell.status in statuses:
                    with self.subTest(row=row.workload.name, contender=name):
                        yield row, name, cell

    def test_each_does_what_it_should(self):
        for _, _, cell in self.cells(FAILED):
            self.fail(cell.why)

    def test_none_is_early_or_out_of_order(self):
        for row, name, cell in self.cells(OK):
            if row.workload.waits and name != "floor":
                self.assertEqual(cell.checks["early"], 0)
                self.assertEqual(cell.checks["out_of_order"], 0)

    def test_the_floor_and_the_program_are_built(self):
        for name in ("floor", "kahu"):
            self.assertEqual(
                [row.workload.name for row in self.rows
                 if name in row.cells and not row.cells[name].has_figures], [])


if __name__ == "__main__":
    unittest.main()
