"""The table of targets, from the run's other tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.report import Row, Section, number

#: Targets on 2 CPU cores with batch 1. The first two are shares of resnet50's time in eager torch.
RESNET_SHARE, MODEL_SHARE = 0.35, 1 / 12
FRAMES_PER_SECOND = 25
FURTHER_PERSON_MS, MARKERS_TIMES = 1.0, 40
NODE_MS = {"on": 10.0, "off": 3.0}
CAMERA_HZ = "30"
MEMORY_MB, START_S = 700.0, 5.0

_Rows = Sequence[Row]
_COLUMNS = ("target", "met", "reached", "limit", "what stands between")


def targets_section(sections: Sequence[Section]) -> Section:
    """A row per target, from the sections of one run. Targets of skipped parts are not measured."""
    tables = {section.key: section.rows for section in sections if section.rows}
    return Section(
        "targets",
        "Targets",
        "Median of this run beside each target (2 CPU cores, batch 1). Limit: the convolutions' "
        "multiply-adds over the measured rate of a matrix product (table Engines), in the unit of "
        "the target. A lower precision's cost in mm is that of the default model.",
        [Row(_row(tables, *target), {}) for target in _TARGETS],
    )


def _row(
    tables: Mapping[str, _Rows],
    target: str,
    needs: Sequence[str],
    judge: Callable[..., tuple[str, str, str, str]] | None,
) -> dict[str, str | int]:
    if judge is None:
        cells = ("", "not measured: it needs a GPU", "", "")
    elif missing := [key for key in needs if key not in tables]:
        cells = ("", f"not measured: {', '.join(missing)}", "", "")
    else:
        cells = judge(*(tables[key] for key in needs))
    return dict(zip(_COLUMNS, (target, *cells), strict=True))


def _resnet(engines: _Rows, costs: _Rows) -> tuple[str, str, str, str]:
    """Share of eager torch's time for the same network, by engine and precision."""
    network = str(engines[0].case["network"])  # the baseline: eager torch
    rows = [r for r in engines[1:] if r.case["network"] == network]
    return _by_engine(engines[0], rows, costs, RESNET_SHARE)


def _model(engines: _Rows, costs: _Rows) -> tuple[str, str, str, str]:
    baseline = engines[0]
    rows = [r for r in engines[1:] if str(r.case["measured"]).startswith("image to")]
    met, reached, _, _ = _by_engine(baseline, rows, costs, MODEL_SHARE)
    best = min(r.values["time (ms)"].median for r in rows)
    alone = [
        r
        for r in engines[1:]
        if r.case["network"] == rows[0].case["network"] and "limit (ms)" in r.values
    ]
    _, _, limit, between = _by_engine(baseline, alone, costs, MODEL_SHARE)
    aim = f"; the fastest: {number(1e3 / best)} frames/s (aim {FRAMES_PER_SECOND})"
    return met, reached + aim, limit, between


def _by_engine(baseline: Row, rows: _Rows, costs: _Rows, most: float) -> tuple[str, str, str, str]:
    eager = baseline.values["time (ms)"].median
    share = {str(r.case["engine"]): 1 / r.values["eager resnet50 over this"].median for r in rows}
    met = [engine for engine, value in share.items() if value <= most]
    cost = {str(row.case["engine"]): row for row in costs}
    answer = ", ".join(f"{engine} ({_cost(cost.get(engine))})" for engine in met)
    reached = ", ".join(f"{engine} {value:.3f}" for engine, value in share.items())
    limits: dict[str, str] = {}
    for row in rows:
        if "limit (ms)" in row.values:
            precision = str(row.case["engine"]).rpartition(":")[2]
            limits[precision] = f"{precision} {row.values['limit (ms)'].median / eager:.3f}"
    between = ", ".join(
        f"{row.case['engine']} at {row.values['limit over this'].median:.0%} of the limit's rate"
        for row in rows
        if "limit over this" in row.values
    )
    return (f"yes: {answer}" if met else "no"), reached, ", ".join(limits.values()), between


