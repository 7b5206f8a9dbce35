"""Fit icl_mesh_training/assets/pose_distribution.npz to motion capture.

    pip install scikit-learn
    PYTHONPATH=. python tools/fit_pose_distribution.py MOCAP.npz

The file holds only statistics: means and principal directions of a Gaussian mixture, and the 0.5
and 99.5 percentiles of each angle.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.mixture import GaussianMixture

from icl_mesh_training.scenes.poses.distribution import ASSET, features

OUTPUT = Path(__file__).parents[1] / "icl_mesh_training" / "assets" / ASSET
COMPONENTS = 24
#: Principal directions of each component.
DIRECTIONS = 24
EVERY = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mocap", type=Path)
    options = parser.parse_args()
    with np.load(options.mocap, allow_pickle=False) as data:
        poses = features(data["poses"].astype(np.float64))
    mixture = GaussianMixture(COMPONENTS, reg_covar=0.02**2, random_state=0)
    mixture.fit(poses[::EVERY])
    held_out = poses[1::EVERY]
    print(f"log-likelihood of {len(held_out)} held-out poses: {mixture.score(held_out):.1f}")
    values, vectors = np.linalg.eigh(mixture.covariances_)
    kept = values[:, -DIRECTIONS:]
    print(f"variance kept by {DIRECTIONS} directions: {kept.sum() / values.sum():.3f}")
    factors = vectors[:, :, -DIRECTIONS:] * np.sqrt(kept)[:, None]
    low, high = np.percentile(poses, [0.5, 99.5], axis=0)
    arrays = {"means": mixture.means_, "factors": factors, "low": low, "high": high}
    np.savez_compressed(
        OUTPUT,
        allow_pickle=False,
        weights=mixture.weights_.astype(np.float32),
        **{name: values.astype(np.float16) for name, values in arrays.items()},
    )
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
