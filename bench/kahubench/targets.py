"""What is asked of kahu, and whether the rows that were run show it.

A target without the figures it needs is `not measured`: neither met nor not.
"""
import dataclasses

from .results import ABSENT, FAILED, NONE
from .workloads import PEERS

FLOOR_ROWS = ("sleepers-five", "sleepers-ten", "sleepers-ten-op",
              "spawn-return", "spawn-yield", "defer-queue", "defer-chain",
              "delay", "pingpong-spawn", "pingpong-defer", "cancel")
SLEEPERS = ("sleepers-five", "sleepers-ten")
# They are there for lateness; their CPU is that of another row, or none.
LATENESS_ROWS = ("lateness", "lone")
NEAR_FLOOR = 1.15


@dataclasses.dataclass
class Verdict:
    """One target in one row; `met` is None if there is nothing to judge."""
    target: str
    row: str
    met: bool = None
    value: str = ""
    limit: str = ""
    note: str = ""

    @property
    def word(self):
        return {True: "met", False: "missed", None: "not measured"}[self.met]


def judge(target, row, value, limit, unit="", strict=False, note=""):
    """value is at most limit, or below it if that is strict."""
    verdict = Verdict(target, row, note=note, limit=(
        f"{'below' if strict else 'at most'} {limit:g}{unit}"))
    if value is not None:
        verdict.met = value < limit if strict else value <= limit
        verdict.value = f"{value:.4g}{unit}"
    return verdict


def ratio(a, b):
    return None if a is None or not b else a / b


# --- Against the floor -------------------------------------------------------


def at_vm_pace(row):
    """Which of ours collects garbage at the VM's pace, as the floor does."""
    if "host" in row.cells and "kahu" not in row.cells:
        return "host"
    return "kahu-plain" if "kahu-plain" in row.cells else "kahu"


def against_floor(rows):
    for name in FLOOR_ROWS:
        if name in rows:
            row = rows[name]
            who = at_vm_pace(row)
            yield judge("CPU against the floor", name,
                        ratio(row.cost(who), row.cost("floor")), 1.10,
                        note="" if who == "kahu" else who)


def below_floor(rows):
    for name in SLEEPERS:
        if name in rows:
            yield judge("CPU below the floor, at kahu's own pace", name,
                        ratio(rows[name].cost("kahu"),
                              rows[name].cost("floor")), 1, strict=True)


# --- Against peers -----------------------------------------------------------


def best_peer(row, figure):
    """The name and the figure of the peer that has the least of it."""
    costs = {name: figure(name) for name in PEERS}
    known = {name: cost for name, cost in costs.items() if cost is not None}
    best = min(known, key=known.get) if known else None
    return best, known.get(best)


def why_no_peer(row):
    return "; ".join(f"{name}: {row.cells[name].status}"
                     for name in PEERS if name in row.cells)


def peer_limit(row, cost):
    if row.workload.source == "sleepers":
        return 0.4
    near = ratio(cost, row.cost("floor"))
    return 1.0 if near is not None and near <= NEAR_FLOOR else 0.8


def has_peers(row):
    cells = [row.cells[name] for name in PEERS if name in row.cells]
    return any(cell.status != NONE for cell in cells)


def against_peers(rows):
    for name, row in rows.items():
        if not has_peers(row) or name in LATENESS_ROWS:
            continue
        peer, cost = best_peer(row, row.cost)
        yield judge("CPU against the best peer", name,
                    ratio(row.cost("kahu"), cost), peer_limit(row, cost),
                    note=peer or why_no_peer(row))


def lateness_against_peers(rows):
    row = rows.get("lateness")
    if row:
        mean = "lateness_mean_ms"
        peer, theirs = best_peer(row, lambda who: row.median(who, mean))
        yield judge("mean lateness against the best peer", "lateness",
                    ratio(row.median("kahu", mean), theirs), 0.5,
                    note=peer or why_no_peer(row))


def start_against_peers(rows):
    for name in ("start-empty", "start-lines"):
        if name in rows:
            row = rows[name]
            peer, theirs = best_peer(
                row, lambda who, row=row: row.median(who, "first_byte_ms"))
            yield judge("start to first line against the best peer", name,
                        ratio(row.median("kahu", "first_byte_ms"), theirs),
                        0.5, note=peer or why_no_peer(row))


