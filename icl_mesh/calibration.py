"""CameraInfo messages to cameras, without ROS: any object with CameraInfo's fields will do.

A CameraInfo whose matrix is all zero means "uncalibrated" in ROS. One made from an assumed field
of view says so in its distortion_model (ASSUMED_MODEL), so that nobody takes it for a calibration.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from icl_mesh.camera import Camera
from icl_mesh.lens import Lens

#: distortion_model of a CameraInfo that was made from an assumed field of view.
ASSUMED_MODEL = "assumed_field_of_view"


class InfoMessage(Protocol):
    """The fields of sensor_msgs/CameraInfo that count here."""

    height: int
    width: int
    distortion_model: str
    d: Any
    k: Any
    p: Any
    binning_x: int
    binning_y: int
    roi: Any


class CameraSource(NamedTuple):
    """A camera, one sentence on where it comes from, and what is wrong with that ("": nothing)."""

    camera: Camera
    note: str
    warning: str = ""


def camera_from_info(
    info: InfoMessage | None,
    width: int,
    height: int,
    *,
    assumed_fov_deg: float,
    rectified: bool = False,
    topic: str = "camera_info",
) -> CameraSource:
    """The camera of a width x height image.

    info: the latest CameraInfo, None where none has arrived. Without a usable one the camera is
    assumed from assumed_fov_deg and marked (``camera.focal_assumed``). Region of interest and
    binning are applied; the lens of distortion_model and d becomes the camera's.
    rectified: the image has been rectified, so the projection matrix P holds and no lens.
    Raises ValueError where info belongs to an image of another size.
    """
    if info is None or (not any(info.k) and not any(info.p)):
        reason = f"no CameraInfo on '{topic}'" if info is None else f"'{topic}' is uncalibrated"
        camera = Camera.assumed(width, height, assumed_fov_deg)
        return CameraSource(
            camera,
            f"{reason}: assuming a field of view of {assumed_fov_deg:g} degrees; distances are "
            "guesses, marked ASSUMED_FOCAL (calibrate the camera with camera_calibration)",
        )
    size = image_size_of(info)
    # Some drivers leave the size out: then the matrix can only be meant for this image.
    if size not in ((width, height), (0, 0)):
        raise ValueError(
            f"CameraInfo on '{topic}' is for {size[0]}x{size[1]} images, the image is "
            f"{width}x{height}: the node that resizes or crops the image should publish the "
            f"CameraInfo to match; or remap '{topic}' away to work with an assumed field of view"
        )
    lens, warning = (None, "") if rectified else _lens(info, topic)
    matrix = [*info.p[0:3], *info.p[4:7]] if rectified and any(info.p) else info.k
    fx, cx, fy, cy = (float(matrix[i]) for i in (0, 2, 4, 5))
    bins = max(1, info.binning_x), max(1, info.binning_y)
    assumed = info.distortion_model == ASSUMED_MODEL
    try:
        # K is that of the whole sensor, before the region is cut out and pixels are joined.
        sensor = Camera(
            fx, fy, cx, cy, width * bins[0], height * bins[1], focal_assumed=assumed, lens=lens
        )
    except ValueError as error:
        raise ValueError(
            f"CameraInfo on '{topic}' is unusable ({error}): the camera driver should publish a "
            "calibration, or an all-zero matrix where there is none"
        ) from error
    region = sensor.cropped(info.roi.x_offset, info.roi.y_offset, sensor.width, sensor.height)
    camera = region.binned(*bins)
    return CameraSource(camera, _note(camera, topic), warning)


def image_size_of(info: InfoMessage) -> tuple[int, int]:
    """Width and height of the images it belongs to (region of interest, binned); 0, 0: unknown."""
    roi = info.roi
    whole = roi.width == 0 or roi.height == 0  # ROS: all zero means the full image
    width, height = (info.width, info.height) if whole else (roi.width, roi.height)
    return width // max(1, info.binning_x), height // max(1, info.binning_y)


def _lens(info: InfoMessage, topic: str) -> tuple[Lens | None, str]:
    try:
        return Lens.from_calibration(info.distortion_model, [float(x) for x in info.d]), ""
    except ValueError as error:
        return None, (
            f"the lens distortion on '{topic}' is not undone ({error}), so people near the image's "
            "edges are misplaced: rectify the image (image_proc) and set 'rectified', or the "
            "camera driver should publish another distortion_model"
        )


def _note(camera: Camera, topic: str) -> str:
    if camera.focal_assumed:
        return f"'{topic}' holds an assumed field of view: distances are marked as guesses"
    note = f"using the calibration on '{topic}' (fx {camera.fx:.1f} px"
    if camera.lens is None:
        return f"{note})"
    return f"{note}, {camera.lens.model} lens): set 'rectified' if the image is already rectified"
