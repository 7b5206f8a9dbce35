"""One camera frame as messages -> tracked people. Holds no node: tested without spinning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage, Image

from icl_mesh.calibration import camera_from_info
from icl_mesh.people import People
from icl_mesh.tracking import Tracker, Tracks
from icl_mesh_ros.camera_info_store import CameraInfoStore
from icl_mesh_ros.conversions import rgb_from_message
from icl_mesh_ros.parameters import MeshParameters


@dataclass(frozen=True)
class FrameResult:
    """What became of a frame. times_ms: by stage; camera_note: where the intrinsics come from;
    warnings: what was left out, and who fixes it, one sentence each."""

    rgb: npt.NDArray[np.uint8]
    tracks: Tracks
    camera_note: str
    times_ms: dict[str, float]
    warnings: tuple[str, ...] = ()


class FrameProcessor:
    """Message -> RGB -> people -> tracks of one camera. One instance serves one thread."""

    def __init__(
        self,
        estimator: Callable[..., People],
        tracker: Tracker,
        infos: CameraInfoStore,
        image_topic: str,
        info_topic: str,
    ) -> None:
        """estimator: an Estimator, or what answers like one; it may be replaced between frames.
        infos: filled by another thread. The topics are named in errors.
        """
        self.estimator, self._tracker, self._infos = estimator, tracker, infos
        self._image_topic, self._info_topic = image_topic, info_topic

    def __call__(
        self,
        image: Image | CompressedImage,
        parameters: MeshParameters,
        *,
        vertices: bool,
        info_patience_s: float = 0.0,
    ) -> FrameResult:
        """vertices: with the meshes. info_patience_s: wait so long for a CameraInfo that fits.

        Raises ValueError for messages that cannot be used.
        """
        started = time.perf_counter()
        rgb = rgb_from_message(image, self._image_topic)
        times = {"convert": _milliseconds_since(started)}
        height, width = rgb.shape[:2]
        camera, note, warning = camera_from_info(
            self._infos.find(width, height, info_patience_s),
            width,
            height,
            assumed_fov_deg=parameters.assumed_fov_deg,
            rectified=parameters.rectified,
            topic=self._info_topic,
        )
        people = self.estimator(
            rgb,
            camera,
            vertices=vertices,
            threshold=parameters.detection_threshold or None,
            times=times,
        )
        started = time.perf_counter()
        stamp = image.header.stamp
        tracks = self._tracker.update(people, stamp.sec + stamp.nanosec * 1e-9)
        times["track"] = _milliseconds_since(started)
        warnings = tuple(filter(None, (warning,)))
        return FrameResult(rgb, tracks, note, times, warnings)


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
