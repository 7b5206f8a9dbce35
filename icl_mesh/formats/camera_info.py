"""CameraInfo messages to cameras, without ROS: any object with CameraInfo's fields is accepted.

In ROS, a CameraInfo whose matrix is zero means "uncalibrated". The distortion_model ASSUMED_MODEL
marks a CameraInfo from an assumed field of view, which is no calibration. An implausible
calibration (icl_mesh.geometry.intrinsics) is not used.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple, Protocol

from icl_mesh.formats.sensor_layout import SensorLayout, image_size_of
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.intrinsics import camera_fault, camera_oddities, lens_fault, matrix_fault
from icl_mesh.geometry.lens import Lens

#: distortion_model of a CameraInfo from an assumed field of view.
ASSUMED_MODEL = "assumed_field_of_view"


class InfoMessage(Protocol):
    """The fields of sensor_msgs/CameraInfo that are used."""

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
    """A camera, and one sentence on its source.

    warnings: oddities by kind, one sentence each. fault: why the given calibration is implausible
    and not used; "" if it is used, or if there is none.
    """

    camera: Camera
    note: str
    warnings: dict[str, str]
    fault: str = ""


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

    info: the latest CameraInfo, or None. Without a usable one the camera is assumed from
    assumed_fov_deg and marked (``camera.focal_assumed``). Region of interest and binning are
    applied; distortion_model and d give the camera's lens.
    rectified: the image is rectified: use the projection matrix P and no lens. The same applies
    where info has only P.
    Raises ValueError where info belongs to an image of another size.
    """

    def assumed(reason: str, fault: str = "") -> CameraSource:
        return CameraSource(
            Camera.assumed(width, height, assumed_fov_deg),
            f"{reason}: assuming a field of view of {assumed_fov_deg:g} degrees; distances are "
            "guesses, marked ASSUMED_FOCAL (calibrate the camera with camera_calibration)",
            {},
            fault,
        )

    if info is None:
        return assumed(f"no CameraInfo on '{topic}'")
    name, matrix, warnings = _matrix(info, rectified, topic)
    if not any(matrix):
        return assumed(f"'{topic}' is uncalibrated")
    layout = _layout(info, width, height, topic)
    straight = rectified or name == "P" or info.distortion_model == ASSUMED_MODEL
    lens, lens_warning = (None, "") if straight else _lens(info, topic)
    fisheye = lens is not None and lens.model == "equidistant"
    fault = matrix_fault(matrix)
    if not fault:
        fx, skew, cx, _, fy, cy = matrix[:6]
        sensor, moved = layout.camera(Camera(fx, fy, cx, cy, layout.width, layout.height))
        fault = "" if info.distortion_model == ASSUMED_MODEL else camera_fault(sensor, fisheye)
    if fault:
        return assumed(f"{name} of the CameraInfo on '{topic}' cannot be true ({fault})", fault)
    odd = camera_oddities(sensor, skew) | {"size": layout.warning, "binning": moved}
    warnings |= {
        kind: f"CameraInfo on '{topic}' is odd, and believed: {text}"
        for kind, text in odd.items()
        if text
    }
    if lens is not None and (bent := lens_fault(dataclasses.replace(sensor, lens=lens))):
        lens, lens_warning = None, _not_undone(topic, bent)
    if lens_warning:
        warnings["lens"] = lens_warning
    region = sensor.cropped(
        layout.x, layout.y, width * layout.bins[0], height * layout.bins[1]
    ).binned(*layout.bins)
    assumed_before = info.distortion_model == ASSUMED_MODEL
    camera = dataclasses.replace(region, focal_assumed=assumed_before, lens=lens)
    return CameraSource(camera, _note(camera, topic), warnings)


def _layout(info: InfoMessage, width: int, height: int, topic: str) -> SensorLayout:
    """Where the sensor has the image. Raises ValueError for an image of another size."""
    layout = SensorLayout.of(info, width, height)
    if layout is None:
        size = image_size_of(info)
        raise ValueError(
            f"CameraInfo on '{topic}' is for {size[0]}x{size[1]} images, the image is "
            f"{width}x{height}: the node that resizes or crops the image should publish the "
            f"CameraInfo to match; or remap '{topic}' away to work with an assumed field of view"
        )
    return layout


def _matrix(
    info: InfoMessage, rectified: bool, topic: str
) -> tuple[str, list[float], dict[str, str]]:
    """Name and nine numbers of the matrix to use, and warnings about that choice by kind."""
    k, p = [float(x) for x in info.k], [float(x) for x in info.p]
    # P[10] may be 1 in a message without P.
    p = [*p[0:3], *p[4:7], *p[8:11]] if any(p[:7]) else []
    if rectified and p:
        return "P", p, {}
    if rectified and any(k) and any(info.d):
        text = (
            f"'{topic}' has no P, so K counts for the rectified image, though it is the raw one's"
        )
        return "K", k, {"matrix": text}
    if not any(k) and p:
        text = f"K on '{topic}' is all zero: P counts, as for a rectified image"
        return "P", p, {} if rectified else {"matrix": text}
    return "K", k, {}


def _lens(info: InfoMessage, topic: str) -> tuple[Lens | None, str]:
    """The lens, and a warning."""
    model, numbers = info.distortion_model, [float(x) for x in info.d]
    try:
        lens = Lens.from_calibration(model, numbers)
    except ValueError as error:
        return None, _not_undone(topic, str(error))
    if lens is not None and not model.strip():
        return lens, f"'{topic}' names no distortion_model: its coefficients count as {lens.model}"
    return lens, ""


def _not_undone(topic: str, reason: str) -> str:
    return (
        f"the lens distortion on '{topic}' is not undone ({reason}), so people near the image's "
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
