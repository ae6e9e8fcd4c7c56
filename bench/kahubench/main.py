"""The command line of bench/run."""
import argparse
import pathlib
import sys
import tempfile
import time

from . import chart, report, targets
from .contenders import all_contenders, other_versions
from .session import Session

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measures kahu against the floor and "
        "against its peers; bench/README.md says how to read it.")
    parser.add_argument("build", help="a build directory, of release builds")
    parser.add_argument("--quick", action="store_true",
                        help="the rows that matter most, in three rounds")
    parser.add_argument("--rounds", type=int, help="runs each, 5 as a rule")
    parser.add_argument("--scale", type=float, default=1,
                        help="share of the counts; ratios only hold at 1")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW",
                        help="these rows, and the targets they decide")
    parser.add_argument("--peer", action="append", default=[],
                        metavar="NAME=PATH", help="where a peer is")
    parser.add_argument("--timeout", type=float, default=120,
                        help="seconds for one run")
    parser.add_argument("--results", default=ROOT / "bench" / "results",
                        type=pathlib.Path, help="where the files go")
    return parser.parse_args(argv)


def run_rows(session, names):
    """Runs and prints row after row."""
    rows = {}
    is_terminal = sys.stderr.isatty()

    def progress(text):
        if is_terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)

    print(report.HEAD)
    for workload in session.selected(names):
        row = rows[workload.name] = session.run_row(workload, progress)
        progress("")
        print("\n".join(report.row_lines(row)), flush=True)
    return rows


def result_name(options):
    """A part of the suite does not overwrite the figures of the whole."""
    if options.only or options.scale != 1:
        return "part"
    return "quick" if options.quick else "full"


def write_files(options, session, rows, verdicts, seconds):
    options.results.mkdir(parents=True, exist_ok=True)
    path = options.results / (result_name(options) + ".json")
    report.write_json(path, report.circumstances(session, ROOT, seconds), rows,
                      verdicts)
    print("\n".join(chart.draw(path, result_name(options) == "full")))


def main(argv=None):
    start = time.monotonic()
    options = arguments(argv)
    rounds = options.rounds or (3 if options.quick else 5)
    given = dict(pair.split("=", 1) for pair in options.peer)
    contenders = all_contenders(options.build, given, ROOT)
    for other in other_versions(contenders):
        print(f"bench: {other}")
    with tempfile.TemporaryDirectory() as folder:
        session = Session(contenders, pathlib.Path(folder), rounds,
                          options.scale, options.quick, options.timeout)
        rows = run_rows(session, options.only)
    verdicts = targets.all_verdicts(rows)
    seconds = time.monotonic() - start
    print(f"\nmeasured in {seconds / 60:.1f} minutes")
    write_files(options, session, rows, verdicts, seconds)
    print("\n".join(report.verdict_line(verdict) for verdict in verdicts))
    wrong = list(targets.failures(rows))
    for failure in wrong:
        print(f"bench: {failure}", file=sys.stderr)
    print(targets.summary(verdicts), flush=True)
    return 1 if wrong else 0
