"""The models of a process: tested when loaded, and shared by the nodes that use the same one."""

from __future__ import annotations

import ctypes
import gc
import threading
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import torch

from icl_mesh.body import BodyModel
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.refinement import Budget
from icl_mesh.weights import default_weights_path

#: A threshold that any network exceeds somewhere, so that the smoke test detects people.
_LEAST_SCORE = 1e-6


class SharedModel:
    """A thread-safe estimator: one image at a time, other threads wait."""

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self._lock = threading.Lock()

    def __call__(self, *arguments: Any, **options: Any) -> People:
        """As Estimator.__call__."""
        with self._lock:
            return self._estimator(*arguments, **options)

    @property
    def weights_version(self) -> str:
        return self._estimator.weights_version

    @property
    def body(self) -> BodyModel:
        return self._estimator.body

    @property
    def track_threshold(self) -> float:
        return self._estimator.track_threshold

    @property
    def device(self) -> torch.device:
        return self._estimator.device

    @property
    def description(self) -> str:
        estimator = self._estimator
        return (
            f"weights {estimator.weights_version}, body {estimator.body.name}, {self.engine_text}"
        )

    @property
    def engine_text(self) -> str:
        return f"{self._estimator.engine.name} on {self.device}"


class ModelStore:
    """Loads the models of one process. A model lives as long as a node holds it.

    Thread-safe; a second load waits for the first.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._models: WeakValueDictionary[tuple[object, ...], SharedModel] = WeakValueDictionary()

    def load(self, weights: str, body: str, device: str, engine: str) -> SharedModel:
        """The model for these arguments of Estimator.load, new or already in use.

        A weights file that has changed gives a new model. Raises FileNotFoundError, or ValueError
        for files that do not fit, a network that gives non-finite values, or too small a device.
        """
        with self._lock:
            key = (_identity(weights), body, device, engine)
            model = self._models.get(key)
            if model is None:
                try:
                    estimator = Estimator.load(weights, body, device=device, engine=engine)
                    _try(estimator)
                except RuntimeError as error:
                    raise ValueError(f"weights '{weights}' do not work: {error}") from error
                # Loading, and the test with many detections, took memory that is not needed again.
                release_memory(estimator.device)
                model = self._models[key] = SharedModel(estimator)
            return model


def release_memory(device: torch.device) -> None:
    """Return the memory of models that are no longer used to the system."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    # glibc keeps freed memory: of 270 MB of a ResNet-50, malloc_trim returned 210.
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


def memory_mb(device: torch.device | None) -> dict[str, float]:
    """Memory in use, MB, by name: resident in this process, and of its tensors on a CUDA device."""
    status = Path("/proc/self/status")
    memory = {}
    if status.exists():  # Linux
        resident = status.read_text(encoding="ascii", errors="replace").split("VmRSS:")[1]
        memory["process memory (MB)"] = int(resident.split()[0]) * 1024 / 1e6
    if device is not None and device.type == "cuda":
        memory["device memory (MB)"] = torch.cuda.memory_allocated(device) / 1e6
        memory["device memory, reserved (MB)"] = torch.cuda.memory_reserved(device) / 1e6
    return memory


def _identity(weights: str) -> tuple[object, ...]:
    """Identifies the content of a weights file. A missing file is no error here: load raises it."""
    path = default_weights_path() if weights == "default" else Path(weights)
    if not path.exists():
        return (weights,)
    status = path.stat()
    return (path.resolve(), status.st_ino, status.st_size, status.st_mtime_ns)


def _try(estimator: Estimator) -> None:
    """Run the estimator on noise, with meshes. Also warms it up for the first image."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    camera, one_person = Camera.assumed(320, 240), Budget(0.0)
    estimator(image, camera, vertices=True, threshold=_LEAST_SCORE, refine=one_person)
