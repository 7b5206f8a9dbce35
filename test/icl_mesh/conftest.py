"""People at known positions, and the maps that a perfect network would give for them.

The encoder uses its own formulas, not icl_mesh's decoder or camera.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from plain_network import PlainNetwork
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.body.asset import load_default_body
from icl_mesh.geometry.camera import Camera
from icl_mesh.network import NetworkMaps
from icl_mesh.people import People

Array = npt.NDArray[np.float64]


CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writing fails after the first half of a file."""
    make = tempfile.NamedTemporaryFile

    def make_full(*arguments: Any, **options: Any) -> Any:
        file = make(*arguments, **options)

        def write(data: bytes) -> None:
            file.file.write(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        file.write = write
        return file

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", make_full)


@pytest.fixture(scope="session")
def body() -> BodyModel:
    return BodyModel.load("default")


@pytest.fixture(scope="session")
def shifted_body() -> BodyModel:
    """The default body with its pelvis well away from the origin, as SMPL's is."""
    arrays = load_default_body()
    offset = np.array([0.05, -0.23, 0.03], dtype=np.float32)
    return BodyModel(dataclasses.replace(arrays, template=arrays.template + offset))


@dataclass
class Truth:
    """N people in front of a camera: pelvis [N, 3], rotations [N, 24, 3, 3], betas [N, 10]."""

    camera: Camera
    pelvis: Array
    rotations: Array
    betas: Array
    body: BodyModel
    vertices: Array = field(init=False)  # [N, V, 3], camera frame
    joints: Array = field(init=False)  # [N, 24, 3], camera frame

    def __post_init__(self) -> None:
        mesh = self.body(
            torch.from_numpy(self.betas).float(), torch.from_numpy(self.rotations).float()
        )
        joints = mesh.joints.numpy().astype(np.float64)
        shift = self.pelvis[:, None] - joints[:, :1]
        self.joints = joints + shift
        self.vertices = mesh.vertices.numpy() + shift

    def project(self, points: Array) -> Array:
        """Pinhole projection written out: [..., 3] m -> [..., 2] px."""
        x, y, z = np.moveaxis(points, -1, 0)
        c = self.camera
        return np.stack((c.fx * x / z + c.cx, c.fy * y / z + c.cy), axis=-1)


@pytest.fixture
def people_at(body: BodyModel) -> Callable[..., Truth]:
    """(camera, px [N, 2], depths [N], seed) -> people whose pelvis projects to px, in any pose."""

    def make(
        camera: Camera,
        px: npt.ArrayLike,
        depths: npt.ArrayLike,
        *,
        seed: int = 0,
        body: BodyModel = body,
    ) -> Truth:
        px, z = np.asarray(px, dtype=float), np.asarray(depths, dtype=float)
        pelvis = np.stack(
            (
                (px[:, 0] - camera.cx) * z / camera.fx,
                (px[:, 1] - camera.cy) * z / camera.fy,
                z,
            ),
            axis=1,
        )
        generator = np.random.default_rng(seed)
        turns = generator.normal(0, 0.3, (len(z), 24, 3))
        turns[:, 22:] = 0  # hands are not estimated
        rotations = Rotation.from_rotvec(turns.reshape(-1, 3)).as_matrix().reshape(-1, 24, 3, 3)
        # Upright: the body's y is up, the camera's y is down; then any turn.
        upright = Rotation.from_rotvec([np.pi, 0, 0])
        facing = Rotation.from_rotvec(generator.normal(0, 0.8, (len(z), 3)))
        rotations[:, 0] = (facing * upright).as_matrix()
        return Truth(camera, pelvis, rotations, generator.normal(0, 1, (len(z), 10)), body)

    return make


def square_cells(truth: Truth, px: Array, size: int) -> tuple[Array, npt.NDArray[np.int64]]:
    """Pixels [..., 2] -> square coordinates in [-1, 1] and cells (x, y), for a square of `size`."""
    full = np.array([truth.camera.width, truth.camera.height])
    inner = np.maximum(1, np.round(full * size / full.max()))
    square = ((px + 0.5) * inner / full + (size - inner) // 2) / size * 2 - 1
    cells = np.floor((square + 1) / 2 * (size // 8)).astype(np.int64)
    return square, np.clip(cells, 0, size // 8 - 1)


@pytest.fixture
def encode() -> Callable[[Truth, int], NetworkMaps]:
    return encode_people


def encode_people(truth: Truth, size: int) -> NetworkMaps:
    """Maps [1, ...] with each person's parameters at the pelvis' cell and noise everywhere else.

    Person n has the n-th unit vector as centre and joint embedding.
    """
    cells_per_side = size // 8
    generator = torch.Generator().manual_seed(7)

    def noise(channels: int) -> torch.Tensor:
        return torch.randn(1, channels, cells_per_side, cells_per_side, generator=generator)

    camera, smpl, center, joint = noise(3), noise(142), noise(64), noise(64)
    rows, columns = np.mgrid[:cells_per_side, :cells_per_side]
    heat = np.zeros((25, cells_per_side, cells_per_side))
    roots, root_cells = square_cells(truth, truth.project(truth.pelvis), size)
    _, joint_cells = square_cells(truth, truth.project(truth.joints), size)
    full = np.array([truth.camera.width, truth.camera.height])
    unit = 2 * np.maximum(1, np.round(full * size / full.max())) / full / size
    focal = np.sqrt(truth.camera.fx * unit[0] * truth.camera.fy * unit[1])
    for n, (x, y) in enumerate(root_cells):
        bump = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 1.0**2))
        heat[0] = np.maximum(heat[0], bump)
        log_scale = np.log(focal / truth.pelvis[n, 2]) / np.log(1.1)
        camera[0, :, y, x] = torch.tensor([log_scale, *roots[n]])
        six = np.concatenate((truth.rotations[n, :22, :, 0], truth.rotations[n, :22, :, 1]), axis=1)
        smpl[0, :, y, x] = torch.from_numpy(np.concatenate((six.ravel(), truth.betas[n]))).float()
        center[0, :, y, x] = torch.eye(64)[n]
        for j, (u, v) in enumerate(joint_cells[n]):
            bump = np.exp(-((columns - u) ** 2 + (rows - v) ** 2) / (2 * 1.0**2))
            heat[1 + j] = np.maximum(heat[1 + j], bump)
            joint[0, :, v, u] = torch.eye(64)[n]
    maps = torch.from_numpy(heat).float()[None]
    return NetworkMaps(maps[:, :1], maps[:, 1:], camera, center, joint, smpl)


class FixedEngine:
    """Gives the same maps for every image, bodies from their dense map; stores the image."""

    name = "fixed"
    device = torch.device("cpu")

    def __init__(self, maps: NetworkMaps) -> None:
        self.maps = maps
        self.images: torch.Tensor | None = None

    def __call__(self, images: torch.Tensor) -> NetworkMaps:
        self.images = images
        return self.maps

    def smpl_at(
        self, maps: NetworkMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        return maps.smpl[image, :, cell[:, 1], cell[:, 0]]


@pytest.fixture
def fixed_engine() -> type[FixedEngine]:
    return FixedEngine


@pytest.fixture
def plain_network() -> PlainNetwork:
    return PlainNetwork()


@pytest.fixture(scope="session")
def standing(body: BodyModel) -> tuple[Array, Array]:
    """Vertices [V, 3] and joints [24, 3] of an upright person in rest pose, pelvis at 0."""
    rotations = np.tile(np.eye(3), (1, 24, 1, 1))
    rotations[:, 0] = np.diag([1.0, -1.0, -1.0])
    truth = Truth(CAMERA, np.zeros((1, 3)), rotations, np.zeros((1, 10)), body)
    return truth.vertices[0], truth.joints[0]


@pytest.fixture
def make_people(body: BodyModel, standing: tuple[Array, Array]) -> Callable[..., People]:
    """(positions [N, 3], camera, embedding) -> upright people in rest pose, as an estimator
    would report them; embedding rows default to unit vectors 0, 1, ..."""
    with torch.inference_mode():
        pelvis_of_body = body.joints(torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3))[:, 0]

    def make(
        positions: npt.ArrayLike,
        camera: Camera,
        *,
        embedding: npt.ArrayLike | None = None,
        vertices: bool = False,
    ) -> People:
        pelvis = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
        count = len(pelvis)
        if count == 0:
            return People.empty(camera, body, "test", vertices=vertices)
        meshes = standing[0] + pelvis[:, None]
        joints = standing[1] + pelvis[:, None]
        rotations = np.tile(np.eye(3, dtype=np.float32), (count, 24, 1, 1))
        rotations[:, 0] = np.diag([1.0, -1.0, -1.0])
        joints_px = camera.project_bodies(joints, pelvis[:, 2])
        px = camera.project_bodies(meshes, pelvis[:, 2])
        box = np.concatenate((px.min(axis=1), px.max(axis=1)), axis=1)
        box = box.clip(0, [camera.width - 1, camera.height - 1] * 2)
        embedding = np.eye(64)[:count] if embedding is None else np.asarray(embedding)
        return People(
            score=np.full(count, 0.9, np.float32),
            center_px=joints_px[:, 0].astype(np.float32),
            bbox_px=box.astype(np.float32),
            betas=np.zeros((count, 10), np.float32),
            rotations=rotations,
            translation_m=(pelvis - pelvis_of_body.numpy()).astype(np.float32),
            joints_m=joints.astype(np.float32),
            joints_px=joints_px.astype(np.float32),
            joint_confidence=np.full((count, 24), 0.8, np.float32),
            joint_visible=np.ones((count, 24), bool),
            weak_camera=np.ones((count, 3), np.float32),
            embedding=embedding.astype(np.float32),
            vertices_m=meshes.astype(np.float32) if vertices else None,
            camera=camera,
            body=body,
            weights_version="test",
        )

    return make
