"""Where an image's time goes, stage by stage."""

from __future__ import annotations

import time

import torch

#: What the estimator's `times` is filled with, in this order.
STAGES = ("preprocess", "network", "decode", "body")


class StageClock:
    """Adds the time since the last lap to a stage; does nothing without a dict to fill."""

    def __init__(self, device: torch.device, times: dict[str, float] | None) -> None:
        self.device, self.times = device, times
        if times is not None:
            times.update(dict.fromkeys(STAGES, 0.0))
        self.start = self._now()

    def _now(self) -> float:
        if self.times is not None and self.device.type == "cuda":
            # not the whole device, on which another thread may be recording a graph
            torch.cuda.current_stream(self.device).synchronize()
        return time.perf_counter()

    def lap(self, stage: str) -> None:
        """The time since the last lap, or since the start, was spent on this stage."""
        if self.times is None:
            return
        now = self._now()
        self.times[stage] += (now - self.start) * 1e3
        self.start = now
