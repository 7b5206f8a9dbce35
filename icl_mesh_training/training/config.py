"""Training recipes: YAML files that are checked completely before anything runs."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from icl_mesh_training.data.augmentation import augmentation_errors
from icl_mesh_training.training.recipe_rules import type_error, value_errors
from icl_mesh_training.training.sources import source_errors


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. Times in optimiser steps.

    output: folder of the run; it resumes from `output`/last.ckpt if that exists.
    Data: `scenes`, a folder of rendered scenes, or `data`, a list of sources, each a mapping with
    name (see icl_mesh_training.training.sources), root and probability. augmentation: entries of
    AugmentationConfig to replace.
    Network: architecture, head_width and smpl_width as build_network takes them. imagenet: file
    that initialises the trunk (mobilenet_v2: .npz of folded convolutions, else a state dict).
    movenet: MoveNet's .json, which initialises trunk and keypoints of the architecture movenet.
    start: weights (.safetensors, or "default") to start from; a narrower SMPL branch is widened.
    freeze_to_stride: the trunk is frozen down to this stride; 0 freezes nothing. freeze_batch_norm:
    keeps the batch-norm statistics of the start, for data sets too small to estimate them. body:
    "default" or a body file. train_smpl: false neither runs nor trains the SMPL branch;
    objective.SMPL_TERMS then have no effect.
    Length: epochs (passes over as many images as all sources have) if above 0, else steps. A step
    uses batch_size images on each process, accumulate times.
    Rates: schedule cosine decays from learning_rate to final_learning_rate times it; schedule step
    multiplies the rate by decay_factor after each of decay_epochs. backbone_learning_rate: of the
    trunk, learning_rate by default. scale_backbone_rate: multiplies it by the root mean square of
    each tensor, for weights of very different sizes (movenet's: 0.0002 to 0.9).
    ema_decay: of the averaged weights, which are exported; 0 exports the last weights.
    neighbours, projector, temperature, weights: see ObjectiveConfig.
    threshold (minimum score of a person; the estimator's default if left out), licence: metadata
    of the exported weights.
    """

    output: str
    scenes: str | None = None
    data: list[dict[str, Any]] = field(default_factory=list)
    augmentation: dict[str, Any] = field(default_factory=dict)
    architecture: str = "mobilenet_v2"
    head_width: float = 0.5
    smpl_width: float | None = None
    input_size: int = 256
    body: str = "default"
    imagenet: str | None = None
    movenet: str | None = None
    start: str | None = None
    freeze_to_stride: int = 0
    freeze_batch_norm: bool = False
    train_smpl: bool = True
    steps: int = 10_000
    epochs: int = 0
    warmup_steps: int = 200
    batch_size: int = 16
    accumulate: int = 1
    optimizer: str = "adamw"
    learning_rate: float = 1e-3
    backbone_learning_rate: float | None = None
    scale_backbone_rate: bool = False
    weight_decay: float = 1e-4
    schedule: str = "cosine"
    final_learning_rate: float = 0.02
    decay_epochs: list[int] = field(default_factory=list)
    decay_factor: float = 0.1
    gradient_clip: float = 1.0
    ema_decay: float = 0.998
    precision: str = "bf16-mixed"
    workers: int = 2
    checkpoint_minutes: float = 3.0
    checkpoint_steps: int | None = None
    log_steps: int = 20
    neighbours: int = 0
    projector: bool = True
    temperature: float = 0.1
    weights: dict[str, float] = field(default_factory=dict)
    threshold: float | None = None
    licence: str = "Apache-2.0"
    seed: int = 0

    @property
    def sources(self) -> list[dict[str, Any]]:
        """The data sources, `scenes` among them."""
        scenes = [{"name": "scenes", "root": self.scenes}] if self.scenes else []
        return scenes + self.data

    @classmethod
    def load(cls, path: str | Path, overrides: dict[str, Any] | None = None) -> TrainingConfig:
        """Read a recipe; overrides replace its entries. One ValueError lists all errors."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such recipe; those shipped are in config/training")
        return cls.checked(read_recipe(path) | (overrides or {}), str(path))

    @classmethod
    def checked(cls, entries: dict[str, Any], origin: str) -> TrainingConfig:
        """A recipe from a mapping; one ValueError, prefixed with origin, lists all errors."""
        if errors := _errors(entries):
            raise ValueError(f"{origin}: " + "; ".join(errors))
        return cls(**entries)


def read_recipe(path: Path) -> dict[str, Any]:
    """A recipe's unchecked entries. Raises ValueError if the file is not a YAML mapping."""
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError, OSError) as error:
        raise ValueError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, dict):
        raise ValueError(f"{path}: a recipe is a mapping of names to values")
    return entries


def _errors(entries: dict[str, Any]) -> list[str]:
    """All errors in a recipe's entries."""
    known = {f.name: f for f in fields(TrainingConfig)}
    errors = [f"unknown entry '{name}'" for name in sorted(map(str, set(entries) - set(known)))]
    errors += [
        f"'{name}' is missing"
        for name, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING and name not in entries
    ]
    wrong = {
        name: error
        for name, value in entries.items()
        if name in known and (error := type_error(name, value, str(known[name].type)))
    }
    errors += wrong.values()
    good = {name: value for name, value in entries.items() if name not in wrong}
    errors += value_errors(good)
    errors += augmentation_errors(good.get("augmentation", {}))
    if good.get("decay_epochs") and not good.get("epochs"):
        errors.append("'decay_epochs' counts epochs: give 'epochs' too")
    starts = [name for name in ("imagenet", "movenet", "start") if good.get(name)]
    if len(starts) > 1:
        given = " and ".join(f"'{name}'" for name in starts)
        errors.append(f"{given} all give the first weights: leave all but one out")
    architecture = good.get("architecture", "mobilenet_v2")
    if good.get("movenet") and architecture != "movenet":
        errors.append(f"'movenet' starts the architecture movenet, not {architecture}")
    if "scenes" not in wrong and "data" not in wrong:
        if not good.get("scenes") and not good.get("data"):
            errors.append("nothing to train on: give 'scenes' (a folder) or 'data' (a list)")
        errors += source_errors(good.get("data", []))
    return errors
