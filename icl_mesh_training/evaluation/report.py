"""Results of an evaluation as JSON, Markdown and plots."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from icl_mesh.io.atomic import write_atomically
from icl_mesh_training.evaluation.plots import figure, save_figure

#: Figure -> (column title, format), in column order; absent figures get no column.
COLUMNS = {
    "people": ("people", "d"),
    "recall": ("recall", ".3f"),
    "precision": ("precision", ".3f"),
    "f1": ("F1", ".3f"),
    "mpjpe_mm": ("MPJPE (mm)", ".1f"),
    "pa_mpjpe_mm": ("PA-MPJPE (mm)", ".1f"),
    "pve_mm": ("PVE (mm)", ".1f"),
    "pck_3d": ("3DPCK@150", ".3f"),
    "oks_ap": ("OKS AP", ".3f"),
    "oks_ap50": ("OKS AP50", ".3f"),
    "pck": ("PCK@0.2", ".3f"),
    "visibility_auc": ("visibility AUC", ".3f"),
    "distance_error": ("distance error", ".3f"),
}


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Write results.json, results.md and a plot of each table of bins into folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2) + "\n"
    write_atomically(folder / "results.json", text.encode())
    write_atomically(folder / "results.md", markdown(results).encode())
    for name, part in results.items():
        if isinstance(part, dict) and part.get("bins"):
            plot_bins(part["bins"], folder / f"{name}_bins.png")


def markdown(results: dict[str, Any]) -> str:
    """Markdown tables: one over all sets, one per set over its bins of hidden share."""
    parts = {name: part for name, part in results.items() if isinstance(part, dict)}
    lines = [f"Weights {results['weights']}, threshold {results['threshold']:g}.", ""]
    lines += table(parts, "on")
    for name, part in parts.items():
        if part.get("bins"):
            bins = {_range(row["hidden"]): row for row in part["bins"]}
            lines += ["", f"{name}, by the share of the person that is hidden:", ""]
            lines += table(bins, "hidden")
    return "\n".join(lines) + "\n"


def table(rows: dict[str, dict[str, Any]], title: str) -> list[str]:
    """Lines of a Markdown table of named rows; missing figures are blank."""
    used = {
        key: value for key, value in COLUMNS.items() if any(key in row for row in rows.values())
    }
    lines = [
        "| " + " | ".join([title, *(name for name, _ in used.values())]) + " |",
        "|---" * (len(used) + 1) + "|",
    ]
    for name, row in rows.items():
        cells = [
            "" if row.get(key) is None else format(row[key], form)
            for key, (_, form) in used.items()
        ]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    return lines


def plot_bins(bins: list[dict[str, Any]], path: Path) -> None:
    """Plot recall and errors over the hidden share."""
    axes = figure(2)
    names = [_range(row["hidden"]) for row in bins]
    axes[0].bar(names, [row["recall"] for row in bins], color="tab:blue")
    axes[0].set(ylabel="recall", ylim=(0, 1))
    for key, label in (("mpjpe_mm", "MPJPE"), ("pa_mpjpe_mm", "PA-MPJPE"), ("pve_mm", "PVE")):
        values = [row.get(key, float("nan")) for row in bins]
        axes[1].plot(names, values, marker="o", label=label)
    axes[1].set(ylabel="error of found people (mm)", ylim=(0, None))
    axes[1].legend()
    for axis in axes:
        axis.tick_params(axis="x", labelsize=8)  # five ranges side by side
        axis.set_xlabel("hidden share of the person")
    save_figure(axes, path)


def _range(hidden: list[float]) -> str:
    return f"{hidden[0]:.0%}-{hidden[1]:.0%}"
