"""The parameters of camera_node, read once at start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from icl_mesh.io.wording import shown
from icl_mesh_ros.parameters.fields import parameter

_parameter = partial(parameter, read_only=True)
_SIDE_TEXT, _SIDE_LIMITS = "pixels, asked of a webcam; 0: its own", (0, 16384)


@dataclass(frozen=True)
class CameraParameters:
    """Parameters of camera_node. Raises ValueError for values that contradict."""

    loop: bool = _parameter(False, "start again after the last frame of a file")
    frame_id: str = _parameter("camera_optical_frame", "frame of the image")
    assumed_fov_deg: float = _parameter(
        60.0,
        "degrees across the longer side, for the CameraInfo if no calibration is given",
        limits=(1.0, 179.0),
    )
    wait_for_subscribers: int = _parameter(
        0, "number of subscribers before the first frame is published", limits=(0, 100)
    )
    lockstep: bool = _parameter(
        False,
        "files: publish the next image when humans of the last have arrived, or after 10 s; the "
        "stamps follow the file's own time line, whatever the machine's speed",
    )
    rate: float = _parameter(
        0.0,
        "Hz; 0: the rate of the camera, the frame times of a video, 10 Hz for photos",
        limits=(0.0, 1000.0),
    )
    calibration: str = _parameter(
        "",
        "YAML file of camera_calibration, OpenCV or kalibr, or its file:// or package:// URL; "
        "empty: assume a field of view",
    )
    # Dynamic typing: ROS reads `-p source:=0` as an integer.
    source: str | int = _parameter(
        "0", "webcam index, video, photo, folder of photos or stream address", dynamic_typing=True
    )
    width: int = _parameter(0, _SIDE_TEXT, limits=_SIDE_LIMITS)
    height: int = _parameter(0, _SIDE_TEXT, limits=_SIDE_LIMITS)

    def __post_init__(self) -> None:
        if not self.frame_id or self.frame_id.startswith("/"):
            raise ValueError(
                "frame_id must be a name that tf2 takes, without a leading slash, got "
                f"'{shown(self.frame_id)}'"
            )
        if bool(self.width) != bool(self.height):
            raise ValueError(
                f"width is {self.width} and height {self.height}: set both, which a webcam is "
                "asked for, or neither, which leaves it its own size"
            )

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height), pixels; None: the source's own."""
        return (self.width, self.height) if self.width else None
