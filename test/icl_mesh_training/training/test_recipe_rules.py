"""What a recipe may not say: all of it in one message, with name, value and rule."""

from pathlib import Path
from typing import Any

import pytest

from icl_mesh_training.cli.main import main
from icl_mesh_training.training.config import TrainingConfig

GOOD = {"scenes": "s", "output": "o"}


def said(entries: dict[Any, Any]) -> str:
    with pytest.raises(ValueError, match=r"^test: ") as error:
        TrainingConfig.checked(GOOD | entries, "test")
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("learning_rate", float("nan"), "must be above 0 and finite, got nan"),
        ("learning_rate", float("inf"), "must be above 0 and finite, got inf"),
        ("learning_rate", "1e-3", "must be a number, got '1e-3' in quotes; YAML takes a number wi"),
        ("backbone_learning_rate", float("nan"), "must be 0 or more and finite, got nan"),
        ("weight_decay", -0.1, "must be 0 or more, got -0.1"),
        ("final_learning_rate", 2, "must be in [0, 1], got 2"),
        ("decay_factor", 0, "must be in (0, 1], got 0"),
        ("gradient_clip", float("inf"), "must be above 0 and finite, got inf"),
        ("temperature", float("nan"), "must be above 0 and finite, got nan"),
        ("ema_decay", 5, "must be in [0, 1), got 5"),
        ("ema_decay", 1.0, "must be in [0, 1), got 1.0"),
        ("threshold", 7, "must be in (0, 1], got 7"),
        ("workers", -3, "must be between 0 and 1024, got -3"),
        ("neighbours", -1, "must be 0 or more, got -1"),
        ("warmup_steps", -1, "must be 0 or more, got -1"),
        ("epochs", -2, "must be 0 or more, got -2"),
        ("steps", 10**400 * -1, "must be above 0, got -1000"),
        ("seed", -1, "must be between 0 and 4294967295, got -1"),
        ("precision", "bogus", "must be one of 32-true, bf16-mixed, 16-mixed, got 'bogus'"),
        ("precision", 32, "must be text, got 32"),
        ("freeze_to_stride", 5, "must be one of 0, 4, 8, 16, 32, got 5"),
        ("head_width", float("nan"), "must be in [0.125, 2] and finite, got nan"),
        ("smpl_width", 100.0, "must be in [0.125, 2], got 100.0"),
        ("input_size", 8192, "must be a multiple of 32 up to 2048, got 8192"),
        ("checkpoint_minutes", float("inf"), "must be above 0 and finite, got inf"),
        ("decay_epochs", [0], "must be above 0, got 0"),
        ("decay_epochs", "60", "must be a list of whole numbers, got '60'"),
        (
            "weights",
            {"push": "much"},
            "must be a mapping of names to numbers, got {'push': 'much'}",
        ),
        ("data", "coco", "must be a list of mappings, one a source, got 'coco'"),
        ("data", ["coco"], "must be a list of mappings, one a source, got ['coco']"),
        ("body", 3, "must be text, got 3"),
        ("output", "", "must name a folder, got ''"),
    ],
)
def test_each_value_has_its_rule(name: str, value: Any, rule: str) -> None:
    assert f"'{name}' {rule}" in said({name: value})


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        ({"name": 5, "root": "x"}, "'data' 1: unknown data set 5; known are scenes"),
        ({"name": ["coco"], "root": "x"}, "'data' 1: unknown data set ['coco']; known are"),
        ({"name": "coco", "root": 7}, "'data' 1 (coco): 'root' must be text, got 7"),
        ({"name": "coco", "root": "x", 3: 4}, "'data' 1 (coco): unknown entry '3'"),
        ({"name": "coco", "root": "x", "split": [1]}, "(coco): 'split' must be text, got [1]"),
        ({"name": "generated", "length": -1}, "(generated): 'length' must be above 0, got -1"),
        ({"name": "generated", "length": 1, "split": "tset"}, "generated has no split 'tset'; it"),
        ({"name": "scenes", "root": "x", "probability": float("nan")}, "must be above 0, got nan"),
        ({"name": "scenes", "root": "x", "probability": float("inf")}, "must be above 0, got inf"),
        ({"name": "scenes", "root": "x", "augmentation": None}, "'augmentation' must map names"),
    ],
)
def test_each_source_has_its_rules(entry: dict[Any, Any], rule: str) -> None:
    assert rule in said({"data": [entry]})


@pytest.mark.parametrize(
    ("entry", "rule"),
    [
        (
            {"shift": float("inf")},
            "'shift' in 'augmentation' must be a number of 0 or more, got inf",
        ),
        ({"zoom": [0.5, float("inf")]}, "'zoom' in 'augmentation' must be two numbers above 0"),
        ({"flip": [0.5]}, "'flip' in 'augmentation' must be a number in [0, 1], got [0.5]"),
    ],
)
def test_augmentations_are_finite(entry: dict[str, Any], rule: str) -> None:
    assert rule in said({"augmentation": entry})


def test_all_errors_come_in_one_message() -> None:
    text = said(
        {
            **{"learning_rate": float("nan"), "ema_decay": 5, "threshold": 7, "workers": -3},
            **{"precision": "bogus", "data": [{"name": {}}], 5: 6, "weights": {7: 1, "push": -1}},
        }
    )
    for part in (
        *("'learning_rate' must", "'ema_decay' must", "'threshold' must", "'workers' must"),
        *("'precision' must", "'data' 1: unknown data set {}", "unknown entry '5'"),
        *("unknown loss 7 in 'weights'; known: camera", "'push' in 'weights' must be 0 or more"),
    ):
        assert part in text
    assert "\n" not in text


def test_files_that_are_no_recipes(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    for content in (b"\xff\xfe\x00", b"a: [", b"{[1]: 2}", b"- 1"):
        recipe.write_bytes(content)
        with pytest.raises(ValueError, match=r"r\.yaml: (not YAML|a recipe is a mapping)"):
            TrainingConfig.load(recipe)


def test_the_command_says_all_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    changes = ["learning_rate=.nan", "ema_decay=5", "scenes=x", "output=y"]
    assert main(["train", "finetune", "--set", *changes]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert (
        "'learning_rate' must be above 0 and finite, got nan; 'ema_decay' must be in [0, 1), got 5"
        in line
    )
    assert main(["train", "finetune", "--set", "steps=["]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "--set steps=[: the value is not YAML" in line


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate", "--photos", "x", "--threshold", "7"],
        ["evaluate", "--photos", "x", "--threshold", "nan"],
        ["evaluate", "--photos", "x", "--limit", "-1"],
        ["scenes", "--out", "x", "--workers", "-3"],
        ["scenes", "--out", "x", "--count", "0"],
        ["lifter", "--scenes", "x", "--out", "y", "--steps", "0"],
        ["export", "x", "--out", "y", "--threshold", "7"],
    ],
)
def test_arguments_out_of_range_are_refused_by_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert f"argument {arguments[-2]}: must be " in capsys.readouterr().err