def _cost(row: Row | None) -> str:
    if row is None:
        return "cost not measured"
    joints, positions = row.values["joints moved (mm)"], row.values["positions moved (mm)"]
    changed = row.values["people missing or added"].median
    return (
        f"joints {number(joints.median)} mm, positions {number(positions.median)} mm, "
        f"{changed:.0f} people missing or added"
    )


def _further(rows: _Rows) -> tuple[str, str, str, str]:
    worst = max(rows, key=lambda row: row.values["per further person (ms)"].median)
    time = worst.values["per further person (ms)"].median
    reached = f"at most {number(time)} ms, at input {worst.case['input']}"
    return _yes(time <= FURTHER_PERSON_MS), reached, "", ""


def _markers(rows: _Rows) -> tuple[str, str, str, str]:
    times = rows[-1].values["Point objects over bytes"].median
    reached = f"{times:.0f} times, with {rows[-1].case['people']} people"
    return _yes(times >= MARKERS_TIMES), reached, "", ""


def _node(markers: str) -> Callable[[_Rows], tuple[str, str, str, str]]:
    def judge(rows: _Rows) -> tuple[str, str, str, str]:
        row = [r for r in rows if r.case["markers"] == markers][-1]
        everything = row.values["total (ms)"].median
        alone = row.values["without the estimator (ms)"].median
        reached = f"{number(everything)} ms; {number(alone)} ms without the estimator's part"
        steps = {
            name.removesuffix(" (ms)"): value.median
            for name, value in row.values.items()
            if name.endswith("(ms)") and name not in ("total (ms)", "without the estimator (ms)")
        }
        largest = sorted(steps, key=lambda step: -steps[step])
        between = ", ".join(f"{step} {number(steps[step])} ms" for step in largest)
        return _yes(everything <= NODE_MS[markers]), reached, "", between

    return judge


def _age(rows: _Rows) -> tuple[str, str, str, str]:
    """Age and bound at the target's rate and above; all of them must be within the bound."""
    at = {str(row.case["camera (Hz)"]): row.values for row in rows}
    texts, good = [], True
    for rate, values in at.items():
        if float(rate) < float(CAMERA_HZ):
            continue
        age, bound = values["age, 95 % (ms)"].median, values["bound (ms)"].median
        texts.append(f"{age:.0f} ms of {bound:.0f} at {rate} Hz")
        good = good and age <= bound
    if CAMERA_HZ not in at:
        return "", "not measured: no results at that rate", "", ""
    return _yes(good), "; ".join(texts), "", ""


def _memory(rows: _Rows) -> tuple[str, str, str, str]:
    size = rows[0].values["resident (MB)"].median
    return _yes(size <= MEMORY_MB), f"{size:.0f} MB", "", ""


def _start(rows: _Rows) -> tuple[str, str, str, str]:
    time = rows[0].values["start to first people (s)"].median
    return _yes(time <= START_S), f"{number(time)} s", "", ""


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"


_TARGETS: tuple[
    tuple[str, tuple[str, ...], Callable[..., tuple[str, str, str, str]] | None], ...
] = (
    (
        f"`resnet50` at 512 in at most {RESNET_SHARE} of eager torch f32",
        ("engines", "engine_accuracy"),
        _resnet,
    ),
    (
        "default model, image to people, in at most 1/12 (0.083) of eager `resnet50` at 512",
        ("engines", "engine_accuracy"),
        _model,
    ),
    (f"a further person: at most {FURTHER_PERSON_MS:g} ms", ("further_person",), _further),
    (f"markers at least {MARKERS_TIMES} times faster than Point objects", ("markers",), _markers),
    (f"node with 8 people, full-mesh markers: {NODE_MS['on']:g} ms", ("node",), _node("on")),
    (f"node with 8 people, no markers: {NODE_MS['off']:g} ms", ("node",), _node("off")),
    (
        f"age of images at {CAMERA_HZ} Hz, 95 %: the node's time and one camera period",
        ("image_age",),
        _age,
    ),
    (f"resident memory: at most {MEMORY_MB:g} MB", ("process",), _memory),
    (f"start to first people, warm: at most {START_S:g} s", ("process",), _start),
    ("`resnet50` at 512 on an H200-class GPU: 400 frames/s", (), None),
    ("training step: losses and targets under 10 %, on a GPU", (), None),
)
