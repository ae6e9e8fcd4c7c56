"""The table, the summary and the JSON file."""
import json
import os
import platform
import subprocess
import time

from . import results

HEAD = (f"{'workload':16} {'contender':13} {'wall s':>8} {'CPU s':>8} "
        f"{'spread':>7} {'MiB':>8} {'switches':>9}  facts")

# The facts that the table shows, and how.
SHOWN = (
    ("lateness_mean_ms", "mean {:.3g} ms late"),
    ("lateness_p99_ms", "p99 {:.3g} ms"),
    ("idle_wakeups", "{:.0f} wake-ups asleep"),
    ("idle_cpu_ms", "{:.3g} ms CPU asleep"),
    ("first_byte_ms", "{:.3g} ms to the first line"),
    ("wakes", "{:.0f} wakes"),
    ("steps", "{:.0f} steps"),
)


def facts_of(row, name):
    """What a row says beyond its figures; programs say all they have."""
    cell = row.cells[name]
    if row.workload.kind == "program":
        facts = {fact for run in cell.runs for fact in run.facts}
        return ", ".join(f"{fact} {cell.median(fact):.4g}"
                         for fact in sorted(facts))
    shown = []
    for fact, form in SHOWN:
        value = cell.median(fact)
        if value is not None and not ("late" in fact and name == "floor"):
            shown.append(form.format(value))
    return ", ".join(shown)


def cell_line(row, name):
    cell = row.cells[name]
    start = f"{row.workload.name:16} {name:13}"
    if not cell.has_figures:
        why = f": {cell.why.splitlines()[0]}" if cell.why else ""
        return f"{start} {cell.status}{why}"
    return (f"{start} {cell.median('wall'):8.3f} {cell.median('cpu'):8.3f} "
            f"{cell.spread('cpu') * 100:6.0f}% {cell.median('peak'):8.1f} "
            f"{cell.median('switches'):9.0f}  {facts_of(row, name)}").rstrip()


def row_lines(row):
    return [cell_line(row, name) for name in row.cells]


def verdict_line(verdict):
    value = f"{verdict.value} ({verdict.limit})" if verdict.value else \
        verdict.limit
    note = f"  [{verdict.note}]" if verdict.note else ""
    return (f"{verdict.word:12} {verdict.target}: {verdict.row}: "
            f"{value}{note}")


# --- Files -------------------------------------------------------------------


def processor():
    """Its name, where the system tells."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as cpuinfo:
            for line in cpuinfo:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def commit(root):
    done = subprocess.run(["git", "-C", root, "describe", "--always",
                           "--dirty"], capture_output=True, text=True,
                          check=False)
    return done.stdout.strip()


def circumstances(session, root, seconds):
    """Where, when and how; without the name of the machine."""
    return {
        "seconds": round(seconds),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": commit(root),
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "load": os.getloadavg()[0],
        "rounds": session.rounds,
        "scale": session.scale,
        "quick": session.quick,
        "peers": {c.name: c.version or c.why_absent
                  for c in session.contenders.values() if not c.ours},
    }


def write_json(path, run, rows, verdicts):
    whole = {
        "run": run,
        "workloads": {name: results.row_as_json(row)
                      for name, row in rows.items()},
        "targets": [vars(v) | {"verdict": v.word} for v in verdicts],
    }
    text = json.dumps(whole, indent=1, sort_keys=False) + "\n"
    path.write_text(text, encoding="utf-8")
