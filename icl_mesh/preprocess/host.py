"""From a camera image to the network's input: checked, letterboxed, ImageNet-normalised."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import kernels
from icl_mesh.geometry.letterbox import PAD_VALUE, Letterbox
from icl_mesh.network.normalization import IMAGENET_MEAN, IMAGENET_STD
from icl_mesh.preprocess.device import on_device

#: Per channel: what a byte is multiplied by, and what is then added.
_SCALE = tuple(1 / (255 * std) for std in IMAGENET_STD)
_SHIFT = tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
#: [3, 3] for the kernel: both, and the padding's normalised value.
_TONES = np.array([_SCALE, _SHIFT, np.multiply(PAD_VALUE, _SCALE) + _SHIFT], np.float32)
#: Strides of columns and channels, bytes, that the kernel reads: RGB and BGR.
SIDE_BY_SIDE = ((3, 1), (3, -1))


def check_image(image: npt.NDArray[np.uint8]) -> None:
    """Raise ValueError unless image is an RGB uint8 array [height, width, 3] of at least 1x1."""
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


def empty_planes(size: int) -> torch.Tensor:
    """Memory for an image's input on the CPU."""
    return torch.from_numpy(np.empty((1, 3, size, size), np.float32))


def preprocess(
    image: npt.NDArray[np.uint8],
    size: int,
    device: torch.device | str = "cpu",
    planes: torch.Tensor | None = None,
) -> tuple[torch.Tensor, Letterbox]:
    """RGB uint8 [H, W, 3] -> network input [1, 3, size, size] and the letterbox that made it.

    planes: of empty_planes, which the input may be written to; else it has memory of its own.

    Every new pixel is the mean of what it covers where the image shrinks (cv2.INTER_AREA), and lies
    between its neighbours where it grows (cv2.INTER_LINEAR), neither rounded to bytes. On the CPU a
    compiled kernel does it in one pass (src/letterbox.cpp), on a GPU two products
    (icl_mesh.preprocess.device).

    Raises ValueError for anything but an RGB uint8 image with pixels.
    """
    check_image(image)
    height, width = image.shape[:2]
    letterbox, window = _geometry(width, height, size)
    device = torch.device(device) if isinstance(device, str) else device
    if device.type != "cpu":
        return on_device(letterbox, device, _SCALE, _SHIFT)(image), letterbox
    # A view of BGR is read as it lies. (Turning it back would take longer.)
    if image.strides[1:] not in SIDE_BY_SIDE:
        image = np.ascontiguousarray(image)
    if planes is None:
        planes = empty_planes(size)
    kernels.letterbox(image, planes.numpy(), *window, _TONES)
    return planes, letterbox


@functools.lru_cache(maxsize=16)
def _geometry(width: int, height: int, size: int) -> tuple[Letterbox, tuple[int, int, int, int]]:
    """The letterbox and its window in the square, in pixels: width, height, left, top."""
    letterbox = Letterbox(width, height, size)
    left, top = letterbox.offset.tolist()
    return letterbox, (*letterbox.inner_size, left, top)
