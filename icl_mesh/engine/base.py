"""What every engine offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.network import InferenceMaps


class Engine(Protocol):
    """Runs the network in evaluation mode, without gradients, in two steps: maps of an image, and
    bodies at the cells where the maps show people."""

    @property
    def name(self) -> str:
        """Engine and precision, as it is chosen by: "torch:f32"."""

    @property
    def device(self) -> torch.device:
        """Where inputs are taken from and maps are left."""

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        """Normalised images [B, 3, S, S] on `device` -> maps on `device`, float32.

        The maps may be buffers of the engine: they hold until its next call.
        """

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        """The SMPL branch at N cells of these maps -> [N, 142] on `device`, float32.

        image [N]: which of the batch; cell [N, 2]: (x, y). N may be anything from 0 on, and no
        number of people costs anything the first time.
        """
