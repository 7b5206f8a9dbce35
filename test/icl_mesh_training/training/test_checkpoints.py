"""Checkpoints: whole through kills and full disks, refused by name when damaged."""

import copy
import errno
import io
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from icl_mesh_training.cli.main import main
from icl_mesh_training.training.checkpoints import (
    WholeCheckpoints,
    check_goes_on,
    read_checkpoint,
    remove_remains,
)
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.schedule import Schedule
from icl_mesh_training.training.train import make_trainer, train


def tiny(scenes: Path, output: Path, **changes: object) -> TrainingConfig:
    entries = {"scenes": str(scenes), "output": str(output), "precision": "32-true", "workers": 0}
    small = {"head_width": 0.125, "input_size": 64, "batch_size": 2, "warmup_steps": 0}
    return TrainingConfig.checked(entries | small | changes, "test")


def small() -> dict[str, Any]:
    """What Lightning writes of a run, with few weights."""
    generator = torch.Generator().manual_seed(0)
    return {
        "epoch": 0,
        "global_step": 5,
        "pytorch-lightning_version": "2.5",
        "state_dict": {
            "network.weight": torch.randn(3, 4, generator=generator),
            "network.bias": torch.randn(3, generator=generator),
        },
        "loops": {"fit_loop": {"state_dict": {}}},
        "callbacks": {},
        "optimizer_states": [{"state": {}, "param_groups": [{"lr": 0.1, "params": [0, 1]}]}],
        "lr_schedulers": [{"last_epoch": 5}],
    }


def test_the_trainer_writes_by_it(tmp_path: Path) -> None:
    config = tiny(tmp_path, tmp_path)
    trainer = make_trainer(config, Schedule.of(config, 8, 1), tmp_path, done=0)
    assert isinstance(trainer.strategy.checkpoint_io, WholeCheckpoints)


def test_a_checkpoint_does_not_pass_through_another_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written to TMPDIR: from there the file could only be copied over the old one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "not there"))
    path = tmp_path / "run" / "last.ckpt"
    WholeCheckpoints().save_checkpoint(small(), path)
    assert read_checkpoint(path)["global_step"] == 5
    assert [file.name for file in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    path = tmp_path / "last.ckpt"
    WholeCheckpoints().save_checkpoint(small(), path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync" if moment == "fsync" else "pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space left"):
        WholeCheckpoints().save_checkpoint(small() | {"global_step": 6}, path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]


def test_what_a_kill_left_beside_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    for name in (".last.ckpt.x7f3", "last.ckpt", ".last.txt"):
        (tmp_path / name).write_bytes(b"")
    remove_remains(path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [".last.txt", "last.ckpt"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"or damaged \(File is not a zip file\); delete it to start over"),
        (b"steps: 5\n", r"or damaged \(File is not a zip file\)"),
        ({**small(), "global_step": -1}, "its step is '-1', not a number of steps"),
        ({**small(), "global_step": True}, "its step is 'True'"),
        ({**small(), "state_dict": {"a": 1}}, "its state is not of tensors by name"),
        ({**small(), "state_dict": []}, "its state is not of tensors by name"),
        ({"global_step": 3}, "it holds no state and step"),
        ([1, 2], "it holds no state and step"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path: Path, content: Any, reason: str) -> None:
    path = tmp_path / "last.ckpt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=r"last\.ckpt: not a checkpoint of a training.*" + reason):
        read_checkpoint(path)


def test_a_run_goes_on_only_from_its_own_checkpoint(tmp_path: Path) -> None:
    path, state = tmp_path / "last.ckpt", small()
    torch.save(state, path)
    check_goes_on(path, state["state_dict"])
    wider = state["state_dict"] | {"network.bias": torch.zeros(7)}
    said = r"another network than the recipe's: 1 tensors do not fit \(network.bias\); restore the"
    with pytest.raises(ValueError, match=said):
        check_goes_on(path, wider)
    del state["loops"]
    torch.save(state, path)
    with pytest.raises(ValueError, match="holds no run to go on from, it lacks loops; delete it"):
        check_goes_on(path, wider)


@pytest.mark.slow
def test_commands_refuse_a_damaged_checkpoint_in_one_line(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny(scenes, tmp_path, steps=1))
    for content in (b"", b"text"):
        (tmp_path / "last.ckpt").write_bytes(content)
        (tmp_path / "weights.safetensors").unlink(missing_ok=True)
        capsys.readouterr()
        for arguments in (
            ["train", str(tmp_path / "recipe.yaml")],
            ["train", str(tmp_path / "recipe.yaml"), "--dry-run"],
            ["export", str(tmp_path), "--out", str(tmp_path / "out.safetensors")],
        ):
            assert main(arguments) == 1
            (line,) = [x for x in capsys.readouterr().err.splitlines() if "icl-mesh-train" in x]
            assert "last.ckpt: not a checkpoint of a training, or damaged (File is not a" in line
        assert (tmp_path / "last.ckpt").read_bytes() == content


def saved(state: dict[str, Any]) -> bytes:
    content = io.BytesIO()
    torch.save(state, content)
    return content.getvalue()


def mutated(state: dict[str, Any], whole: bytes, rng: random.Random) -> tuple[bytes, bool]:
    """A checkpoint with values replaced, or with broken bytes; whether its content was meant."""
    if rng.random() < 0.4:
        state = copy.deepcopy(state)
        values = (None, -1, "x", [], {}, 10**40, 3.5, torch.zeros(2), [torch.zeros(1)], True)
        node: Any = state
        while True:
            key = rng.choice(sorted(node) if isinstance(node, dict) else range(len(node)))
            if rng.random() < 0.5 or not (isinstance(node[key], dict | list) and node[key]):
                break
            node = node[key]
        if rng.random() < 0.3:
            del node[key]
        else:
            node[key] = rng.choice(values)
        return saved(state), True
    data = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 20))):
        data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(len(data)) if rng.random() < 0.2 else None]), False


@pytest.mark.slow
def test_two_thousand_damaged_checkpoints(tmp_path: Path) -> None:
    state, rng, refused = small(), random.Random(13), 0
    whole = saved(state)
    for number in range(2000):
        data, meant = mutated(state, whole, rng)
        path = tmp_path / f"{number}.ckpt"
        path.write_bytes(data)
        try:
            check_goes_on(path, state["state_dict"])
        except ValueError as error:
            refused += 1
            assert str(error).startswith(f"{path}: "), error
        else:
            if not meant:  # what damage changed is noticed: none of it is trained on
                found = read_checkpoint(path)["state_dict"]
                for name, value in state["state_dict"].items():
                    assert torch.equal(found[name], value), name
        path.unlink()
    assert 500 < refused < 1950
