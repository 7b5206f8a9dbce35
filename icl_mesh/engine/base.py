"""The interface of an engine."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.network import InferenceMaps


class Engine(Protocol):
    """Runs the network in evaluation mode, without gradients, in two steps.

    The first step gives the maps of an image, the second the bodies at the cells of people.
    """

    @property
    def name(self) -> str:
        """Engine and precision, in the form of the option: "torch:f32"."""

    @property
    def device(self) -> torch.device:
        """Device of the inputs and of the maps."""

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        """Normalised images [B, 3, S, S] on `device` -> maps on `device`, float32.

        The maps may be buffers of the engine: they are valid until its next call.
        """

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        """The SMPL branch at N cells of these maps -> [N, 142] on `device`, float32.

        image [N]: index in the batch; cell [N, 2]: (x, y). N >= 0. A new N must not cause a
        warm-up.
        """
