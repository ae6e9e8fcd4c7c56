"""What is run: the rows of the table, and the scripts made for them."""
import dataclasses
import pathlib

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "workloads"

KAHU = ("kahu", "kahu-stepped")
PEERS = ("lune",)
AGAINST_FLOOR = ("floor", "kahu", "kahu-plain", "kahu-stepped") + PEERS
AGAINST_PEERS = KAHU + PEERS
HOSTS = ("host", "host-stepped")


@dataclasses.dataclass(frozen=True)
class Workload:
    """A row: a script, in one of its variants, and who runs it."""
    name: str
    title: str
    contenders: tuple
    script: str = ""  # the name's part before the first dash, if empty
    variant: object = ""
    waits: bool = False  # its sleepers are checked, in a run of their own
    checking: bool = False  # ... and also when it is measured
    per: str = ""  # the fact that says how much was done, where that varies
    kind: str = "script"  # or idle, start, program
    seconds: float = 0  # how long it sleeps at full scale, when idle
    quick: float = 0  # the scale in a quick run; 0: left out of it
    rounds: int = 0  # at most, or 0; of starts, which are short: as many
    leaves: bool = False  # peers are told to end, as they may not otherwise

    @property
    def source(self):
        return self.script or self.name.split("-", maxsplit=1)[0]


def sleepers():
    title = "1,000,000 sleepers, "
    yield Workload("sleepers-five", title + "5 batches", AGAINST_FLOOR,
                   variant="five", waits=True, quick=0.5)
    yield Workload("sleepers-ten", title + "10 batches",
                   AGAINST_FLOOR + HOSTS, variant="ten", waits=True)
    yield Workload("sleepers-ten-op", title + "10 batches, by a C function",
                   ("floor",) + HOSTS + PEERS, variant="ten-op", waits=True)


def threads():
    yield Workload("spawn-return", "1,000,000 spawned, return at once",
                   AGAINST_FLOOR, variant="return", quick=1)
    yield Workload("spawn-yield", "1,000,000 spawned, yield once",
                   AGAINST_FLOOR, variant="yield")
    yield Workload("defer-queue", "1,000,000 deferred, then drained",
                   AGAINST_FLOOR, variant="queue", quick=0.3)
    yield Workload("defer-chain", "1,000,000 deferred in a chain",
                   AGAINST_FLOOR, variant="chain")
    yield Workload("delay", "100,000 delays up to 0.5 s", AGAINST_FLOOR,
                   waits=True, quick=1)
    yield Workload("lateness", "the same, each looking at the clock",
                   ("kahu", "kahu-precise") + PEERS, script="delay",
                   waits=True, checking=True, quick=1)
    yield Workload("defer-fewer", "500,000 deferred, then drained",
                   ("floor",) + AGAINST_PEERS, variant="fewer")
    yield Workload("pingpong-spawn", "1,000,000 resumes by spawn",
                   AGAINST_FLOOR, variant="spawn")
    yield Workload("pingpong-defer", "1,000,000 turns by defer",
                   AGAINST_FLOOR, variant="defer")
    yield Workload("cancel", "1,000,000 sleepers cancelled at random",
                   AGAINST_FLOOR, variant="all", quick=0.2)
    yield Workload("cancel-fewer", "500,000 sleepers cancelled at random",
                   ("floor",) + AGAINST_PEERS, variant="fewer")


def waits():
    yield Workload("waits-many", "1,000 threads of 20 waits for 0",
                   ("floor",) + AGAINST_PEERS, variant="many", waits=True)
    yield Workload("waits-loop", "while task.wait(), 5 s",
                   ("kahu",) + PEERS, variant="loop", per="wakes")
    yield Workload("lone", "one thread, 400 short waits",
                   ("kahu", "kahu-precise") + PEERS, waits=True,
                   checking=True, quick=0.5)
    idle = ("floor", "kahu") + PEERS
    yield Workload("idle-one", "one thread asleep for 10 s", idle,
                   variant="one", kind="idle", waits=True, checking=True,
                   seconds=10, quick=0.3)
    yield Workload("idle-many", "100,000 asleep for 10 s", idle,
                   variant="many", kind="idle", waits=True, checking=True,
                   seconds=10, quick=0.3)


def operations():
    for variant, how in (("op", "before the yield"),
                         ("later", "in the next turn"),
                         ("remote", "by four other OS threads")):
        yield Workload(f"ops-{variant}", f"1,000,000 operations, ended {how}",
                       HOSTS + PEERS, variant=variant)
    yield Workload("mixed", "10,000 connections for 10 s", AGAINST_PEERS,
                   variant="waits", waits=True, per="steps", leaves=True)
    yield Workload("mixed-ops", "the same, with operations in C", HOSTS,
                   script="mixed", variant="ops", waits=True, per="steps")


def growth():
    for count, name in ((1_000, "1e3"), (10_000, "1e4"), (100_000, "1e5"),
                        (1_000_000, "1e6"), (2_000_000, "2e6")):
        yield Workload(f"growth-{name}", f"{count:,} sleepers",
                       ("floor", "kahu") + PEERS, variant=count, waits=True,
                       per="wakes", rounds=3 if count > 1_000_000 else 0)


def start():
    for name, title in (("start-empty", "a script of one line"),
                        ("start-lines", "a script of 10,000 lines")):
        yield Workload(name, title, ("kahu",) + PEERS, kind="start", quick=1,
                       rounds=30)


def programs():
    yield Workload("frame", "60 Hz steps, 10,000 threads", ("frame",),
                   kind="program", quick=1, rounds=3)
    yield Workload("micro", "single operations", ("micro",),
                   kind="program", quick=1, rounds=3)


def all_workloads():
    return [workload for group in (sleepers, threads, waits, operations,
                                   growth, start, programs)
            for workload in group()]


# --- Scripts -----------------------------------------------------------------

# What has no function of the sort has no such row either.
OPERATIONS_IN_C = {"sleepers-ten-op", "ops-op", "ops-later", "ops-remote"}


def luau(value):
    """A Python value as Luau writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def first_line(task, scale, checking, variant, leave):
    values = [task, *map(luau, (scale, checking, variant)), leave]
    return ("local task, scale, checking, variant, leave = " +
            ", ".join(values))


def beginning(task, scale, checking, variant, leave="nil"):
    """The prelude, with the first line of a contender."""
    prelude = (FOLDER / "prelude.luau").read_text(encoding="utf-8")
    _, rest = prelude.split("\n", maxsplit=1)
    first = first_line(task, scale, checking, variant, leave)
    return f"{first}\n{rest}\n"


def compose(workload, contender, scale, checking):
    """The text of a script: only its first line is a contender's own."""
    body = (FOLDER / f"{workload.source}.luau").read_text(encoding="utf-8")
    leave = contender.leave if workload.leaves else "nil"
    return beginning(contender.task, scale, checking, workload.variant,
                     leave) + body


def start_script(lines):
    """That many lines; the first prints, the others are there."""
    functions = (f"function all.f{i}(a, b) return (a + {i}) * b end"
                 for i in range(lines - 2))
    return "\n".join(['print("here")', "local all = {}", *functions]) + "\n"
