"""A full disk: one sentence, status 1, nothing lost. A limit on the size of files stands in."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from icl_mesh_training.cli.main import main
from icl_mesh_training.lifter import train as lifting
from icl_mesh_training.scenes import writing
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.training.checkpoints import read_checkpoint
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.train import train

SAID = "File too large; what was there before is whole: make room and run the same command again"


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, in this process and in those that it starts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(arguments: list[str], size: int, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    with room(size):
        assert main(arguments) == 1
    error = capsys.readouterr().err
    assert SAID in error
    assert "Traceback" not in error


@pytest.fixture(scope="module")
def run(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one step."""
    output = tmp_path_factory.mktemp("run")
    entries = {"scenes": str(scenes), "output": str(output), "precision": "32-true", "workers": 0}
    small = {"head_width": 0.125, "input_size": 64, "batch_size": 2, "warmup_steps": 0}
    train(TrainingConfig.checked(entries | small | {"steps": 1}, "test"))
    return output


@pytest.mark.slow
def test_a_training_keeps_its_checkpoint_and_goes_on(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "last.ckpt").read_bytes()
    command = ["train", str(run / "recipe.yaml"), "--set", "steps=2", "checkpoint_steps=1"]
    refused(command, 100_000, capsys)
    assert (run / "last.ckpt").read_bytes() == before
    assert not list(run.glob(".last*"))
    assert main(command) == 0
    assert read_checkpoint(run / "last.ckpt")["global_step"] == 2


@pytest.mark.slow
def test_an_export_and_an_evaluation_keep_the_old_file(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"old")
    refused(["export", str(run), "--out", str(out)], 100_000, capsys)
    assert out.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == [out.name]

    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(tmp_path / "images/a.png")
    text = '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": []}'
    (tmp_path / "person_keypoints.json").write_text(text)
    results = tmp_path / "results.json"
    results.write_text("old")
    command = ["evaluate", "--weights", str(run / "weights.safetensors"), "--device", "cpu"]
    refused([*command, "--photos", str(tmp_path), "--json", str(results)], 50, capsys)
    assert results.read_text() == "old"
    refused([*command, "--photos", str(tmp_path), "--out", str(tmp_path / "report")], 50, capsys)
    assert not list((tmp_path / "report").iterdir())


def test_scenes_that_do_not_fit_are_not_begun(
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    labels = SceneLabels.load(scenes / "000000.npz")
    worker = SimpleNamespace(folder=tmp_path, scene=lambda _: (bytes(2000), labels))
    monkeypatch.setattr(writing._Worker, "current", worker)

    def here(write: Any, folder: Path, job: Any, tasks: Any, unit: str, **_: Any) -> None:
        for task in tasks:
            write(task)

    monkeypatch.setattr(writing, "_run", here)
    command = ["scenes", "--out", str(tmp_path), "--count", "1"]
    refused(command, 1000, capsys)
    assert not list(tmp_path.iterdir())
    refused([*command, "--shards", "1"], 1000, capsys)
    assert not list(tmp_path.iterdir())
    assert main(command) == 0
    assert sorted(file.name for file in tmp_path.iterdir()) == ["000000.jpg", "000000.npz"]


def test_a_lifter_that_does_not_fit_keeps_the_old_file(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("collect", "fit", "errors_mm"):
        monkeypatch.setattr(lifting, name, lambda *_, **__: {})
    for number in range(10):
        (tmp_path / f"{number}.npz").touch()
    out = tmp_path / "lifted.safetensors"
    out.write_bytes(b"old")
    command = ["lifter", "--weights", str(run / "weights.safetensors"), "--out", str(out)]
    refused([*command, "--scenes", str(tmp_path)], 100_000, capsys)
    assert out.read_bytes() == b"old"
