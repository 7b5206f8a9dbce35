"""sensor_msgs/CameraInfo <-> icl_mesh Camera, and camera calibration files.

A CameraInfo whose matrix is all zero means "uncalibrated" in ROS. One made from an assumed field
of view says so in its distortion_model (ASSUMED_MODEL), so that nobody takes it for a calibration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.camera import Camera

#: distortion_model of a CameraInfo that camera_node made from an assumed field of view.
ASSUMED_MODEL = "assumed_field_of_view"


def camera_from_info(
    info: CameraInfo | None,
    width: int,
    height: int,
    *,
    assumed_fov_deg: float,
    rectified: bool = False,
    topic: str = "camera_info",
) -> tuple[Camera, str]:
    """The camera of a width x height image, and one sentence on where it comes from.

    info: the latest CameraInfo, None where none has arrived. Without a usable one the camera is
    assumed from assumed_fov_deg and marked (``camera.focal_assumed``).
    rectified: the image has been rectified, so the projection matrix P holds instead of K.
    Raises ValueError where info belongs to an image of another size.
    """
    if info is None or (not any(info.k) and not any(info.p)):
        reason = f"no CameraInfo on '{topic}'" if info is None else f"'{topic}' is uncalibrated"
        camera = Camera.assumed(width, height, assumed_fov_deg)
        return camera, (
            f"{reason}: assuming a field of view of {assumed_fov_deg:g} degrees; distances are "
            "guesses, marked ASSUMED_FOCAL (calibrate the camera with camera_calibration)"
        )
    size = image_size_of(info)
    # Some drivers leave the size out: then the matrix can only be meant for this image.
    if size not in ((width, height), (0, 0)):
        raise ValueError(
            f"CameraInfo on '{topic}' is for {size[0]}x{size[1]} images, the image is "
            f"{width}x{height}: the node that resizes or crops the image should publish the "
            f"CameraInfo to match; or remap '{topic}' away to work with an assumed field of view"
        )
    matrix = [*info.p[0:3], *info.p[4:7]] if rectified and any(info.p) else info.k
    fx, cx, fy, cy = (float(matrix[i]) for i in (0, 2, 4, 5))
    bin_x, bin_y = max(1, info.binning_x), max(1, info.binning_y)
    # Integer pixels are centres, so a bin of b pixels has its centre (b - 1) / 2 further on.
    cx = (cx - info.roi.x_offset + 0.5) / bin_x - 0.5
    cy = (cy - info.roi.y_offset + 0.5) / bin_y - 0.5
    assumed = info.distortion_model == ASSUMED_MODEL
    try:
        camera = Camera(fx / bin_x, fy / bin_y, cx, cy, width, height, focal_assumed=assumed)
    except ValueError as error:
        raise ValueError(
            f"CameraInfo on '{topic}' is unusable ({error}): the camera driver should publish a "
            "calibration, or an all-zero matrix where there is none"
        ) from error
    if assumed:
        return camera, f"'{topic}' holds an assumed field of view: distances are marked as guesses"
    note = f"using the calibration on '{topic}' (fx {camera.fx:.1f} px)"
    if any(info.d) and not rectified:
        note += "; lens distortion is not undone: subscribe to a rectified image, set 'rectified'"
    return camera, note


def image_size_of(info: CameraInfo) -> tuple[int, int]:
    """Width and height of the images it belongs to (region of interest, binned); 0, 0: unknown."""
    roi = info.roi
    whole = roi.width == 0 or roi.height == 0  # ROS: all zero means the full image
    width, height = (info.width, info.height) if whole else (roi.width, roi.height)
    return width // max(1, info.binning_x), height // max(1, info.binning_y)


def info_from_camera(camera: Camera, header: Header) -> CameraInfo:
    """CameraInfo of an undistorted pinhole camera; an assumed one is marked as such."""
    info = CameraInfo(header=header, width=camera.width, height=camera.height)
    info.distortion_model = ASSUMED_MODEL if camera.focal_assumed else "plumb_bob"
    info.d = [] if camera.focal_assumed else [0.0] * 5
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
