"""Whole runs: killed and resumed, on two processes, stopped by bad numbers and bad files."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.strategies import DDPStrategy
from safetensors.torch import load_file

from icl_mesh_training.cli.main import main
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.loading import BrokenSamples, EndlessSampler, make_loader
from icl_mesh_training.data.scene_folder import SceneFolder
from icl_mesh_training.errors import TrainingStoppedError
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.module import TrainingModule
from icl_mesh_training.training.schedule import Schedule
from icl_mesh_training.training.train import make_trainer, train

ROOT = Path(__file__).parents[3]


def tiny(scenes: Path, output: Path, **changes: object) -> TrainingConfig:
    entries = {
        "scenes": str(scenes),
        "output": str(output),
        "head_width": 0.125,
        "input_size": 64,
        "batch_size": 2,
        "steps": 5,
        "warmup_steps": 2,
        "workers": 0,
        "precision": "32-true",
        "log_steps": 1,
    }
    return TrainingConfig.checked(entries | changes, "test")


def losses(output: Path) -> dict[int, float]:
    """Step -> loss, of all parts of a run."""
    found: dict[int, float] = {}
    for path in sorted(output.glob("log/*/metrics.csv")):
        with path.open(encoding="utf-8") as file:
            found |= {int(row["step"]): float(row["loss"]) for row in csv.DictReader(file)}
    return found


def run_in_another_process(code: str, *command: str, **environment: str) -> int:
    """Runs Python code with the tests' own packages; returns the exit status."""
    variables = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    command = command or (sys.executable, "-c", code)
    return subprocess.run(command, env=variables, check=False, timeout=600).returncode


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_losses(scenes: Path, tmp_path: Path) -> None:
    settings = {"neighbours": 2, "checkpoint_steps": 2}
    train(tiny(scenes, tmp_path / "whole", **settings))
    recipe = tmp_path / "whole" / "recipe.yaml"
    code = (
        "import os, signal\n"
        "from icl_mesh_training.training.config import TrainingConfig\n"
        "from icl_mesh_training.training.module import TrainingModule\n"
        "from icl_mesh_training.training.train import train\n"
        "step = TrainingModule.training_step\n"
        "def dying(module, batch, index):\n"
        "    if module.global_step == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return step(module, batch, index)\n"
        "TrainingModule.training_step = dying\n"
        f"train(TrainingConfig.load({str(recipe)!r}, {{'output': {str(tmp_path / 'killed')!r}}}))\n"
    )
    assert run_in_another_process(code) == -signal.SIGKILL
    state = torch.load(tmp_path / "killed" / "last.ckpt", weights_only=True)
    assert state["global_step"] == 2
    train(tiny(scenes, tmp_path / "killed", **settings))
    whole, resumed = losses(tmp_path / "whole"), losses(tmp_path / "killed")
    assert sorted(whole) == list(range(5))
    assert set(resumed) >= {2, 3, 4}
    for step in (2, 3, 4):
        assert resumed[step] == pytest.approx(whole[step], rel=1e-5), step
    for name, value in load_file(tmp_path / "whole" / "weights.safetensors").items():
        torch.testing.assert_close(
            load_file(tmp_path / "killed" / "weights.safetensors")[name], value, msg=name
        )


@pytest.mark.slow
def test_two_processes_train_what_one_does_that_accumulates(scenes: Path, tmp_path: Path) -> None:
    # Gradients are averaged over processes as over accumulated batches; batch norm's statistics
    # do not reach the training's losses, so that parameters must agree.
    settings = {"steps": 2, "ema_decay": 0}
    train(tiny(scenes, tmp_path / "one", accumulate=2, **settings))
    recipe = tmp_path / "one" / "recipe.yaml"
    two = tmp_path / "two"
    status = run_in_another_process(
        "",
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "icl_mesh_training.cli.main", "train", str(recipe)),
        *("--set", f"output={two}", "accumulate=1"),
        CUDA_VISIBLE_DEVICES="",
    )
    assert status == 0
    one = load_file(tmp_path / "one" / "weights.safetensors")
    other = load_file(two / "weights.safetensors")
    moved = [name for name in one if "running" not in name and "num_batches" not in name]
    assert len(moved) > 100
    for name in moved:
        torch.testing.assert_close(other[name], one[name], atol=2e-5, rtol=1e-4, msg=name)
    # The logged loss is the mean over the processes: that of the two accumulated batches.
    assert sorted(losses(two)) == [0, 1]


