"""Cameras to sensor_msgs/CameraInfo, and camera calibration files.

The other way, CameraInfo to camera, needs no ROS: icl_mesh.calibration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.calibration import ASSUMED_MODEL, CameraSource, camera_from_info, image_size_of
from icl_mesh.camera import Camera

__all__ = [
    "ASSUMED_MODEL",
    "CameraSource",
    "camera_from_info",
    "image_size_of",
    "info_from_camera",
    "load_calibration",
]


def info_from_camera(camera: Camera, header: Header) -> CameraInfo:
    """CameraInfo of a camera, its lens included; an assumed one is marked as such."""
    info = CameraInfo(header=header, width=camera.width, height=camera.height)
    if camera.focal_assumed:
        info.distortion_model, info.d = ASSUMED_MODEL, []
    elif camera.lens is None:
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
    else:
        info.distortion_model, info.d = camera.lens.model, list(camera.lens.coefficients)
    info.k = camera.matrix.ravel()
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [camera.fx, 0.0, camera.cx, 0.0, 0.0, camera.fy, camera.cy, 0.0, 0.0, 0.0, 1.0, 0.0]
    return info


def load_calibration(path: str | Path) -> CameraInfo:
    """Read a calibration file as camera_calibration and camera_info_manager write it (YAML).

    Raises FileNotFoundError, or ValueError naming the key that is missing or of a wrong length.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"camera calibration file '{path}' does not exist")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        width, height = int(values["image_width"]), int(values["image_height"])
        if min(width, height) < 1:
            raise ValueError(
                f"image_width and image_height must be 1 or more, got {width}x{height}"
            )
        info = CameraInfo(width=width, height=height)
        info.distortion_model = str(values["distortion_model"])
        info.d = _numbers(values, "distortion_coefficients", None)
        info.k = _numbers(values, "camera_matrix", 9)
        info.r = _numbers(values, "rectification_matrix", 9)
        info.p = _numbers(values, "projection_matrix", 12)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        detail = f"key {error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(
            f"camera calibration file '{path}' is not in the format of camera_calibration: {detail}"
        ) from error
    return info


def _numbers(values: dict[str, Any], key: str, length: int | None) -> list[float]:
    numbers = [float(x) for x in values[key]["data"]]
    if length is not None and len(numbers) != length:
        raise ValueError(f"{key} needs {length} numbers, has {len(numbers)}")
    return numbers
