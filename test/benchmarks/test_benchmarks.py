"""The benchmarks run and give the expected rows. No test depends on a time."""

import dataclasses
import json
import sys
import time

import numpy as np
import pytest
import torch

from benchmarks import stages
from benchmarks.__main__ import main
from benchmarks.engines import count_gmac, measure_engines
from benchmarks.lenses import LENSES, measure_lenses
from benchmarks.losses import check_equal, measure_losses, random_features
from benchmarks.model import Model, load_model
from benchmarks.planted import planted_cells, planted_estimator
from benchmarks.refinement import measure_refinement
from benchmarks.report import BEGIN, END, number
from benchmarks.stages import IMAGES, measure_stages
from benchmarks.timing import Spread, interleaved, timed, total
from benchmarks.workspace import why_no_ros
from icl_mesh.engine import TorchEngine
from icl_mesh.engine.stage_clock import STAGES
from icl_mesh.geometry.lens import LENS_MODELS
from icl_mesh.network import build_network
from icl_mesh.weights import save_weights


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model()


def test_spread_is_median_and_tenths():
    assert Spread.of(range(1, 12)) == Spread(6.0, 2.0, 10.0)


def test_interleaved_runs_run_every_case_and_drop_the_warm_up():
    calls = []

    def case(name):
        def run():
            calls.append(name)
            return {"a": float(len(calls)), "b": 1.0}

        return run

    measured = interleaved({"x": case("x"), "y": case("y")}, repetitions=3, warm_up=2)
    assert len(calls) == 10
    assert all({*calls[i : i + 2]} == {"x", "y"} for i in range(0, 10, 2))
    both = np.sort(np.concatenate([measured["x"]["a"], measured["y"]["a"]]))
    assert both.tolist() == [5, 6, 7, 8, 9, 10]  # calls 1 to 4 were the warm-up
    np.testing.assert_array_equal(total(measured["x"]), measured["x"]["a"] + 1)


def test_interleaved_runs_stop_after_the_budget():
    measured = interleaved({"x": timed(lambda: None, "time")}, repetitions=50, budget_s=0.0)
    assert len(measured["x"]["time"]) == 3  # never fewer


def test_interleaved_runs_refuse_no_repetitions():
    with pytest.raises(ValueError, match=r"repetitions must be 1 or more .* got 0 and 2"):
        interleaved({"x": timed(lambda: None, "time")}, repetitions=0)


@pytest.mark.slow
@pytest.mark.parametrize("size", [128, 256, 384, 512])
@pytest.mark.parametrize("image", IMAGES)
def test_planted_people_are_found_inside_the_image(model, size, image):
    width, height = image
    people = planted_estimator(model, size, 8, "torch")(np.zeros((height, width, 3), np.uint8))
    assert len(people) == 8
    assert people.camera.contains(people.joints_px[:, 0]).all()
    assert (people.position_m[:, 2] > 3).all() and (people.position_m[:, 2] < 10).all()


def test_no_more_people_than_there_is_room_for(model):
    with pytest.raises(ValueError, match="from 0 to 8, got 9"):
        planted_estimator(model, 256, 9, "torch")


@pytest.mark.slow
def test_stages_give_a_row_per_setting(model, monkeypatch):
    monkeypatch.setattr(stages, "BASELINE_SIZE", 64)
    baseline, table, further = measure_stages(model, 1, sizes=[128], people=(0, 2, 3))
    assert [row.case["people"] for row in table.rows] == [0, 2, 3, 0, 2, 3]
    assert {row.case["image"] for row in table.rows} == {"640x480", "1920x1080"}
    for row in table.rows:
        parts = sum(row.values[f"{stage} (ms)"].median for stage in STAGES)
        assert row.values["total (ms)"].median == pytest.approx(parts)
    assert baseline.rows[0].case["network"] == "resnet50, eager"
    assert len(baseline.rows) == 3 and len(further.rows) == 2
    for row in baseline.rows:
        ratio = baseline.rows[0].values["time (ms)"].median / row.values["time (ms)"].median
        assert row.values["resnet50 over this"].median == pytest.approx(ratio)


