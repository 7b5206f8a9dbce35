"""Results of the tracking benchmark as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.tracking.scores import Identity, Motion

BEGIN = "<!-- tracking:begin (written by `python -m benchmarks.tracking --markdown`) -->"
END = "<!-- tracking:end -->"


def identity_table(results: Mapping[str, Identity]) -> str:
    """One row per tracker."""
    lines = ["| cues | IDF1 | id switches |", "|---|---:|---:|"]
    lines += [f"| {name} | {r.idf1:.3f} | {r.switches} |" for name, r in results.items()]
    return "\n".join(lines)


def story_table(results: Mapping[str, Mapping[str, Identity]]) -> str:
    """One row per story, one column per tracker: IDF1 and switches."""
    names = list(next(iter(results.values())))
    lines = ["| story | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for story, row in results.items():
        cells = [f"{row[name].idf1:.3f} ({row[name].switches})" for name in names]
        lines.append(f"| {story} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def steadiness_table(results: Mapping[str, Motion]) -> str:
    """One row per filter. results: by time constant of the smoothing ("0.2 s")."""
    first = next(iter(results.values()))
    lines = [
        "| | distance: error, median | jitter | joints about the pelvis: error, median | jitter |",
        "|---|---:|---:|---:|---:|",
        _row("as measured", first, "raw", "raw"),
        _row("Kalman filter (`position`)", first, "position", None),
    ]
    lines += [_row(f"smoothing {name}", result, "body", "body") for name, result in results.items()]
    return "\n".join(lines)


def _row(name: str, result: Motion, distance: str, joints: str | None) -> str:
    d = result.distance[distance]
    cells = [name, f"{100 * d.error:.1f} %", f"{100 * d.jitter:.2f} %"]
    if joints is None:
        cells += ["", ""]
    else:
        j = result.joints[joints]
        cells += [f"{1000 * j.error:.0f} mm", f"{1000 * j.jitter:.0f} mm"]
    return "| " + " | ".join(cells) + " |"
