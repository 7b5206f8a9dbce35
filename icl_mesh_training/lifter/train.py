"""Train the lifter, which refines a first pose by the detected joints around it.

The rest of the network is frozen. It is run on labelled scenes as in inference; each detected
person gives a sample: the first pose, the evidence of the joints, the truth. Joints are detected
less accurately in rendered images than in photos, and a lifter trained on these alone trusts them
too little. So for most samples the evidence is synthetic: true joints with errors (lifting_fit).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.transform import Rotation
from tqdm import tqdm

from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics
from icl_mesh.body.rig import FACE, KEYPOINT_BONE, KeypointRig
from icl_mesh.decode.evidence import gather_evidence
from icl_mesh.decode.lifter import in_metres, lifter_inputs, square_points
from icl_mesh.decode.peaks import REGRESSED_JOINTS, Detections, decode_maps
from icl_mesh.engine import create_engine
from icl_mesh.geometry.letterbox import Letterbox
from icl_mesh.geometry.view import View
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.lifter import PoseLifter
from icl_mesh.preprocess.host import preprocess
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.data.files import read_image
from icl_mesh_training.evaluation.truth import truth_of_scene
from icl_mesh_training.lifter.fit import Samples, fit, in_image, lift_samples
from icl_mesh_training.losses.terms import procrustes_align
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.training.provenance import git_revision

#: Input sizes, used in alternation: the precision of the evidence depends on the map size.
SIZES = (288, 384)
THRESHOLD = 0.2
#: A detection matches a person if its joint error is below this share of the person's extent.
_NEAR = 0.35
_MIN_VISIBLE = 0.1


def train_lifter(
    weights: str | Path,
    scenes: Path,
    out: Path,
    *,
    body: str | Path = "default",
    limit: int = 8000,
    steps: int = 4000,
    engine: str = "auto",
    seed: int = 0,
) -> dict[str, float]:
    """`icl-mesh-train lifter`: write weights with a lifter trained for them.

    body: the weights' body. scenes: folder of rendered scenes; up to limit of them are used, drawn
    by seed, every tenth for measurement only. Returns errors_mm on these. Raises FileNotFoundError
    or ValueError.
    """
    network, metadata = load_weights(weights)
    model = BodyModel.load(body)
    out.parent.mkdir(parents=True, exist_ok=True)  # not after minutes of training
    files = sorted(scenes.glob("*.npz"))
    if len(files) < 10:
        raise ValueError(f"{scenes}: a lifter needs 10 rendered scenes (.npz) or more")
    order = np.random.default_rng(seed).permutation(len(files))[:limit]
    chosen = [files[index] for index in order]
    seen = collect(network, model, [f for n, f in enumerate(chosen) if n % 10], engine)
    held_out = collect(network, model, chosen[::10], engine)
    torch.manual_seed(seed)
    network.lifter = None
    lifter = network.add_lifter()
    fit(lifter, model, seen, steps=steps, seed=seed)
    # The metrics of the input weights were measured without this lifter.
    save_weights(out, network, metadata | {"metrics": {}, "git_revision": git_revision()})
    return errors_mm(lifter, model, held_out)


def collect(
    network: IclMeshNetwork,
    body: BodyModel,
    scenes: Sequence[Path],
    engine: str = "auto",
    sizes: Sequence[int] = SIZES,
) -> Samples:
    """Samples of people that the network detects in rendered scenes (their .npz), with the truth.

    Returns, for N people: the fields of LifterInputs; rotations [N, 22, 3, 3], betas [N, 10],
    first_joints [N, 24, 3] (metres from the root) of the first pose; weak_camera [N, 3],
    inverse_focal [N], principal [N, 2] (see project_from_weak); truth_points [N, 24, 2],
    truth_keypoints [N, 17, 2] in the image, in metres of the weak-perspective camera,
    truth_rotations, truth_betas, truth_joints; state u8 [N, 24] (as
    SceneLabels.occlusion); facing [N, 5]: cosine of the angle between the directions of nose, eyes
    and ears and the direction to the camera. Raises ValueError if nobody is detected.
    """
    engines = [create_engine(engine, network, "cpu", size) for size in sizes]
    people, rows = _People(network, body), []
    for number, path in enumerate(tqdm(scenes, desc="people", unit="scene")):
        labels = SceneLabels.load(path)
        engine_now, size = engines[number % len(sizes)], sizes[number % len(sizes)]
        view = View.of(labels.camera, size)
        images = preprocess(read_image(path.with_suffix(".jpg")), view)
        with torch.inference_mode():
            maps = engine_now(images)
        found = decode_maps(maps, THRESHOLD, partial(engine_now.smpl_at, maps))
        if len(found) and len(labels):
            rows += people.of_scene(found, maps, labels, view)
    if not rows:
        raise ValueError(f"nobody was found in {len(scenes)} scenes: there is nothing to learn")
    return {
        name: torch.from_numpy(np.concatenate([row[name] for row in rows])).to(
            torch.uint8 if name == "state" else torch.float32
        )
        for name in rows[0]
    }


class _People:
    """Makes samples of the people detected in scenes."""

    def __init__(self, network: IclMeshNetwork, body: BodyModel) -> None:
        self.channels, self.body = network.keypoint_channels, body
        self.kinematics, self.rig = BodyKinematics(body), KeypointRig(body)

    def of_scene(
        self, found: Detections, maps: InferenceMaps, labels: SceneLabels, view: View
    ) -> list[dict[str, np.ndarray]]:
        """Samples of the detections that match a true person, in one dict or none."""
        skeletons = self.kinematics.skeletons(found.betas, found.rotations)
        camera, letterbox = view.square, view.letterbox
        joints, keypoints = square_points(skeletons, self.rig, found.weak_camera, camera)
        pairs = _pairs(joints, _square_truth(labels, letterbox), labels.visible_share)
        if not pairs:
            return []
        row, column = (np.array(side) for side in zip(*pairs, strict=True))
        found, joints, keypoints = found.select(row), joints[row], keypoints[row]
        evidence = gather_evidence(maps, self.channels, found.peaks, joints, keypoints)
        inputs = lifter_inputs(evidence, joints, keypoints, found.weak_camera, camera)
        count = len(found)
        first = inputs._asdict() | {
            "rotations": found.rotations[:, :REGRESSED_JOINTS],
            "betas": found.betas,
            "first_joints": (skeletons.joints - skeletons.joints[:, :1])[row],
            "weak_camera": found.weak_camera,
            "inverse_focal": np.full(count, 1 / camera.focal),
            "principal": np.tile([camera.px, camera.py], (count, 1)),
        }
        return [first | self.truth(labels, column, letterbox, found.weak_camera)]

    def truth(
        self, labels: SceneLabels, people: np.ndarray, letterbox: Letterbox, weak_camera: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Truth of some people of a scene. weak_camera [N, 3]: of their detections."""
        rotations = Rotation.from_rotvec(labels.pose[people].reshape(-1, 3)).as_matrix()
        rotations = rotations.reshape(-1, 24, 3, 3).astype(np.float32)
        betas, joints = labels.betas[people].astype(np.float32), labels.joints_m[people]
        keypoints = truth_of_scene(labels, self.body, 0.0).keypoints
        assert keypoints is not None  # scenes have all labels
        keypoints = letterbox.square_from_px(keypoints[people, :, :2])
        skeletons, rig = self.kinematics.skeletons(betas, rotations), self.rig
        # The direction from the head joint to a keypoint is that of this part of the face.
        outwards = skeletons.world[:, KEYPOINT_BONE[:FACE]] @ rig.offsets[:FACE, :, None]
        face = rig(skeletons.joints, skeletons.world)[:, :FACE] - skeletons.joints[:, :1]
        toward = face + joints[:, :1]
        return {
            "truth_points": in_metres(_square_truth(labels, letterbox)[people], weak_camera),
            "truth_keypoints": in_metres(np.nan_to_num(keypoints, nan=10.0), weak_camera),
            "truth_rotations": rotations[:, :REGRESSED_JOINTS],
            "truth_betas": betas,
            "truth_joints": joints - joints[:, :1],
            "state": labels.occlusion[people],
            "facing": -(_unit(outwards[..., 0]) * _unit(toward)).sum(axis=2),
        }


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@torch.inference_mode()
def errors_mm(lifter: PoseLifter, body: BodyModel, samples: Samples) -> dict[str, float]:
    """MPJPE and PA-MPJPE of the first poses and of the lifted ones, mm, over all samples."""
    true, rig = samples["truth_joints"], KeypointRig(body)
    last = lift_samples(lifter, body, rig, samples)[-1]
    lifted = in_image(last, body, rig, samples)[0]
    result = {}
    for name, joints in (("first", samples["first_joints"]), ("lifted", lifted)):
        aligned = procrustes_align(joints, true)
        result[f"{name}_mpjpe_mm"] = 1000 * (joints - true).norm(dim=-1).mean().item()
        result[f"{name}_pa_mpjpe_mm"] = 1000 * (aligned - true).norm(dim=-1).mean().item()
    return result


def _square_truth(labels: SceneLabels, letterbox: Letterbox) -> np.ndarray:
    """True joints [T, 24, 2] in square coordinates; 10 where they are behind the camera."""
    return np.nan_to_num(letterbox.square_from_px(labels.joints_px.astype(np.float64)), nan=10.0)


def _pairs(guessed: np.ndarray, true: np.ndarray, visible: np.ndarray) -> list[tuple[int, int]]:
    """One-to-one pairs of detections and visible true people that match by _NEAR."""
    extent = np.linalg.norm(np.ptp(true, axis=1), axis=1)
    apart = np.linalg.norm(guessed[:, None] - true[None], axis=3).mean(axis=2) / extent
    apart[:, visible < _MIN_VISIBLE] = np.inf
    cost = np.minimum(apart, 10.0)
    rows, columns = linear_sum_assignment(cost)
    return [(r, c) for r, c in zip(rows, columns, strict=True) if apart[r, c] < _NEAR]