@pytest.mark.slow
def test_the_second_stage_is_measured_by_parts_and_settings(model):
    small = dataclasses.replace(model, input_size=128)
    person, rate = measure_refinement(small, 1)
    for row in person.rows:
        parts = {name.removesuffix(" (ms)"): value.median for name, value in row.values.items()}
        own = [parts[part] for part in ("crops, decoding, gate", "keypoint network", "fit")]
        assert min(own) > 0
        assert parts["together"] == pytest.approx(sum(own))
        assert parts["over the maps"] > 0
    engines = [row.case["engine"] for row in person.rows]
    assert engines[0].endswith(":f32")
    settings = [("no second stage", 2), ("off", 2), ("all", 1), ("all", 2), ("budget of 40 ms", 2)]
    cases = [(row.case["engine"], row.case["refine"], row.case["people"]) for row in rate.rows]
    assert cases == [(engine, *setting) for engine in engines for setting in settings]
    for row in rate.rows:
        assert row.values["results/s"].median == pytest.approx(1e3 / row.values["time (ms)"].median)


@pytest.mark.slow
def test_lenses_give_a_row_each(model):
    small = dataclasses.replace(model, input_size=128)
    section = measure_lenses(small, 1, people=2)
    assert [row.case["lens"] for row in section.rows] == list(LENSES)
    assert set(LENSES) == {"none", *LENS_MODELS}
    assert section.rows[0].values["both, over those without a lens"].median == 1


def test_losses_of_both_implementations_are_equal_and_measured():
    torch.manual_seed(0)
    check_equal(build_network("mobilenet_v2", 0.5), random_features(images=3, people=3))
    section = measure_losses(1, images=2, people=2)
    assert len(section.rows) == 2
    assert section.rows[1].values["loops over this"] == Spread(1, 1, 1)


@pytest.mark.slow
def test_node_steps(model, monkeypatch):
    if reason := why_no_ros():
        pytest.skip(reason)
    from benchmarks.node import measure_node

    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    frames, markers = measure_node(model, 1, people=(2,))
    assert [row.case for row in frames.rows] == [
        {"people": 2, "markers": "off"},
        {"people": 2, "markers": "on"},
    ]
    for row in frames.rows:
        parts = {n.removesuffix(" (ms)"): v.median for n, v in row.values.items()}
        steps = ["receive", "convert", "preprocess", "decode", "body", "track", "messages"]
        assert parts["total"] == pytest.approx(sum(parts[step] for step in steps))
        alone = [parts[step] for step in ("receive", "convert", "track", "messages")]
        assert parts["without the estimator"] == pytest.approx(sum(alone))
        assert min(alone) > 0
    assert [row.case for row in markers.rows] == [{"people": 2}]


def test_the_node_part_says_why_it_is_skipped(monkeypatch):
    monkeypatch.setitem(sys.modules, "rclpy", None)
    assert "source the built workspace first: `. scripts/env`" in why_no_ros()


@pytest.mark.slow
def test_command_writes_json_and_document(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stages, "BASELINE_SIZE", 64)
    monkeypatch.setattr(stages, "IMAGES", IMAGES[:1])
    document = tmp_path / "performance.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    arguments = ["--only", "stages", "--sizes", "128", "--repetitions", "1"]
    tables = tmp_path / "results.md"
    files = ["--json", str(tmp_path / "run.json"), "--markdown", str(document)]
    assert main([*arguments, *files, "--tables", str(tables)]) == 0
    run = json.loads((tmp_path / "run.json").read_text())
    assert [section["key"] for section in run["sections"]] == [
        "targets",
        "baseline",
        "stages",
        "further_person",
        "refined_person",
        "refine",
        "lenses",
    ]
    assert run["machine"]["processor"] and run["repetitions"] == 1
    text = document.read_text()
    assert text.startswith(f"before\n{BEGIN}\n") and text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert f"processor {run['machine']['processor']}" in text
    further = run["sections"][3]["rows"]
    reached = max(row["values"]["per further person (ms)"]["median"] for row in further)
    line = next(line for line in text.splitlines() if line.startswith("| a further person"))
    assert f"at most {number(reached)} ms" in line
    row = "| 128 | 640x480 | 8 |"
    assert row not in text and row in tables.read_text() and row in capsys.readouterr().out


