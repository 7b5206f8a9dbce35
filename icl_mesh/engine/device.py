"""Devices by name, with an error that says what is there."""

from __future__ import annotations

import re

import torch


def resolve_device(name: str = "auto") -> torch.device:
    """ "auto" (CUDA where it works, else the CPU), "cpu", "cuda" or "cuda:N" -> torch device.

    Raises ValueError for other names and for CUDA devices that this machine or this torch
    build lacks.
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
