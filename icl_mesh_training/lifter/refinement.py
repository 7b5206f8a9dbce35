"""Estimate a network's refinement statistics (icl_mesh.network.refinement) on rendered scenes.

The first stage runs as in inference; each person that it detects is compared with the truth. The
errors of pose, camera and shape give the prior of the fit, the keypoints in the person's crop the
gate: which of them are correct and this person's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh.decode.reader import Evidence, FirstPeople
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import weak_perspective_from_root
from icl_mesh.geometry.view import View
from icl_mesh.keypoint_weights import load_keypoint_weights
from icl_mesh.network import InferenceMaps
from icl_mesh.network.constants import ROTATIONS
from icl_mesh.network.refinement import GATE_INPUTS, Refinement
from icl_mesh.people import People
from icl_mesh.refinement.gate import own_probability
from icl_mesh.refinement.second_stage import Observation
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.data.files import read_image
from icl_mesh_training.evaluation.metrics import area_under_curve, match_people
from icl_mesh_training.evaluation.truth import truth_of_scene
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels
from icl_mesh_training.training.provenance import git_revision

Floats = npt.NDArray[np.floating[Any]]

#: Least score of the people to learn from, and least visible share of true ones.
THRESHOLD, MIN_VISIBLE = 0.2, 0.1
#: A keypoint is correct within this distance, in half extents of the person.
CORRECT = 0.1
#: Share of the samples with the largest errors, which the covariance leaves out: other people, or
#: poses that are wrong as a whole.
OUTLIERS = 0.05
#: Weight of the diagonal in the covariance (shrinkage), since samples are few.
SHRINKAGE = 0.1
#: Added to every variance: some joints hardly move in motion capture, and the precision must lie
#: within the range of float16.
LEAST_VARIANCE = 1e-3


class Samples(NamedTuple):
    """errors [N, 79] of first-stage people, in the unknowns of the fit; inputs [M, 7] of the gate
    and correct [M], of their keypoints inside the image."""

    errors: Floats
    inputs: Floats
    correct: npt.NDArray[np.bool_]


def estimate_refinement(
    weights: str | Path,
    scenes: Path,
    out: Path,
    *,
    body: str | Path = "default",
    limit: int = 2000,
    engine: str = "auto",
    refined_threshold: float | None = None,
) -> dict[str, float]:
    """`icl-mesh-train refinement`: write the weights with the statistics of a folder of scenes.

    The last tenth of the scenes is held out. refined_threshold: stored with the weights. Returns
    figures of the gate on the held-out scenes. Raises FileNotFoundError or ValueError.
    """
    network, metadata = load_weights(weights)
    files = sorted(scenes.glob("*.npz"))[:limit]
    if len(files) < 10:
        raise ValueError(f"{scenes}: a refinement needs 10 rendered scenes (.npz) or more")
    out.parent.mkdir(parents=True, exist_ok=True)  # not after minutes of work
    network.refinement = Refinement()
    estimator = Estimator(
        network,
        BodyModel.load(body),
        input_size=metadata["input_size"],
        threshold=THRESHOLD,
        device="cpu",
        engine=engine,
        keypoints=load_keypoint_weights()[0],
    )
    seen = len(files) - len(files) // 10
    train, held_out = collect(estimator, files[:seen]), collect(estimator, files[seen:])
    gate = fit_gate(train.inputs, train.correct)
    network.refinement.precision.copy_(torch.from_numpy(precision_of(train.errors)))
    network.refinement.gate.copy_(torch.from_numpy(gate))
    if refined_threshold is not None:
        metadata["refined_threshold"] = refined_threshold
    save_weights(out, network, metadata | {"git_revision": git_revision()}, half=True)
    probability = own_probability(held_out.inputs, gate)
    return {
        "people": len(train.errors),
        "correct": float(held_out.correct.mean()),
        "auc_score": area_under_curve(held_out.inputs[:, 0], held_out.correct) or np.nan,
        "auc_gate": area_under_curve(probability, held_out.correct) or np.nan,
        "brier_gate": float(np.square(probability - held_out.correct).mean()),
    }


def collect(estimator: Estimator, scenes: Sequence[Path]) -> Samples:
    """Samples of the people that an estimator detects in scenes (their .npz). Raises ValueError if
    nobody is detected."""
    parts = []
    for path in tqdm(scenes, desc="people", unit="scene"):
        labels = SceneLabels.load(path)
        if len(labels):
            parts += _of_scene(estimator, read_image(path.with_suffix(".jpg")), labels)
    if not parts:
        raise ValueError(f"nobody was found in {len(scenes)} scenes: there is nothing to learn")
    return Samples(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def _of_scene(
    estimator: Estimator, image: npt.NDArray[np.uint8], labels: SceneLabels
) -> list[Samples]:
    stage, seen = estimator.second_stage, list[Observation]()
    assert stage is not None

    def observe(
        image: npt.NDArray[np.uint8], view: View, maps: InferenceMaps, people: FirstPeople, _: None
    ) -> Evidence:
        """Keeps what the stage observes, and leaves people as they are."""
        seen.append(stage.observe(image, view, maps, people))
        nobody = np.zeros(len(people.score), bool)
        keypoints = seen[0].keypoints.astype(np.float32)
        weight = np.zeros(keypoints.shape[:2], np.float32)
        return Evidence(keypoints, weight, people.score, nobody, nobody)

    estimator.second_stage = observe  # type: ignore[assignment]
    try:
        people = estimator(image, labels.camera)
    finally:
        estimator.second_stage = stage
    truth = truth_of_scene(labels, estimator.body, MIN_VISIBLE)
    known = labels.visible_share >= MIN_VISIBLE
    rows, columns = match_people(
        people.joints_px, truth.points_px[known], labels.occlusion[known] < OUTSIDE
    )
    if not len(rows):
        return []
    columns = np.flatnonzero(known)[columns]
    # Evidence.kept has sorted the people by their scores, which find() had sorted already.
    view, observation = View.of(labels.camera, estimator.input_size), seen[0]
    assert truth.keypoints is not None
    true = view.letterbox.square_from_px(truth.keypoints[columns, :, :2])
    apart = np.linalg.norm(observation.keypoints[rows] - true, axis=2)
    inside = truth.keypoints[columns, :, 2] > 0
    return [
        Samples(
            _errors(people.select(rows), labels, columns, view),
            observation.inputs[rows][inside],
            (apart < CORRECT * observation.extent[rows, None])[inside],
        )
    ]


def _errors(
    people: People, labels: SceneLabels, columns: npt.NDArray[np.int64], view: View
) -> Floats:
    """What takes people to the true ones of columns, in the unknowns of the fit."""
    count = len(people)
    true = Rotation.from_rotvec(labels.pose[columns, :ROTATIONS].reshape(-1, 3))
    first = Rotation.from_matrix(people.rotations[:, :ROTATIONS].reshape(-1, 3, 3))
    increments = (first.inv() * true).as_rotvec().reshape(count, -1)
    root = labels.joints_m[columns, 0].astype(np.float64)
    weak_camera = people.weak_camera.astype(np.float64)
    change = (weak_perspective_from_root(root, view.square) - weak_camera) / weak_camera[:, :1]
    betas = labels.betas[columns] - people.betas
    return np.concatenate((increments, np.log1p(change[:, :1]), change[:, 1:], betas), axis=1)


def precision_of(errors: Floats) -> npt.NDArray[np.float32]:
    """Errors [N, 79] -> inverse of their second moments about zero [79, 79], without OUTLIERS."""
    variance = np.square(errors).mean(axis=0) + LEAST_VARIANCE
    size = (np.square(errors) / variance).sum(axis=1)
    kept = errors[size <= np.quantile(size, 1 - OUTLIERS)]
    moments = kept.T @ kept / len(kept)
    diagonal = np.diag(np.diag(moments))
    covariance = (1 - SHRINKAGE) * moments + SHRINKAGE * diagonal
    inverse = np.linalg.inv(covariance + LEAST_VARIANCE * np.eye(len(covariance)))
    return ((inverse + inverse.T) / 2).astype(np.float32)


def fit_gate(inputs: Floats, correct: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Logistic regression of correct [M] on inputs [M, 7]: weights and bias [8]."""

    def loss(gate: Floats) -> tuple[float, Floats]:
        logit = inputs @ gate[:GATE_INPUTS] + gate[GATE_INPUTS]
        value = (np.logaddexp(0, logit) - logit * correct).mean()
        slope = own_probability(inputs, gate) - correct
        return value, np.append(slope @ inputs, slope.sum()) / len(slope)

    found = minimize(loss, np.zeros(GATE_INPUTS + 1), jac=True, method="L-BFGS-B")
    return np.asarray(found.x, np.float32)
