#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The runner's arithmetic: facts, medians, spreads, verdicts, who is absent."""
import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from kahubench import (contenders, measure, report, targets,  # noqa: E402
                       workloads)
from kahubench.measure import Failed, Run  # noqa: E402
from kahubench.results import (ABSENT, FAILED, NONE, Cell, Row,  # noqa: E402
                               row_as_json)
from kahubench.session import Session, verified  # noqa: E402

BY_NAME = {w.name: w for w in workloads.all_workloads()}


def run(cpu=1.0, **facts):
    return Run(wall=2 * cpu, cpu=cpu, peak=10.0, switches=3, facts=facts)


def cell(*costs, **facts):
    return Cell(runs=[run(cost, **facts) for cost in costs])


def rows(name, **cells):
    """One row, by its name; kahu_plain stands for kahu-plain."""
    named = {who.replace("_", "-"): c for who, c in cells.items()}
    return {name: Row(BY_NAME[name], named)}


def verdict(target, some_rows):
    """The only verdict of that target."""
    found = [v for v in targets.all_verdicts(some_rows)
             if v.target.startswith(target)]
    assert len(found) == 1, found
    return found[0]


class Facts(unittest.TestCase):
    def test_lines_are_read(self):
        self.assertEqual(measure.parse_facts("fact a 1\nfact b\t2.5\n"),
                         {"a": 1, "b": 2.5})

    def test_other_lines_are_not(self):
        text = "hello\nfact\nfact a\nthe fact a 1\nfact a 1 2\n"
        self.assertEqual(measure.parse_facts(text), {})

    def test_a_fact_that_is_no_number_is_an_error(self):
        with self.assertRaises(ValueError):
            measure.parse_facts("fact a many\n")


class Figures(unittest.TestCase):
    def test_median_and_spread(self):
        some = cell(1, 4, 2)
        self.assertEqual(some.median("cpu"), 2)
        self.assertEqual(some.spread("cpu"), 1.5)
        self.assertEqual(some.median("wall"), 4)

    def test_median_of_a_fact(self):
        some = Cell(runs=[run(a=1), run(a=3), run(b=7)])
        self.assertEqual(some.median("a"), 2)
        self.assertIsNone(some.median("c"))

    def test_spread_of_nothing_but_zeros(self):
        self.assertEqual(cell(0, 0).spread("cpu"), 0)

    def test_a_failure_has_no_figures(self):
        some = cell(1, 2)
        some.fail("broken")
        self.assertIsNone(some.median("cpu"))
        self.assertIsNone(some.spread("cpu"))

    def test_cost_is_for_a_piece_where_the_work_is_not_fixed(self):
        row = rows("waits-loop", kahu=Cell(
            runs=[run(1, wakes=10), run(3, wakes=10)]))["waits-loop"]
        self.assertEqual(row.cost("kahu"), 0.2)
        self.assertIsNone(row.cost("lune"))


class Counts(unittest.TestCase):
    def test_a_wrong_count_is_no_figure(self):
        with self.assertRaisesRegex(Failed, "4 were done, and not 5"):
            verified(run(done=4, expected=5), BY_NAME["cancel"])

    def test_so_is_none(self):
        with self.assertRaises(Failed):
            verified(run(), BY_NAME["cancel"])

    def test_a_right_one_is(self):
        good = run(done=5, expected=5)
        self.assertIs(verified(good, BY_NAME["cancel"]), good)


class AgainstTheFloor(unittest.TestCase):
    TARGET = "CPU against the floor"

    def judged(self, **cells):
        return verdict(self.TARGET, rows("cancel", **cells))

    def test_met_at_the_limit(self):
        self.assertIs(self.judged(floor=cell(1), kahu=cell(1.1)).met, True)

    def test_missed_beyond_it(self):
        self.assertIs(self.judged(floor=cell(1), kahu=cell(1.11)).met, False)

    def test_medians_are_what_is_compared(self):
        judged = self.judged(floor=cell(1, 1, 9), kahu=cell(0.1, 2, 2))
        self.assertEqual(judged.value, "2")

    def test_the_collector_has_the_same_pace(self):
        judged = self.judged(floor=cell(1), kahu=cell(3), kahu_plain=cell(1))
        self.assertIs(judged.met, True)

    def test_a_failure_is_not_measured(self):
        broken = cell(1)
        broken.fail("it broke")
        judged = self.judged(floor=cell(1), kahu=cell(1), kahu_plain=broken)
        self.assertIsNone(judged.met)

    def test_own_pace_has_to_be_below_on_the_sleepers(self):
        for cost, met in ((0.9, True), (1, False)):
            judged = verdict("CPU below the floor", rows(
                "sleepers-ten", floor=cell(1), kahu=cell(cost)))
            self.assertIs(judged.met, met)


