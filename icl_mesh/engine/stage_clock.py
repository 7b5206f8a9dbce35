"""Time per stage of an image's processing."""

from __future__ import annotations

import time

import torch

#: Keys of the estimator's `times`, in this order.
STAGES = ("preprocess", "network", "decode", "refine", "body")


class StageClock:
    """Adds the time since the last lap to a stage, in ms; does nothing if times is None."""

    def __init__(self, device: torch.device, times: dict[str, float] | None) -> None:
        self.device, self.times = device, times
        if times is not None:
            times.update(dict.fromkeys(STAGES, 0.0))
        self.start = self._now()

    def _now(self) -> float:
        if self.times is not None and self.device.type == "cuda":
            # not the whole device: another thread may be capturing a CUDA graph
            torch.cuda.current_stream(self.device).synchronize()
        return time.perf_counter()

    def lap(self, stage: str) -> None:
        """Add the time since the last lap, or since the start, to this stage."""
        if self.times is None:
            return
        now = self._now()
        self.times[stage] += (now - self.start) * 1e3
        self.start = now
