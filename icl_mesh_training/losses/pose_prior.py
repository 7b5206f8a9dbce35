"""Pose prior: a mixture of Gaussians over rotation vectors.

Replaces SMPLify's GMM prior (Bogo et al. 2016, section 4.2), whose file may not be redistributed.
tools/fit_pose_prior.py fitted assets/pose_prior.npz.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
import torch

from icl_mesh.geometry.rotation import rotvec_from_matrix

#: Joints of the prior: SMPL's body without root and hands.
PRIOR_JOINTS = slice(1, 22)
POSE_SIZE = 63


class PosePrior(torch.nn.Module):
    """Negative log-likelihood of the likeliest of K Gaussians, per pose dimension.

    means [K, 63], precision_cholesky [K, 63, 63] (lower triangular L with precision = L Lᵀ),
    log_weights [K].
    """

    means: torch.Tensor
    precision_cholesky: torch.Tensor
    constants: torch.Tensor

    def __init__(
        self, means: torch.Tensor, precision_cholesky: torch.Tensor, log_weights: torch.Tensor
    ) -> None:
        super().__init__()
        count = len(means)
        if means.shape[1:] != (POSE_SIZE,) or precision_cholesky.shape != (
            count,
            POSE_SIZE,
            POSE_SIZE,
        ):
            raise ValueError(
                f"pose prior needs means [K, {POSE_SIZE}] and factors [K, {POSE_SIZE}, {POSE_SIZE}]"
                f", got {tuple(means.shape)} and {tuple(precision_cholesky.shape)}"
            )
        log_det = precision_cholesky.diagonal(dim1=-2, dim2=-1).abs().log().sum(-1)
        constants = log_weights + log_det
        self.register_buffer("means", means, persistent=False)
        self.register_buffer("precision_cholesky", precision_cholesky, persistent=False)
        # Relative to the best component, so that the prior is zero at its likeliest pose.
        self.register_buffer("constants", constants - constants.max(), persistent=False)

    @classmethod
    def load(cls) -> PosePrior:
        """The shipped prior."""
        path = resources.files("icl_mesh_training") / "assets" / "pose_prior.npz"
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = [
                torch.from_numpy(data[name].astype(np.float32))
                for name in ("means", "precision_cholesky", "log_weights")
            ]
        return cls(*arrays)

    def forward(self, rotations: torch.Tensor) -> torch.Tensor:
        """rotations [N, 24, 3, 3] -> mean over people of the score, about 0.5 for common poses."""
        if not len(rotations):
            return rotations.sum()
        pose = rotvec_from_matrix(rotations[:, PRIOR_JOINTS].float()).flatten(1)
        offset = pose[:, None] - self.means
        whitened = torch.einsum("nki,kij->nkj", offset, self.precision_cholesky)
        energy = 0.5 * whitened.square().sum(-1) - self.constants
        return energy.amin(1).mean() / POSE_SIZE
