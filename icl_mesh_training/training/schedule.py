"""Length and learning-rate schedule of a run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from icl_mesh_training.training.config import TrainingConfig


@dataclass(frozen=True)
class Schedule:
    """Steps of a run and the factor on its learning rate.

    milestones: steps after which the step schedule multiplies the rate by decay_factor; None for
    the cosine, which ends at final_rate of the start.
    """

    steps: int
    warmup_steps: int
    steps_per_epoch: int
    milestones: tuple[int, ...] | None
    decay_factor: float
    final_rate: float

    @classmethod
    def of(cls, config: TrainingConfig, images: int, processes: int) -> Schedule:
        """For a recipe whose sources hold `images` images together, on so many processes."""
        per_epoch = max(1, round(images / (config.batch_size * config.accumulate * processes)))
        return cls(
            config.epochs * per_epoch if config.epochs else config.steps,
            config.warmup_steps,
            per_epoch,
            tuple(epoch * per_epoch for epoch in config.decay_epochs)
            if config.schedule == "step"
            else None,
            config.decay_factor,
            config.final_learning_rate,
        )

    def rate(self, step: int) -> float:
        """Factor on the learning rate of a step: linear warm-up, then steps or a cosine."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        if self.milestones is not None:
            return self.decay_factor ** sum(step >= milestone for milestone in self.milestones)
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
        return self.final_rate + (1 - self.final_rate) * cosine
