"""Moving average of weights that leaves frozen weights exactly unchanged."""

from __future__ import annotations

import torch
from lightning.pytorch.callbacks import WeightAveraging


def moving_average(decay: float) -> WeightAveraging:
    """Averages weights and statistics after every step: a += (1 - decay) (w - a).

    PyTorch's own form, decay a + (1 - decay) w, rounds differently: it changes weights that equal
    their average, and it truncates integers (the batch counts of batch norms).
    """

    def average(mean: torch.Tensor, value: torch.Tensor, _: torch.Tensor | int) -> torch.Tensor:
        return mean + (1 - decay) * (value - mean)

    return WeightAveraging(avg_fn=average)
