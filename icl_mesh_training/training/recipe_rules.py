"""Types and ranges of a recipe's entries."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from icl_mesh.network import BACKBONES
from icl_mesh.network.weights_metadata import INPUT_SIZES
from icl_mesh_training.errors import shown
from icl_mesh_training.losses.objective import PAPER_WEIGHTS

CHOICES: dict[str, tuple[object, ...]] = {
    "architecture": tuple(BACKBONES),
    "optimizer": ("adam", "adamw"),
    "schedule": ("cosine", "step"),
    # Those of Lightning's that work here: targets and losses are in float32.
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "freeze_to_stride": (0, 4, 8, 16, 32),
}
#: Declared types in words.
_WORDS = {
    "str": "text",
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "dict[str, Any]": "a mapping of names to values",
    "dict[str, float]": "a mapping of names to numbers",
    "list[int]": "a list of whole numbers",
    "list[dict[str, Any]]": "a list of mappings, one a source",
}


class Rule(NamedTuple):
    """A range of numbers, in words and as a test; NaN and infinity are in none."""

    text: str
    holds: Callable[[float], bool]
    names: tuple[str, ...]


RULES = (
    Rule(
        "above 0",
        lambda v: v > 0,
        (
            *("steps", "batch_size", "accumulate", "learning_rate", "gradient_clip", "temperature"),
            *("checkpoint_minutes", "checkpoint_steps", "log_steps"),
        ),
    ),
    Rule(
        "0 or more",
        lambda v: v >= 0,
        ("epochs", "warmup_steps", "neighbours", "backbone_learning_rate", "weight_decay"),
    ),
    Rule("between 0 and 1024", lambda v: 0 <= v <= 1024, ("workers",)),
    Rule("in [0, 1)", lambda v: 0 <= v < 1, ("ema_decay",)),
    Rule("in [0, 1]", lambda v: 0 <= v <= 1, ("final_learning_rate",)),
    Rule("in (0, 1]", lambda v: 0 < v <= 1, ("threshold", "decay_factor")),
    Rule("in [0.125, 2]", lambda v: 0.125 <= v <= 2, ("head_width", "smpl_width")),
    Rule(f"a multiple of 32 up to {INPUT_SIZES[-1]}", lambda v: v in INPUT_SIZES, ("input_size",)),
    Rule("between 0 and 4294967295", lambda v: 0 <= v < 2**32, ("seed",)),
)


def is_finite(value: float) -> bool:
    """Whether a number is finite; math.isfinite raises for integers beyond floats."""
    return -math.inf < value < math.inf


def type_error(name: str, value: object, declared: str) -> str | None:
    """The error in a value's type, None if there is none."""
    if _fits(value, declared):
        return None
    wanted = _WORDS[declared.removesuffix(" | None")]
    hint = ""
    if declared.startswith("float") and isinstance(value, str) and _is_number(value):
        hint = " in quotes; YAML takes a number with an exponent only with a point: 1.0e-3"
    return f"'{name}' must be {wanted}, got {shown(value)}{hint}"


def value_errors(entries: Mapping[str, Any]) -> list[str]:
    """Errors in choices and ranges of values that have the right types."""
    errors = [
        f"'{name}' must be one of {', '.join(map(str, choices))}, got {shown(entries[name])}"
        for name, choices in CHOICES.items()
        if name in entries and entries[name] not in choices
    ]
    for rule in RULES:
        for name in rule.names:
            value = entries.get(name)
            if value is not None and not (is_finite(value) and rule.holds(value)):
                finite = "" if is_finite(value) else " and finite"
                errors.append(f"'{name}' must be {rule.text}{finite}, got {shown(value)}")
    for epoch in entries.get("decay_epochs", []):
        if epoch <= 0:
            errors.append(f"'decay_epochs' must be above 0, got {shown(epoch)}")
    for name, value in entries.get("weights", {}).items():
        if name not in PAPER_WEIGHTS:
            known = ", ".join(sorted(PAPER_WEIGHTS))
            errors.append(f"unknown loss {shown(name)} in 'weights'; known: {known}")
        elif not (is_finite(value) and value >= 0):
            errors.append(f"'{name}' in 'weights' must be 0 or more, got {shown(value)}")
    if entries.get("output") == "":
        errors.append("'output' must name a folder, got ''")
    return errors


def _fits(value: object, declared: str) -> bool:
    """Whether a YAML value has the declared type; an int is a float too, a bool is neither."""
    if declared.endswith(" | None"):
        return value is None or _fits(value, declared.removesuffix(" | None"))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    checks = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "int": number and isinstance(value, int),
        "float": number,
        "dict[str, Any]": isinstance(value, dict),
        "dict[str, float]": isinstance(value, dict)
        and all(_fits(v, "float") for v in value.values()),
        "list[int]": isinstance(value, list) and all(_fits(v, "int") for v in value),
        "list[dict[str, Any]]": isinstance(value, list) and all(isinstance(v, dict) for v in value),
    }
    return checks[declared]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
