"""People fitted to keypoints with PyTorch in float64: what Reader.refine is tested against.

The Jacobian is autograd's, the projection is icl_mesh.geometry.camera's.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from icl_mesh.body import BodyModel
from icl_mesh.body.rig import KeypointRig
from icl_mesh.geometry.camera import SquareCamera, project_from_weak

TURNED = 22


class Bodies(NamedTuple):
    """N people, float64: rotations [N, 24, 3, 3], betas [N, 10], weak [N, 3]."""

    rotations: torch.Tensor
    betas: torch.Tensor
    weak: torch.Tensor

    @classmethod
    def of(cls, *arrays: np.ndarray) -> Bodies:
        return cls(*(torch.from_numpy(array).double() for array in arrays))

    def moved(self, step: torch.Tensor) -> Bodies:
        """By a step [N, 79] of the unknowns."""
        turns, scale, shift, shape = step.split((3 * TURNED, 1, 2, 10), dim=1)
        x, y, z = turns.unflatten(1, (TURNED, 3)).unbind(2)
        none = torch.zeros_like(x)
        cross = torch.stack((none, -z, y, z, none, -x, -y, x, none), -1).unflatten(2, (3, 3))
        turned = self.rotations[:, :TURNED] @ torch.linalg.matrix_exp(cross)
        first = self.weak[:, :1]
        return Bodies(
            torch.cat((turned, self.rotations[:, TURNED:]), 1),
            self.betas + shape,
            torch.cat((first * scale.exp(), self.weak[:, 1:] + first * shift), 1),
        )


class Projector:
    """Skeletons and their keypoints in the square."""

    def __init__(self, body: BodyModel, camera: SquareCamera) -> None:
        self._rest = body.joint_template.double()
        self._directions = body.joint_shape_directions.double().unflatten(1, (24, 3))
        self._parents = body.parent_index.tolist()
        self._rig = KeypointRig(body)
        self._camera = camera

    def points(self, bodies: Bodies) -> tuple[torch.Tensor, torch.Tensor]:
        """Joints [N, 24, 3] and keypoints [N, 17, 3] from the root, m."""
        rest = self._rest + torch.einsum("nb,bjk->njk", bodies.betas, self._directions)
        world, joints = [bodies.rotations[:, 0]], [torch.zeros_like(rest[:, 0])]
        for joint in range(1, 24):
            above = self._parents[joint]
            bone = (rest[:, joint] - rest[:, above])[..., None]
            world.append(world[above] @ bodies.rotations[:, joint])
            joints.append(joints[above] + (world[above] @ bone)[..., 0])
        placed = torch.stack(joints, 1)
        return placed, self._rig(placed, torch.stack(world, 1))

    def square(self, points: torch.Tensor, weak: torch.Tensor) -> torch.Tensor:
        camera = self._camera
        inverse = torch.full((len(weak),), 1 / camera.focal, dtype=weak.dtype)
        principal = torch.tensor([[camera.px, camera.py]], dtype=weak.dtype)
        return project_from_weak(points, weak, inverse, principal)

    def keypoints(self, bodies: Bodies) -> torch.Tensor:
        """[N, 17, 2] in the square."""
        return self.square(self.points(bodies)[1], bodies.weak)


class Problem(NamedTuple):
    """Evidence points [1, 17, 2] and weight [1, 17] of one person, a prior [79, 79], and rules."""

    projector: Projector
    start: Bodies
    points: torch.Tensor
    weight: torch.Tensor
    precision: torch.Tensor
    sigma: float
    robust: float
    iterations: int

    def residuals(self, bodies: Bodies) -> torch.Tensor:
        """[17, 2], m of the body."""
        apart = self.projector.keypoints(bodies) - self.points
        return (apart / self.start.weak[:, None, :1])[0]

    def cost(self, bodies: Bodies, change: torch.Tensor, robust: float) -> float:
        squared = self.residuals(bodies).square().sum(1)
        outliers = robust**2 * squared / (robust**2 + squared)  # Geman-McClure
        prior = change @ self.precision @ change.T
        return float((self.weight[0] * outliers).sum() / self.sigma**2 + prior) / 2

    def normal_equations(
        self, bodies: Bodies, change: torch.Tensor, robust: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Hessian [79, 79] and gradient [79]."""
        step = torch.zeros(1, 79, dtype=torch.float64, requires_grad=True)
        residuals = self.residuals(bodies.moved(step))
        rows = torch.eye(residuals.numel(), dtype=torch.float64)
        (jacobian,) = torch.autograd.grad(residuals.reshape(-1), step, rows, is_grads_batched=True)
        jacobian, residuals = jacobian[:, 0], residuals.detach()
        squared = residuals.square().sum(1)
        weight = self.weight[0] * (robust**2 / (robust**2 + squared)) ** 2 / self.sigma**2
        weighted = jacobian.T * weight.repeat_interleave(2)
        gradient = weighted @ residuals.reshape(-1) + self.precision @ change[0]
        return weighted @ jacobian + self.precision, gradient


def refine(problem: Problem) -> Bodies:
    """As src/refine.cpp: Levenberg-Marquardt, outliers told apart gradually."""
    now, change = problem.start, torch.zeros(1, 79, dtype=torch.float64)
    damping = 1e-3
    for number in range(problem.iterations):
        widened = 4 * (1 - number / (0.6 * problem.iterations))
        robust = problem.robust * max(widened, 1.0)
        hessian, gradient = problem.normal_equations(now, change, robust)
        damped = hessian + damping * hessian.diagonal().diag()
        step = -torch.linalg.solve(damped, gradient).clamp(-1, 1)[None]
        then = now.moved(step)
        before = problem.cost(now, change, robust)
        after = problem.cost(then, change + step, robust)
        if better := after <= before:
            now, change = then, change + step
        damping = max(damping / 10, 1e-3) if better else 10 * damping
        still = float(step.abs().max()) < 1e-4 or (better and before - after <= 1e-5 * before)
        if damping > 1e3 or (still and widened <= 1):
            break
    start = problem.cost(problem.start, torch.zeros_like(change), problem.robust)
    return now if problem.cost(now, change, problem.robust) < start else problem.start


def rotations_of(vectors: np.ndarray) -> np.ndarray:
    """Rotation vectors [..., 3], rad -> matrices [..., 3, 3] float32."""
    from scipy.spatial.transform import Rotation

    matrices = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*vectors.shape, 3).astype(np.float32)


def angle(first: Any, second: Any) -> Any:
    """Between rotation matrices [..., 3, 3], rad: from the length of their difference."""
    apart = np.linalg.norm(np.asarray(first) - np.asarray(second), axis=(-2, -1))
    return 2 * np.arcsin(np.clip(apart / math.sqrt(8), 0, 1))