# --- kahu alone --------------------------------------------------------------


def is_checked(name):
    return name != "floor" and name not in PEERS


def in_order(rows):
    """Nothing early, nothing out of order, on any of our drivers.

    One of ours that is absent, or failed, was not seen: it is no verdict then.
    """
    for name, row in rows.items():
        if not row.workload.waits:
            continue
        verdict = Verdict("early; out of order", name, limit="0; 0")
        cells = [cell for who, cell in row.cells.items() if is_checked(who)]
        if cells and all("early" in cell.checks and cell.status != FAILED
                         for cell in cells):
            early, unordered = (sum(cell.checks[fact] for cell in cells)
                                for fact in ("early", "out_of_order"))
            verdict.met = early == 0 and unordered == 0
            verdict.value = f"{early:.0f}; {unordered:.0f}"
        yield verdict


def operation_against_wait(rows):
    target, limit = "operation against task.wait", 1.3
    if "sleepers-ten-op" in rows and "sleepers-ten" in rows:
        for who in ("host", "host-stepped"):
            yield judge(target, "sleepers-ten-op",
                        ratio(rows["sleepers-ten-op"].cost(who),
                              rows["sleepers-ten"].cost(who)), limit,
                        note=who)
    if "micro" in rows:
        fact = rows["micro"].median
        yield judge(target, "micro", ratio(fact("micro", "op_ns"),
                                           fact("micro", "wait_ns")), limit)


# What one row's fact has to be: target, row, contender, fact, limit, unit, and
# whether it has to be below that.
FACTS = (
    ("lateness of a lone wait, p99", "lone", "kahu", "lateness_p99_ms",
     1.2, " ms", False),
    ("lateness of a lone wait, p99", "lone", "kahu-precise",
     "lateness_p99_ms", 0.2, " ms", False),
    ("wake-ups while asleep", "idle-one", "kahu", "idle_wakeups", 0, "",
     False),
    ("wake-ups while asleep", "idle-many", "kahu", "idle_wakeups", 0, "",
     False),
    ("CPU beyond start-up while asleep", "idle-one", "kahu", "idle_cpu_ms",
     1, " ms", True),
    ("CPU beyond start-up while asleep", "idle-many", "kahu", "idle_cpu_ms",
     1, " ms", True),
    ("bytes per sleeper, deadlines in order", "micro", "micro",
     "bytes_per_sleeper_in_order", 96, "", False),
    ("bytes per sleeper, random deadlines", "micro", "micro",
     "bytes_per_sleeper_random", 96, "", False),
    ("a step with nothing due", "frame", "frame", "frame_idle_us", 10,
     " us", True),
)


def single_facts(rows):
    for target, row, who, fact, limit, unit, strict in FACTS:
        if row in rows:
            yield judge(target, row, rows[row].median(who, fact), limit,
                        unit, strict, note="" if who in ("kahu", row) else who)


def growth(rows):
    if "growth-1e6" in rows and "growth-1e4" in rows:
        yield judge("cost per wake at 1e6 against 1e4", "growth-1e6",
                    ratio(rows["growth-1e6"].cost("kahu"),
                          rows["growth-1e4"].cost("kahu")), 1.5)


def all_verdicts(rows):
    """rows: those that were run, by name; targets of others are left out."""
    return [verdict for group in (
        against_floor, below_floor, against_peers, operation_against_wait,
        in_order, lateness_against_peers, single_facts, growth,
        start_against_peers) for verdict in group(rows)]


def summary(verdicts):
    """The line that everything ends with."""
    met = sum(verdict.met is True for verdict in verdicts)
    unknown = sum(verdict.met is None for verdict in verdicts)
    rest = f" ({unknown} not measured)" if unknown else ""
    return f"{met} of {len(verdicts)} targets met{rest}"


def failures(rows):
    """What of ours failed or is not there: the run itself is then wrong."""
    for name, row in rows.items():
        for who, cell in row.cells.items():
            if who not in PEERS and cell.status in (ABSENT, FAILED):
                yield f"{name}: {who} {cell.status}: {cell.why}"
