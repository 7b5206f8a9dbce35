"""People of a scene: posed bodies in the world frame and their meshes for the renderer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Material, NormalOperator, RenderMesh
from icl_mesh_training.scenes.people import drapes
from icl_mesh_training.scenes.people.closet import Closet, Piece, outside_faces, put_on, slots
from icl_mesh_training.scenes.people.fitting import CLEARANCE_M
from icl_mesh_training.scenes.people.garments import Outfit, Wardrobe
from icl_mesh_training.scenes.people.materials import PersonMaterials
from icl_mesh_training.scenes.people.rig import Rig
from icl_mesh_training.scenes.poses.pose import Pose
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.solids import Solid
from icl_mesh_training.scenes.render.textures import TextureBank

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

FloatArray = npt.NDArray[np.float32]
#: Least distance of hair below the head from the skin, m: it lies over clothes.
OVER_CLOTHES_M = 0.022


@dataclass
class Person:
    """One body in the world frame.

    rotvec: [24, 3], joint 0 takes the body to the world. vertices: [V, 3] m. joints: [24, 3] m.
    rest_root: pelvis of the T-pose, m. moved, transforms: see rig.Posed, before any shift.
    shifted: sum of the shifts, m.
    """

    betas: FloatArray
    rotvec: npt.NDArray[np.float64]
    vertices: FloatArray
    joints: FloatArray
    rest_root: FloatArray
    pose: Pose
    moved: FloatArray
    transforms: FloatArray
    shifted: FloatArray

    def shift(self, by: npt.ArrayLike) -> None:
        """Move in the world, m."""
        by = np.asarray(by, dtype=np.float32)
        self.vertices = self.vertices + by
        self.joints = self.joints + by
        self.shifted = self.shifted + by

    @property
    def height(self) -> float:
        """Vertical extent of the posed body, m."""
        return float(np.ptp(self.vertices[:, 1]))


class PersonFactory:
    """Poses and dresses bodies."""

    def __init__(self, body: BodyModel, bank: TextureBank, closet: Closet | None = None) -> None:
        self._body, self.rig, self.closet = body, Rig(body), closet
        rest = self.rig.pose(np.zeros((1, 10), np.float32), np.zeros((1, 24, 3)))
        self._template, self.rest_joints = rest.vertices[0], rest.joints[0]
        self.faces = body.faces
        self._normals = NormalOperator(body.faces, body.vertex_count)
        # rows of the vertex buffer: a vertex on a texture seam has several rows
        self._row_vertex: npt.NDArray[np.integer] = np.arange(body.vertex_count)
        self._row_faces, self._uv = body.faces, None
        has_uv = False
        if body.uv is not None and body.uv_vertex is not None and body.uv_faces is not None:
            has_uv, self._row_vertex, self._row_faces = True, body.uv_vertex, body.uv_faces
            # v points down here: v = 0 is the first row of an image
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
        """Bodies with random betas in these poses; see ``posed``."""
        if not poses:
            return []
        betas = np.clip(rng.normal(0, 1, (len(poses), 10)), -3, 3).astype(np.float32)
        return self.posed(betas, poses)

    def posed(self, betas: FloatArray, poses: list[Pose]) -> list[Person]:
        """Bodies with given betas [N, 10], lowest vertex at y = 0, pelvis at x = z = 0."""
        rotvec = np.stack([p.rotvec for p in poses])
        posed = self.rig.pose(betas, rotvec)
        people = []
        for i, pose in enumerate(poses):
            person = Person(
                betas[i],
                rotvec[i],
                posed.vertices[i],
                posed.joints[i],
                posed.rest_joints[i, 0],
                pose,
                posed.moved[i],
                posed.transforms[i],
                np.zeros(3, np.float32),
            )
            root = person.joints[0]
            person.shift([-root[0], -float(posed.vertices[i, :, 1].min()), -root[2]])
            people.append(person)
        return people

    def dress(
        self, rng: np.random.Generator, person: Person, view: View, instance: int
    ) -> list[RenderMesh]:
        """The person's meshes in the camera frame, with random clothes, hair and skin."""
        skirt_allowed = not person.pose.lying
        worn = self._choose(rng)
        outfit = self._wardrobe.sample(rng, skirt_allowed, replaced=set(worn))
        skin_normals = self._normals(person.vertices)
        surface, normals = person.vertices, skin_normals
        if outfit.offset.any():
            surface = person.vertices + normals * outfit.offset[:, None]
            normals = self._normals(surface)
        rows, materials = self._row_vertex, self._materials.sample(rng, outfit, worn)
        meshes = [
            RenderMesh(
                view.to_camera(surface)[rows].astype(np.float32),
                self._visible_faces(worn),
                (normals @ view.rotation.T.astype(np.float32))[rows],
                instance,
                materials,
                self._uv,
                self._template[rows],
                outfit.coverage[rows],
                outfit.color[rows],
            )
        ]
        for kind, piece in worn.items():
            mesh = self._worn_mesh(
                person, kind, piece, skin_normals,
                view=view, instance=instance, materials=materials,
            )  # fmt: skip
            if kind == "shoes" and "suit" in worn:
                mesh.faces = outside_faces(piece.garment, worn["suit"].garment)
            meshes.append(mesh)
        for slot, solid in self._drapes(rng, person, outfit):
            meshes.append(drapes.drape_mesh(solid, view, instance, materials, slot))
        return meshes

    def _choose(self, rng: np.random.Generator) -> dict[str, Piece]:
        """Pieces of the closet by kind; other kinds of clothes are regions of the skin."""
        if self.closet is None:
            return {}
        chances = {"suit": 0.6, "shoes": 0.6, "hair": 0.7}
        wanted = [kind for kind, chance in chances.items() if rng.random() < chance]
        if rng.random() < 0.05:
            wanted = [kind for kind in wanted if kind != "hair"] + ["hat"]
        pieces = {kind: self.closet.pick(rng, kind) for kind in wanted}
        return {kind: piece for kind, piece in pieces.items() if piece is not None}

    def _visible_faces(self, worn: dict[str, Piece]) -> npt.NDArray[np.int32]:
        hidden = np.zeros(len(self._template), bool)
        for piece in worn.values():
            hidden |= piece.garment.hides
        if not hidden.any():
            return self._row_faces
        return self._row_faces[~hidden[self._row_vertex][self._row_faces].all(axis=1)]

    def _worn_mesh(
        self,
        person: Person,
        kind: str,
        piece: Piece,
        normals: FloatArray,
        *,
        view: View,
        instance: int,
        materials: tuple[Material, ...],
    ) -> RenderMesh:
        garment = piece.garment
        skin = person.vertices - person.shifted
        clearance: FloatArray | float = CLEARANCE_M
        if kind == "hair":  # hair below the head lies on clothes
            clearance = np.where(garment.weights[:, 15] < 0.5, OVER_CLOTHES_M, CLEARANCE_M)
        at = put_on(garment, person.moved, person.transforms, skin, normals, clearance=clearance)
        at = at + person.shifted
        rows = garment.row_vertex
        return RenderMesh(
            view.to_camera(at)[rows].astype(np.float32),
            garment.row_faces,
            (garment.normals(at) @ view.rotation.T.astype(np.float32))[rows],
            instance,
            materials,
            garment.uv,
            garment.rest[rows],
            slots(piece, kind)[rows],
        )

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
            rotation = self._head_rotation(person.rotvec)
            head = person.joints[15]
            if outfit.long_hair:
                hair = drapes.hanging_hair(rng, rotation, head, self._skull, outfit.long_hair)
                parts.append((4, hair))
            if outfit.brim:
                all_round = rng.random() < 0.3
                parts.append((4, drapes.brim(rotation, head, self._skull, outfit.brim, all_round)))
        return parts

    def _head_rotation(self, rotvec: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        chain, joint = [], 15
        while joint >= 0:
            chain.append(joint)
            joint = self._body.parents[joint]
        rotation = Rotation.identity()
        for joint in reversed(chain):
            rotation = rotation * Rotation.from_rotvec(rotvec[joint])
        return np.asarray(rotation.as_matrix())
