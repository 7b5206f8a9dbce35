"""Plants a given number of people in the network's maps, independent of the weights.

The real network runs and is timed. Its maps are then replaced by prepared ones of the same shapes
with a known number of people. The SMPL branch runs for these, and its result is replaced too.
Decoding and body process the planted people.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from benchmarks.model import Model
from icl_mesh.decode.peaks import REGRESSED_JOINTS
from icl_mesh.engine import Engine, create_engine
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.rotation import sixd_from_matrix
from icl_mesh.network import InferenceMaps, NetworkMaps
from icl_mesh.network.constants import SCALE_BASE
from icl_mesh.network.single_person import SinglePersonKeypoints

#: People in each of the two rows.
COLUMNS = 4
MAX_PLANTED = 2 * COLUMNS
#: Of people whom the second stage has seen: their crops show nobody.
LEAST_SCORE = 1e-9


def planted_maps(size: int, count: int, seed: int = 0) -> NetworkMaps:
    """Maps [1, ...] of an input of ``size`` px with ``count`` different, upright people inside a
    16:9 image. Other cells are noise. Raises ValueError for more than MAX_PLANTED.
    """
    side = size // 8
    generator = torch.Generator().manual_seed(seed)

    def noise(channels: int) -> torch.Tensor:
        return torch.randn(1, channels, side, side, generator=generator)

    center, camera, smpl = torch.zeros(1, 1, side, side), noise(3), noise(142)
    poses = random_poses(count, seed)
    cells = planted_cells(size, count).tolist()
    for person, ((share_x, share_y), (x, y)) in enumerate(
        zip(_positions(count), cells, strict=True)
    ):
        center[0, 0, y, x] = 0.9 - 0.01 * person
        # A metre is about a third of half the input's side: people are 5 to 8 m away.
        scale = 0.35 - 0.02 * person
        camera[0, :, y, x] = torch.tensor(
            [math.log(scale, SCALE_BASE), 2 * share_x - 1, 2 * share_y - 1]
        )
        smpl[0, : 6 * REGRESSED_JOINTS, y, x] = poses[person].flatten()
    return NetworkMaps(center, noise(24).sigmoid(), camera, noise(64), noise(64), smpl)


def planted_cells(size: int, count: int) -> npt.NDArray[np.int64]:
    """Cells (x, y) of the planted people in the maps of an input of ``size`` px, [count, 2]."""
    return np.array(np.reshape(_positions(count), (count, 2)) * (size // 8), np.int64)


def _positions(count: int) -> list[tuple[float, float]]:
    """Positions (x, y) of the people as shares of the input's side."""
    if not 0 <= count <= MAX_PLANTED:
        raise ValueError(f"people can be planted from 0 to {MAX_PLANTED}, got {count}")
    rows, columns = divmod(np.arange(count), COLUMNS)
    return [((x + 0.5) / COLUMNS, 0.38 + 0.24 * y) for x, y in zip(columns, rows, strict=True)]


def random_poses(count: int, seed: int) -> torch.Tensor:
    """6-D rotations [count, 22, 6]: upright, facing the camera, random joint rotations."""
    rotvec = np.random.default_rng(seed).normal(0, 0.25, (count, REGRESSED_JOINTS, 3))
    rotvec[:, 0] = [math.pi, 0, 0]  # the body's y is up, the camera's y is down
    matrices = Rotation.from_rotvec(rotvec.reshape(-1, 3)).as_matrix()
    return sixd_from_matrix(torch.from_numpy(matrices).float()).view(count, REGRESSED_JOINTS, 6)


class PlantedEngine:
    """Runs both steps of a real engine and returns prepared maps with the real features."""

    def __init__(self, engine: Engine, maps: NetworkMaps) -> None:
        self.engine, self.maps = engine, maps
        self._answer: InferenceMaps | None = None
        self.name = engine.name
        self.device = engine.device

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        features = self.engine(images).features
        # The engine may return the same maps again; the estimator recognises them by identity.
        if self._answer is None or self._answer.features is not features:
            self._answer = InferenceMaps(*self.maps[:5], features)
        return self._answer

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        self.engine.smpl_at(maps, image, cell)
        x, y = cell.T
        return self.maps.smpl[image, :, y, x]


def planted_estimator(
    model: Model,
    size: int,
    count: int,
    engine: str | Engine = "auto",
    keypoints: SinglePersonKeypoints | None = None,
) -> Estimator:
    """The model's estimator on the CPU at an input of ``size`` px. It finds the planted people.

    keypoints: with the second stage, for networks with a refinement, on the people's real crops. It
    drops nobody.
    """
    real = create_engine(engine, model.network, "cpu", size) if isinstance(engine, str) else engine
    planted = PlantedEngine(real, planted_maps(size, count))
    return Estimator(
        model.network,
        model.body,
        input_size=size,
        engine=planted,
        refined_threshold=LEAST_SCORE,
        keypoints=keypoints,
    )
