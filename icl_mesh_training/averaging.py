"""Moving average of a training's weights, which leaves weights that rest exactly as they are."""

from __future__ import annotations

import torch
from lightning.pytorch.callbacks import WeightAveraging


def moving_average(decay: float) -> WeightAveraging:
    """Averages weights and statistics after every step: a += (1 - decay) (w - a).

    PyTorch's own, decay a + (1 - decay) w, is the same but for rounding: of equal numbers it gives
    another one, step by step, and cuts counts (of batches, in batch norms) down to integers below.
    """

    def average(mean: torch.Tensor, value: torch.Tensor, _: torch.Tensor | int) -> torch.Tensor:
        return mean + (1 - decay) * (value - mean)

    return WeightAveraging(avg_fn=average)
