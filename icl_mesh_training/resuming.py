"""What of a recipe may be new when a run goes on, and what may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import yaml

from icl_mesh_training.config import TrainingConfig, read_recipe

#: Entries that say what is trained: the optimiser's state in the checkpoint is of these weights.
_FIXED = ("train_smpl", "freeze_to_stride", "scale_backbone_rate")


def changed_entries(recipe: Path, config: TrainingConfig) -> list[str]:
    """Names of entries that are not what they were when the run last started.

    recipe: what the run left then; an entry that did not exist yet had its default.
    """
    if not recipe.is_file():
        return []
    defaults = dataclasses.asdict(TrainingConfig(output=""))
    before = defaults | read_recipe(recipe)
    now = yaml.safe_load(yaml.safe_dump(dataclasses.asdict(config)))  # tuples become lists
    return [name for name in now if name != "output" and before[name] != now[name]]


def check_resumable(output: Path, changed: Collection[str]) -> None:
    """Raise ValueError where the run in output cannot go on with these entries changed."""
    if fixed := [name for name in _FIXED if name in changed]:
        raise ValueError(
            f"{output}: {' and '.join(fixed)} cannot change within a run: give another output, and "
            f"start={output / 'weights.safetensors'} to go on from its weights"
        )
