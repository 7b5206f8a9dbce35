"""One camera frame as messages -> tracked people. Holds no node: tested without spinning."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo

from icl_mesh.appearance import looks_of
from icl_mesh.calibration import CameraSource, camera_from_info
from icl_mesh.depth_correction import Corrected, DepthCorrection
from icl_mesh.depth_store import DepthStore, nanoseconds
from icl_mesh.image_times import ImageTimes
from icl_mesh.people import People
from icl_mesh.sample_bits import SampleBits
from icl_mesh.tracking import Tracker, Tracks
from icl_mesh_ros.camera_info_store import CameraInfoStore
from icl_mesh_ros.conversions import rgb_from_message
from icl_mesh_ros.inputs import AnyImage
from icl_mesh_ros.parameters import MeshParameters


@dataclass(frozen=True)
class FrameResult:
    """What became of a frame. times_ms: by stage; camera_note: where the intrinsics come from;
    warnings, errors: what was left out, and who fixes it, one sentence each. unmeasured: why the
    depth image measured nobody, though somebody is seen ("": it did, or none is used)."""

    rgb: npt.NDArray[np.uint8]
    tracks: Tracks
    camera_note: str
    times_ms: dict[str, float]
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    unmeasured: str = ""


class FrameProcessor:
    """Message -> RGB -> people -> tracks of one camera. One instance serves one thread."""

    def __init__(
        self,
        estimator: Callable[..., People],
        tracker: Tracker,
        infos: CameraInfoStore,
        image_topic: str,
        info_topic: str,
        *,
        depths: DepthStore | None = None,
    ) -> None:
        """estimator: an Estimator, or what answers like one. infos, depths: filled by another
        thread. The topics are named in errors.
        """
        self._estimator, self._tracker, self._infos = estimator, tracker, infos
        self._image_topic, self._info_topic = image_topic, info_topic
        self._depths: DepthCorrection | None = None
        if depths is not None:
            remedy = "raise depth_tolerance, or set use_depth to false"
            self._depths = DepthCorrection(depths, remedy=remedy, scale_option="depth_scale")
        self._warned: set[str] = set()
        self._bits, self._times = SampleBits(), ImageTimes()
        # What the last image's camera was made from, and the camera.
        self._known_camera: tuple[tuple[Any, ...], CameraSource | None] = ((), None)

    def use(self, estimator: Callable[..., People]) -> None:
        """Change over to another one, between two frames. The tracker sees that by the weights."""
        self._estimator = estimator

    def __call__(
        self,
        image: AnyImage,
        parameters: MeshParameters,
        *,
        vertices: bool,
        info_patience_s: Callable[[], float] = lambda: 0.0,
        depth_patience_s: float = 0.0,
        arrival_s: float = 0.0,
    ) -> FrameResult:
        """vertices: with the meshes. The patiences: wait so long for a CameraInfo of the image's
        size, which is asked where none is there, and for a depth image of its stamp. arrival_s:
        the time that counts where the image carries no stamp, or one before 1970.

        Raises ValueError for an image or a CameraInfo that cannot be used. Without a depth image
        that can be used, people stay where their size puts them.
        """
        started = time.perf_counter()
        rgb = rgb_from_message(image, self._image_topic, self._bits)
        times = {"convert": _milliseconds_since(started)}
        height, width = rgb.shape[:2]
        source = self._camera(
            self._infos.find(width, height, info_patience_s), width, height, parameters
        )
        people = self._estimator(
            rgb,
            source.camera,
            vertices=vertices or parameters.use_depth,
            threshold=parameters.detection_threshold or None,
            times=times,
        )
        depth = Corrected(people)
        if parameters.use_depth and self._depths is not None:
            started = time.perf_counter()
            depth = self._depths(
                people,
                nanoseconds(image.header.stamp),
                parameters.depth_tolerance,
                parameters.depth_scale,
                depth_patience_s,
            )
            people = depth.people
            times["depth"] = _milliseconds_since(started)
        started = time.perf_counter()
        stamp_s = self._times(nanoseconds(image.header.stamp), arrival_s)
        self._tracker.max_age_s = parameters.track_timeout
        self._tracker.smoothing_s = parameters.smoothing
        looks = looks_of(rgb, people) if parameters.track_colors else None
        frame_id = image.header.frame_id
        tracks = self._tracker.update(people, stamp_s, looks, frame_id=frame_id)
        times["track"] = _milliseconds_since(started)
        lost = tracks.lost_because
        lost = lost and f"tracks on '{self._image_topic}' start afresh, with new ids: {lost}"
        said = (*self._news(source), depth.warning, lost, self._bits.take_note())
        return FrameResult(
            rgb,
            tracks,
            source.note,
            times,
            warnings=tuple(filter(None, said)),
            errors=tuple(filter(None, (depth.error,))),
            unmeasured=depth.unmeasured,
        )

    def _news(self, source: CameraSource) -> list[str]:
        """Its warnings, each kind once: their numbers may change with every message."""
        new = {k: text for k, text in source.warnings.items() if k not in self._warned}
        self._warned |= new.keys()
        return list(new.values())

    def _camera(
        self, info: CameraInfo | None, width: int, height: int, parameters: MeshParameters
    ) -> CameraSource:
        """That of the image before where nothing has changed."""
        said = None if info is None else _content(info)
        of = (said, width, height, parameters.assumed_fov_deg, parameters.rectified)
        known, source = self._known_camera
        if source is None or of != known:
            if others := self._infos.only_others(width, height):
                raise ValueError(
                    f"no CameraInfo for {width}x{height} images came on '{self._info_topic}' in "
                    f"time, only for {', '.join(others)}: it was lost or is late, and the image is "
                    "left out; where that goes on, the node that changes the images' size should "
                    "publish the CameraInfo to match"
                )
            source = camera_from_info(
                info,
                width,
                height,
                assumed_fov_deg=parameters.assumed_fov_deg,
                rectified=parameters.rectified,
                topic=self._info_topic,
            )
            self._known_camera = of, source
        return source


def _content(info: CameraInfo) -> tuple[Any, ...]:
    """What a camera is made from. Drivers send an equal message with every image."""
    roi = info.roi
    return (
        *(info.width, info.height, info.binning_x, info.binning_y),
        *(roi.x_offset, roi.y_offset, roi.width, roi.height),
        *(info.distortion_model, info.d.tobytes(), info.k.tobytes(), info.p.tobytes()),
    )


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
