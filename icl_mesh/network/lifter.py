"""The lifter: refines a person's first pose by 2-D evidence of the joints. Not in the paper.

The SMPL branch regresses a pose from one cell of a map. The joint heatmaps locate each joint in the
image. A few layers lift 2-D joints to a 3-D pose (Martinez et al. 2017, "A simple yet effective
baseline for 3d human pose estimation").
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from icl_mesh.geometry.rotation import matrix_from_6d, sixd_from_matrix
from icl_mesh.network.constants import BETAS, JOINTS, ROTATIONS

#: Joints with a lower score are ignored.
MIN_EVIDENCE = 0.05
#: The same for the centre from which keypoints are regressed.
MIN_CENTER = 0.1
WIDTH = 512
#: The lifter runs twice: the second pass corrects smaller errors, more precisely.
PASSES = 2
_DROPOUT = 0.1
_OUTPUTS = ROTATIONS * 6 + BETAS + 3
#: The camera changes by at most this: the logarithm of its scale, and metres.
MOST_CAMERA = 0.5


class LifterInputs(NamedTuple):
    """Evidence and current pose of N people; arrays or tensors. K: the backbone's keypoints, or 0.

    Points are in metres of the body, (x_square - t) / s of the first weak-perspective camera.
    joints [N, 24, 2], joint_score [N, 24], keypoints [N, K, 2], keypoint_score [N, K], regressed
    [N, K, 2], regressed_score [N, K]: icl_mesh.decode.evidence. flat [N, 24, 2], flat_keypoints
    [N, 17, 2]: projections of the current pose. ray [N, 2]: slope of the person's ray, t / focal.
    """

    joints: Any
    joint_score: Any
    keypoints: Any
    keypoint_score: Any
    regressed: Any
    regressed_score: Any
    flat: Any
    flat_keypoints: Any
    ray: Any

    def posed(self, flat: Any, flat_keypoints: Any) -> LifterInputs:
        """The same evidence with the projections of another pose."""
        return self._replace(flat=flat, flat_keypoints=flat_keypoints)

    def rows(self, sixd: Any, betas: Any) -> Any:
        """Inputs of the layers [N, PoseLifter.inputs]. Current pose: sixd [N, 22, 6]
        (icl_mesh.geometry.rotation), betas [N, 10]."""
        kinds = self.keypoints.shape[1]
        own = self.flat_keypoints[:, :kinds]
        parts = []
        for points, score, flat in (
            (self.joints, self.joint_score, self.flat),
            (self.keypoints, self.keypoint_score, own),
        ):
            seen = (score >= MIN_EVIDENCE)[..., None]
            parts += [points * seen, (points - flat) * seen, score]
        found = self.regressed_score[:, :1]  # one centre for all keypoints
        parts += [(self.regressed - own) * (found >= MIN_CENTER)[..., None], found]
        parts += [sixd, betas / 3, self.ray]
        flat_parts = [part.reshape(len(part), -1) for part in parts]
        if isinstance(sixd, torch.Tensor):
            return torch.cat(flat_parts, dim=1)
        return np.concatenate(flat_parts, axis=1, dtype=np.float32)


class Lifted(NamedTuple):
    """New rotations [N, 22, 3, 3] and betas [N, 10]. camera [N, 3]: change of the weak-perspective
    camera (log scale; x, y in metres of the body)."""

    rotations: torch.Tensor
    betas: torch.Tensor
    camera: torch.Tensor


class PoseLifter(nn.Module):
    """A small network, applied per person. It is initialised as the identity, and frozen except in
    its own training (icl_mesh_training.lifter.train).

    keypoints: the number of the backbone's keypoints, 0 or 17.
    """

    def __init__(self, keypoints: int = 0, width: int = WIDTH) -> None:
        super().__init__()
        self.keypoints = keypoints
        #: Input channels.
        self.inputs = JOINTS * 5 + keypoints * 7 + bool(keypoints) + ROTATIONS * 6 + BETAS + 2
        layers: list[nn.Module] = []
        for inputs in (self.inputs, width, width):
            layers += [
                nn.Linear(inputs, width),
                nn.BatchNorm1d(width),
                nn.ReLU(),
                nn.Dropout(_DROPOUT),
            ]
        self.layers = nn.Sequential(*layers, nn.Linear(width, _OUTPUTS))
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)  # for mypy
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.requires_grad_(False)

    def forward(self, inputs: LifterInputs, rotations: torch.Tensor, betas: torch.Tensor) -> Lifted:
        """One pass, from the current pose: rotations [N, 22, 3, 3], betas [N, 10]."""
        sixd = sixd_from_matrix(rotations)
        out = self.layers(inputs.rows(sixd, betas))
        sixd_change, shape, camera = split_outputs(out)
        return Lifted(
            matrix_from_6d(sixd + sixd_change.reshape(sixd.shape)),
            betas + shape,
            MOST_CAMERA * torch.tanh(camera / MOST_CAMERA),
        )

    def folded(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Layers (weights [in, out], bias [out]), float32 on the host, with folded batch norms. A
        ReLU follows each layer but the last."""
        layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        for module in self.layers:
            if isinstance(module, nn.Linear):
                layers.append((module.weight.double().T, module.bias.double()))
            elif isinstance(module, nn.BatchNorm1d):
                weight, bias = layers[-1]
                assert module.running_mean is not None and module.running_var is not None
                scale = module.weight.double() / (module.running_var.double() + module.eps).sqrt()
                shift = module.bias.double() - module.running_mean.double() * scale
                layers[-1] = (weight * scale, bias * scale + shift)
        return [
            (weight.detach().float().cpu().contiguous(), bias.detach().float().cpu())
            for weight, bias in layers
        ]


def split_outputs(out: Any) -> tuple[Any, Any, Any]:
    """A lifter's outputs [N, 145] -> changes of rotations (6-D) [N, 132], of betas [N, 10], and of
    the camera [N, 3] before it is bounded."""
    sixd = ROTATIONS * 6
    return out[:, :sixd], out[:, sixd : sixd + BETAS], out[:, sixd + BETAS :]
