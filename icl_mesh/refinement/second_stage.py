"""From people of the first stage to what their bodies are fitted to."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.decode.keypoints import decode_keypoints
from icl_mesh.decode.reader import Evidence, FirstPeople
from icl_mesh.engine.keypoints import KeypointEngine
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.constants import INSTANCE_CHANNELS, JOINTS
from icl_mesh.network.sampling import cell_from_square, sample_at
from icl_mesh.preprocess.crops import cut_crops, square_around
from icl_mesh.refinement.assignment import duplicates, lost_keypoints
from icl_mesh.refinement.budget import Budget, Corrections
from icl_mesh.refinement.gate import Seen, gate_inputs, half_side, own_probability

Floats = npt.NDArray[np.floating[Any]]

#: People per call of the network: bounds the memory of crops and maps.
TOGETHER = 8
#: Share of the weight of a crop's keypoints that must be the person's own.
LEAST_OWN = 0.5
#: Factor of the score of a person whose crop shows somebody else.
UNSEEN = 0.5


class Observation(NamedTuple):
    """Of N people, in square coordinates: keypoints of the first poses [N, 17, 2]; keypoints
    [N, 17, 2] and scores [N, 17] of the second stage; inputs [N, 17, 7] of the gate; squares [N, 3]
    in the image (centre, side, px); extent [N], half the side of the box around a person; done [N]:
    who was looked at (the others have keypoints of their first poses)."""

    first: Floats
    keypoints: Floats
    scores: Floats
    inputs: Floats
    squares: Floats
    extent: Floats
    done: npt.NDArray[np.bool_]

    @property
    def offset(self) -> Floats:
        """Keypoints from those of the first poses [N, 17, 2], in half extents."""
        return np.asarray((self.keypoints - self.first) / self.extent[:, None, None])


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
        budget: Budget | None = None,
    ) -> Evidence:
        """Evidence for the fit of the N people. image: RGB uint8 [H, W, 3], as of the maps. budget:
        of this camera; None: everybody is refined."""
        seen = self.observe(image, view, maps, people, budget)
        weight = own_probability(seen.inputs, self._gate) * seen.done[:, None]
        score = np.where(seen.done, refined_score(people.score, seen), people.score)
        keypoints, refined = seen.keypoints, seen.done
        if budget is not None:
            keypoints, refined = _carry(budget, seen, weight, score)
        duplicate = refined & duplicates(keypoints, seen.first, seen.extent, score)
        rivals = np.flatnonzero(refined & ~duplicate)
        lost = lost_keypoints(keypoints[rivals], seen.first[rivals], seen.extent[rivals])
        before = weight.sum(axis=1)
        weight[rivals] *= ~lost
        # Whose crop shows somebody else is hidden, or was detected twice. The few keypoints that
        # are left are no evidence, so that the first pose stays.
        unseen = refined & (weight.sum(axis=1) < LEAST_OWN * before)
        weight[unseen], score[unseen] = 0, UNSEEN * score[unseen]
        types = keypoints.astype(np.float32), weight.astype(np.float32)
        return Evidence(*types, score, refined, duplicate)

    @torch.inference_mode()
    def observe(
        self,
        image: npt.NDArray[np.uint8],
        view: View,
        maps: InferenceMaps,
        people: FirstPeople,
        budget: Budget | None = None,
    ) -> Observation:
        """What the people's crops show."""
        first = people.square[:, JOINTS:].astype(np.float64)
        squares = square_around(view.letterbox.px_from_square(people.square))
        keypoints, scores = first.copy(), np.zeros(first.shape[:2])
        done = np.zeros(len(first), bool)
        everybody = np.arange(len(first))
        parts = (
            (everybody[start : start + TOGETHER] for start in range(0, len(first), TOGETHER))
            if budget is None
            else budget.parts(budget.order(squares, people.score))
        )
        for rows in parts:
            crops = cut_crops(image, squares[rows])
            found, score = decode_keypoints(self.engine(crops.pixels))
            px = crops.px_from_crop(found.cpu().numpy())
            keypoints[rows] = view.letterbox.square_from_px(px)
            scores[rows] = score.cpu().numpy()
            done[rows] = True
        points = people.square
        boxes = np.concatenate((points.min(axis=1), points.max(axis=1)), axis=1)
        identities = self._identities(maps, people, keypoints)
        inputs = gate_inputs(Seen(keypoints, scores, first, boxes, people.score, *identities))
        return Observation(first, keypoints, scores, inputs, squares, half_side(boxes), done)

    def _identities(
        self, maps: InferenceMaps, people: FirstPeople, at: Floats
    ) -> tuple[Floats, Floats]:
        """Unit embeddings of people [N, 64] and at their keypoints [N, 17, 64]."""
        network, device = self._network, maps.joint_instance.device
        cells = cell_from_square(torch.from_numpy(at.reshape(-1, 2)), maps.joint_instance.shape[3])
        cells = cells.to(device)
        features = sample_at(maps.joint_instance, torch.zeros_like(cells[:, 0]), cells).float()
        own = torch.from_numpy(people.center_instance).to(device)
        keypoints = torch.nn.functional.normalize(network.project_joint(features), dim=-1)
        centers = torch.nn.functional.normalize(network.project_center(own), dim=-1)
        shape = *at.shape[:2], INSTANCE_CHANNELS
        return centers.cpu().numpy(), keypoints.reshape(shape).cpu().numpy()


def refined_score(score: Floats, seen: Observation) -> Floats:
    """Score of people [N], 0 to 1: the geometric mean of the first one and of the keypoints', times
    the agreement of both poses."""
    total = np.maximum(seen.scores.sum(axis=1), 1e-6)
    distance = np.minimum(np.linalg.norm(seen.offset, axis=2), 1)
    disagreement = (seen.scores * distance).sum(axis=1) / total
    return np.asarray(np.sqrt(score * seen.scores.mean(axis=1)) * (1 - disagreement))


def _carry(
    budget: Budget, seen: Observation, weight: Floats, score: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Give those who were not looked at their corrections of before, in weight and score in place,
    and remember everybody's. Returns the keypoints and who is refined."""
    offset, age, refined = seen.offset, np.zeros(len(score)), seen.done.copy()
    if (before := budget.carried()) is not None:
        rows, known = before
        late = ~seen.done[rows]
        rows, known = rows[late], Corrections(*(value[late] for value in known))
        offset[rows], weight[rows] = known.offset, known.weight
        score[rows], age[rows] = known.score, known.age
        refined[rows] = True
    remembered = Corrections(seen.squares, offset, weight, score, age)
    budget.remember(Corrections(*(value[refined] for value in remembered)))
    return seen.first + offset * seen.extent[:, None, None], refined
