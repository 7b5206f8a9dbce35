"""SMPL's body function: betas and joint rotations to vertices and joints, differentiable.

Loper et al. 2015, "SMPL: A Skinned Multi-Person Linear Model", equations 6-12. Works with the
default body and with licensed SMPL files. Body frame: metres, y up, facing +z, left at +x; rotation
of joint 0 takes the body into any other frame (about the pelvis), no translation is added.
N people, J = 24 joints, V vertices, K keypoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn

from icl_mesh.body.asset import load_default_body
from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT, JOINT_NAMES, PARENTS, BodyArrays

if TYPE_CHECKING:
    import numpy.typing as npt


class BodyMesh(NamedTuple):
    """Vertices [N, V, 3] and joints [N, 24, 3] in metres."""

    vertices: torch.Tensor
    joints: torch.Tensor


def _levels() -> tuple[tuple[list[int], list[int]], ...]:
    """The tree by depth: (joints, their parents), so that a whole depth is one product."""
    depth = [0] * JOINT_COUNT
    for joint in range(1, JOINT_COUNT):
        depth[joint] = depth[PARENTS[joint]] + 1
    levels = []
    for level in range(1, max(depth) + 1):
        joints = [joint for joint in range(JOINT_COUNT) if depth[joint] == level]
        levels.append((joints, [PARENTS[joint] for joint in joints]))
    return tuple(levels)


_LEVELS = _levels()


class BodyModel(nn.Module):
    """A body in SMPL's schema; buffers only, nothing to train.

    ``uv`` [T, 2] (origin bottom left), ``uv_faces`` [F, 3] and ``uv_vertex`` [T]: vertices on a
    texture seam have several texture coordinates, so a renderer draws
    ``vertices[:, body.uv_vertex]`` with the triangles ``body.uv_faces``; texture row t and vertex
    ``uv_vertex[t]`` belong together. None where the file has no texture coordinates.
    """

    template: torch.Tensor
    shape_directions: torch.Tensor
    pose_directions: torch.Tensor | None
    skinning_weights: torch.Tensor
    joint_template: torch.Tensor
    joint_shape_directions: torch.Tensor

    def __init__(self, arrays: BodyArrays) -> None:
        super().__init__()
        self.name = arrays.name
        self.metadata = dict(arrays.metadata)
        self.joint_names = JOINT_NAMES
        self.parents = PARENTS
        self.faces: npt.NDArray[np.int32] = arrays.faces
        self.uv = arrays.uv
        self.uv_faces = arrays.uv_faces
        self.uv_vertex = arrays.uv_vertex
        self.part_labels = arrays.part_labels
        self.part_names = arrays.part_names
        self.base_vertices = arrays.base_vertices
        self.vertex_count = len(arrays.template)

        def keep(name: str, array: npt.NDArray[np.generic] | torch.Tensor | None) -> None:
            tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
            self.register_buffer(name, tensor, persistent=False)

        keep("template", arrays.template)
        # [10, 3V] and [207, 3V]: blend shapes are one matrix product.
        keep("shape_directions", _flat(arrays.shape_directions))
        keep(
            "pose_directions",
            None if arrays.pose_directions is None else _flat(arrays.pose_directions),
        )
        keep("skinning_weights", arrays.skinning_weights)
        # Joints are linear in the vertices and these in the betas, so joints are linear in betas.
        indices, weights = arrays.joint_regressor.indices, arrays.joint_regressor.weights
        keep("joint_template", np.einsum("js,jsd->jd", weights, arrays.template[indices]))
        directions = np.einsum("js,jsdk->kjd", weights, arrays.shape_directions[indices])
        keep("joint_shape_directions", directions.reshape(BETA_COUNT, -1))
        self.joint_set_names = tuple(arrays.joint_sets)
        for set_name, regressor in arrays.joint_sets.items():
            keep(f"{set_name}_indices", regressor.indices)
            keep(f"{set_name}_weights", regressor.weights)

    @classmethod
    def load(cls, source: str | Path = "default", device: str | torch.device = "cpu") -> BodyModel:
        """The default body, or a licensed SMPL file (.pkl, .npz, or a folder that holds one).

        Raises FileNotFoundError where nothing is there, ValueError where the file is not SMPL's.
        """
        if str(source) == "default":
            return cls(load_default_body()).to(device)
        from icl_mesh.body.smpl_file import load_smpl_file

        return cls(load_smpl_file(Path(source))).to(device)

    @classmethod
    def from_smplx(cls, smplx_object: object) -> BodyModel:
        """The same body as a ``smplx.SMPL`` object (24 joints; not SMPL-H or SMPL-X)."""
        from icl_mesh.body.smpl_file import arrays_from_smplx

        return cls(arrays_from_smplx(smplx_object))

    def rest_joints(self, betas: torch.Tensor) -> torch.Tensor:
        """Joints in the T-pose [N, 24, 3] for betas [N, 10]."""
        return self.joint_template + (betas @ self.joint_shape_directions).unflatten(-1, (-1, 3))

    def joints(self, betas: torch.Tensor, rotations: torch.Tensor) -> torch.Tensor:
        """Posed joints [N, 24, 3] for betas [N, 10] and rotations [N, 24, 3, 3], no vertices."""
        _check(betas, rotations)
        with torch.autocast(betas.device.type, enabled=False):
            return _forward_kinematics(self.rest_joints(betas.float()), rotations.float())[1]

    def forward(self, betas: torch.Tensor, rotations: torch.Tensor) -> BodyMesh:
        """Betas [N, 10] and rotation matrices [N, 24, 3, 3] (relative to the parent) to a mesh.

        Computes in float32, under autocast too. Raises ValueError for other shapes.
        """
        _check(betas, rotations)
        with torch.autocast(betas.device.type, enabled=False):
            betas, rotations = betas.float(), rotations.float()
            count = len(betas)
            offsets = betas @ self.shape_directions
            if self.pose_directions is not None:
                identity = torch.eye(3, device=rotations.device)
                feature = (rotations[:, 1:] - identity).reshape(count, 9 * (JOINT_COUNT - 1))
                offsets = offsets + feature @ self.pose_directions
            unposed = self.template + offsets.unflatten(-1, (-1, 3))  # [N, V, 3]
            rest = self.rest_joints(betas)
            world, joints = _forward_kinematics(rest, rotations)
            shift = joints - (world @ rest[..., None])[..., 0]
            transforms = torch.cat((world, shift[..., None]), dim=-1)  # [N, 24, 3, 4]
            blended = self.skinning_weights @ transforms.flatten(2)  # [N, V, 12]
            blended = blended.unflatten(-1, (3, 4))
            vertices = (blended[..., :3] @ unposed[..., None])[..., 0] + blended[..., 3]
        return BodyMesh(vertices, joints)

    def keypoints(self, vertices: torch.Tensor, joint_set: str) -> torch.Tensor:
        """Keypoints [..., K, 3] of a joint set (``JOINT_SETS``) from posed vertices [..., V, 3]."""
        if joint_set not in self.joint_set_names:
            raise ValueError(
                f"joint_set {joint_set!r} is not known; choose one of "
                f"{', '.join(self.joint_set_names)}."
            )
        indices = self.get_buffer(f"{joint_set}_indices")
        weights = self.get_buffer(f"{joint_set}_weights")
        return (vertices[..., indices, :] * weights[..., None]).sum(-2)


def _flat(directions: npt.NDArray[np.float32]) -> torch.Tensor:
    """[V, 3, C] -> [C, 3V]."""
    count = directions.shape[-1]
    return torch.from_numpy(np.ascontiguousarray(directions.reshape(-1, count).T))


def _check(betas: torch.Tensor, rotations: torch.Tensor) -> None:
    count = len(betas)
    if betas.shape != (count, BETA_COUNT) or rotations.shape != (count, JOINT_COUNT, 3, 3):
        raise ValueError(
            f"Body: betas have shape {tuple(betas.shape)} and rotations {tuple(rotations.shape)}, "
            "but N people need betas [N, 10] and rotation matrices [N, 24, 3, 3]."
        )


def _forward_kinematics(
    rest: torch.Tensor, rotations: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rest joints [N, 24, 3], relative rotations [N, 24, 3, 3] -> world rotations and joints."""
    world = [rotations[:, 0]] + [rotations[:, 0]] * (JOINT_COUNT - 1)
    places = [rest[:, 0]] * JOINT_COUNT
    for joints, parents in _LEVELS:
        above = torch.stack([world[parent] for parent in parents], dim=1)
        offsets = rest[:, joints] - rest[:, parents]
        moved = (above @ offsets[..., None])[..., 0]
        turned = above @ rotations[:, joints]
        for place, (joint, parent) in enumerate(zip(joints, parents, strict=True)):
            world[joint] = turned[:, place]
            places[joint] = places[parent] + moved[:, place]
    return torch.stack(world, dim=1), torch.stack(places, dim=1)
