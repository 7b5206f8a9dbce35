"""SMPL's body function: betas and joint rotations to vertices and joints, differentiable.

Loper et al. 2015, "SMPL: A Skinned Multi-Person Linear Model", equations 6-12. Works with the
default body and with licensed SMPL files. Body frame: metres, y up, facing +z, left at +x. The
rotation of joint 0 (about the pelvis) transforms the body into another frame; no translation is
added. N people, J = 24 joints, V vertices, K keypoints.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from icl_mesh.body.asset import load_default_body
from icl_mesh.body.extreme_vertices import extreme_vertices
from icl_mesh.body.layout import BETA_COUNT, JOINT_COUNT, JOINT_NAMES, PARENTS, BodyArrays

if TYPE_CHECKING:
    import numpy.typing as npt


#: Above this share of non-zero entries a dense matrix product is as fast as a sparse one.
MOST_NON_ZERO = 0.3


class BodyMesh(NamedTuple):
    """Vertices [N, V, 3] and joints [N, 24, 3] in metres."""

    vertices: torch.Tensor
    joints: torch.Tensor


class Surface(NamedTuple):
    """Blend shapes and skinning weights of some vertices.

    Coordinates are planar (all x, then all y, then all z): interleaved ones are 1.5 times slower.
    """

    template: torch.Tensor  # [3, V]
    shape_directions: torch.Tensor  # [10, 3V]
    pose_directions: torch.Tensor | None  # [207, 3V], or its transpose in compressed rows
    skinning_weights: torch.Tensor  # [24, V]


def _ancestors() -> torch.Tensor:
    """[4, 25]: each joint's ancestor 1, 2, 4, 8 steps above it.

    Index 24, above the root, is a fixed joint. Kinematic chains are composed by doubling, without
    a loop over joints.
    """
    rows = [[JOINT_COUNT if parent < 0 else parent for parent in PARENTS] + [JOINT_COUNT]]
    while any(joint != JOINT_COUNT for joint in rows[-1]):
        rows.append([rows[-1][joint] for joint in rows[-1]])
    return torch.tensor(rows[:-1])


class BodyModel(nn.Module):
    """A body in SMPL's schema; it has buffers and no parameters.

    ``uv`` [T, 2] (origin bottom left), ``uv_faces`` [F, 3] and ``uv_vertex`` [T] are the texture
    coordinates, or None. Vertices on a texture seam have several of them: row t belongs to vertex
    ``uv_vertex[t]``. A renderer draws ``vertices[:, body.uv_vertex]`` with ``body.uv_faces``.
    """

    template: torch.Tensor
    shape_directions: torch.Tensor
    pose_directions: torch.Tensor | None
    skinning_weights: torch.Tensor
    joint_template: torch.Tensor
    joint_shape_directions: torch.Tensor
    parent_index: torch.Tensor
    ancestors: torch.Tensor

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
        self._surfaces: dict[tuple[str, torch.device], Surface] = {}
        self._extreme_index: torch.Tensor | None = None

        def keep(name: str, array: npt.NDArray[np.generic] | torch.Tensor | None) -> None:
            tensor = torch.from_numpy(array) if isinstance(array, np.ndarray) else array
            self.register_buffer(name, tensor, persistent=False)

        keep("template", arrays.template)
        # [10, 3V] and [207, 3V], so that blend shapes are one matrix product.
        keep("shape_directions", _flat(arrays.shape_directions))
        keep(
            "pose_directions",
            None if arrays.pose_directions is None else _flat(arrays.pose_directions),
        )
        keep("skinning_weights", arrays.skinning_weights)
        # Joints are linear in the vertices, and the vertices in betas: joints are linear in betas.
        indices, weights = arrays.joint_regressor.indices, arrays.joint_regressor.weights
        keep("joint_template", np.einsum("js,jsd->jd", weights, arrays.template[indices]))
        directions = np.einsum("js,jsdk->kjd", weights, arrays.shape_directions[indices])
        keep("joint_shape_directions", directions.reshape(BETA_COUNT, -1))
        keep("parent_index", torch.tensor([max(parent, 0) for parent in PARENTS]))
        keep("ancestors", _ancestors())
        self.joint_set_names = tuple(arrays.joint_sets)
        for set_name, regressor in arrays.joint_sets.items():
            keep(f"{set_name}_indices", regressor.indices)
            keep(f"{set_name}_weights", regressor.weights)

    @classmethod
    def load(cls, source: str | Path = "default", device: str | torch.device = "cpu") -> BodyModel:
        """The default body, or a licensed SMPL file (.pkl, .npz, .pth, or a folder with one).

        Raises FileNotFoundError for a missing file, ValueError for a file that is not SMPL's.
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
        """Forward kinematics: betas [N, 10], rotations [N, 24, 3, 3] -> joints [N, 24, 3], m."""
        return self.skeleton(betas, rotations)[1]

    def skeleton(
        self, betas: torch.Tensor, rotations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Forward kinematics -> world rotations of the bones [N, 24, 3, 3], joints [N, 24, 3]."""
        _check(betas, rotations)
        with torch.autocast(betas.device.type, enabled=False):
            return self._chains(self.rest_joints(betas.float()), rotations.float())

    def forward(self, betas: torch.Tensor, rotations: torch.Tensor) -> BodyMesh:
        """Betas [N, 10] and rotation matrices [N, 24, 3, 3] (relative to the parent) to a mesh.

        Computes in float32, under autocast too. Raises ValueError for other shapes.
        """
        _check(betas, rotations)
        with torch.autocast(betas.device.type, enabled=False):
            return self._posed(self.surface("mesh"), betas.float(), rotations.float())

    @property
    def extreme_index(self) -> torch.Tensor:
        """int64 [P]: the extreme vertices of each body part (icl_mesh.body.extreme_vertices).

        Their bounding box equals the mesh's to a few mm in any pose.
        """
        if self._extreme_index is None or self._extreme_index.device != self.template.device:
            self._extreme_index = extreme_vertices(self.template, self.skinning_weights)
        return self._extreme_index

    def _posed(self, surface: Surface, betas: torch.Tensor, rotations: torch.Tensor) -> BodyMesh:
        offsets = betas @ surface.shape_directions
        if surface.pose_directions is not None:
            identity = torch.eye(3, device=rotations.device)
            feature = (rotations[:, 1:] - identity).flatten(1)
            if surface.pose_directions.layout == torch.sparse_csr:
                offsets = offsets + (surface.pose_directions @ feature.T).T
            else:
                offsets = offsets + feature @ surface.pose_directions
        unposed = surface.template + offsets.unflatten(-1, (3, -1))  # [N, 3, V]
        rest = self.rest_joints(betas)
        world, joints = self._chains(rest, rotations)
        shift = joints - (world @ rest[..., None])[..., 0]
        transforms = torch.cat((world, shift[..., None]), dim=-1)  # [N, 24, 3, 4]
        blended = transforms.flatten(2).transpose(1, 2) @ surface.skinning_weights  # [N, 12, V]
        x, y, z, moved = blended.unflatten(1, (3, 4)).unbind(2)  # [N, 3, V] each
        for axis, column in enumerate((x, y, z)):
            moved = torch.addcmul(moved, column, unposed[:, axis, None])
        return BodyMesh(moved.transpose(1, 2).contiguous(), joints)

    def _chains(
        self, rest: torch.Tensor, rotations: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Rest joints [N, 24, 3], relative rotations [N, 24, 3, 3] -> world rotations and joints.

        Each transform starts relative to the joint's parent. Every round composes it with the
        transform of the joint that it is relative to, which doubles the number of steps covered.
        """
        from_root = torch.arange(JOINT_COUNT, device=rest.device)[:, None] > 0
        steps = rest - torch.where(from_root, rest[:, self.parent_index], 0)
        upper = torch.cat((rotations, steps[..., None]), dim=-1)  # [N, 24, 3, 4]
        still = torch.eye(4, dtype=rest.dtype, device=rest.device).expand(len(rest), 1, 4, 4)
        lower = still[..., 3:, :].expand(-1, JOINT_COUNT, -1, -1)
        chains = torch.cat((torch.cat((upper, lower), dim=-2), still), dim=1)  # [N, 25, 4, 4]
        for above in self.ancestors:
            chains = chains[:, above] @ chains
        return chains[:, :JOINT_COUNT, :3, :3], chains[:, :JOINT_COUNT, :3, 3]

    def surface(self, name: Literal["mesh", "extreme"]) -> Surface:
        """The surface of all vertices, or of :attr:`extreme_index`; cached per device.

        On the CPU and without gradients, pose_directions may be sparse.
        """
        sparse = self.template.device.type == "cpu" and not torch.is_grad_enabled()
        key = (f"{name}, sparse" if sparse else name, self.template.device)
        if key not in self._surfaces:
            vertices = slice(None) if name == "mesh" else self.extreme_index

            def rows(directions: torch.Tensor) -> torch.Tensor:
                planes = directions.unflatten(1, (-1, 3))[:, vertices].transpose(1, 2)
                return planes.flatten(1).contiguous()

            with torch.inference_mode(False):  # training uses the same tensors
                poses = None if self.pose_directions is None else rows(self.pose_directions)
                self._surfaces[key] = Surface(
                    self.template[vertices].T.contiguous(),
                    rows(self.shape_directions),
                    _sparse_if_few(poses) if sparse and poses is not None else poses,
                    self.skinning_weights[vertices].T.contiguous(),
                )
        return self._surfaces[key]

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


def _sparse_if_few(poses: torch.Tensor) -> torch.Tensor:
    """[207, 3V] -> its transpose as sparse CSR if that is faster (up to 10 times on the CPU)."""
    if float(torch.count_nonzero(poses)) / poses.numel() > MOST_NON_ZERO:
        return poses
    with warnings.catch_warnings():  # PyTorch warns that CSR is in beta state
        warnings.simplefilter("ignore", UserWarning)
        rows = poses.T.to_sparse_csr()
        # MKL uses 32-bit indices: others would be converted for every product.
        indices = rows.crow_indices().int(), rows.col_indices().int()
        return torch.sparse_csr_tensor(*indices, rows.values(), rows.shape)


def _check(betas: torch.Tensor, rotations: torch.Tensor) -> None:
    count = len(betas)
    if betas.shape != (count, BETA_COUNT) or rotations.shape != (count, JOINT_COUNT, 3, 3):
        raise ValueError(
            f"Body: betas have shape {tuple(betas.shape)} and rotations {tuple(rotations.shape)}, "
            "but N people need betas [N, 10] and rotation matrices [N, 24, 3, 3]."
        )
