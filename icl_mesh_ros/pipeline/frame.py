"""One camera frame: image message -> tracked people. Needs no node."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.depth.correction import Corrected, DepthCorrection
from icl_mesh.depth.matching import DepthStore
from icl_mesh.formats.camera_info import CameraSource, camera_from_info
from icl_mesh.formats.sample_bits import SampleBits
from icl_mesh.people import People
from icl_mesh.refinement import Budget
from icl_mesh.tracking.appearance import appearance_features
from icl_mesh.tracking.image_times import ImageTimes, nanoseconds
from icl_mesh.tracking.tracker import Tracker, Tracks
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.conversions import rgb_from_message
from icl_mesh_ros.inputs.subscriptions import AnyImage
from icl_mesh_ros.parameters.mesh_node import MeshParameters


@dataclass(frozen=True)
class FrameResult:
    """The result of a frame.

    rgb: the image [H, W, 3]. camera_note: where the intrinsics come from. times_ms: by stage.
    warnings, errors: one sentence each: what was left out and how to fix it. unmeasured: why the
    depth image measured nobody although people are detected; "": it did, or no depth is used.
    """

    rgb: npt.NDArray[np.uint8]
    tracks: Tracks
    camera_note: str
    times_ms: dict[str, float]
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    unmeasured: str = ""


class FrameProcessor:
    """Image message -> RGB -> people -> tracks of one camera. Not thread-safe."""

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
        """estimator: an Estimator, or a callable with its signature. infos, depths: another thread
        may fill them. image_topic, info_topic: named in errors.
        """
        self._estimator, self._tracker, self._infos = estimator, tracker, infos
        self._image_topic, self._info_topic = image_topic, info_topic
        self._depths: DepthCorrection | None = None
        if depths is not None:
            remedy = "raise depth_tolerance, or set use_depth to false"
            self._depths = DepthCorrection(depths, remedy=remedy, scale_option="depth_scale")
        self._warned: set[str] = set()
        self._bits, self._times = SampleBits(), ImageTimes()
        self._budget = Budget(0.0)
        self._source: CameraSource | None = None  # the last image's camera
        self._source_of: tuple[CameraInfo | float | None, ...] = ()

    def use(self, estimator: Callable[..., People]) -> None:
        """Replace the estimator, between two frames. The tracker notices the new weights."""
        self._estimator = estimator
        self._budget = Budget(0.0)  # corrections are relative to the poses of the old weights

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
        """Process one image.

        vertices: compute the meshes too. info_patience_s: returns how long to wait for a CameraInfo
        of the image's size; called only if there is none. depth_patience_s: how long to wait for
        the depth image of its stamp. arrival_s: the image's time, s, if it has no stamp or one
        before 1970.

        Raises ValueError for an image or a CameraInfo that cannot be used. Without a usable depth
        image, distances come from the people's size.
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
            refine=self._refine(parameters),
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
            times["depth"] = _milliseconds_since(started)
        started = time.perf_counter()
        tracks = self._track(rgb, depth.people, image.header, parameters, arrival_s)
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

    def _refine(self, parameters: MeshParameters) -> bool | Budget:
        """What the estimator is told to refine."""
        device = getattr(self._estimator, "device", None)
        on_gpu = device is not None and device.type == "cuda"
        if parameters.refine in ("all", "off") or (parameters.refine == "auto" and on_gpu):
            self._budget = Budget(0.0)  # what it remembers is old when a budget is set again
            return parameters.refine != "off"
        self._budget.budget_ms = parameters.refine_budget_ms
        return self._budget

    def _track(
        self,
        rgb: npt.NDArray[np.uint8],
        people: People,
        header: Header,
        parameters: MeshParameters,
        arrival_s: float,
    ) -> Tracks:
        self._tracker.max_age_s = parameters.track_timeout
        self._tracker.smoothing_s = parameters.smoothing
        by_weights = getattr(self._estimator, "track_threshold", 0.0)
        least = 0.0 if parameters.detection_threshold else by_weights
        self._tracker.start_score = parameters.track_threshold or least
        stamp_s = self._times(nanoseconds(header.stamp), arrival_s)
        features = appearance_features(rgb, people) if parameters.track_colors else None
        return self._tracker.update(people, stamp_s, features, frame_id=header.frame_id)

    def _news(self, source: CameraSource) -> list[str]:
        """The camera's warnings whose kind is new: their numbers may change with each message."""
        if source.warnings.keys() <= self._warned:
            return []
        new = {k: text for k, text in source.warnings.items() if k not in self._warned}
        self._warned |= new.keys()
        return list(new.values())

    def _camera(
        self, info: CameraInfo | None, width: int, height: int, parameters: MeshParameters
    ) -> CameraSource:
        """The image's camera; that of the image before if nothing has changed."""
        of = (info, width, height, parameters.assumed_fov_deg, parameters.rectified)
        if self._source is None or of != self._source_of:
            if others := self._infos.only_others(width, height):
                raise ValueError(
                    f"no CameraInfo for {width}x{height} images came on '{self._info_topic}' in "
                    f"time, only for {', '.join(others)}: it was lost or is late, and the image is "
                    "left out; where that goes on, the node that changes the images' size should "
                    "publish the CameraInfo to match"
                )
            self._source = camera_from_info(
                info,
                width,
                height,
                assumed_fov_deg=parameters.assumed_fov_deg,
                rectified=parameters.rectified,
                topic=self._info_topic,
            )
            self._source_of = of
        return self._source


def _milliseconds_since(start: float) -> float:
    return (time.perf_counter() - start) * 1e3
