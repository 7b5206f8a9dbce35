"""Which entries of a recipe may change when a run resumes."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from pathlib import Path

import yaml

from icl_mesh_training.training.config import TrainingConfig, read_recipe

#: Entries that select the trained weights: the optimiser's state in the checkpoint depends on them.
_FIXED = ("train_smpl", "freeze_to_stride", "scale_backbone_rate")


def changed_entries(recipe: Path, config: TrainingConfig) -> list[str]:
    """Names of entries that changed since the run last started.

    recipe: the file that the run wrote then; entries that it lacks had their defaults.
    """
    if not recipe.is_file():
        return []
    defaults = dataclasses.asdict(TrainingConfig(output=""))
    before = defaults | read_recipe(recipe)
    now = yaml.safe_load(yaml.safe_dump(dataclasses.asdict(config)))  # tuples become lists
    return [name for name in now if name != "output" and before[name] != now[name]]


def check_resumable(output: Path, changed: Collection[str]) -> None:
    """Raise ValueError if the run in output cannot resume with these entries changed."""
    if fixed := [name for name in _FIXED if name in changed]:
        raise ValueError(
            f"{output}: {' and '.join(fixed)} cannot change within a run: give another output, and "
            f"start={output / 'weights.safetensors'} to go on from its weights"
        )
