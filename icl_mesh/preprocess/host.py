"""From a camera image to the network's input: checked, letterboxed, ImageNet-normalised."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import kernels
from icl_mesh.geometry.view import View
from icl_mesh.preprocess.device import preprocess_on_device
from icl_mesh.preprocess.tones import TONES

#: Strides of columns and channels, bytes, that the kernel reads: RGB and BGR.
SIDE_BY_SIDE = ((3, 1), (3, -1))


def image_size(image: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height of an image. Raises ValueError unless it is an RGB uint8 array
    [height, width, 3] of at least 1x1."""
    if not isinstance(image, np.ndarray):
        raise ValueError(f"image must be a numpy array [H, W, 3], got {type(image).__name__}")
    if image.dtype != np.uint8:
        raise ValueError(
            f"image must be uint8 with values 0 to 255, got {image.dtype}: the caller should "
            f"convert it"
        )
    if image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"image must be RGB with shape [H, W, 3], got {list(image.shape)}: the caller should "
            f"convert grey or RGBA images to RGB"
        )
    if image.shape[0] == 0 or image.shape[1] == 0:
        raise ValueError(f"image is empty: its size is {image.shape[1]}x{image.shape[0]} pixels")
    return image.shape[1], image.shape[0]


def empty_planes(size: int) -> torch.Tensor:
    """Memory for an image's input on the CPU."""
    return torch.from_numpy(np.empty((1, 3, size, size), np.float32))


def preprocess(
    image: npt.NDArray[np.uint8], view: View, planes: torch.Tensor | None = None
) -> torch.Tensor:
    """RGB uint8 [H, W, 3] -> the network's input [1, 3, S, S] on the view's device.

    planes: of empty_planes, which the input may be written to; else it has memory of its own.

    Every new pixel is the mean of what it covers where the image shrinks (cv2.INTER_AREA), and lies
    between its neighbours where it grows (cv2.INTER_LINEAR), neither rounded to bytes. On the CPU a
    compiled kernel does it in one pass (src/letterbox.cpp), on a GPU two products
    (icl_mesh.preprocess.device).

    Raises ValueError for anything but an RGB uint8 image of the view's size.
    """
    view.camera.check_size(*image_size(image))
    if view.device.type != "cpu":
        return preprocess_on_device(image, view)
    # A view of BGR is read as it lies. (Turning it back would take longer.)
    if image.strides[1:] not in SIDE_BY_SIDE:
        image = np.ascontiguousarray(image)
    if planes is None:
        planes = empty_planes(view.letterbox.size)
    kernels.letterbox(image, planes.numpy(), *view.window, TONES)
    return planes
