"""Parses and checks the metadata of weights files."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from icl_mesh.io.tensor_files import cut
from icl_mesh.network import BACKBONES
from icl_mesh.network.build import HEAD_WIDTHS

#: Sides of the network's square input, px. Memory and time grow quadratically: the largest needs
#: 16 times those of the usual 512.
INPUT_SIZES = range(32, 2048 + 1, 32)


def typed_metadata(text: Mapping[str, str]) -> dict[str, Any]:
    """Metadata converted to their types. Raises ValueError for the first bad value."""
    values: dict[str, Any] = dict(text)
    values.setdefault("smpl_width", text["head_width"])
    values.setdefault("refined_threshold", text["threshold"])
    numbers = {
        **dict.fromkeys(("head_width", "smpl_width", "threshold", "refined_threshold"), float),
        "input_size": int,
    }
    for key, kind in numbers.items():
        try:
            values[key] = kind(values[key])
        except ValueError:
            raise ValueError(f"{key} must be a number, got {cut(repr(values[key]))}") from None
    if values["architecture"] not in BACKBONES:
        known, name = ", ".join(BACKBONES), cut(repr(text["architecture"]))
        raise ValueError(f"architecture {name} is unknown; known are {known}")
    if values["input_size"] not in INPUT_SIZES:
        large = values["input_size"] > INPUT_SIZES[-1]
        rule = f"at most {INPUT_SIZES[-1]}" if large else "a positive multiple of 32"
        raise ValueError(f"input_size must be {rule}, got {cut(text['input_size'])}")
    for key in ("head_width", "smpl_width"):
        if not HEAD_WIDTHS[0] <= values[key] <= HEAD_WIDTHS[1]:
            raise ValueError(
                f"{key} must lie between {HEAD_WIDTHS[0]} and {HEAD_WIDTHS[1]}, got "
                f"{cut(values[key])}"
            )
    for key in ("threshold", "refined_threshold"):
        if not 0 < values[key] <= 1:
            raise ValueError(f"{key} must lie in (0, 1], got {cut(values[key])}")
    if not re.fullmatch(r"[\w.+-]{1,100}", values["name"]):
        raise ValueError(
            f"name must be letters, digits and ._+- only, at most 100, got "
            f"{cut(repr(text['name']))}"
        )
    try:
        values["metrics"] = json.loads(text["metrics"])
    except (ValueError, RecursionError) as error:  # ValueError: also for very long numbers
        raise ValueError(f"metrics must be JSON: {cut(error)}") from None
    return values