def test_command_takes_weights_of_any_architecture(tmp_path):
    path = tmp_path / "other.safetensors"
    network = build_network("mobilenet_v2", 0.25)
    save_weights(path, network, {"input_size": 128, "body": "icl_default_body", "name": "other"})
    loaded = load_model(str(path))
    assert loaded.describe()["model"].startswith("mobilenet_v2 (heads x0.25)")
    assert loaded.weights_version.startswith("other-") and not loaded.random


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--sizes", "100"], "must be a multiple of 32 from 128 on, got 100"),
        (["--repetitions", "0"], "must be 1 or more, got 0"),
    ],
)
def test_command_refuses(arguments, error, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert error in capsys.readouterr().err


def test_missing_weights_file_is_one_line(capsys):
    assert main(["--weights", "nowhere.safetensors"]) == 2
    assert "benchmarks: nowhere.safetensors: no such weights file" in capsys.readouterr().err


@pytest.mark.slow
def test_multiply_adds_are_those_of_the_paper():
    """ResNet-50 at 512, counted from the public release: 24.6 G backbone, 12.6 G heads."""
    network = build_network("resnet50").eval()
    assert count_gmac(network, 512) == pytest.approx(24.6 + 12.6, rel=0.02)


def test_multiply_adds_of_the_smpl_branch_are_counted_by_person():
    """By hand, from Table 1 at head width 0.25 (16 and 32 channels, 48 + 2 features): 3x3
    convolutions at 11 x 11, 9 x 9, 7 x 7, 5 x 5, 3 x 3 and 1 x 1 cells."""
    network = build_network("mobilenet_v2", 0.25).eval()
    stem = 11 * 11 * 50 * 16
    paths = 9 * 9 * ((16 + 1 + 64) + (16 + 24 + 64)) * 16
    blocks = (7 * 7 + 5 * 5 + 3 * 3 + 1) * 32 * 32
    person = 9 * (stem + paths + blocks) + 32 * 142
    nobody, three = (count_gmac(network, 128, people) for people in (0, 3))
    assert (three - nobody) * 1e9 == pytest.approx(3 * person, rel=1e-9)
    dense = 16 * 16 * (9 * (50 * 16 + (81 + 104) * 16 + 4 * 32 * 32) + 32 * 142)
    assert (count_gmac(network, 128) - nobody) * 1e9 == pytest.approx(dense, rel=1e-9)


def test_the_second_step_runs_for_planted_people_and_counts_as_network(model):
    class Slow(TorchEngine):
        def smpl_at(self, maps, image, cell):
            asked.append(cell.tolist())
            time.sleep(0.2)
            return super().smpl_at(maps, image, cell)

    asked = []
    estimator = planted_estimator(model, 256, 3, Slow(model.network, torch.device("cpu")))
    times = {}
    assert len(estimator(np.zeros((480, 640, 3), np.uint8), times=times)) == 3
    assert [sorted(cells) for cells in asked] == [sorted(planted_cells(256, 3).tolist())]
    assert times["network"] > 200 > times["decode"]


@pytest.mark.slow
def test_engines_give_a_row_per_engine_and_a_limit(model, monkeypatch, tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "photo.png"), np.full((48, 64, 3), 90, np.uint8))
    times, costs = measure_engines(model, 1, images=tmp_path, baseline_size=64)
    engines = {row.case["engine"] for row in times.rows}
    assert {"eager torch", "torch:f32"} <= engines
    alone = [row for row in times.rows if str(row.case["measured"]).startswith("network")]
    assert [r.case["measured"] for r in alone].count("network, whole maps") == 1  # eager
    assert all("limit (ms)" in row.values for row in alone)
    assert [row.case["engine"] for row in costs.rows if row.case["engine"].startswith("torch")]
    exact = next(row for row in costs.rows if row.case["engine"] == "torch:f32")
    assert exact.values["joints moved (mm)"] == Spread(0, 0, 0)
