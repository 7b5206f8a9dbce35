"""Cameras to sensor_msgs/CameraInfo, and camera calibration files.

The other way, CameraInfo to camera, needs no ROS: icl_mesh.calibration.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from ament_index_python.packages import get_package_share_directory
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.calibration import ASSUMED_MODEL, CameraSource, camera_from_info
from icl_mesh.calibration_file import read_calibration
from icl_mesh.camera import Camera

__all__ = [
    "ASSUMED_MODEL",
    "CameraSource",
    "camera_from_info",
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


def load_calibration(place: str | Path) -> CameraInfo:
    """Read a calibration file (icl_mesh.calibration_file), given by its path or as camera drivers
    have it, by a file:// or package:// URL.

    Raises FileNotFoundError, or ValueError naming what is wrong.
    """
    read = read_calibration(_path_of(str(place)))
    return CameraInfo(
        width=read.width,
        height=read.height,
        distortion_model=read.distortion_model,
        d=read.d,
        k=read.k,
        r=read.r,
        p=read.p,
    )


def _path_of(place: str) -> str:
    scheme, separator, rest = place.partition("://")
    scheme = scheme.lower()
    if not separator:
        return place
    if scheme == "file":
        home = os.environ.get("ROS_HOME") or str(Path.home() / ".ros")
        host, _, path = rest.replace("${ROS_HOME}", home, 1).partition("/")
        if host not in ("", "localhost"):
            raise ValueError(
                f"calibration '{place}' names the computer '{host}': a path follows file:// with "
                "a slash of its own, as in file:///home/me/camera.yaml"
            )
        return f"/{unquote(path)}"
    if scheme == "package":
        package, _, path = rest.partition("/")
        try:
            return str(Path(get_package_share_directory(package), unquote(path)))
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"calibration '{place}': there is no package '{package}' in the workspaces that "
                "are sourced"
            ) from error
    raise ValueError(
        f"calibration '{place}': file:// and package:// are read, '{scheme}://' is not: download "
        "the file, and give its path"
    )
