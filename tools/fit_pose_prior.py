"""Fit the pose prior of icl_mesh_training/losses/pose_prior.py: a Gaussian mixture over body poses.

    pip install scikit-learn
    PYTHONPATH=. python tools/fit_pose_prior.py MOCAP.npz

Half of the samples are motion capture (an .npz of icl_mesh_training.scenes.poses.mocap), half
everyday poses of icl_mesh_training.scenes.poses.everyday. The file holds only their statistics.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.poses.everyday import EverydayPoses
from icl_mesh_training.scenes.poses.mocap import MocapPoses

OUTPUT = Path(__file__).parents[1] / "icl_mesh_training" / "assets" / "pose_prior.npz"
SAMPLES = 20_000
COMPONENTS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    body = BodyModel.load("default")
    sources = (MocapPoses(options.mocap), EverydayPoses(body.joint_template.numpy()))
    poses = np.stack([sources[i % 2].sample(rng).rotvec[1:22].ravel() for i in range(SAMPLES)])
    # Variances of at least 0.06^2 rad^2: joints that never move in the capture may still rotate.
    mixture = GaussianMixture(COMPONENTS, reg_covar=0.06**2, random_state=0).fit(poses)
    print(f"mean log-likelihood of {SAMPLES} poses: {mixture.score(poses):.2f}")
    np.savez_compressed(
        OUTPUT,
        means=mixture.means_.astype(np.float16),
        precision_cholesky=mixture.precisions_cholesky_.astype(np.float16),
        log_weights=np.log(mixture.weights_).astype(np.float32),
    )
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