@pytest.mark.parametrize("projector", [True, False])
def test_processes_do_not_wait_for_a_projector_that_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, projector: bool
) -> None:
    """The ablation without it stopped on several processes: its parameters have no gradients."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    config = tiny(tmp_path, tmp_path, projector=projector)
    strategy = make_trainer(config, Schedule.of(config, 8, 2), tmp_path, done=0).strategy
    assert isinstance(strategy, DDPStrategy)
    assert strategy._ddp_kwargs.get("find_unused_parameters", False) is not projector


def test_processes_share_out_what_one_process_sees() -> None:
    def take(count: int, **options: int) -> list[tuple[int, int]]:
        iterator: Iterator[tuple[int, int]] = iter(EndlessSampler(7, seed=1, **options))
        return [next(iterator) for _ in range(count)]

    whole = take(12)
    first, second = (take(6, batch_size=2, rank=rank, processes=2) for rank in (0, 1))
    blocks = [item for at in (0, 2, 4) for item in (*first[at : at + 2], *second[at : at + 2])]
    assert blocks == whole
    assert take(2, batch_size=2, rank=1, processes=2, start=4) == second[2:4]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_leaves_its_batch(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = TrainingModule.on_train_batch_start

    def poisoned(module: TrainingModule, loaded: object, index: int) -> None:
        forward(module, loaded, index)  # type: ignore[arg-type]
        if index == 1:
            with torch.no_grad():
                module.network.camera_branch[-1].bias.fill_(torch.nan)

    monkeypatch.setattr(TrainingModule, "on_train_batch_start", poisoned)
    with pytest.raises(TrainingStoppedError, match=r"step 1: the loss is not finite \(.*camera"):
        train(tiny(scenes, tmp_path))
    (path,) = tmp_path.glob("not_finite_*.safetensors")
    batch = load_file(path)
    assert batch["images"].shape == (2, 64, 64, 3)
    assert len(batch["betas"]) == len(batch["image_index"])


class HalfBroken:
    """A source of which every other sample cannot be read."""

    def __init__(self, scenes: Path) -> None:
        self.folder = SceneFolder(scenes, 64, AugmentationConfig.none())

    def __len__(self) -> int:
        return len(self.folder)

    def __getitem__(self, item: tuple[int, int]) -> object:
        sample = self.folder[item]
        if item[1] == 1:
            sample.betas[:] = np.nan
        if item[1] == 3:
            raise ValueError("/data/0003.jpg: truncated")
        return sample


def test_broken_samples_are_replaced_counted_and_named(scenes: Path, tmp_path: Path) -> None:
    loader = make_loader(HalfBroken(scenes), batch_size=4, seed=0)  # type: ignore[arg-type]
    batches = iter(loader)
    counter = BrokenSamples(tmp_path / "broken.txt")
    with pytest.raises(
        TrainingStoppedError, match=r"1[1-9] of \d+ samples are broken.*broken\.txt"
    ):
        for _ in range(100):
            loaded = next(batches)
            assert len(loaded.batch.images) == 4
            assert torch.isfinite(loaded.batch.betas).all()
            counter.count(loaded)
    text = (tmp_path / "broken.txt").read_text()
    assert "/data/0003.jpg: truncated" in text
    assert "NaN or infinite values: betas" in text
    assert len(text.splitlines()) == 2  # each one once


def test_dry_run_reads_all_and_writes_nothing(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"data:\n  - {{name: scenes, root: {scenes}, probability: 3}}\n"
        f"  - {{name: scenes, root: {scenes}, augmentation: {{crop: 0.1}}}}\n"
        f"output: {tmp_path / 'run'}\nhead_width: 0.125\ninput_size: 64\nbatch_size: 2\n"
        "epochs: 10\nschedule: step\ndecay_epochs: [5]\nwarmup_steps: 0\nprecision: 32-true\n"
    )
    assert main(["train", str(recipe), "--dry-run"]) == 0
    plan = capsys.readouterr().out
    # 16 images in batches of 2: 8 steps a pass.
    for part in ("75%", "25%", "8 images; read 8", "steps: 80 of 2", "0.001 at 0, 0.0001 at 40"):
        assert part in plan, part
    assert "pose_prior" in plan
    assert not (tmp_path / "run").exists()
