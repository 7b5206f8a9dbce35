"""Camera -> sensor_msgs/CameraInfo, and calibration file -> CameraInfo.

icl_mesh.formats.camera_info converts a CameraInfo to a Camera, without ROS.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

from ament_index_python.packages import get_package_share_directory
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.formats.calibration_file import read_calibration
from icl_mesh.formats.camera_info import ASSUMED_MODEL, CameraSource, camera_from_info
from icl_mesh.geometry.camera import Camera

__all__ = [
    "ASSUMED_MODEL",
    "CameraSource",
    "camera_from_info",
    "info_from_camera",
    "load_calibration",
]


def info_from_camera(camera: Camera, header: Header) -> CameraInfo:
    """CameraInfo of a camera, with its lens model. ASSUMED_MODEL marks an assumed focal length."""
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


def load_calibration(location: str | Path) -> CameraInfo:
    """Read a calibration file (icl_mesh.formats.calibration_file).

    location: a path, or a file:// or package:// URL as camera drivers accept it.
    Raises FileNotFoundError, or ValueError that names what is wrong.
    """
    read = read_calibration(_path_of(str(location)))
    return CameraInfo(
        width=read.width,
        height=read.height,
        distortion_model=read.distortion_model,
        d=read.d,
        k=read.k,
        r=read.r,
        p=read.p,
    )


def _path_of(location: str) -> str:
    scheme, separator, rest = location.partition("://")
    scheme = scheme.lower()
    if not separator:
        return location
    if scheme == "file":
        home = os.environ.get("ROS_HOME") or str(Path.home() / ".ros")
        host, _, path = rest.replace("${ROS_HOME}", home, 1).partition("/")
        if host not in ("", "localhost"):
            raise ValueError(
                f"calibration '{location}' names the computer '{host}': a path follows file:// "
                "with a slash of its own, as in file:///home/me/camera.yaml"
            )
        return f"/{unquote(path)}"
    if scheme == "package":
        package, _, path = rest.partition("/")
        try:
            return str(Path(get_package_share_directory(package), unquote(path)))
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"calibration '{location}': there is no package '{package}' in the workspaces "
                "that are sourced"
            ) from error
    raise ValueError(
        f"calibration '{location}': file:// and package:// are read, '{scheme}://' is not: "
        "download the file, and give its path"
    )
