"""The region of the sensor in an image, by CameraInfo's region of interest and binning.

In ROS, the sizes, region and K of a CameraInfo are in pixels of the whole sensor before binning
(sensor_msgs/CameraInfo). Some drivers give one of them in pixels of the image instead.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from icl_mesh.geometry.camera import Camera

#: Sizes may differ by this, since binning rounds them.
ROUNDING_PX = 1
#: A principal point farther than this share of the sensor from its centre may be another image's.
OFF_CENTER = 0.1


class SensorLayout(NamedTuple):
    """Size of the sensor, and position (x, y) of the image's first pixel, in pixels of the sensor;
    binning in columns and rows. warning: deviation of the message from ROS's definition."""

    width: int
    height: int
    x: int
    y: int
    bins: tuple[int, int]
    warning: str = ""

    @classmethod
    def of(cls, info: Any, width: int, height: int) -> SensorLayout | None:
        """The layout of a CameraInfo for an image of this size; None for another image's."""
        bins = max(1, info.binning_x), max(1, info.binning_y)
        x, y = info.roi.x_offset, info.roi.y_offset
        given = unbinned_size_of(info)
        unit, warning = (1, 1), ""  # sensor pixels per pixel of the message
        # Some drivers omit the size: then the matrix must belong to this image.
        if not close(image_size_of(info), (width, height)) and 0 not in given:
            if not close(given, (width, height)):
                return None
            unit = bins
            warning = (
                f"its size {given[0]}x{given[1]} is that after binning by {bins[0]}x{bins[1]} (ROS "
                "has the sensor's there)"
            )
        sensor = info.width * unit[0], info.height * unit[1]
        x, y = x * unit[0], y * unit[1]
        least = x + (width - ROUNDING_PX) * bins[0], y + (height - ROUNDING_PX) * bins[1]
        if 0 in given or sensor[0] < least[0] or sensor[1] < least[1]:
            if 0 not in given:
                warning = f"its region of interest reaches outside its size {sensor[0]}x{sensor[1]}"
            sensor = x + width * bins[0], y + height * bins[1]
        return cls(*sensor, x, y, bins, warning)

    def camera(self, camera: Camera) -> tuple[Camera, str]:
        """The camera of the whole sensor from the matrix of a CameraInfo, and a warning.

        The matrix may belong to the region or the binned image already. The principal point
        decides: the one of the whole sensor is near the sensor's centre.
        """
        as_ros_has_it = self._whole(camera, 0, 0, (1, 1))
        if self._off_center(as_ros_has_it) <= OFF_CENTER:
            return as_ros_has_it, ""
        images = {}
        for cut, joined in product((False, True), repeat=2):
            x, y = (self.x, self.y) if cut else (0, 0)
            bins = self.bins if joined else (1, 1)
            images[x, y, bins] = self._whole(camera, x, y, bins)
        nearest = min(images, key=lambda image: self._off_center(images[image]))
        if images[nearest] == as_ros_has_it:
            return as_ros_has_it, ""
        x, y, bins = nearest
        of = "the binned image" if bins != (1, 1) else "the region of interest"
        return images[nearest], (
            f"the matrix (cx {camera.cx:g}, cy {camera.cy:g}) is that of {of} already, and taken "
            "as it is (ROS has the whole sensor's there)"
        )

    def _whole(self, camera: Camera, x: int, y: int, bins: tuple[int, int]) -> Camera:
        """The inverse of Camera.cropped(x, y), then Camera.binned(*bins)."""
        return Camera(
            camera.fx * bins[0],
            camera.fy * bins[1],
            (camera.cx + 0.5) * bins[0] - 0.5 + x,
            (camera.cy + 0.5) * bins[1] - 0.5 + y,
            self.width,
            self.height,
        )

    def _off_center(self, camera: Camera) -> float:
        across = (camera.cx + 0.5) / self.width - 0.5
        return max(abs(across), abs((camera.cy + 0.5) / self.height - 0.5))


def image_size_of(info: Any) -> tuple[int, int]:
    """Width and height of a CameraInfo's images (region of interest, binned); 0, 0: unknown."""
    width, height = unbinned_size_of(info)
    return width // max(1, info.binning_x), height // max(1, info.binning_y)


def unbinned_size_of(info: Any) -> tuple[int, int]:
    """Width and height of a CameraInfo's region of interest; 0, 0: unknown."""
    roi = info.roi
    whole = roi.width == 0 or roi.height == 0  # ROS: all zero means the full image
    return (info.width, info.height) if whole else (roi.width, roi.height)


def close(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes are equal up to rounding."""
    return all(abs(a - b) <= ROUNDING_PX for a, b in zip(one, other, strict=True))
