"""From a camera image to the network's input: checked, letterboxed, ImageNet-normalised."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import torch

from icl_mesh import native
from icl_mesh.channel_order import as_stored
from icl_mesh.device_letterbox import on_device
from icl_mesh.letterbox import PAD_VALUE, Letterbox
from icl_mesh.network.normalization import IMAGENET_MEAN, IMAGENET_STD

#: Per channel: what a byte is multiplied by, and what is then added.
_SCALE = tuple(1 / (255 * std) for std in IMAGENET_STD)
_SHIFT = tuple(-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
#: [3, 3] for the kernel: both, and the padding's normalised value.
_TONES = np.array([_SCALE, _SHIFT, np.multiply(PAD_VALUE, _SCALE) + _SHIFT], np.float32)
_TONES_ADDRESS = native.address(_TONES)


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

    On the CPU a compiled kernel does it in one pass (src/letterbox.cpp), on a GPU two products
    (icl_mesh.device_letterbox). Their means are not rounded to bytes in between, as those of
    Letterbox.apply are, which stands in where the kernel was not built: inputs differ by up to
    about 2/255 before normalisation, and by more where apply halves a large image first, an
    approximation that the others do without.

    Raises ValueError for anything but an RGB uint8 image with pixels.
    """
    check_image(image)
    height, width = image.shape[:2]
    letterbox, window = _geometry(width, height, size)
    device = torch.device(device) if isinstance(device, str) else device
    if device.type != "cpu":
        return on_device(letterbox, device, _SCALE, _SHIFT)(image), letterbox
    if (kernel := _kernel()) is None:
        return normalized_tensor(letterbox.apply(image)), letterbox
    # A view of BGR begins at its first pixel's last byte. (Turning it back would take longer.)
    backwards = image.strides[1:] == (3, -1)
    if not backwards and image.strides[1:] != (3, 1):
        image = np.ascontiguousarray(image)
    first_byte = image.__array_interface__["data"][0] - (2 if backwards else 0)
    if planes is None:
        planes = empty_planes(size)
    tones = _TONES_ADDRESS
    row = image.strides[0]
    kernel(first_byte, row, width, height, backwards, planes.data_ptr(), size, *window, tones)
    return planes, letterbox


@functools.lru_cache(maxsize=16)
def _geometry(width: int, height: int, size: int) -> tuple[Letterbox, tuple[int, int, int, int]]:
    """The letterbox and its window in the square, in pixels: width, height, left, top."""
    letterbox = Letterbox(width, height, size)
    left, top = letterbox.offset.tolist()
    return letterbox, (*letterbox.inner_size, left, top)


def _kernel() -> Callable[..., None] | None:
    """icl_letterbox of src/letterbox.cpp; None where it was not built."""
    pointer, integer = native.POINTER, native.INT
    return native.kernel(
        "icl_letterbox",
        *(pointer, integer, integer, integer, integer),  # image: row stride, size, backwards
        *(pointer, integer, integer, integer, integer, integer, pointer),  # planes, window, tones
    )


def normalized_tensor(square: npt.NDArray[np.uint8]) -> torch.Tensor:
    """RGB uint8 [S, S, 3] -> float32 [1, 3, S, S] with ImageNet's mean and deviation removed."""
    return torch.from_numpy(_normalized(square))


def _normalized(square: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """On the CPU: one pass over each plane by OpenCV, instead of three by torch. Nor does it share
    the work out to threads, who would wait for each other where other programs have the cores."""
    planes = np.empty((1, 3, *square.shape[:2]), np.float32)
    stored, backwards = as_stored(square)
    channels = cv2.split(stored)[:: -1 if backwards else 1]
    for plane, target, scale, shift in zip(channels, planes[0], _SCALE, _SHIFT, strict=True):
        cv2.addWeighted(plane, scale, plane, 0.0, shift, dst=target, dtype=cv2.CV_32F)
    return planes
