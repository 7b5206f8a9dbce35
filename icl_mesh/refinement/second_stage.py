"""From people of the first stage to what their bodies are fitted to."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.decode.keypoints import decode_keypoints
from icl_mesh.decode.reader import Evidence, FirstPeople
from icl_mesh.engine.keypoints import KeypointEngine
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.constants import JOINTS
from icl_mesh.network.sampling import cell_from_square, sample_at
from icl_mesh.preprocess.crops import cut_crops, square_around
from icl_mesh.refinement.gate import Identities, gate_inputs, own_probability

Floats = npt.NDArray[np.floating[Any]]

#: People per call of the network: bounds the memory of crops and maps.
TOGETHER = 8
#: Two people of one crop's keypoints: their mean distance, in half extents.
SAME_PERSON = 0.06


class Plan(NamedTuple):
    """Whom to refine. budget_ms: crops are cut until so much time has passed, at least one; None:
    all. priority: (x, y, side) of people's squares in the image [N, 3], px, -> [N], the largest
    first; None: the score."""

    budget_ms: float | None = None
    priority: Callable[[Floats], Floats] | None = None


EVERYBODY = Plan()


class Observation(NamedTuple):
    """Of N people: keypoints [N, 17, 2], square coordinates; their scores [N, 17] and
    distances [N, 17] from the first poses, in half extents; inputs [N, 17, 4] of the gate; extent
    [N], half the side of the box around a person, square coordinates; done [N]: who was looked at (the
    others have the keypoints of their first poses)."""

    keypoints: Floats
    scores: Floats
    distance: Floats
    inputs: Floats
    extent: Floats
    done: npt.NDArray[np.bool_]


class SecondStage:
    """Detects keypoints in a crop of each person (MoveNet SinglePose Thunder) and weighs them."""

    def __init__(self, network: IclMeshNetwork, engine: KeypointEngine) -> None:
        """network: the first stage, with its refinement."""
        assert network.refinement is not None
        self.engine = engine
        self._gate = network.refinement.gate.cpu().numpy().astype(np.float64)
        self._network = network

    def __call__(
        self,
        image: npt.NDArray[np.uint8],
        view: View,
        maps: InferenceMaps,
        people: FirstPeople,
        plan: Plan = EVERYBODY,
    ) -> Evidence:
        """Evidence for the fit of the N people. image: RGB uint8 [H, W, 3], as of the maps."""
        seen = self.observe(image, view, maps, people, plan)
        weight = own_probability(seen.inputs, self._gate) * seen.done[:, None]
        score = np.where(seen.done, refined_score(people.score, seen), people.score)
        duplicate = _duplicates(seen.keypoints, seen.extent, score, seen.done)
        keypoints = seen.keypoints.astype(np.float32)
        return Evidence(keypoints, weight.astype(np.float32), score, seen.done, duplicate)

    @torch.inference_mode()
    def observe(
        self,
        image: npt.NDArray[np.uint8],
        view: View,
        maps: InferenceMaps,
        people: FirstPeople,
        plan: Plan = EVERYBODY,
    ) -> Observation:
        """What the crops of the planned people show."""
        first = people.square[:, JOINTS:].astype(np.float64)
        squares = square_around(view.letterbox.px_from_square(people.square))
        order = np.argsort(-(plan.priority(squares) if plan.priority else people.score))
        keypoints, scores = first.copy(), np.zeros(first.shape[:2])
        done = np.zeros(len(order), bool)
        for rows in _parts(order, plan.budget_ms):
            crops = cut_crops(image, squares[rows])
            found, score = decode_keypoints(self.engine(crops.pixels))
            px = crops.px_from_crop(found.cpu().numpy())
            keypoints[rows] = view.letterbox.square_from_px(px)
            scores[rows] = score.cpu().numpy()
            done[rows] = True
        extent = np.maximum(np.ptp(people.square, axis=1).max(axis=1) / 2, 1e-6)
        identities = self._identities(maps, people, keypoints)
        inputs = gate_inputs(keypoints, scores, first, extent, identities)
        distance = np.linalg.norm(keypoints - first, axis=2) / extent[:, None]
        return Observation(keypoints, scores, distance, inputs, extent, done)

    def _identities(self, maps: InferenceMaps, people: FirstPeople, at: Floats) -> Identities:
        network, device = self._network, maps.joint_instance.device
        cells = cell_from_square(torch.from_numpy(at.reshape(-1, 2)), maps.joint_instance.shape[3])
        cells = cells.to(device)
        features = sample_at(maps.joint_instance, torch.zeros_like(cells[:, 0]), cells).float()
        own = torch.from_numpy(people.center_instance).to(device)
        keypoints = torch.nn.functional.normalize(network.project_joint(features), dim=-1)
        centers = torch.nn.functional.normalize(network.project_center(own), dim=-1)
        return Identities(centers.cpu().numpy(), keypoints.reshape(*at.shape[:2], -1).cpu().numpy())


def refined_score(score: Floats, seen: Observation) -> Floats:
    """Score of people [N], 0 to 1: the geometric mean of the first one and of the keypoints', times
    the agreement of both poses."""
    total = np.maximum(seen.scores.sum(axis=1), 1e-6)
    disagreement = (seen.scores * np.minimum(seen.distance, 1)).sum(axis=1) / total
    return np.asarray(np.sqrt(score * seen.scores.mean(axis=1)) * (1 - disagreement))


def _parts(order: npt.NDArray[np.int64], budget_ms: float | None) -> Any:
    """Parts of an order: of TOGETHER people; with a budget of one, as long as another is expected
    to end within it."""
    start = time.perf_counter()
    step = TOGETHER if budget_ms is None else 1
    for first in range(0, len(order), step):
        if budget_ms is not None and first:
            passed = 1e3 * (time.perf_counter() - start)
            if passed * (first + 1) / first > budget_ms:
                return
        yield order[first : first + step]


def _duplicates(
    keypoints: Floats, extent: Floats, score: Floats, done: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    """People whose keypoints are those of somebody with a higher score."""
    duplicate = np.zeros(len(score), bool)
    order = np.flatnonzero(done)[np.argsort(-score[done])]
    for n, person in enumerate(order):
        before = order[:n][~duplicate[order[:n]]]
        apart = np.linalg.norm(keypoints[before] - keypoints[person], axis=2).mean(axis=1)
        duplicate[person] = (apart < SAME_PERSON * np.minimum(extent[before], extent[person])).any()
    return duplicate
