"""The charts: figures as multiples of the floor's, drawn from the JSON."""
import json
import pathlib

from .workloads import PEERS

SHOWN = ("kahu", "kahu-plain") + PEERS
COLOURS = dict(zip(SHOWN, ("#1b6ca8", "#8fb8d8", "#d98032", "#7a9a3a",
                           "#a35a8f")))

# The small chart: what most programs do, each in few words.
SUMMARY = {
    "sleepers-ten": "a million sleepers",
    "spawn-yield": "a million spawned",
    "defer-fewer": "500,000 deferred",
    "delay": "100,000 delays",
    "pingpong-defer": "a million turns",
    "cancel-fewer": "500,000 cancelled",
    "growth-1e5": "four waits of 100,000",
}


def figures_of(whole, figure):
    """{row: {contender: median}} of what has such a figure. Where a script needs
    C functions of a host, the host with them is kahu's."""
    found = {}
    for row, workload in whole["workloads"].items():
        found[row] = {
            name: cell["median"][figure]
            for name, cell in workload["contenders"].items()
            if cell["status"] == "ok" and cell["median"].get(figure)}
        if "kahu" not in workload["contenders"] and "host" in found[row]:
            found[row]["kahu"] = found[row]["host"]
    return found


def ratios(whole, figure, shown=SHOWN):
    """By contender: one ratio to the floor for each row that has a floor."""
    figures = figures_of(whole, figure)
    table = {name: [(row, of[name] / of["floor"])
                    for row, of in figures.items()
                    if "floor" in of and name in of] for name in shown}
    return {name: points for name, points in table.items() if points}


def caption(whole):
    run = whole["run"]
    peers = ", ".join(f"{name} {version}"
                      for name, version in run["peers"].items())
    return (f"{run['processor']}; medians of {run['rounds']} runs; "
            f"peers: {peers}")


# --- Drawing -----------------------------------------------------------------


def pyplot():
    """matplotlib's, or None; the same figures are the same file."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "kahu"
    from matplotlib import pyplot as found
    return found


def draw_bars(axes, table, names):
    """Groups of bars, the first row on top; names: {row: what it is called}."""
    places = {row: -i for i, row in enumerate(names)}
    height = 0.8 / max(1, len(table))
    for i, (name, points) in enumerate(table.items()):
        points = [(row, value) for row, value in points if row in places]
        bars = axes.barh([places[row] + 0.4 - (i + 0.5) * height
                          for row, _ in points],
                         [value - 1 for _, value in points], height, left=1,
                         label=name, color=COLOURS[name])
        yield bars, [value for _, value in points]
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(list(places.values()), list(names.values()))
    axes.grid(axis="x", alpha=0.3)


def save(plot, figure, path, words):
    figure.supxlabel(words, fontsize="small")
    figure.savefig(path, format="svg", metadata={"Date": None})
    plot.close(figure)


def draw_full(plot, path, whole):
    """Every row with a floor: CPU time, and peak memory."""
    tables = [ratios(whole, figure) for figure in ("cpu", "peak")]
    names = {row: row for row in whole["workloads"]
             if any(row == r for points in tables[0].values()
                    for r, _ in points)}
    figure, panels = plot.subplots(
        1, 2, figsize=(11, 1.6 + 0.42 * len(names)), sharey=True,
        layout="constrained")
    for axes, table, title in zip(panels, tables, (
            "CPU time, the floor = 1", "peak memory, the floor = 1")):
        list(draw_bars(axes, table, names))
        axes.set_title(title)
    panels[0].legend(loc="best")
    save(plot, figure, path, caption(whole))


def draw_summary(plot, path, whole):
    """A few rows, CPU time only, with the numbers."""
    table = ratios(whole, "cpu", ("kahu",) + PEERS)
    names = {row: words for row, words in SUMMARY.items()
             if any(row == r for points in table.values() for r, _ in points)}
    figure, axes = plot.subplots(figsize=(8, 0.9 + 0.4 * len(names)),
                                 layout="constrained")
    for bars, values in draw_bars(axes, table, names):
        axes.bar_label(bars, [f"{value:.2f}" for value in values], padding=3,
                       fontsize="small")
    axes.margins(x=0.12)
    axes.legend(loc="upper right")
    axes.set_title("CPU time; 1 is bare VM calls, which do less", fontsize=11)
    save(plot, figure, path, caption(whole))


def draw(json_path, summary):
    """Yields a line on each chart drawn beside a JSON file, or on why not."""
    path = pathlib.Path(json_path)
    whole = json.loads(path.read_text(encoding="utf-8"))
    plot = pyplot()
    if plot is None:
        yield "no chart: matplotlib is not installed (tools/install_deps " \
            "bench)"
    elif not ratios(whole, "cpu"):
        yield "no chart: no row has a floor and somebody beside it"
    else:
        draw_full(plot, path.with_suffix(".svg"), whole)
        yield f"chart: {path.with_suffix('.svg')}"
        if summary:
            draw_summary(plot, path.with_name("summary.svg"), whole)
            yield f"chart: {path.with_name('summary.svg')}"
