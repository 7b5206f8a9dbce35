"""Checkpoints of a training, read without running anything that is in them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What Lightning wrote. Raises ValueError naming a file that is something else, or cut off."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"{path}: not a checkpoint of a training, or damaged ({reason}); delete it to start "
            f"over"
        ) from None
    if not isinstance(state, dict) or not {"state_dict", "global_step"} <= set(state):
        raise ValueError(f"{path}: not a checkpoint of a training: it holds no state and step")
    return state