class AgainstPeers(unittest.TestCase):
    TARGET = "CPU against the best peer"

    def judged(self, name="cancel", **cells):
        return verdict(self.TARGET, rows(name, **cells))

    def test_as_a_rule(self):
        for cost, met in ((0.8, True), (0.81, False)):
            judged = self.judged(floor=cell(0.1), kahu=cell(cost),
                                 lune=cell(1))
            self.assertIs(judged.met, met)
            self.assertEqual(judged.note, "lune")

    def test_sleepers(self):
        judged = self.judged("sleepers-five", kahu=cell(0.41), lune=cell(1))
        self.assertIs(judged.met, False)

    def test_a_peer_near_the_floor(self):
        judged = self.judged(floor=cell(1), kahu=cell(1.15), lune=cell(1.15))
        self.assertIs(judged.met, True)

    def test_an_absent_peer_is_not_beaten(self):
        judged = self.judged(kahu=cell(1), lune=Cell(ABSENT))
        self.assertIsNone(judged.met)
        self.assertEqual(judged.word, "not measured")
        self.assertEqual(judged.note, "lune: absent")

    def test_nor_is_one_that_failed(self):
        self.assertIsNone(self.judged(kahu=cell(1), lune=Cell(FAILED)).met)

    def test_what_peers_cannot_do_is_no_target(self):
        some = rows("ops-op", host=cell(1), lune=Cell(NONE))
        self.assertEqual([v for v in targets.all_verdicts(some)
                          if v.target == self.TARGET], [])

    def test_lateness(self):
        late = rows("lateness", kahu=cell(1, lateness_mean_ms=0.5),
                    lune=cell(1, lateness_mean_ms=1))
        self.assertIs(verdict("mean lateness", late).met, True)

    def test_start(self):
        started = rows("start-empty", kahu=cell(1, first_byte_ms=6),
                       lune=cell(1, first_byte_ms=10))
        self.assertIs(verdict("start to first line", started).met, False)


class Alone(unittest.TestCase):
    def ordered(self, **checks):
        some = cell(1)
        some.checks = checks
        return verdict("early; out of order", rows(
            "delay", kahu=some, floor=cell(1), lune=cell(1)))

    def test_nothing_early_nothing_out_of_order(self):
        self.assertIs(self.ordered(early=0, out_of_order=0).met, True)
        self.assertIs(self.ordered(early=1, out_of_order=0).met, False)
        self.assertIs(self.ordered(early=0, out_of_order=2).met, False)

    def test_unchecked_is_not_measured(self):
        self.assertIsNone(self.ordered().met)

    def ordered_with(self, other):
        checked = cell(1)
        checked.checks = {"early": 0, "out_of_order": 0}
        return verdict("early; out of order", rows(
            "delay", kahu=checked, kahu_stepped=other)).met

    def test_nor_is_it_while_one_of_ours_is_absent(self):
        self.assertIsNone(self.ordered_with(Cell(ABSENT, "not built")))

    def test_nor_when_one_of_ours_failed_after_its_check(self):
        broken = cell(1)
        broken.checks = {"early": 0, "out_of_order": 0}
        self.assertIs(self.ordered_with(broken), True)
        broken.fail("it broke")
        self.assertIsNone(self.ordered_with(broken))

    def test_wake_ups_asleep(self):
        for wakeups, met in ((0, True), (1, False)):
            idle = rows("idle-one", kahu=cell(
                1, idle_wakeups=wakeups, idle_cpu_ms=0.1))
            self.assertIs(verdict("wake-ups", idle).met, met)

    def test_growth(self):
        some = rows("growth-1e4", kahu=cell(1, wakes=100))
        some |= rows("growth-1e6", kahu=cell(1.6, wakes=100))
        self.assertIs(verdict("cost per wake", some).met, False)

    def test_operations(self):
        some = rows("sleepers-ten", host=cell(1), host_stepped=cell(1))
        some |= rows("sleepers-ten-op", host=cell(1.3),
                     host_stepped=cell(1.4))
        met = [v.met for v in targets.all_verdicts(some)
               if v.target.startswith("operation")]
        self.assertEqual(met, [True, False])

    def test_each_fact_that_decides(self):
        for target, row, who, fact, limit, _, strict in targets.FACTS:
            with self.subTest(target=target, row=row, contender=who):
                for value, met in ((limit, not strict), (limit + 1, False)):
                    some = {row: Row(BY_NAME[row], {
                        who: cell(1, **{fact: value})})}
                    found = [v for v in targets.single_facts(some)
                             if v.target == target and v.met is not None]
                    self.assertEqual([v.met for v in found], [met])


