"""Reports of a benchmark run: tables, targets, comparisons, plots."""

import pytest

from benchmarks.__main__ import main
from benchmarks.compare import as_markdown, compare_runs
from benchmarks.plots import write_plots
from benchmarks.report import BEGIN, END, Report, Row, Section, replace_between_markers
from benchmarks.targets import targets_section
from benchmarks.timing import Spread


def test_a_skipped_part_says_so_in_the_table():
    section = Section("node", "Node", skipped="no ROS")
    assert "Not measured: no ROS" in Report({}, {}, 1, [section]).as_markdown()


def test_columns_that_a_row_lacks_stay_empty():
    rows = [
        Row({"people": 1}, {"a": Spread(1, 1, 1)}),
        Row({"people": 2}, {"b": Spread(123, 9, 1e3)}),
    ]
    markdown = Report({}, {}, 1, [Section("x", "X", rows=rows)]).as_markdown()
    assert "| people | a | b |" in markdown
    assert "| 2 |  | 123 (9.00-1000) |" in markdown


def test_a_document_without_markers_is_refused(tmp_path):
    document = tmp_path / "document.md"
    document.write_text(END + BEGIN)
    with pytest.raises(ValueError, match="must stand there, in this order"):
        replace_between_markers(document, "table", BEGIN, END)
    assert document.read_text() == END + BEGIN


def _table(key, *rows):
    """Rows of (case, values), each value a median."""
    return Section(
        key, key, rows=[Row(c, {k: Spread(v, v, v) for k, v in vs.items()}) for c, vs in rows]
    )


def _engine(network, engine, time, limit, measured="network"):
    values = {"time (ms)": time, "eager resnet50 over this": 400 / time}
    if limit:
        values |= {"limit (ms)": limit, "limit over this": limit / time}
    return {"network": network, "engine": engine, "measured": measured}, values


def _cost(engine, joints, changed):
    values = {"joints moved (mm)": joints, "positions moved (mm)": 10 * joints}
    return {"engine": engine}, {**values, "people missing or added": changed}


def test_targets_are_judged_by_the_tables_of_the_run():
    node = {"total (ms)": 8.0, "without the estimator (ms)": 4.0, "decode (ms)": 2.0}
    ages = [(r, {"age, 95 % (ms)": a, "bound (ms)": 70}) for r, a in (("30", 60), ("60", 65))]
    tables = [
        _table(
            "engines",
            _engine("resnet50", "eager torch", 400, 160),
            _engine("resnet50", "openvino:f32", 200, 160),
            _engine("resnet50", "openvino:bf16", 40, 30),
            _engine("light", "openvino:f32", 20, 10),
            _engine("light", "openvino:f32", 32, None, "image to 8 people"),
            _engine("light", "openvino:bf16", 40, None, "image to 8 people"),
        ),
        _table("engine_accuracy", _cost("openvino:f32", 0.0, 0), _cost("openvino:bf16", 2, 3)),
        _table("node", *(({"people": 8, "markers": m}, node) for m in ("off", "on"))),
        _table("image_age", *(({"camera (Hz)": rate}, values) for rate, values in ages)),
        _table("process", ({}, {"resident (MB)": 701, "start to first people (s)": 4.5})),
    ]
    rows = [row.case for row in targets_section(tables).rows]
    by = {str(row["target"]): row for row in rows}

    def row(start):
        return next(value for name, value in by.items() if name.startswith(start))

    bf16 = "openvino:bf16 (joints 2.00 mm, positions 20.0 mm, 3 people missing or added)"
    assert row("`resnet50` at 512 in")["met"] == f"yes: {bf16}"
    assert row("`resnet50` at 512 in")["reached"] == "openvino:f32 0.500, openvino:bf16 0.100"
    assert row("`resnet50` at 512 in")["limit"] == "f32 0.400, bf16 0.075"
    assert (
        "openvino:f32 at 80% of the limit's" in row("`resnet50` at 512 in")["what stands between"]
    )
    light = row("default model")
    assert (
        light["met"].startswith("yes: openvino:f32 (joints 0.000 mm") and "bf16" not in light["met"]
    )
    assert light["reached"].endswith("; the fastest: 31.2 frames/s (aim 25)")
    assert light["limit"] == "f32 0.025"
    assert row("a further person")["reached"] == "not measured: further_person"
    assert (row("node with 8 people, full")["met"], row("node with 8 people, no")["met"]) == (
        "yes",
        "no",
    )
    assert row("node with 8 people, no")["what stands between"] == "decode 2.00 ms"
    assert row("age of images")["reached"] == "60 ms of 70 at 30 Hz; 65 ms of 70 at 60 Hz"
    assert (row("resident")["met"], row("start")["met"]) == ("no", "yes")
    assert "needs a GPU" in row("training step")["reached"]
    markdown = Report({}, {}, 1, [targets_section(tables)]).as_markdown()
    assert "| target | met | reached | limit | what stands between |" in markdown


def _run(milliseconds, processor="one"):
    rows = [
        {"case": {"people": 1}, "values": {"total (ms)": {"median": milliseconds}}},
        {"case": {"people": 1}, "values": {"ratio": {"median": 1.0}}},
    ]
    return {
        "format": 1,
        "machine": {"processor": processor},
        "sections": [{"key": "stages", "rows": rows}],
    }


def test_comparison_flags_what_became_slower_by_more_than_a_tenth():
    (slower,) = compare_runs(_run(10.0), _run(11.5))
    assert slower.is_regression and slower.factor == pytest.approx(1.15)
    assert not compare_runs(_run(10.0), _run(10.9))[0].is_regression
    assert not compare_runs(_run(10.0), _run(5.0))[0].is_regression
    text = as_markdown([slower], _run(10.0), _run(11.5, "two"))
    assert "The machines differ: one before, two now." in text
    assert "1 times and sizes compared, 1 more than 10% worse." in text
    assert "| stages: people 1: total (ms) | 10 | 11.5 | 1.15 |" in text


def test_command_refuses_a_file_that_is_no_run(tmp_path, capsys):
    (tmp_path / "other.json").write_text("[]")
    assert main(["--only", "losses", "--compare", str(tmp_path / "other.json")]) == 2
    assert "other.json: not a run of `python -m benchmarks --json`" in capsys.readouterr().err


def test_plots_of_what_was_measured(tmp_path):
    pytest.importorskip("matplotlib")
    one = Spread(2, 1, 3)
    age = {"age, median (ms)": one, "age, 95 % (ms)": one, "bound (ms)": one}
    sections = [
        Section("image_age", "Age", rows=[Row({"camera (Hz)": "30"}, age)]),
        Section("process", "Memory", rows=[Row({"process": "x"}, {"resident (MB)": one})]),
        Section("node", "Node", skipped="no ROS"),
    ]
    written = write_plots(Report({}, {}, 1, sections), tmp_path / "plots")
    assert [path.name for path in written] == ["image_age.png", "process.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)
