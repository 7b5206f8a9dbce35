"""Results as Markdown tables, and as JSON for later comparison."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.timing import Spread

BEGIN = "<!-- benchmarks:begin (written by `python -m benchmarks --markdown`) -->"
END = "<!-- benchmarks:end -->"


@dataclass(frozen=True)
class Row:
    """case: what was measured, by column. values: results, by column with unit."""

    case: dict[str, str | int]
    values: dict[str, Spread]


@dataclass(frozen=True)
class Section:
    """One table. key: its name in JSON. note: how it was measured. skipped: why it is empty."""

    key: str
    title: str
    note: str = ""
    rows: list[Row] = field(default_factory=list)
    skipped: str = ""


@dataclass(frozen=True)
class Report:
    """One run. seconds: its duration."""

    machine: dict[str, str | int | float]
    model: dict[str, str]
    repetitions: int
    sections: list[Section]
    seconds: float = 0.0

    def as_json(self) -> str:
        """The whole run. Section key and case identify a row."""
        return json.dumps({"format": 1, **dataclasses.asdict(self)}, indent=1)

    def as_markdown(self) -> str:
        """Machine, model and all tables."""
        facts = [f"- {name}: {value}" for name, value in (self.machine | self.model).items()]
        facts.append(f"- the run took {self.seconds / 60:.1f} minutes")
        facts.append(
            f"- up to {self.repetitions} rounds over all cases; values are median (10th to 90th "
            "percentile); ratios are within a round"
        )
        return "\n\n".join(["\n".join(facts), *map(_section, self.sections)]) + "\n"

    def summary(self) -> str:
        """The machine in one sentence, and the table of targets."""
        machine = self.machine
        names = ("processor", "CPU cores for this process", "versions", "icl_mesh_ros")
        where = "; ".join(f"{name} {machine[name]}" for name in names if name in machine)
        rows = [
            Row({name: row.case[name] for name in ("target", "met", "reached")}, {})
            for section in self.sections
            if section.key == "targets"
            for row in section.rows
        ]
        warning = f"\n\nWarning: {machine['warning']}." if "warning" in machine else ""
        return f"{where}; weights {self.model.get('weights', '?')}.{warning}\n\n{_table(rows)}\n"


def _section(section: Section) -> str:
    parts = [f"### {section.title}"]
    if section.note:
        parts.append(section.note)
    parts.append(f"Not measured: {section.skipped}" if section.skipped else _table(section.rows))
    return "\n\n".join(parts)


def _table(rows: list[Row]) -> str:
    cases = _columns([row.case for row in rows])
    values = _columns([row.values for row in rows])
    lines = [
        "| " + " | ".join(cases + values) + " |",
        "|" + "---|" * len(cases) + "---:|" * len(values),
    ]
    for row in rows:
        cells = [str(row.case.get(name, "")) for name in cases]
        cells += [_spread(row.values[name]) if name in row.values else "" for name in values]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _columns(rows: list[Any]) -> list[str]:
    """Names in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _spread(value: Spread) -> str:
    return f"{number(value.median)} ({number(value.p10)}-{number(value.p90)})"


def number(value: float) -> str:
    """About three significant digits: more are not reproducible."""
    digits = next((d for d, least in enumerate((100, 10, 0.1)) if abs(value) >= least), 3)
    return f"{value:.{digits}f}"


def replace_between_markers(path: Path, markdown: str, begin: str, end: str) -> None:
    """Replace the text between the `begin` and `end` lines of a document.

    Raises ValueError where the document lacks them in this order.
    """
    text = path.read_text(encoding="utf-8")
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ValueError(f"{path}: the lines '{begin}' and '{end}' must stand there, in this order")
    new = f"{before}{begin}\n\n{markdown.rstrip()}\n\n{end}{after}"
    path.write_text(new, encoding="utf-8")
