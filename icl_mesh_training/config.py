"""Training recipes: YAML files checked as a whole before anything runs."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from icl_mesh.network import BACKBONES
from icl_mesh_training.objective import PAPER_WEIGHTS


@dataclass(frozen=True)
class TrainingConfig:
    """One training run. Times in steps (batches); learning rates are those of AdamW.

    scenes: folder of rendered scenes. imagenet: .npz that initialises the mobilenet_v2 trunk.
    start: weights (.safetensors) to start from instead. freeze_to_stride: trunk frozen down to
    this stride; 0 trains all of it. body: "default" or a body file. resume continues from
    `output`/last.ckpt where there is one.
    """

    scenes: str
    output: str
    architecture: str = "mobilenet_v2"
    head_width: float = 0.5
    input_size: int = 256
    body: str = "default"
    imagenet: str | None = None
    start: str | None = None
    freeze_to_stride: int = 0
    steps: int = 10_000
    warmup_steps: int = 200
    batch_size: int = 16
    learning_rate: float = 1e-3
    backbone_learning_rate: float = 3e-4
    final_learning_rate: float = 0.02
    weight_decay: float = 1e-4
    gradient_clip: float = 1.0
    ema_decay: float = 0.998
    precision: str = "bf16-mixed"
    workers: int = 2
    checkpoint_minutes: float = 3.0
    neighbours: int = 0
    weights: dict[str, float] = field(default_factory=dict)
    seed: int = 0

    @classmethod
    def load(cls, path: str | Path, overrides: dict[str, Any] | None = None) -> TrainingConfig:
        """Read a recipe; overrides replace its entries. One ValueError lists all that is wrong."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such recipe; those shipped are in config/training")
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(entries, dict):
            raise ValueError(f"{path}: a recipe is a mapping of names to values")
        entries |= {k: v for k, v in (overrides or {}).items() if v is not None}
        errors = _errors(entries)
        if errors:
            raise ValueError(f"{path}: " + "; ".join(errors))
        return cls(**entries)


def _errors(entries: dict[str, Any]) -> list[str]:
    """Everything that is wrong with a recipe's entries."""
    known = {f.name: f for f in fields(TrainingConfig)}
    errors = [f"unknown entry '{name}'" for name in sorted(set(entries) - set(known))]
    errors += [
        f"'{name}' is missing"
        for name, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING and name not in entries
    ]
    for name, value in entries.items():
        if name in known and not _fits(value, str(known[name].type)):
            errors.append(f"'{name}' must be {known[name].type}, got {value!r}")
    if entries.get("architecture", "mobilenet_v2") not in BACKBONES:
        errors.append(f"'architecture' must be one of {BACKBONES}, got {entries['architecture']!r}")
    size = entries.get("input_size", 256)
    if isinstance(size, int) and (size <= 0 or size % 32):
        errors.append(f"'input_size' must be a multiple of 32, got {size}")
    for name in ("steps", "batch_size", "learning_rate", "gradient_clip", "checkpoint_minutes"):
        value = entries.get(name, 1)
        if isinstance(value, (int, float)) and value <= 0:
            errors.append(f"'{name}' must be above 0, got {value}")
    weights = entries.get("weights", {})
    if isinstance(weights, dict):
        unknown = sorted(set(weights) - set(PAPER_WEIGHTS))
        errors += [f"unknown loss '{name}' in 'weights'" for name in unknown]
    return errors


def _fits(value: object, declared: str) -> bool:
    """Whether a YAML value has the declared type; an int is a float too, a bool is neither."""
    checks = {
        "str": isinstance(value, str),
        "str | None": value is None or isinstance(value, str),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
        "dict[str, float]": isinstance(value, dict)
        and all(_fits(v, "float") for v in value.values()),
    }
    return checks[declared]