class TheEnd(unittest.TestCase):
    def verdicts(self, *outcomes):
        return [targets.Verdict("t", "r", met) for met in outcomes]

    def test_the_last_line(self):
        self.assertEqual(targets.summary(self.verdicts(True, False)),
                         "1 of 2 targets met")

    def test_what_was_not_measured_is_not_met(self):
        self.assertEqual(targets.summary(self.verdicts(True, None)),
                         "1 of 2 targets met (1 not measured)")

    def test_ours_must_not_fail_or_be_absent(self):
        broken = cell(1)
        broken.fail("it broke")
        for ours in (broken, Cell(ABSENT, "not built")):
            self.assertEqual(len(list(targets.failures(
                rows("cancel", kahu=ours)))), 1)

    def test_peers_may(self):
        self.assertEqual(list(targets.failures(rows(
            "cancel", kahu=cell(1), lune=Cell(ABSENT)))), [])


class Contenders(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def program(self, path, says):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    def test_a_peer_is_found_where_it_is_told(self):
        path = self.program(self.root / "here" / "lune", "lune 0.11.1")
        found = contenders.peer("lune", {"lune": str(path)}, self.root)
        self.assertEqual(found.command[0], str(path))
        self.assertEqual(found.version, "0.11.1")

    def test_another_version_is_told(self):
        self.program(self.root / "build/peers/bin/lune", "lune 0.9.9")
        found = contenders.all_contenders(self.root, {}, self.root)
        self.assertEqual(len(contenders.other_versions(found)), 1)

    def test_what_is_installed_is_the_pinned_version(self):
        makefile = (HERE.parent.parent / "Makefile").read_text("utf-8")
        for name, facts in contenders.PEERS.items():
            self.assertIn(f"{name}@{facts['version']}", makefile)

    def test_and_where_it_is_installed(self):
        path = self.program(self.root / "build/peers/bin/lune", "lune 1.2")
        self.assertEqual(contenders.find_peer("lune", {}, self.root), path)

    def test_one_that_does_not_run_is_absent(self):
        found = contenders.peer("lune", {"lune": "/nowhere"}, self.root)
        self.assertTrue(found.is_absent)

    def test_what_is_not_built_is_absent(self):
        found = contenders.all_contenders(self.root, {}, self.root)
        self.assertTrue(found["floor"].is_absent)
        self.assertIn("not built", found["floor"].why_absent)

    def test_the_plain_pace_is_for_programs_that_have_another(self):
        self.program(self.root / "kahu", "  --gc-pace GOAL")
        self.assertIn("--gc-pace", contenders.plain(self.root).command)
        self.program(self.root / "kahu", "  --help")
        self.assertTrue(contenders.plain(self.root).is_same)


class Scripts(unittest.TestCase):
    def test_they_differ_in_one_line(self):
        ours, theirs = (
            workloads.compose(BY_NAME["mixed"], who, 1, False).split("\n")
            for who in (contenders.Contender("kahu"), contenders.Contender(
                "lune", task='require("@lune/task")', leave="exit")))
        self.assertNotEqual(ours[0], theirs[0])
        self.assertEqual(ours[1:], theirs[1:])

    def test_the_line_has_what_the_run_is_about(self):
        first = workloads.compose(BY_NAME["spawn-yield"],
                                  contenders.Contender("kahu"), 0.5, True)
        self.assertEqual(
            first.split("\n")[0], "local task, scale, checking, variant, "
            'leave = task, 0.5, true, "yield", nil')

    def test_the_long_one_is_long(self):
        text = workloads.start_script(10_000)
        self.assertEqual(text.count("\n"), 10_000)

    def test_every_workload_has_its_script(self):
        for workload in BY_NAME.values():
            if workload.kind in ("script", "idle"):
                self.assertTrue(
                    (workloads.FOLDER / f"{workload.source}.luau").exists())


class Measuring(unittest.TestCase):
    def test_facts_and_figures_of_a_run(self):
        done = measure.run(["echo", "fact a 1"], 30)
        self.assertEqual(done.facts, {"a": 1})
        self.assertGreater(done.wall, 0)

    def test_the_memory_is_the_program_s_own(self):
        self.assertLess(measure.run(["true"], 30).peak,
                        measure.run([sys.executable, "-c", ""], 30).peak)

    def test_a_failure_says_what_the_program_said(self):
        with self.assertRaisesRegex(Failed, "exit 3: why"):
            measure.run(["sh", "-c", "echo why >&2; exit 3"], 30)

    def test_a_run_without_end_is_ended(self):
        with self.assertRaisesRegex(Failed, "not done"):
            measure.run(["sleep", "60"], 0.1)

    def test_the_first_byte(self):
        done = measure.run_start(["sh", "-c", "echo x; sleep 0.2"], 30)
        self.assertLess(done.facts["first_byte_ms"], done.wall * 1e3)

    def test_nothing_printed_is_no_start(self):
        with self.assertRaises(Failed):
            measure.run_start(["true"], 30)

    def test_sleeping_is_idle(self):
        idle = measure.run_idle({"a": ["sleep", "1"]}, 1, 30)["a"]
        self.assertEqual(idle.facts["idle_wakeups"], 0)

    def test_polling_is_not(self):
        command = [sys.executable, "-c", "import time\n"
                   "for _ in range(100): time.sleep(0.01)"]
        idle = measure.run_idle({"a": command}, 1, 30)["a"]
        self.assertGreater(idle.facts["idle_wakeups"], 10)


class Rows(unittest.TestCase):
    """What a session makes of contenders that are there, or not."""

    def session(self, **found):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        everyone = {name: contenders.Contender(name, why_absent="not there")
                    for name in BY_NAME["cancel"].contenders}
        everyone |= found
        return Session(everyone, pathlib.Path(folder.name), rounds=2)

    def test_the_absent_are_shown_as_that(self):
        row = self.session().run_row(BY_NAME["cancel"])
        self.assertEqual({c.status for c in row.cells.values()}, {ABSENT})
        self.assertIn("absent: not there", report.row_lines(row)[0])

    def test_each_round_is_a_run(self):
        kahu = contenders.Contender("kahu", [
            "sh", "-c", "echo fact done 1; echo fact expected 1"])
        row = self.session(kahu=kahu).run_row(BY_NAME["cancel"])
        self.assertEqual(len(row.cells["kahu"].runs), 2)
        as_json = row_as_json(row)["contenders"]
        self.assertEqual(as_json["kahu"]["median"]["done"], 1)
        self.assertEqual(as_json["floor"]["status"], ABSENT)

    def test_a_quick_run_has_fewer_rows(self):
        session = self.session()
        every = len(session.selected())
        session.quick = True
        self.assertLess(len(session.selected()), every)
        self.assertEqual(
            [w.name for w in session.selected(["growth-2e6"])],
            ["growth-2e6"])

    def test_a_row_that_is_not_there_is_refused(self):
        with self.assertRaises(SystemExit):
            self.session().selected(["sleppers"])


if __name__ == "__main__":
    unittest.main()
