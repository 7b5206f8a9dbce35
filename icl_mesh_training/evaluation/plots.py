"""Plots of training runs, by matplotlib without a display."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from icl_mesh.io.atomic import write_atomically

#: Points of a curve are means over this share of its steps.
SMOOTHING = 0.01
LEAST_WINDOW = 4


def figure(columns: int, rows: int = 1, size: tuple[float, float] = (4.5, 3.4)) -> Any:
    """Axes [columns], or [rows, columns], of a new figure, which save_figure writes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained", dpi=120)
    FigureCanvasAgg(drawing)
    axes = drawing.subplots(rows, columns, squeeze=False)
    return axes[0] if rows == 1 else axes


def save_figure(axes: Any, path: Path) -> None:
    """Write the figure of these axes; the suffix names the format."""
    content = io.BytesIO()
    np.ravel(axes)[0].figure.savefig(content, format=path.suffix.removeprefix(".") or "png")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content.getvalue())


def plot_contrastive(runs: Mapping[str, Path], path: Path) -> None:
    """The supplementary's Figure 2: contrastive loss over steps, for each named run.

    Curves are unweighted push and pull as logged, also of runs that do not train on them. Raises
    FileNotFoundError for a folder without logs.
    """
    axes = figure(3)
    for name, run in runs.items():
        history = read_history(run)
        push, pull = history["loss/push"], history["loss/pull"]
        curves = (("push + pull", push + pull), ("push", push), ("pull", pull))
        for axis, (title, values) in zip(axes, curves, strict=True):
            step, mean = smooth(history["step"], values)
            axis.plot(step, mean, label=name, linewidth=1)
            axis.set(title=title, xlabel="step")
    for axis in axes:  # after all curves: setting a limit ends autoscaling
        axis.set_ylim(bottom=0)
    axes[0].set_ylabel("contrastive loss")
    axes[0].legend()
    save_figure(axes, path)


def read_history(run: Path) -> dict[str, np.ndarray]:
    """The logs of all parts of a run: column -> values, sorted by step.

    If a resumed run logged a step twice, the later part counts.
    """
    files = sorted(run.glob("log/*/metrics.csv"))
    if not files:
        raise FileNotFoundError(f"{run}: no log/*/metrics.csv there; name the output of a training")
    rows: dict[int, dict[str, str]] = {}
    for file in files:
        with file.open(encoding="utf-8") as opened:
            rows |= {int(row["step"]): row for row in csv.DictReader(opened) if row.get("loss")}
    if not rows:
        raise ValueError(f"{run}: its logs hold no step yet")
    steps = sorted(rows)
    columns = {name for row in rows.values() for name in row}
    return {
        name: np.array([float(rows[step].get(name) or "nan") for step in steps]) for name in columns
    }


def smooth(step: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over windows of SMOOTHING of the points, and the centres of the windows.

    A window has at least LEAST_WINDOW points (if there are as many): single batches differ more
    than runs do.
    """
    window = max(1, min(LEAST_WINDOW, len(values)), round(len(values) * SMOOTHING))
    count = len(values) // window * window
    means = values[:count].reshape(-1, window).mean(axis=1)
    return step[:count].reshape(-1, window).mean(axis=1), means
