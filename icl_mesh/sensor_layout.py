"""Which pixels of the sensor an image shows, by CameraInfo's region of interest and binning.

ROS gives the sizes, the region and K of a CameraInfo in pixels of the whole sensor, before pixels
are joined (sensor_msgs/CameraInfo). Drivers often give one of them as of the image instead.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from icl_mesh.camera import Camera

#: Sizes may differ by so many pixels: they are rounded when pixels are joined.
ROUNDING_PX = 1
#: A principal point farther than this share of the sensor from its middle may be another image's.
OFF_CENTER = 0.1


class SensorLayout(NamedTuple):
    """The sensor's width and height, and where the image's first pixel is on it, in its pixels;
    how many columns and rows make one pixel. warning: where the message is not as ROS has it."""

    width: int
    height: int
    x: int
    y: int
    bins: tuple[int, int]
    warning: str = ""

    @classmethod
    def of(cls, info: Any, width: int, height: int) -> SensorLayout | None:
        """What a CameraInfo says of an image of this size; None where it is another image's."""
        bins = max(1, info.binning_x), max(1, info.binning_y)
        x, y = info.roi.x_offset, info.roi.y_offset
        given = unbinned_size_of(info)
        unit, warning = (1, 1), ""  # the sensor's pixels in one of those that the message counts in
        # Some drivers leave the size out: then the matrix can only be meant for this image.
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
        """The camera of the whole sensor from the matrix of a CameraInfo, and a warning where that
        is the region's or the binned image's already, which its principal point tells: the sensor's
        is near the sensor's middle."""
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
    """Width and height of the images it belongs to (region of interest, binned); 0, 0: unknown."""
    width, height = unbinned_size_of(info)
    return width // max(1, info.binning_x), height // max(1, info.binning_y)


def unbinned_size_of(info: Any) -> tuple[int, int]:
    """Width and height of its region of interest; 0, 0: unknown."""
    roi = info.roi
    whole = roi.width == 0 or roi.height == 0  # ROS: all zero means the full image
    return (info.width, info.height) if whole else (roi.width, roi.height)


def close(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes are equal but for rounding."""
    return all(abs(a - b) <= ROUNDING_PX for a, b in zip(one, other, strict=True))
