"""Images to people: occluded people as SMPL bodies, in metres.

    estimator = icl_mesh.Estimator.load()
    people = estimator(image_rgb_uint8, icl_mesh.Camera(fx, fy, cx, cy, width, height))

Names are imported when they are first used: torch takes seconds, and rendering needs OpenGL.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel
    from icl_mesh.estimator import Estimator
    from icl_mesh.geometry.camera import Camera
    from icl_mesh.geometry.letterbox import Letterbox
    from icl_mesh.network import IclMeshNetwork, NetworkMaps, build_network
    from icl_mesh.people import People
    from icl_mesh.tracking.tracker import Tracker, TrackState
    from icl_mesh.weights import load_weights, save_weights

__version__ = "0.1.0"

# OpenCV reads it when it is loaded. Its own limit, four times as much, lets a crafted picture of a
# few kilobytes take 3 GB; no camera has more than 2^28 pixels.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**28))

_MODULES = {
    "BodyModel": "body",
    "Camera": "geometry.camera",
    "Estimator": "estimator",
    "IclMeshNetwork": "network",
    "Letterbox": "geometry.letterbox",
    "NetworkMaps": "network",
    "People": "people",
    "TrackState": "tracking.tracker",
    "Tracker": "tracking.tracker",
    "build_network": "network",
    "load_weights": "weights",
    "save_weights": "weights",
}

__all__ = [
    "BodyModel",
    "Camera",
    "Estimator",
    "IclMeshNetwork",
    "Letterbox",
    "NetworkMaps",
    "People",
    "TrackState",
    "Tracker",
    "__version__",
    "build_network",
    "load_weights",
    "save_weights",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'icl_mesh' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"icl_mesh.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
