"""People of a scene: bodies in the world frame, dressed for the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Material, NormalOperator, RenderMesh
from icl_mesh.rotation import matrix_from_rotvec
from icl_mesh_training.scenes import drapes
from icl_mesh_training.scenes.garments import Outfit, Wardrobe
from icl_mesh_training.scenes.materials import PersonMaterials
from icl_mesh_training.scenes.pose import Pose
from icl_mesh_training.scenes.props import Solid
from icl_mesh_training.scenes.textures import TextureBank
from icl_mesh_training.scenes.view import View

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

FloatArray = npt.NDArray[np.float32]


@dataclass
class Person:
    """One body in the world frame. rotvec: [24, 3], joint 0 takes the body to the world.
    vertices: [V, 3] m; joints: [24, 3] m; rest_root: pelvis of the T-pose, m."""

    betas: FloatArray
    rotvec: npt.NDArray[np.float64]
    vertices: FloatArray
    joints: FloatArray
    rest_root: FloatArray
    pose: Pose

    def shift(self, by: npt.ArrayLike) -> None:
        """Move in the world, m."""
        by = np.asarray(by, dtype=np.float32)
        self.vertices = self.vertices + by
        self.joints = self.joints + by

    @property
    def height(self) -> float:
        """Extent upwards of the posed body, m."""
        return float(np.ptp(self.vertices[:, 1]))


class PersonFactory:
    """Poses and dresses bodies."""

    def __init__(self, body: BodyModel, bank: TextureBank) -> None:
        self._body = body
        rest = body(torch.zeros(1, 10), torch.eye(3).expand(1, 24, 3, 3))
        self._template = rest.vertices[0].numpy()
        self.rest_joints = rest.joints[0].numpy()
        self._normals = NormalOperator(body.faces, body.vertex_count)
        # rows of the vertex buffer: a vertex on a texture seam has several
        self._row_vertex: npt.NDArray[np.integer] = np.arange(body.vertex_count)
        self._row_faces, self._uv = body.faces, None
        has_uv = False
        if body.uv is not None and body.uv_vertex is not None and body.uv_faces is not None:
            has_uv, self._row_vertex, self._row_faces = True, body.uv_vertex, body.uv_faces
            # images start at the top: their first row is at v = 0 here
            self._uv = np.column_stack((body.uv[:, 0], 1 - body.uv[:, 1]))
        head_weight = body.skinning_weights[:, 15].numpy()
        self._wardrobe = Wardrobe(self._template, self.rest_joints, head_weight)
        self._skull = drapes.Skull.measure(self._template[head_weight > 0.5], self.rest_joints[15])
        self._materials = PersonMaterials(bank, has_uv)
        y = self._template[:, 1]
        thigh = self.rest_joints[[4, 5], 1].mean()
        hips = self.rest_joints[0, 1] + 0.12
        below = np.abs(self._template[:, 0]) < self.rest_joints[16, 0] + 0.03
        self._legs = np.flatnonzero((y < hips) & (y > thigh - 0.3) & below)

    def bodies(self, rng: np.random.Generator, poses: list[Pose]) -> list[Person]:
        """Random bodies in these poses, standing on the floor at the origin."""
        if not poses:
            return []
        betas = np.clip(rng.normal(0, 1, (len(poses), 10)), -3, 3).astype(np.float32)
        return self.posed(betas, poses)

    def posed(self, betas: FloatArray, poses: list[Pose]) -> list[Person]:
        """Bodies with given betas [N, 10], lowest vertex at y = 0, pelvis at x = z = 0."""
        rotvec = np.stack([p.rotvec for p in poses])
        with torch.inference_mode():
            rotations = matrix_from_rotvec(torch.from_numpy(rotvec).float())
            rest = self._body.rest_joints(torch.from_numpy(betas))[:, 0].numpy()
            mesh = self._body(torch.from_numpy(betas), rotations)
            vertices, joints = mesh.vertices.numpy(), mesh.joints.numpy()
        people = []
        for i, pose in enumerate(poses):
            person = Person(betas[i], rotvec[i], vertices[i], joints[i], rest[i], pose)
            root = person.joints[0]
            person.shift([-root[0], -float(vertices[i, :, 1].min()), -root[2]])
            people.append(person)
        return people

    def dress(
        self, rng: np.random.Generator, person: Person, view: View, instance: int
    ) -> list[RenderMesh]:
        """The person's meshes in the camera frame, with random clothes, hair and skin."""
        skirt_allowed = not person.pose.lying
        outfit = self._wardrobe.sample(rng, skirt_allowed)
        normals = self._normals(person.vertices)
        worn = person.vertices + normals * outfit.offset[:, None]
        normals = self._normals(worn)
        rows, materials = self._row_vertex, self._materials.sample(rng, outfit)
        meshes = [
            RenderMesh(
                view.to_camera(worn)[rows].astype(np.float32),
                self._row_faces,
                (normals @ view.rotation.T.astype(np.float32))[rows],
                instance,
                materials,
                self._uv,
                self._template[rows],
                outfit.coverage[rows],
                outfit.color[rows],
            )
        ]
        for slot, solid in self._drapes(rng, person, outfit):
            meshes.append(drape_mesh(solid, view, instance, materials, slot))
        return meshes

    def _drapes(
        self, rng: np.random.Generator, person: Person, outfit: Outfit
    ) -> list[tuple[int, Solid]]:
        parts: list[tuple[int, Solid]] = []
        if outfit.skirt_to is not None:
            legs = person.vertices[self._legs]
            cloth = drapes.skirt(rng, legs, person.joints, outfit.skirt_to)
            if cloth is not None:
                parts.append((1 if rng.random() < 0.6 else 2, cloth))
        if outfit.long_hair or outfit.brim:
            turn = self._head_rotation(person.rotvec)
            head = person.joints[15]
            if outfit.long_hair:
                hair = drapes.hanging_hair(rng, turn, head, self._skull, outfit.long_hair)
                parts.append((4, hair))
            if outfit.brim:
                all_round = rng.random() < 0.3
                parts.append((4, drapes.brim(turn, head, self._skull, outfit.brim, all_round)))
        return parts

    def _head_rotation(self, rotvec: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        chain, joint = [], 15
        while joint >= 0:
            chain.append(joint)
            joint = self._body.parents[joint]
        turn = Rotation.identity()
        for joint in reversed(chain):
            turn = turn * Rotation.from_rotvec(rotvec[joint])
        return np.asarray(turn.as_matrix())


def drape_mesh(
    solid: Solid, view: View, instance: int, materials: tuple[Material, ...], slot: int = 0
) -> RenderMesh:
    """A solid in the camera frame, drawn with one slot of an instance's materials."""
    coverage = np.full((len(solid.vertices), 4), -1, np.float32)
    if slot:
        coverage[:, slot - 1] = 1
    return RenderMesh(
        view.to_camera(solid.vertices).astype(np.float32),
        solid.faces,
        solid.normals @ view.rotation.T.astype(np.float32),
        instance,
        materials,
        solid.uv,
        solid.vertices,
        coverage,
    )
