"""The parameters of camera_node, read once at start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

from icl_mesh.wording import shown


@dataclass(frozen=True)
class CameraParameters:
    """Values of the parameters. size: (width, height), pixels; None: the source's own."""

    loop: bool
    frame_id: str
    assumed_fov_deg: float
    wait_for_subscribers: int
    lockstep: bool
    rate: float
    calibration: str
    source: str
    size: tuple[int, int] | None

    @classmethod
    def declared_on(cls, node: Node) -> CameraParameters:
        """Declare and read the parameters. Raises ValueError for values that contradict."""

        def declare(
            name: str, default: Any, text: str, limits: tuple[float, float] | None = None
        ) -> Any:
            descriptor = ParameterDescriptor(description=text, read_only=True)
            if limits is not None and isinstance(default, int):
                span = IntegerRange(from_value=int(limits[0]), to_value=int(limits[1]), step=1)
                descriptor.integer_range = [span]
            elif limits is not None:
                span = FloatingPointRange(from_value=limits[0], to_value=limits[1])
                descriptor.floating_point_range = [span]
            return node.declare_parameter(name, default, descriptor).value

        return cls(
            loop=declare("loop", False, "start again after the last frame of a file"),
            frame_id=_frame_of_tf2(
                declare("frame_id", "camera_optical_frame", "frame of the image")
            ),
            assumed_fov_deg=declare(
                "assumed_fov_deg",
                60.0,
                "degrees across the longer side, for the CameraInfo where no calibration is given",
                (1.0, 179.0),
            ),
            wait_for_subscribers=declare(
                "wait_for_subscribers",
                0,
                "hold back the first frame until so many subscribe",
                (0, 100),
            ),
            lockstep=declare(
                "lockstep",
                False,
                "files: publish the next image when humans of the last have arrived, or after "
                "10 s; the stamps follow the file's own time line, whatever the machine's speed",
            ),
            rate=declare(
                "rate",
                0.0,
                "Hz; 0: that of the camera, the times of a video's own frames, 10 Hz for photos",
                (0.0, 1000.0),
            ),
            calibration=declare(
                "calibration",
                "",
                "YAML file of camera_calibration, OpenCV or kalibr, or its file:// or package:// "
                "URL; empty: assume a field of view",
            ),
            source=_source(node),
            size=_size(
                declare("width", 0, "pixels, asked of a webcam; 0: its own", (0, 16384)),
                declare("height", 0, "pixels, asked of a webcam; 0: its own", (0, 16384)),
            ),
        )


def _frame_of_tf2(name: str) -> str:
    if not name or name.startswith("/"):
        raise ValueError(
            f"frame_id must be a name that tf2 takes, without a leading slash, got '{shown(name)}'"
        )
    return name


def _source(node: Node) -> str:
    # Dynamic typing: ROS reads `-p source:=0` as an integer.
    descriptor = ParameterDescriptor(
        description="webcam index, video, photo, folder of photos or stream address",
        read_only=True,
        dynamic_typing=True,
    )
    return str(node.declare_parameter("source", "0", descriptor).value)


def _size(width: int, height: int) -> tuple[int, int] | None:
    if bool(width) != bool(height):
        raise ValueError(
            f"width is {width} and height {height}: set both, which a webcam is asked for, or "
            "neither, which leaves it its own size"
        )
    return (width, height) if width else None
