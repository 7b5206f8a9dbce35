"""Checkpoints of a training: written atomically, read without executing their content."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint

from icl_mesh.io.atomic import write_atomically
from icl_mesh_training.training.config import TrainingConfig

#: Files in the output folder of a run: its last checkpoint, and the recipe it ran with.
CHECKPOINT = "last.ckpt"
RECIPE = "recipe.yaml"
#: Entries that a run needs to resume, besides its weights.
_RUN = ("epoch", "loops", "optimizer_states", "lr_schedulers", "callbacks")


class WholeCheckpoints(TorchCheckpointIO):
    """Lightning's checkpoints, written to a file beside the target and renamed.

    Lightning itself writes to TMPDIR and moves the file. Between file systems a move is a copy over
    the old file: a kill or a full disk then leaves only a part of the new one.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None
    ) -> None:
        """Raises OSError where there is no room; the file that was there stays."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())


class LastCheckpoint(ModelCheckpoint):
    """`last.ckpt` every so many minutes or steps, after whole steps only.

    WholeCheckpoints writes it: after a kill the file is either the new or the previous one.
    """

    def __init__(self, config: TrainingConfig, output: Path) -> None:
        every: dict[str, Any] = (
            {"every_n_train_steps": config.checkpoint_steps}
            if config.checkpoint_steps
            else {"train_time_interval": timedelta(minutes=config.checkpoint_minutes)}
        )
        super().__init__(
            dirpath=output,
            filename=CHECKPOINT.removesuffix(".ckpt"),
            enable_version_counter=False,
            **every,
        )
        self.accumulate = config.accumulate

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        if (batch_idx + 1) % self.accumulate == 0:
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)


def remove_remains(path: Path) -> None:
    """Remove the partial files that killed runs left beside a checkpoint."""
    for remains in path.parent.glob(f".{path.name}.*"):
        remains.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Content of Lightning's file, with state_dict (tensors by name) and global_step.

    Raises ValueError naming a file that is no checkpoint, truncated or damaged.
    """
    try:
        if (broken := zipfile.ZipFile(path).testzip()) is not None:
            raise ValueError(f"the checksum of {broken} is wrong")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch and zipfile name no errors of their own for damaged files
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(
            f"{path}: not a checkpoint of a training, or damaged ({reason}); {_WAY_OUT}"
        ) from None
    fault = _fault(state)
    if fault:
        raise ValueError(f"{path}: not a checkpoint of a training: {fault}; {_WAY_OUT}")
    return dict(state)


_WAY_OUT = "delete it to start over"


def _fault(state: object) -> str:
    """The fault in a checkpoint's content, empty if there is none."""
    if not isinstance(state, dict) or not {"state_dict", "global_step"} <= set(state):
        return "it holds no state and step"
    steps, tensors = state["global_step"], state["state_dict"]
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 0:
        return f"its step is {str(steps)[:40]!r}, not a number of steps"
    if not isinstance(tensors, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in tensors.items()
    ):
        return "its state is not of tensors by name"
    return ""


def check_goes_on(path: Path, own: Mapping[str, torch.Tensor]) -> None:
    """Raise ValueError if a run with this state dict cannot resume from a checkpoint."""
    state = read_checkpoint(path)
    if missing := [name for name in _RUN if name not in state]:
        raise ValueError(
            f"{path}: holds no run to go on from, it lacks {', '.join(missing)}; {_WAY_OUT}"
        )
    found = state["state_dict"]
    wrong = [n for n, v in own.items() if n not in found or found[n].shape != v.shape]
    wrong += [name for name in found if name not in own]
    if wrong:
        raise ValueError(
            f"{path}: is of another network than the recipe's: {len(wrong)} tensors do not fit "
            f"({', '.join(wrong[:3])}); restore the recipe, or name another output"
        )
