"""The estimator: a camera image in, people in metres out."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.body import BodyModel
from icl_mesh.decode.confidence import VISIBLE_CONFIDENCE
from icl_mesh.decode.peaks import PEAK_THRESHOLD
from icl_mesh.decode.reader import Evidence, FirstPeople, Reader
from icl_mesh.engine import Engine, create_engine, parse_engine, resolve_device
from icl_mesh.engine.device import on_gpu_or_cpu
from icl_mesh.engine.keypoints import create_keypoint_engine
from icl_mesh.engine.stage_clock import StageClock
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.view import View
from icl_mesh.keypoint_weights import load_keypoint_weights
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.single_person import SinglePersonKeypoints
from icl_mesh.people import People
from icl_mesh.preprocess.host import empty_planes, image_size, preprocess
from icl_mesh.refinement import Budget, SecondStage
from icl_mesh.weights import default_weights_path, load_weights

_LOG = logging.getLogger(__name__)


#: The second stage looks at people with a lower first score than they need, and gives another.
PROPOSAL_SCORE = 0.1
#: In a stream of images a refined person needs so many times the least score to start a track.
START_RATIO = 2.5


class Estimator:
    """Finds the people of an image, with their bodies and metric positions.

    Use :meth:`load` for weights from a file; the constructor takes a network and a body.
    An instance is not thread-safe.
    """

    def __init__(
        self,
        network: IclMeshNetwork,
        body: BodyModel,
        *,
        input_size: int = 512,
        threshold: float = PEAK_THRESHOLD,
        device: str = "auto",
        engine: str | Engine = "torch",
        weights_version: str = "unsaved",
        metadata: dict[str, Any] | None = None,
        onnx_path: Path | None = None,
        refined_threshold: float | None = None,
        keypoints: SinglePersonKeypoints | None = None,
    ) -> None:
        """input_size: side of the network's square input, a multiple of 32. threshold: least
        score of a person, in (0, 1]. engine, onnx_path: see :meth:`load`. The network is moved to
        the device and put into eval mode. keypoints: the second stage, for networks with a
        refinement; refined_threshold: least score of people whom it has seen (default: threshold).
        """
        self.engine: Engine = (
            create_engine(engine, network, resolve_device(device), input_size, onnx_path)
            if isinstance(engine, str)
            else engine
        )
        self.network = network.to(self.engine.device).eval()
        self.body = body.to(self.engine.device)
        self._read = Reader(self.network, self.body)
        self.input_size = input_size
        # All images share one input: the operating system provides new memory page by page.
        self._planes = None if self.engine.device.type != "cpu" else empty_planes(input_size)
        self._view: View | None = None  # of the last image
        self.threshold = checked_threshold(threshold)
        self.refined_threshold = checked_threshold(refined_threshold or threshold)
        self.second_stage: SecondStage | None = None
        if keypoints is not None and network.refinement is not None:
            of_keypoints = create_keypoint_engine(
                self.engine.name, keypoints, self.engine.device, onnx_path
            )
            self.second_stage = SecondStage(self.network, of_keypoints)
        self.weights_version = weights_version
        self.metadata = metadata or {}

    @classmethod
    def load(
        cls,
        weights: str | Path = "default",
        body: str | Path = "default",
        device: str = "auto",
        engine: str = "auto",
        *,
        refine: bool = True,
    ) -> Estimator:
        """An estimator from files of weights and body, or from the package's own ("default").

        device: auto, cpu, cuda or cuda:N; auto uses the CPU, with a logged warning, if the GPU's
        memory does not suffice. engine: auto (the fastest installed one) or one of
        icl_mesh.engine.ENGINES, with ":bf16" or ":f16" appended for less precision. Engines other
        than torch use NAME.onnx and NAME.people.onnx of `icl-mesh export` beside
        NAME.safetensors; without these files they convert the network once and cache it
        (icl_mesh.engine.cache).

        refine: load the second stage, which refines people by the keypoints in a crop of each
        (icl_mesh.refinement), if the weights have its statistics.

        Raises FileNotFoundError or ValueError, with the path and the rule, for unusable files.
        Logs a warning for a body that the weights were not trained with.
        """
        parse_engine(engine)  # the cheapest checks first
        resolved = resolve_device(device)
        network, metadata = load_weights(weights)
        model = BodyModel.load(body)
        if metadata["body"] != model.name:
            _LOG.warning(
                "weights %s were trained with body %r, body %r is used: its shape coefficients "
                "(betas) mean other shapes",
                metadata["weights_version"],
                metadata["body"],
                model.name,
            )
        refined = refine and network.refinement is not None
        keypoints = load_keypoint_weights()[0] if refined else None
        path = default_weights_path() if str(weights) == "default" else Path(weights)

        def make(device: torch.device) -> Estimator:
            return cls(
                network,
                model,
                input_size=metadata["input_size"],
                threshold=metadata["threshold"],
                device=str(device),
                engine=engine,
                weights_version=metadata["weights_version"],
                metadata=metadata,
                onnx_path=path.with_suffix(".onnx"),
                refined_threshold=metadata["refined_threshold"],
                keypoints=keypoints,
            )

        if resolved.type == "cpu":
            return make(resolved)
        return on_gpu_or_cpu(make, resolved, may_fall_back=device == "auto")

    @property
    def device(self) -> torch.device:
        """Device of the network and the body."""
        return self.engine.device

    @property
    def track_threshold(self) -> float:
        """Least score with which a person starts a track (icl_mesh.tracking)."""
        if self.second_stage is None:
            return self.threshold
        return min(START_RATIO * self.refined_threshold, 1.0)

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        camera: Camera | None = None,
        *,
        vertices: bool = False,
        threshold: float | None = None,
        times: dict[str, float] | None = None,
        refine: bool | Budget = True,
    ) -> People:
        """The people of one image, best score first.

        image: RGB uint8 [H, W, 3]. camera: its intrinsics; without them a field of view of 60
        degrees is assumed (``people.camera.focal_assumed``). vertices: also return the meshes.
        threshold: instead of the estimator's own. refine: by the second stage, if there is one:
        everybody, nobody, or within a time budget (icl_mesh.refinement.Budget, one per camera).
        times: receives the time of each of stage_clock.STAGES, ms; on CUDA the device is then
        synchronised after each.

        Raises ValueError for another shape or type of image, a camera of another size, or a
        threshold outside (0, 1]; RuntimeError if the network's output is not finite.
        """
        given = None if threshold is None else checked_threshold(threshold)
        first_threshold, threshold = given or self.threshold, given or self.refined_threshold
        clock = StageClock(self.device, times)
        view = self._view_of(camera or Camera.assumed(*image_size(image)))
        images = preprocess(image, view, self._planes)
        clock.lap("preprocess")
        maps = self.engine(images)
        clock.lap("network")

        def smpl_at(image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]) -> torch.Tensor:
            clock.lap("decode")
            smpl = self.engine.smpl_at(maps, image, cell)
            clock.lap("network")
            return smpl

        second_stage = self.second_stage if refine else None
        budget = refine if isinstance(refine, Budget) else None

        def refine_people(people: FirstPeople) -> tuple[Evidence, npt.NDArray[np.int64]]:
            assert second_stage is not None
            evidence = second_stage(image, view, maps, people, budget)
            return evidence, evidence.kept(threshold, first_threshold)

        found = self._read(
            maps,
            min(first_threshold, PROPOSAL_SCORE) if second_stage else first_threshold,
            smpl_at,
            view,
            clock,
            vertices=vertices,
            refine=refine_people if second_stage else None,
        )
        if found is None:
            people = People.empty(view.camera, self.body, self.weights_version, vertices=vertices)
        else:
            arrays = found._asdict()
            arrays["joint_visible"] = found.joint_confidence >= VISIBLE_CONFIDENCE
            people = People.unchecked(arrays, view.camera, self.body, self.weights_version)
        clock.lap("decode")
        return people

    def _view_of(self, camera: Camera) -> View:
        """That of the image before if the camera has not changed."""
        if self._view is None or self._view.camera != camera:
            self._view = View.of(camera, self.input_size, self.device)
        return self._view


def checked_threshold(threshold: float) -> float:
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must lie in (0, 1], got {threshold}")
    return float(threshold)
