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
    "pck_01": ("PCK@0.1", ".3f"),
    "pck_found": ("PCK@0.2 of found", ".3f"),
    "pck_01_found": ("PCK@0.1 of found", ".3f"),
    "front_back": ("front/back confused", ".3f"),
    "left_right": ("left/right swapped", ".3f"),
    "visibility_auc": ("visibility AUC", ".3f"),
    "calibration_error": ("calibration error", ".3f"),
    "distance_error": ("distance error", ".3f"),
}
#: Bins of a result -> (their share, how the report names it).
BINS = {
    "bins": ("hidden", "the share of the person that is hidden"),
    "bins_outside": ("outside", "the share of the person's joints outside the image"),
}


def write_report(results: dict[str, Any], folder: Path) -> None:
    """Write results.json, results.md and a plot of each table of bins into folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=2) + "\n"
    write_atomically(folder / "results.json", text.encode())
    write_atomically(folder / "results.md", markdown(results).encode())
    for name, part in results.items():
        for bins, (share, words) in BINS.items():
            if isinstance(part, dict) and part.get(bins):
                plot_bins(part[bins], share, words, folder / f"{name}_{bins}.png")


def markdown(results: dict[str, Any]) -> str:
    """Markdown tables: one over all sets, and per set one over each of its bins and frames."""
    parts = {name: part for name, part in results.items() if isinstance(part, dict)}
    lines = [f"Weights {results['weights']}, threshold {results['threshold']:g}.", ""]
    lines += table(parts, "on")
    for name, part in parts.items():
        for bins, (share, words) in BINS.items():
            if part.get(bins):
                lines += ["", f"{name}, by {words}:", ""]
                lines += table({_range(row[share]): row for row in part[bins]}, share)
        if part.get("frames"):
            lines += ["", f"{name}, one by one (blank: the person was not found):", ""]
            lines += table({row["file_name"]: row for row in part["frames"]}, "frame")
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


def plot_bins(bins: list[dict[str, Any]], share: str, words: str, path: Path) -> None:
    """Plot recall and errors over a share ("hidden", "outside"), which the words describe."""
    axes = figure(2)
    names = [_range(row[share]) for row in bins]
    axes[0].bar(names, [row["recall"] for row in bins], color="tab:blue")
    axes[0].set(ylabel="recall", ylim=(0, 1))
    for key, label in (("mpjpe_mm", "MPJPE"), ("pa_mpjpe_mm", "PA-MPJPE"), ("pve_mm", "PVE")):
        values = [row.get(key, float("nan")) for row in bins]
        axes[1].plot(names, values, marker="o", label=label)
    axes[1].set(ylabel="error of found people (mm)", ylim=(0, None))
    axes[1].legend()
    for axis in axes:
        axis.tick_params(axis="x", labelsize=8)  # five ranges side by side
        axis.set_xlabel(words)
    save_figure(axes, path)


def _range(edges: list[float]) -> str:
    return f"{edges[0]:.0%}-{edges[1]:.0%}"
