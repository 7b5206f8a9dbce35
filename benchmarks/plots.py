"""Plots a run's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.report import Report, Row, Section


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write a PNG per measured section; return the paths. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for key, draw in _DRAWERS.items():
        section = next((s for s in report.sections if s.key == key and s.rows), None)
        if section is None:
            continue
        figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
        axes.set_title(section.title)
        draw(axes, section)
        axes.grid(alpha=0.3)
        path = folder / f"{key}.png"
        figure.savefig(path, dpi=90, metadata={"Software": ""})
        pyplot.close(figure)
        written.append(path)
    return written


def _stages(axes: Any, section: Section) -> None:
    """Time by stage, for every input size and number of people of the first image."""
    image = section.rows[0].case["image"]
    rows = [row for row in section.rows if row.case["image"] == image]
    labels = [f"{row.case['input']} px\n{row.case['people']}" for row in rows]
    stages = [c for c in rows[0].values if c.endswith("(ms)") and not c.startswith("total")]
    _stacked(axes, labels, stages, rows)
    axes.set_xlabel(f"input size, people (image {image})")


def _node(axes: Any, section: Section) -> None:
    """Time of the node's steps, by people and markers."""
    labels = [f"{row.case['people']}\nmarkers {row.case['markers']}" for row in section.rows]
    steps = [
        column
        for column in dict.fromkeys(name for row in section.rows for name in row.values)
        # the excluded columns are sums of steps
        if column.endswith("(ms)") and not column.startswith(("total", "without"))
    ]
    _stacked(axes, labels, steps, section.rows)
    axes.set_xlabel("people")


def _engines(axes: Any, section: Section) -> None:
    """Time by engine, with the limit by arithmetic."""
    rows = section.rows
    labels = [
        f"{row.case['network']} {row.case['input']}, {row.case['engine']}, {row.case['measured']}"
        for row in rows
    ]
    positions = range(len(rows))
    times = [row.values["time (ms)"] for row in rows]
    errors = [[t.median - t.p10 for t in times], [t.p90 - t.median for t in times]]
    axes.barh(positions, [t.median for t in times], xerr=errors, label="measured")
    limits = [
        (i, row.values["limit (ms)"].median)
        for i, row in enumerate(rows)
        if "limit (ms)" in row.values
    ]
    axes.plot([x for _, x in limits], [i for i, _ in limits], "k|", ms=14, label="limit")
    axes.set_yticks(positions, labels, fontsize=7)
    axes.invert_yaxis()
    axes.set_xscale("log")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which("{x:g}")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.set_xlabel("ms")
    axes.legend()


def _age(axes: Any, section: Section) -> None:
    """Age of images when their people are published, by the camera's rate."""
    rates = [float(row.case["camera (Hz)"]) for row in section.rows]
    for column in ("age, median (ms)", "age, 95 % (ms)", "bound (ms)"):
        axes.plot(rates, [row.values[column].median for row in section.rows], "o-", label=column)
    axes.set_xlabel("camera, images per second")
    axes.set_ylabel("ms")
    axes.set_ylim(bottom=0)
    axes.legend()


def _process(axes: Any, section: Section) -> None:
    """Memory of the node's process."""
    values = {k: v for row in section.rows for k, v in row.values.items() if k.endswith("(MB)")}
    axes.barh(list(values), [value.median for value in values.values()])
    axes.set_title("Node: memory")  # the section's title also names the start, in seconds
    axes.set_xlabel("MB")


def _stacked(axes: Any, labels: list[str], columns: list[str], rows: Sequence[Row]) -> None:
    bottom = [0.0] * len(rows)
    for column in columns:
        heights = [row.values[column].median if column in row.values else 0.0 for row in rows]
        axes.bar(range(len(rows)), heights, bottom=bottom, label=column)
        bottom = [b + h for b, h in zip(bottom, heights, strict=True)]
    axes.set_xticks(range(len(rows)), labels, fontsize=7)
    axes.set_ylabel("ms")
    axes.legend(fontsize=7)


_DRAWERS = {
    "stages": _stages,
    "node": _node,
    "engines": _engines,
    "image_age": _age,
    "process": _process,
}
