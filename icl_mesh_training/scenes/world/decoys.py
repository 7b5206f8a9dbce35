"""Objects that resemble people, as hard negatives: hanging clothes, snowmen, stacked boxes."""

from __future__ import annotations

import math

import numpy as np
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Material
from icl_mesh_training.scenes.people.closet import cloth_material, put_on
from icl_mesh_training.scenes.people.materials import PersonMaterials, object_material
from icl_mesh_training.scenes.people.people import PersonFactory
from icl_mesh_training.scenes.render import solids as props
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.solids import Solid
from icl_mesh_training.scenes.render.textures import TextureBank

Thing = tuple[list[Solid], Material]


class Decoys:
    """Samples decoys. Hanging clothes need a factory with a closet."""

    def __init__(self, factory: PersonFactory, bank: TextureBank) -> None:
        self._factory, self._bank = factory, bank
        self._materials = PersonMaterials(bank, has_uv=False)

    def sample(self, rng: np.random.Generator, view: View) -> list[Thing]:
        """One stacked figure, or up to four garments side by side, in the view."""
        camera = view.camera
        size = math.exp(rng.uniform(math.log(0.25), math.log(1.4)))
        far = float(np.clip(camera.fy * 1.7 / (size * camera.height), 1.0, 12.0))
        column = camera.width * rng.uniform(0.1, 0.9)
        at = np.array([(column - camera.cx) / camera.fx * far, 0.0, -far])
        if self._factory.closet is None or rng.random() < 0.35:
            rotation = Rotation.from_rotvec([0, rng.uniform(-3, 3), 0])
            solids = [part.moved(rotation, at) for part in _figure(rng)]
            return [(solids, object_material(rng, self._bank))]
        step = np.array([rng.uniform(0.25, 0.7), 0.0, rng.normal(0, 0.1)])
        yaw = rng.uniform(-math.pi, math.pi)
        things = []
        for i in range(int(rng.integers(1, 5))):
            rotation = Rotation.from_rotvec([0, yaw + rng.normal(0, 0.2), 0])
            thing = self._hanging(rng, rotation, at + i * step)
            if thing is not None:
                things.append(thing)
        return things

    def _hanging(
        self, rng: np.random.Generator, rotation: Rotation, at: np.ndarray
    ) -> Thing | None:
        """An empty shirt, coat or pair of trousers, on a hanger or not; None without a suit."""
        assert self._factory.closet is not None
        piece = self._factory.closet.pick(rng, "suit")
        if piece is None:
            return None
        rig, garment = self._factory.rig, piece.garment
        rotvec = np.zeros((1, 24, 3))
        rotvec[0, 16, 2], rotvec[0, 17, 2] = -rng.uniform(0.9, 1.45), rng.uniform(0.9, 1.45)
        posed = rig.pose(rng.normal(0, 0.8, (1, 10)).astype(np.float32), rotvec)
        skin = posed.vertices[0]
        filled = put_on(garment, posed.moved[0], posed.transforms[0], skin, np.zeros_like(skin))
        cloth = filled * np.array([1, 1, rng.uniform(0.3, 0.9)])  # flattened: nobody wears it
        waves = rng.normal(0, 12, (3, 3))
        cloth = cloth + 0.02 * np.sin(cloth @ waves.T + rng.uniform(0, 6, 3))
        normals = garment.normals(cloth.astype(np.float32))
        rows, faces = garment.row_vertex, garment.row_faces
        part = rng.choice(["upper", "lower", "all"], p=[0.7, 0.15, 0.15])
        if part != "all":
            wanted = garment.upper == (part == "upper")
            some = faces[wanted[rows][faces].all(axis=1)]
            faces = some if len(some) else faces
        solid = Solid(cloth[rows].astype(np.float32), normals[rows], garment.uv, faces)
        solids = [solid]
        used = cloth[rows[faces.ravel()]]
        top = float(used[:, 1].max())
        if rng.random() < 0.6:
            bar = np.linspace([0, top - 0.02, 0], [0, top + rng.uniform(0.08, 0.5), 0], 3)
            solids.append(props.tube(bar, np.full(3, 0.006)))
        # at the height of a rail or door, or with its lower edge on the floor
        lift = rng.uniform(0.0, 1.9 - top) if rng.random() < 0.8 else -float(used[:, 1].min())
        solids = [s.moved(rotation, at + [0, lift, 0]) for s in solids]
        fabric = self._materials.cloth(rng)
        return solids, cloth_material(rng, piece, fabric)


def _figure(rng: np.random.Generator) -> list[Solid]:
    """Boxes or blobs on top of each other, sometimes with arms, 0.8 to 1.9 m high."""
    count, y, wide = int(rng.integers(2, 5)), 0.0, rng.uniform(0.15, 0.32)
    round_parts, parts = rng.random() < 0.5, []
    tall = rng.uniform(0.8, 1.9) / count
    for i in range(count):
        half = np.array([wide, tall / 2, wide * rng.uniform(0.5, 1.0)]) * rng.uniform(0.9, 1.1, 3)
        if i == count - 1:
            half[[0, 2]] *= rng.uniform(0.35, 0.8)
        part = props.blob(rng, half, 0.05) if round_parts else props.box(2 * half)
        parts.append(
            part.moved(Rotation.from_rotvec([0, rng.normal(0, 0.2), 0]), (0, y + half[1], 0))
        )
        y += 2 * half[1] * 0.93
    if rng.random() < 0.5:
        shoulder = y - tall * 1.1
        for side in (-1, 1):
            hand = [
                side * rng.uniform(0.3, 0.8),
                shoulder + rng.uniform(-0.6, 0.5),
                rng.normal(0, 0.1),
            ]
            path = np.linspace([side * wide * 0.8, shoulder, 0], hand, 4)
            parts.append(props.tube(path, np.linspace(0.06, 0.03, 4)))
    return parts
