#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The charts: what is drawn, and that those in the tree are of its figures."""
import json
import pathlib
import re
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
sys.path.insert(0, str(HERE.parent))

from kahubench import chart, workloads  # noqa: E402


def cell(cpu, status="ok"):
    return {"status": status, "median": {"cpu": cpu, "peak": None}}


def whole(**rows):
    return {"workloads": {name: {"contenders": of} for name, of in rows.items()},
            "run": {"processor": "A chip", "rounds": 3, "peers": {"lune": "1"}}}


class Ratios(unittest.TestCase):
    def test_they_are_to_the_floor(self):
        some = whole(delay={"floor": cell(2), "kahu": cell(3), "lune": cell(8)})
        self.assertEqual(chart.ratios(some, "cpu"),
                         {"kahu": [("delay", 1.5)], "lune": [("delay", 4)]})

    def test_a_host_is_kahus_where_the_script_needs_one(self):
        some = whole(op={"floor": cell(2), "host": cell(3)},
                     delay={"floor": cell(2), "kahu": cell(3), "host": cell(8)})
        self.assertEqual(chart.ratios(some, "cpu"),
                         {"kahu": [("op", 1.5), ("delay", 1.5)]})

    def test_what_has_no_floor_or_failed_has_none(self):
        some = whole(lone={"kahu": cell(3)}, delay={"floor": cell(2)},
                     cancel={"floor": cell(1), "kahu": cell(2),
                             "lune": {"status": "failed", "why": ""}})
        self.assertEqual(chart.ratios(some, "cpu"), {"kahu": [("cancel", 2)]})
        self.assertEqual(chart.ratios(some, "peak"), {})

    def test_the_caption_names_machine_and_peers(self):
        self.assertEqual(chart.caption(whole()),
                         "A chip; medians of 3 runs; peers: lune 1")

    def test_the_small_chart_is_of_rows_that_there_are(self):
        names = {workload.name for workload in workloads.all_workloads()}
        self.assertLessEqual(set(chart.SUMMARY), names)


class Charts(unittest.TestCase):
    def drawn(self):
        """Both charts anew, of the figures in the tree, as {name: SVG}."""
        if chart.pyplot() is None:
            self.skipTest("matplotlib is not installed")
        room = tempfile.TemporaryDirectory()
        self.addCleanup(room.cleanup)
        path = pathlib.Path(room.name, "full.json")
        path.write_text((RESULTS / "full.json").read_text())
        self.assertEqual(len(list(chart.draw(path, True))), 2)
        return {p.name: p.read_text() for p in path.parent.glob("*.svg")}

    def test_the_same_figures_are_the_same_file(self):
        self.assertEqual(self.drawn(), self.drawn())

    def test_those_in_the_tree_are_of_its_figures(self):
        # Text is outlines in them, so what can be compared is the bars, by
        # any version of matplotlib.
        for name, svg in self.drawn().items():
            there = (RESULTS / name).read_text()
            for colour in chart.COLOURS.values():
                self.assertEqual(len(re.findall(f"fill: {colour}", there)),
                                 len(re.findall(f"fill: {colour}", svg)), name)

    def test_without_figures_it_says_why(self):
        with tempfile.TemporaryDirectory() as room:
            path = pathlib.Path(room, "x.json")
            path.write_text(json.dumps(whole()))
            said = list(chart.draw(path, False))
            self.assertRegex(said[0], "^no chart: ")
            self.assertEqual(list(path.parent.glob("*.svg")), [])


if __name__ == "__main__":
    unittest.main()
