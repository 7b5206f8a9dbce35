"""Samples active poses (dancing, fighting) from a Gaussian mixture over body poses.

It replaces a motion-capture file, to which tools/fit_pose_distribution.py fitted it. It holds no
captured poses.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh_training.scenes.poses.pose import JOINTS, Pose

FloatArray = npt.NDArray[np.float64]

#: Three angles of each of the joints 0 to 21; hands are not rotated.
SIZE = 66
ASSET = "pose_distribution.npz"


class PoseDistribution:
    """Mixture of K Gaussians over [66]: rotation vectors, rad, of the root without its yaw and of
    joints 1 to 21. Samples are clipped to ``low`` and ``high`` [66]."""

    def __init__(self) -> None:
        path = resources.files("icl_mesh_training") / "assets" / ASSET
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            self._weights = data["weights"].astype(np.float64)
            self._means = data["means"].astype(np.float64)
            self._factors = data["factors"].astype(np.float64)
            self.low, self.high = (data[name].astype(np.float64) for name in ("low", "high"))
        self._weights /= self._weights.sum()

    def sample(self, rng: np.random.Generator) -> Pose:
        """One random pose."""
        k = int(rng.choice(len(self._weights), p=self._weights))
        drawn = self._means[k] + self._factors[k] @ rng.normal(size=self._factors.shape[2])
        rotvec = np.zeros((JOINTS, 3))
        rotvec[:22] = np.clip(drawn, self.low, self.high).reshape(22, 3)
        up = Rotation.from_rotvec(rotvec[0]).apply([0.0, 1.0, 0.0])
        return Pose(rotvec, lying=bool(up[1] < 0.4))


def features(rotvec: FloatArray) -> FloatArray:
    """Rotation vectors [N, 24, 3] -> [N, 66]; the root's yaw (about y) is removed."""
    root = Rotation.from_rotvec(rotvec[:, 0])
    ahead = root.apply([0.0, 0.0, 1.0])
    yaw = np.arctan2(ahead[:, 0], ahead[:, 2])
    level = Rotation.from_rotvec(np.stack((0 * yaw, -yaw, 0 * yaw), axis=1)) * root
    return np.concatenate((level.as_rotvec(), rotvec[:, 1:22].reshape(len(rotvec), -1)), axis=1)
