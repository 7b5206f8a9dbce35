"""Plausibility of camera intrinsics, for CameraInfo messages, bags and calibration files.

A well-formed matrix may be implausible: unset, in other units, or of another camera. Implausible
intrinsics (faults) are not used. Rare ones (oddities) are used with a warning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import WIDEST_RAD

#: Pixels are nearly square: larger factors between fx and fy are an oddity, or a fault.
ODD_ASPECT, WORST_ASPECT = 1.2, 2.0
#: Upper bound of a matrix's entries, px.
LARGEST = 1e7
#: Field of view across the wider side, degrees, by fisheye. A pinhole's is well below 180.
NARROWEST_DEG, WIDEST_DEG = 2.0, {False: 2 * math.degrees(WIDEST_RAD), True: 180.0}
#: A principal point this near to the first pixel is unset, or not in pixels.
UNSET_PX = 1.0
#: Least radius up to which a lens' polynomial is monotonic, as a share of the shorter side. Others
#: are not a calibration of this camera.
LEAST_UNFOLDED = 0.2
#: Least skew that is an oddity, as a share of the focal length.
ODD_SKEW = 0.01


def field_of_view_deg(focal_px: float, size_px: float, fisheye: bool) -> float:
    """Field of view of size_px pixels around the axis, degrees.

    Distance from the axis is proportional to the angle for a fisheye (equidistant) lens, and to
    its tangent for a pinhole.
    """
    half = 0.5 * size_px / focal_px
    return math.degrees(2 * (half if fisheye else math.atan(half)))


def matrix_fault(matrix: Sequence[float]) -> str:
    """Why the nine entries of a 3x3 matrix are implausible; "" if they are plausible."""
    fx, cx, fy, cy = (matrix[i] for i in (0, 2, 4, 5))
    if not all(abs(number) < LARGEST for number in matrix) or fx <= 0 or fy <= 0:
        return (
            f"fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g}: all must be finite pixels, and focal "
            "lengths positive"
        )
    below = matrix[3], *matrix[6:9]
    if any(below[:3]) or below[3] not in (0.0, 1.0):  # some drivers omit the last 1
        terms = ", ".join(f"{term:g}" for term in below)
        return f"the terms below its diagonal and its last one are {terms}: they must be 0, 0, 0, 1"
    if max(abs(cx), abs(cy)) <= UNSET_PX:
        return f"its principal point (cx {cx:g}, cy {cy:g}) is the image's first pixel"
    return ""


def camera_fault(camera: Camera, fisheye: bool) -> str:
    """Why these intrinsics are implausible; "" if they are plausible.

    camera: of the whole sensor, since cropping can move the principal point anywhere.
    """
    larger = max(camera.fx / camera.fy, camera.fy / camera.fx)
    if larger > WORST_ASPECT:
        return (
            f"fx {camera.fx:g} and fy {camera.fy:g} differ by a factor of {larger:.3g}, more than "
            f"{WORST_ASPECT:g}"
        )
    sides = ((camera.fx, camera.width), (camera.fy, camera.height))
    widest = WIDEST_DEG[fisheye]
    seen = max(field_of_view_deg(focal, size, fisheye) for focal, size in sides)
    if not NARROWEST_DEG <= round(seen, 1) <= widest:
        return (
            f"fx {camera.fx:g} and fy {camera.fy:g} on {camera.width}x{camera.height} pixels mean "
            f"a field of view of {seen:.4g} degrees, outside {NARROWEST_DEG:g} to {widest:g}"
        )
    x, y = (camera.cx + 0.5) / camera.width, (camera.cy + 0.5) / camera.height
    if not (-1 <= x <= 2 and -1 <= y <= 2):
        return (
            f"its principal point (cx {camera.cx:g}, cy {camera.cy:g}) is farther outside the "
            f"{camera.width}x{camera.height} image than the image is large"
        )
    return ""


def camera_oddities(camera: Camera, skew: float = 0.0) -> dict[str, str]:
    """Oddities of intrinsics by kind; camera as in camera_fault. skew: K's second entry, px."""
    odd = {}
    larger = max(camera.fx / camera.fy, camera.fy / camera.fx)
    if larger > ODD_ASPECT:
        odd["aspect"] = (
            f"fx {camera.fx:g} and fy {camera.fy:g} differ by a factor of {larger:.3g}, as where "
            "an image was squeezed"
        )
    if not (-0.5 <= camera.cx <= camera.width - 0.5 and -0.5 <= camera.cy <= camera.height - 0.5):
        odd["principal point"] = (
            f"the principal point (cx {camera.cx:g}, cy {camera.cy:g}) lies outside the "
            f"{camera.width}x{camera.height} image, as where it was cropped"
        )
    if abs(skew) > ODD_SKEW * camera.fx:
        odd["skew"] = f"the matrix has a skew of {skew:g}, which is left out"
    return odd


def lens_fault(camera: Camera) -> str:
    """Why the camera's lens is implausible; "" if it is plausible.

    Faults: its polynomial is not monotonic near the centre of the image, or the field of view is
    close to 0.
    """
    if camera.lens is None:
        return ""
    radii, distorted = camera.lens.radial_table
    reach = float(distorted[-1]) * min(camera.fx, camera.fy)
    if not reach >= LEAST_UNFOLDED * min(camera.width, camera.height):
        return f"its polynomial turns back {max(reach, 0.0):.3g} pixels from the image's centre"
    half = 0.5 * max(camera.width / camera.fx, camera.height / camera.fy)
    seen = 2 * math.degrees(math.atan(float(np.interp(half, distorted, radii))))
    if not seen >= NARROWEST_DEG:
        return f"through it the image shows {seen:.3g} degrees, less than {NARROWEST_DEG:g}"
    return ""
