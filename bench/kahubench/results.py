"""What the runs gave: medians and spreads, and what stands for them if not."""
import dataclasses
import statistics

FIGURES = ("wall", "cpu", "peak", "switches")

OK, ABSENT, FAILED, NONE = "ok", "absent", "failed", "no such function"


@dataclasses.dataclass
class Cell:
    """One contender in one workload."""
    status: str = OK
    why: str = ""
    runs: list = dataclasses.field(default_factory=list)
    checks: dict = dataclasses.field(default_factory=dict)

    @property
    def has_figures(self):
        return self.status == OK and bool(self.runs)

    def values(self, figure):
        """Of every run: a figure, or a fact by its name."""
        if figure in FIGURES:
            return [getattr(run, figure) for run in self.runs]
        return [run.facts[figure] for run in self.runs if figure in run.facts]

    def median(self, figure):
        values = self.values(figure) if self.has_figures else []
        return statistics.median(values) if values else None

    def spread(self, figure):
        """From the least to the most, as a share of the median."""
        middle = self.median(figure)
        if middle is None:
            return None
        values = self.values(figure)
        return (max(values) - min(values)) / middle if middle else 0.0

    def fail(self, why):
        self.status, self.why = FAILED, why


@dataclasses.dataclass
class Row:
    """One workload, with a cell for each contender."""
    workload: object
    cells: dict

    def cell(self, contender):
        return self.cells.get(contender) or Cell(ABSENT, "not a contender")

    def median(self, contender, figure):
        return self.cell(contender).median(figure)

    def cost(self, contender):
        """CPU seconds; where the work is not fixed, for one piece of it."""
        cell = self.cell(contender)
        if not self.workload.per:
            return cell.median("cpu")
        costs = [run.cpu / run.facts[self.workload.per]
                 for run in cell.runs if run.facts.get(self.workload.per)]
        return statistics.median(costs) if cell.has_figures and costs else None


def cell_as_json(cell):
    if not cell.has_figures:
        return {"status": cell.status, "why": cell.why}
    facts = {name for run in cell.runs for name in run.facts}
    return {
        "status": cell.status,
        "median": {f: cell.median(f) for f in (*FIGURES, *sorted(facts))},
        "spread": {f: cell.spread(f) for f in FIGURES},
        "runs": [dataclasses.asdict(run) for run in cell.runs],
        "checks": cell.checks,
    }


def row_as_json(row):
    return {"title": row.workload.title,
            "contenders": {name: cell_as_json(cell)
                           for name, cell in row.cells.items()}}
