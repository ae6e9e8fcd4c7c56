"""The chart: CPU and memory of each row as multiples of the floor's."""

from .workloads import PEERS

SHOWN = ("kahu", "kahu-plain") + PEERS
COLOURS = dict(zip(SHOWN, ("#1b6ca8", "#8fb8d8", "#d98032", "#7a9a3a",
                           "#a35a8f")))


def ratios(rows, figure):
    """By contender: one ratio to the floor for each row that has a floor."""
    table = {}
    for name in SHOWN:
        table[name] = [
            (row.workload.name, row.median(name, figure) / floor)
            for row in rows.values()
            if (floor := row.median("floor", figure))
            and row.median(name, figure)]
    return {name: points for name, points in table.items() if points}


def draw_bars(axes, table, rows, title):
    """Groups of bars, the first row on top."""
    places = {row: -i for i, row in enumerate(rows)}
    height = 0.8 / max(1, len(table))
    for i, (name, points) in enumerate(table.items()):
        axes.barh([places[row] + 0.4 - (i + 0.5) * height
                   for row, _ in points],
                  [value - 1 for _, value in points], height, left=1,
                  label=name, color=COLOURS[name])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_yticks(list(places.values()), list(places))
    axes.set_title(title)
    axes.grid(axis="x", alpha=0.3)


def write_chart(path, rows, caption):
    """An SVG; says why not if there is nothing to draw it with, or of."""
    try:
        import matplotlib
    except ImportError:
        return "no chart: matplotlib is not installed (tools/install_deps " \
            "bench)"
    matplotlib.use("svg")
    # The same figures are the same file.
    matplotlib.rcParams["svg.hashsalt"] = "kahu"
    from matplotlib import pyplot
    tables = [ratios(rows, figure) for figure in ("cpu", "peak")]
    names = [row for row in rows
             if any(row == r for points in tables[0].values()
                    for r, _ in points)]
    if not names:
        return "no chart: no row has a floor and somebody beside it"
    figure, panels = pyplot.subplots(
        1, 2, figsize=(11, 1.6 + 0.42 * len(names)), sharey=True,
        layout="constrained")
    for axes, table, title in zip(panels, tables, (
            "CPU time, the floor = 1", "peak memory, the floor = 1")):
        draw_bars(axes, table, names, title)
    panels[0].legend(loc="best")
    figure.supxlabel(caption, fontsize="small")
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return f"chart: {path}"
