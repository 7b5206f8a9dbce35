"""People that Reader.refine is tested with, and a reader that holds them."""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from kernel_cases import READER_RULES, geometry
from oracle_refine import Bodies, Projector, rotations_of

from icl_mesh import kernels
from icl_mesh.body import BodyModel
from icl_mesh.body.kinematics import BodyKinematics
from icl_mesh.body.rig import KEYPOINT_BONE, KEYPOINT_JOINT, KeypointRig
from icl_mesh.geometry.camera import SquareCamera

BODY = BodyModel.load()
#: That of kernel_cases.geometry, but for the focal length.
SQUARE = SquareCamera(1.575, 1.575, 0.0, 0.0)
PROJECTOR = Projector(BODY, SQUARE)
RULES: dict[str, Any] = {"sigma": 0.03, "robust": 0.1, "iterations": 10}
SIDE = 36


class People(NamedTuple):
    rotations: np.ndarray  # [N, 24, 3, 3]
    betas: np.ndarray  # [N, 10]
    weak_camera: np.ndarray  # [N, 3]

    def bodies(self) -> Bodies:
        return Bodies.of(*self)

    def keypoints(self) -> np.ndarray:
        """[N, 17, 2] in the square."""
        return PROJECTOR.keypoints(self.bodies()).numpy().astype(np.float32)


def someone(count: int, seed: int = 0, bent: float = 0.4) -> People:
    """Random people, upright or not, some metres away."""
    rng = np.random.default_rng(seed)
    turns = bent * rng.normal(size=(count, 24, 3))
    turns[:, 0] = rng.normal(size=(count, 3))
    scale = rng.uniform(0.3, 0.8, (count, 1))
    weak = np.hstack((scale, rng.uniform(-0.5, 0.5, (count, 2)))).astype(np.float32)
    return People(rotations_of(turns), rng.normal(size=(count, 10)).astype(np.float32), weak)


def beside(people: People, seed: int = 1, bent: float = 0.15) -> People:
    """Those people, a bit moved."""
    rng = np.random.default_rng(seed)
    count = len(people.betas)
    turns = rotations_of(bent * rng.normal(size=(count, 24, 3)))
    turns[:, 22:] = np.eye(3)
    weak = people.weak_camera.copy()
    weak[:, 0] *= np.exp(rng.normal(0, 0.05, count)).astype(np.float32)
    weak[:, 1:] += rng.normal(0, 0.05, (count, 2)).astype(np.float32)
    betas = people.betas + rng.normal(0, 0.5, (count, 10)).astype(np.float32)
    return People(people.rotations @ turns, betas, weak)


def prior(strength: float = 1.0) -> np.ndarray:
    return strength * np.diag([10.0] * 66 + [20.0] * 3 + [1.0] * 10).astype(np.float32)


def correlated_prior() -> np.ndarray:
    mixed = np.linalg.qr(np.random.default_rng(2).normal(size=(79, 79)))[0]
    correlation = 0.7 * np.eye(79) + 0.3 * mixed @ np.diag(np.linspace(0.1, 3, 79)) @ mixed.T
    scale = np.sqrt(np.diag(prior()).astype(float))
    return (scale[:, None] * correlation * scale).astype(np.float32)


def fitted_reader(
    people: People, precision: np.ndarray | None, k: ModuleType, **rules: Any
) -> kernels.Reader:
    """A reader that holds these people, as if it had read them from maps."""
    rest, directions, parents = BodyKinematics(BODY).skeleton_tables
    count = len(people.betas)
    reader = k.Reader(
        rules=k.Rules(**READER_RULES),
        body=k.Body(
            rest=rest.reshape(24, 3),
            rest_directions=np.ascontiguousarray(directions).reshape(10, 24, 3),
            parents=parents,
            keypoint_joint=KEYPOINT_JOINT,
            keypoint_bone=KEYPOINT_BONE,
            keypoint_offset=np.ascontiguousarray(KeypointRig(BODY).offsets),
        ),
        center_projector=np.tile(np.eye(64, dtype=np.float32), (3, 1, 1)),
        joint_projector=np.tile(np.eye(64, dtype=np.float32), (3, 1, 1)),
        lifter=None,
        keypoint_fit=None
        if precision is None
        else k.KeypointFit(precision=precision, **RULES | rules),
    )
    heat = np.zeros((1, 1, SIDE, SIDE), np.float32)
    for n in range(count):
        heat[0, 0, 2 + 4 * (n // 8), 2 + 4 * (n % 8)] = 0.9
    reader.set_view(geometry(k), None)
    reader.read_from(
        center_heatmap=heat,
        joint_heatmaps=np.zeros((1, 24, SIDE, SIDE), np.float32),
        camera=np.zeros((1, 3, SIDE, SIDE), np.float32),
        center_instance=np.ones((1, 64, SIDE, SIDE), np.float32),
        joint_instance=np.ones((1, 64, SIDE, SIDE), np.float32),
    )
    assert reader.find(0.5) == count
    upright = np.concatenate((np.tile([1, 0, 0, 0, 1, 0], 22), np.zeros(10)))
    assert reader.fit(np.tile(upright, (count, 1)).astype(np.float32)) == count
    for name, values in people._asdict().items():
        reader.views()[name][:count] = values
    return reader


def refined(
    people: People,
    points: np.ndarray,
    weight: np.ndarray,
    precision: np.ndarray,
    k: ModuleType = kernels.compiled,
    **rules: Any,
) -> People:
    reader = fitted_reader(people, precision, k, **rules)
    reader.refine(points, weight)
    views = reader.views()
    return People(*(views[name][: len(people.betas)].copy() for name in People._fields))


def seen(count: int) -> np.ndarray:
    return np.ones((count, 17), np.float32)


def errors_m(people: People, points: np.ndarray) -> np.ndarray:
    """Of the keypoints in the image [N, 17], m of the body."""
    return np.linalg.norm(people.keypoints() - points, axis=2) / people.weak_camera[:, :1]
