"""Train the lifter: from a first pose and the joints seen around it to a better pose.

All else of the network rests. It is run on labelled scenes as it will be used; each person found
gives a sample: the first pose, the evidence of the joints, the truth. Rendered people's joints
are seen worse than photographed ones', and a lifter that has met only those distrusts them. So for
every other sample the evidence is made of the true joints, with errors of all sizes.
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
from icl_mesh.body.posing import Poser
from icl_mesh.camera import project_from_weak
from icl_mesh.decoding import REGRESSED_JOINTS, decode_maps
from icl_mesh.engine import create_engine
from icl_mesh.letterbox import Letterbox
from icl_mesh.lifting import find_evidence, in_metres, moved_camera, square_joints
from icl_mesh.network import IclMeshNetwork
from icl_mesh.network.lifter import Lifted, PoseLifter
from icl_mesh.preprocessing import preprocess
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.data.files import read_image
from icl_mesh_training.losses import procrustes_align
from icl_mesh_training.provenance import git_revision
from icl_mesh_training.scenes.labels import OUTSIDE, VISIBLE, SceneLabels

Samples = dict[str, torch.Tensor]

#: Input sizes at which people are looked for, in turns: evidence is as coarse as the map.
SIZES = (288, 384)
THRESHOLD = 0.2
#: A person is found where their joints are off by less than this share of the person's extent.
_NEAR = 0.35
_MIN_VISIBLE = 0.1


def train_lifter(
    weights: str | Path,
    scenes: Path,
    out: Path,
    *,
    body: str | Path = "default",
    limit: int = 4000,
    steps: int = 1500,
    engine: str = "auto",
    seed: int = 0,
) -> dict[str, float]:
    """`icl-mesh-train lifter`: write weights again, with a lifter trained for them.

    body: the weights' body. scenes: folder of rendered scenes; up to limit of them are used, drawn
    by seed, each tenth to measure alone. Returns errors_mm of these. Raises FileNotFoundError or
    ValueError.
    """
    network, metadata = load_weights(weights)
    model = BodyModel.load(body)
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
    # What was measured was measured without it.
    save_weights(out, network, metadata | {"metrics": {}, "git_revision": git_revision()})
    return errors_mm(lifter, model, held_out)


def collect(
    network: IclMeshNetwork,
    body: BodyModel,
    scenes: Sequence[Path],
    engine: str = "auto",
    sizes: Sequence[int] = SIZES,
) -> Samples:
    """People that the network finds in rendered scenes (their .npz), with the truth.

    Returns, for N people: points, flat, truth_points [N, 24, 2] (joints seen, of the first pose and
    true ones, in the image, in metres of the first pose's weak camera), strength [N, 24], state u8
    [N, 24] (as SceneLabels.occlusion), rotations, truth_rotations [N, 22, 3, 3], betas, truth_betas
    [N, 10], joints, truth_joints [N, 24, 3] (metres from the root), weak [N, 3], inverse_focal [N],
    principal [N, 2] (see project_from_weak). Raises ValueError where nobody is found.
    """
    engines = [create_engine(engine, network, "cpu", size) for size in sizes]
    poser, rows = Poser(body), []
    for number, path in enumerate(tqdm(scenes, desc="people", unit="scene")):
        labels = SceneLabels.load(path)
        size = sizes[number % len(sizes)]
        images, letterbox = preprocess(read_image(path.with_suffix(".jpg")), size)
        with torch.inference_mode():
            maps = engines[number % len(sizes)](images)
        found = decode_maps(maps, THRESHOLD, partial(engines[number % len(sizes)].smpl_at, maps))
        if not len(found) or not len(labels):
            continue
        joints = poser.skeletons(found.betas, found.rotations).joints
        joints = joints - joints[:, :1]
        camera = letterbox.camera(labels.camera)
        guessed = square_joints(joints, found.weak, camera)
        evidence = find_evidence(maps.joint_heatmaps.numpy(), found.peaks.image, guessed)
        true = _square_truth(labels, letterbox)
        seen, flat = in_metres(evidence.points, found.weak), in_metres(guessed, found.weak)
        for row, column in _pairs(guessed, true, labels.visible_share):
            turns = Rotation.from_rotvec(labels.pose[column].reshape(-1, 3)).as_matrix()
            rows.append(
                {
                    "points": seen[row],
                    "flat": flat[row],
                    "strength": evidence.strength[row],
                    "rotations": found.rotations[row, :REGRESSED_JOINTS],
                    "betas": found.betas[row],
                    "joints": joints[row],
                    "truth_points": in_metres(true[None, column], found.weak[None, row])[0],
                    "truth_rotations": turns[:REGRESSED_JOINTS],
                    "truth_betas": labels.betas[column],
                    "truth_joints": labels.joints_m[column] - labels.joints_m[column, :1],
                    "state": labels.occlusion[column],
                    "weak": found.weak[row],
                    "inverse_focal": np.float32(1 / camera.focal),
                    "principal": np.array([camera.px, camera.py], np.float32),
                }
            )
    if not rows:
        raise ValueError(f"nobody was found in {len(scenes)} scenes: there is nothing to learn")
    return {
        name: torch.from_numpy(np.stack([row[name] for row in rows])).to(
            torch.uint8 if name == "state" else torch.float32
        )
        for name in rows[0]
    }


def fit(
    lifter: PoseLifter, body: BodyModel, samples: Samples, *, steps: int, seed: int = 0
) -> None:
    """Train the lifter in place, by AdamW at a rate that falls from 0.001, 256 people a step."""
    generator = torch.Generator().manual_seed(seed)
    lifter.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(lifter.parameters(), lr=1e-3, weight_decay=0.02)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1e-3, total_steps=steps, pct_start=min(0.5, 50 / steps)
    )
    count = len(samples["points"])
    for _ in tqdm(range(steps), desc="lifter", unit="step"):
        chosen = torch.randint(count, (min(256, count),), generator=generator)
        batch = {name: value[chosen] for name, value in samples.items()}
        points, strength = imagined(batch["truth_points"], batch["state"], generator)
        real = torch.rand(len(chosen), 1, generator=generator) < 0.5
        points = torch.where(real[..., None], batch["points"], points)
        strength = torch.where(real, batch["strength"], strength)
        loss = lifting_loss(_lifted(lifter, batch, points, strength), body, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    lifter.requires_grad_(False).eval()


def imagined(
    true: torch.Tensor, state: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """True joints [N, 24, 2] in metres, seen with errors; and the strength [N, 24] of each.

    Every person gets spreads and chances of their own. Hidden joints are weak, and sometimes
    somewhere else; joints outside the image, and some others, are not seen at all.
    """
    people, joints = state.shape

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator)

    points = true + 0.03 * normal(people, 1, 1).mul(0.6).exp() * normal(people, joints, 2)
    hidden = state != VISIBLE
    wrong = uniform(people, joints) < 0.2 * uniform(people, 1)
    wrong |= hidden & (uniform(people, joints) < 0.35)
    points = points + 0.2 * wrong[..., None] * normal(people, joints, 2)
    weak, strong = 0.5 * uniform(people, joints), 0.25 + 0.65 * uniform(people, joints)
    unseen = (uniform(people, joints) < 0.4 * uniform(people, 1)) | (state == OUTSIDE)
    return points, torch.where(hidden | wrong, weak, strong) * ~unseen


def lifting_loss(lifted: Lifted, body: BodyModel, batch: Samples) -> torch.Tensor:
    """Turns, joints in space, joints in the image, shape; weights as they balance at the start."""
    joints = _joints(lifted, body)
    turns = (lifted.rotations - batch["truth_rotations"]).square().sum((-1, -2)).add(1e-6).sqrt()
    weak = batch["weak"]
    camera = moved_camera(weak, lifted.camera), batch["inverse_focal"], batch["principal"]
    flat = in_metres(project_from_weak(joints, *camera), weak)
    inside = batch["state"] != OUTSIDE
    apart = (flat - batch["truth_points"]).norm(dim=-1).clamp(max=1.0)[inside]
    return (
        2.0 * turns[:, 1:].mean()
        + 0.7 * turns[:, 0].mean()
        + 6.0 * (joints - batch["truth_joints"]).norm(dim=-1).mean()
        + 10.0 * apart.mean()
        + 0.1 * (lifted.betas - batch["truth_betas"]).norm(dim=-1).mean()
    )


@torch.inference_mode()
def errors_mm(lifter: PoseLifter, body: BodyModel, samples: Samples) -> dict[str, float]:
    """MPJPE and PA-MPJPE of the first poses and of the lifted ones, mm, over all samples."""
    true = samples["truth_joints"]
    lifted = _joints(_lifted(lifter, samples, samples["points"], samples["strength"]), body)
    result = {}
    for name, joints in (("first", samples["joints"]), ("lifted", lifted)):
        aligned = procrustes_align(joints, true)
        result[f"{name}_mpjpe_mm"] = 1000 * (joints - true).norm(dim=-1).mean().item()
        result[f"{name}_pa_mpjpe_mm"] = 1000 * (aligned - true).norm(dim=-1).mean().item()
    return result


def _lifted(
    lifter: PoseLifter, samples: Samples, points: torch.Tensor, strength: torch.Tensor
) -> Lifted:
    first = (samples[name] for name in ("rotations", "betas", "flat"))
    return lifter(points, strength, *first)


def _joints(lifted: Lifted, body: BodyModel) -> torch.Tensor:
    hands = torch.eye(3).expand(len(lifted.betas), 24 - REGRESSED_JOINTS, 3, 3)
    joints = body.joints(lifted.betas, torch.cat((lifted.rotations, hands), dim=1))
    return joints - joints[:, :1]


def _square_truth(labels: SceneLabels, letterbox: Letterbox) -> np.ndarray:
    """True joints [T, 24, 2] in square coordinates; far off where they are behind the camera."""
    return np.nan_to_num(letterbox.square_from_px(labels.joints_px.astype(np.float64)), nan=10.0)


def _pairs(guessed: np.ndarray, true: np.ndarray, visible: np.ndarray) -> list[tuple[int, int]]:
    """One-to-one pairs of people found and true people who are seen, close to each other."""
    extent = np.linalg.norm(np.ptp(true, axis=1), axis=1)
    apart = np.linalg.norm(guessed[:, None] - true[None], axis=3).mean(axis=2) / extent
    apart[:, visible < _MIN_VISIBLE] = np.inf
    cost = np.minimum(apart, 10.0)
    rows, columns = linear_sum_assignment(cost)
    return [(r, c) for r, c in zip(rows, columns, strict=True) if apart[r, c] < _NEAR]
