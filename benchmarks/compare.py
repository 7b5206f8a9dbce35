"""Compares a run with an earlier one: regressions of more than 10 %."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Relative increase above which a value is a regression.
LIMIT = 0.10
#: Units of the compared columns, times and sizes, of which less is better.
_UNITS = ("(ms)", "(s)", "(MB)")


@dataclass(frozen=True)
class Change:
    """One value of both runs. factor: the new one over the earlier one."""

    name: str
    before: float
    now: float

    @property
    def factor(self) -> float:
        return self.now / self.before

    @property
    def is_regression(self) -> bool:
        return self.factor > 1 + LIMIT


def read_run(path: Path) -> dict[str, Any]:
    """Read the JSON of an earlier run. Raises ValueError for other files."""
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        good = run["format"] == 1 and isinstance(run["sections"], list)
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError):
        good = False
    if not good:
        raise ValueError(f"{path}: not a run of `python -m benchmarks --json`")
    return dict(run)


def compare_runs(before: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """Times and sizes of both runs, in the order of the new one."""
    old = _values(before)
    return [Change(name, old[name], value) for name, value in _values(now).items() if old.get(name)]


def as_markdown(changes: list[Change], before: dict[str, Any], now: dict[str, Any]) -> str:
    """A table of the regressions, with a warning for runs of different machines."""
    machines = [run["machine"].get("processor") for run in (before, now)]
    lines = ["### Against an earlier run", ""]
    if machines[0] != machines[1]:
        lines += [f"The machines differ: {machines[0]} before, {machines[1]} now.", ""]
    worse = sorted((c for c in changes if c.is_regression), key=lambda c: -c.factor)
    lines.append(
        f"{len(changes)} times and sizes compared, {len(worse)} more than {LIMIT:.0%} worse."
    )
    if worse:
        lines += ["", "| value | before | now | times |", "|---|---:|---:|---:|"]
        lines += [f"| {c.name} | {c.before:.3g} | {c.now:.3g} | {c.factor:.2f} |" for c in worse]
    return "\n".join(lines) + "\n"


def _values(run: dict[str, Any]) -> dict[str, float]:
    return {
        ": ".join(
            (
                section["key"],
                ", ".join(f"{name} {value}" for name, value in row["case"].items()),
                column,
            )
        ): spread["median"]
        for section in run["sections"]
        for row in section["rows"]
        for column, spread in row["values"].items()
        if column.endswith(_UNITS)
    }
