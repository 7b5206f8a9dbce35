"""Devices by name, with an error that lists the available ones."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
import torch

_LOG = logging.getLogger(__name__)


_NO_MEMORY = re.compile(
    r"out of memory|outofmemory|failed to allocate memory|alloc_failed|memory allocation failed",
    re.IGNORECASE,
)


class _Runs(Protocol):
    def __call__(self, image: np.ndarray, /) -> object: ...


Model = TypeVar("Model", bound=_Runs)


def resolve_device(name: str = "auto") -> torch.device:
    """ "auto" (CUDA if available, else the CPU), "cpu", "cuda" or "cuda:N" -> torch device.

    Raises ValueError for other names, and for CUDA devices that are not available.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    match = re.fullmatch(r"cpu|cuda(?::(\d+))?", name)
    if match is None:
        raise ValueError(f"device must be auto, cpu, cuda or cuda:N, got {name!r}")
    if name == "cpu":
        return torch.device("cpu")
    if torch.version.cuda is None:
        raise ValueError(
            f"device {name!r} needs CUDA, but torch {torch.__version__} is built without it: "
            f"install a CUDA build of torch, or use device cpu"
        )
    if not torch.cuda.is_available():
        raise ValueError(
            f"device {name!r} needs CUDA, but no usable NVIDIA GPU and driver were found: "
            f"use device cpu"
        )
    count = torch.cuda.device_count()
    if int(match[1] or 0) >= count:
        raise ValueError(
            f"device {name!r} does not exist: this machine has {count} CUDA device(s), cuda:0 to "
            f"cuda:{count - 1}"
        )
    return torch.device(name)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error or its cause means that a device is out of memory.

    torch has a type for it, but passes on some errors of CUDA, cuDNN and cuBLAS as text, as do
    ONNX Runtime and TensorRT.
    """
    cause = error.__cause__ is not None and is_out_of_memory(error.__cause__)
    return cause or isinstance(error, torch.OutOfMemoryError) or bool(_NO_MEMORY.search(str(error)))


def on_gpu_or_cpu(
    make: Callable[[torch.device], Model], device: torch.device, *, may_fall_back: bool
) -> Model:
    """A model on a CUDA device. It is run once, to check that memory suffices.

    make: builds the model (an Estimator) on a device. may_fall_back: if memory does not suffice,
    log a warning and build the model on the CPU; else raise ValueError.
    """
    try:
        model = make(device)
        model(np.zeros((480, 640, 3), np.uint8))
        return model
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        said = str(error).splitlines()[0]
        reason = f"{device} has too little free memory for the network ({said})"
    # Outside the handler, the error and the objects in its traceback are freed.
    if not may_fall_back:
        raise ValueError(
            f"{reason}: end other programs that use the GPU, take smaller weights, or use device "
            f"cpu (device auto would have)"
        )
    torch.cuda.empty_cache()
    _LOG.warning("%s: the CPU is used", reason)
    return make(torch.device("cpu"))
