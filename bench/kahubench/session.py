"""Runs workloads: contenders take turns, so that noise is noise for all."""
import dataclasses
import pathlib
import sys

from . import measure, workloads
from .measure import Failed
from .results import ABSENT, NONE, OK, Cell, Row


@dataclasses.dataclass
class Session:
    """What is common to all rows of a run of the suite."""
    contenders: dict
    folder: pathlib.Path  # for scripts; the caller removes it
    rounds: int = 5
    scale: float = 1
    quick: bool = False
    timeout: float = 120

    def selected(self, names=()):
        """The workloads to run: the named ones, or all of such a run."""
        every = workloads.all_workloads()
        unknown = set(names) - {workload.name for workload in every}
        if unknown:
            sys.exit(f"bench: no such workload: {', '.join(sorted(unknown))}")
        return [w for w in every
                if (w.name in names if names else w.quick or not self.quick)]

    def scale_of(self, workload):
        return self.scale * (workload.quick or 1 if self.quick else 1)

    def rounds_of(self, workload):
        if workload.kind == "start" and not self.quick:
            return max(self.rounds, workload.rounds)
        if workload.kind == "program" and self.quick:
            return 1
        return min(self.rounds, workload.rounds or self.rounds)

    # --- Scripts ---

    def script(self, workload, contender, checking):
        """The file of the script that a contender gets."""
        path = self.folder / (f"{workload.name}-{contender.name}"
                              f"{'-checking' if checking else ''}.luau")
        if path.exists():
            return path
        if workload.kind == "start":
            lines = 10_000 if workload.name == "start-lines" else 1
            text = workloads.start_script(lines)
        else:
            text = workloads.compose(workload, contender,
                                     self.scale_of(workload), checking)
        path.write_text(text, encoding="utf-8")
        return path

    def command(self, workload, name, checking):
        contender = self.contenders[name]
        if workload.kind == "program":
            return contender.command
        return [*contender.command,
                self.script(workload, contender, checking)]

    # --- Rows ---

    def takes_part(self, name):
        """A quick run is about what people get: the program, on libuv."""
        return not (self.quick and name.endswith("-stepped"))

    def empty_row(self, workload):
        cells = {}
        for name in workload.contenders:
            contender = self.contenders[name]
            if contender.is_same or not self.takes_part(name):
                continue
            cells[name] = Cell()
            if not contender.ours and \
                    workload.name in workloads.OPERATIONS_IN_C:
                cells[name] = Cell(NONE)
            elif contender.is_absent:
                cells[name] = Cell(ABSENT, contender.why_absent)
        return Row(workload, cells)

    def run_row(self, workload, progress=lambda text: None):
        row = self.empty_row(workload)
        if workload.waits and not workload.checking:
            progress(f"{workload.name}: checking")
            self.check(row)
        rounds = self.rounds_of(workload)
        for number in range(1, rounds + 1):
            progress(f"{workload.name}: {number} of {rounds}")
            self.run_round(row)
        return row

    def check(self, row):
        """A run that is not measured, with every thread at the clock.

        The floor keeps no deadlines: it has nothing that could be checked.
        """
        for name, cell in row.cells.items():
            if cell.status != OK or name == "floor":
                continue
            try:
                keep_worst(cell.checks,
                           self.run_one(row.workload, name, True).facts)
            except Failed as failed:
                cell.fail(f"checking: {failed}")

    def run_round(self, row):
        going = [n for n, cell in row.cells.items() if cell.status == OK]
        if row.workload.kind == "idle":
            outcomes = self.run_idle(row.workload, going)
        else:
            outcomes = {}
        for name in going:
            cell = row.cells[name]
            try:
                run = outcomes.get(name) or self.run_one(
                    row.workload, name, row.workload.checking)
                cell.runs.append(verified(run, row.workload))
            except Failed as failed:
                cell.fail(str(failed))
                continue
            if row.workload.checking and name != "floor":
                keep_worst(cell.checks, run.facts)

    def run_one(self, workload, name, checking):
        command = self.command(workload, name, checking)
        if workload.kind == "start":
            return measure.run_start(command, self.timeout)
        return verified(measure.run(command, self.timeout), workload)

    def run_idle(self, workload, names):
        commands = {name: self.command(workload, name, workload.checking)
                    for name in names}
        return measure.run_idle(
            commands, workload.seconds * self.scale_of(workload),
            self.timeout)


def verified(run, workload):
    """The run, if it did what was asked for: else it has no figures."""
    if isinstance(run, Failed):
        raise run
    if workload.kind in ("script", "idle"):
        done, expected = run.facts.get("done"), run.facts.get("expected")
        if done is None or done != expected:
            raise Failed(f"{done or 0:.0f} were done, and not "
                         f"{expected or 0:.0f}")
    elif workload.kind == "program" and not run.facts:
        raise Failed("no facts printed")
    return run


def keep_worst(checks, facts):
    """Of all checking runs. Lateness is no check, and in virtual time nothing.
    """
    for name in ("early", "out_of_order"):
        checks[name] = max(checks.get(name, 0), facts[name])
