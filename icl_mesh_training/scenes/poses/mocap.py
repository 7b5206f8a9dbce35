"""Poses of a motion-capture file."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh_training.scenes.poses.pose import Pose

FloatArray = npt.NDArray[np.float64]
#: In the CMU database, salsa clips NN and NN + 15 are the two partners of one dance.
PARTNER_OFFSET = 15


class MocapPoses:
    """Poses of SMPL's 24 joints from an .npz with ``poses`` [N, 24, 3] (rotation vectors, y up),
    ``trans`` [N, 3] m, ``clip`` [N] and ``clip_names``.

    Raises FileNotFoundError for a missing file, ValueError for one that lacks these arrays.
    """

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"motion-capture file {path} does not exist")
        with np.load(path, allow_pickle=False) as data:
            missing = {"poses", "trans", "clip", "clip_names"} - set(data.files)
            if missing:
                raise ValueError(f"motion-capture file {path} lacks {sorted(missing)}")
            self._poses = data["poses"]
            self._trans = data["trans"].astype(np.float64)
            clip = data["clip"]
            names = [str(n) for n in data["clip_names"]]
        if self._poses.ndim != 3 or self._poses.shape[1:] != (24, 3):
            raise ValueError(f"poses in {path} must be [N, 24, 3], got {self._poses.shape}")
        frames = {name: np.flatnonzero(clip == i) for i, name in enumerate(names)}
        self._pairs = _partners(frames)

    def sample(self, rng: np.random.Generator) -> Pose:
        """One random frame."""
        return self._pose(int(rng.integers(len(self._poses))))

    def sample_pair(self, rng: np.random.Generator) -> tuple[list[Pose], FloatArray] | None:
        """Two dance partners in one frame: poses and root positions [2, 3] (m, y up, common
        frame); None where the file has no partners."""
        if not self._pairs:
            return None
        first, second = self._pairs[int(rng.integers(len(self._pairs)))]
        at = int(rng.integers(min(len(first), len(second))))
        frames = [int(first[at]), int(second[at])]
        return [self._pose(f) for f in frames], self._trans[frames]

    def _pose(self, frame: int) -> Pose:
        rotvec = self._poses[frame].astype(np.float64)
        up = Rotation.from_rotvec(rotvec[0]).apply([0.0, 1.0, 0.0])
        return Pose(rotvec, lying=bool(up[1] < 0.4))


def _partners(
    frames: dict[str, npt.NDArray[np.int64]],
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    salsa = {}
    for name, index in frames.items():
        match = re.search(r"salsa/(\d+)", name)
        if match:
            salsa[int(match.group(1))] = index
    return [
        (salsa[n], salsa[n + PARTNER_OFFSET]) for n in sorted(salsa) if n + PARTNER_OFFSET in salsa
    ]
