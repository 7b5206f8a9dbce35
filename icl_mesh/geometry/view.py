"""A camera as the network sees it: all that follows from its calibration and the input's size.

The Estimator makes one View for each camera and hands it to preprocess and decode; nothing below it
remembers a camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from icl_mesh import kernels
from icl_mesh.geometry.camera import MIN_DEPTH_RATIO, Camera, SquareCamera
from icl_mesh.geometry.letterbox import Letterbox, resampling_weights


@dataclass(frozen=True)
class View:
    """A camera, and the place of its images in the network's square input.

    device: of the network, where `resampling` lies. What costs is computed at its first use.
    Raises ValueError for a camera and a letterbox of different image sizes.
    """

    camera: Camera
    letterbox: Letterbox
    device: torch.device

    def __post_init__(self) -> None:
        self.letterbox.check(self.camera)

    @classmethod
    def of(cls, camera: Camera, input_size: int, device: torch.device | str = "cpu") -> View:
        """The view of a camera's whole images. input_size: side of the network's input, px. Raises
        ValueError for a size below 1."""
        letterbox = Letterbox(camera.width, camera.height, input_size)
        return cls(camera, letterbox, torch.device(device))

    @cached_property
    def square(self) -> SquareCamera:
        """The camera in square coordinates."""
        return self.letterbox.camera(self.camera)

    @cached_property
    def window(self) -> tuple[int, int, int, int]:
        """The image's place in the square: width, height, left, top, px."""
        left, top = self.letterbox.offset.tolist()
        return *self.letterbox.inner_size, left, top

    @cached_property
    def resampling(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights A [h, H] and B [W, w], float32: A @ image @ B is the image [H, W] in its window
        [h, w]."""
        width, height = self.letterbox.inner_size
        rows = resampling_weights(self.camera.height, height)
        columns = resampling_weights(self.camera.width, width).T
        with torch.inference_mode(False):  # they outlive the call
            return (
                torch.tensor(rows, device=self.device),
                torch.tensor(columns, device=self.device),
            )

    @cached_property
    def geometry(self) -> kernels.Geometry:
        """The camera, its square camera and the letterbox as the kernels read them."""
        camera, square = self.camera, self.square
        (scale_x, scale_y), (offset_x, offset_y) = self.letterbox.scale, self.letterbox.offset
        return kernels.Geometry(
            fx=camera.fx,
            fy=camera.fy,
            cx=camera.cx,
            cy=camera.cy,
            width=camera.width,
            height=camera.height,
            square_fx=square.fx,
            square_fy=square.fy,
            square_px=square.px,
            square_py=square.py,
            focal=square.focal,
            scale_x=scale_x,
            scale_y=scale_y,
            offset_x=offset_x,
            offset_y=offset_y,
            size=self.letterbox.size,
            nearest=MIN_DEPTH_RATIO,
        )
