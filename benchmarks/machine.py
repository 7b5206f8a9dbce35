"""Describes the machine and the versions of a run."""

from __future__ import annotations

import importlib
import os
import platform
from pathlib import Path

import cv2
import numpy as np
import torch

from icl_mesh.engine import installed_engines
from icl_mesh.kernels import LANES, LEVEL
from icl_mesh_training.training.provenance import git_revision

ROOT = Path(__file__).resolve().parents[1]


def describe_machine() -> dict[str, str | int | float]:
    """Processor, threads, versions, and the load, which shows whether the machine was idle."""
    return {
        "processor": processor_name(),
        "CPU cores for this process": len(os.sched_getaffinity(0)),
        "torch threads": torch.get_num_threads(),
        "load average before the run": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": f"torch {torch.__version__}, numpy {np.__version__}, OpenCV {cv2.__version__}",
        "kernels": f"{LEVEL} ({LANES} lanes)",
        "engines": ", ".join(engine_versions()),
        "icl_mesh_ros": git_revision(),
    }


def processor_name() -> str:
    """Model, with its vector and matrix units."""
    name, flags = platform.processor() or platform.machine(), ""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = value
    known = [flag for flag in ("avx2", "avx512f", "amx_bf16") if flag in flags.split()]
    return f"{name} ({', '.join(known)})" if known else name


def engine_versions() -> list[str]:
    """Installed engines with their versions."""
    return [f"{name} {importlib.import_module(name).__version__}" for name in installed_engines()]


def is_busy(load: float) -> bool:
    """Whether other programs use enough of the CPU to distort times. load: 1-minute average."""
    return load > 0.5 * len(os.sched_getaffinity(0))
