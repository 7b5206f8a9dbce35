"""Objects of a scene: seats, occluders, clutter, held objects, rooms, hard negatives."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Material
from icl_mesh_training.scenes.people.materials import object_material
from icl_mesh_training.scenes.people.people import Person
from icl_mesh_training.scenes.render import solids as props
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.solids import Solid
from icl_mesh_training.scenes.render.textures import TextureBank
from icl_mesh_training.scenes.world.decoys import Decoys
from icl_mesh_training.scenes.world.layout import Layout

#: Height of floors, m. Bare feet are at 0; the soles of shoes lie below.
FLOOR_Y = -0.035
#: One object: parts that share an instance id and a material.
Thing = tuple[list[Solid], Material]


class ObjectSampler:
    """Samples objects of a layout, in the world frame. decoys: None for none."""

    def __init__(self, bank: TextureBank, decoys: Decoys | None = None) -> None:
        self._bank, self._decoys = bank, decoys

    def things(self, rng: np.random.Generator, layout: Layout) -> list[Thing]:
        """Occluders, seats, held objects, decoys and clutter."""
        things: list[Thing] = []
        for person in layout.people:
            if person.pose.seated and rng.random() < 0.75:
                things.append((self._seat(rng, person), self._material(rng)))
            if rng.random() < 0.13:
                things.append(([self._held(rng, person)], self._material(rng)))
            if rng.random() < 0.18:
                parts = self._occluder(rng, layout, person)
                if parts:
                    things.append((parts, self._material(rng)))
        if self._decoys and rng.random() < (0.07 if layout.people else 0.6):
            things += self._decoys.sample(rng, layout.view)
        clutter = rng.integers(1, 6) if rng.random() < (0.35 if layout.people else 0.8) else 0
        for _ in range(int(clutter)):
            things.append((self._clutter(rng, layout), self._material(rng)))
        return things

    def _material(self, rng: np.random.Generator) -> Material:
        return object_material(rng, self._bank)

    @staticmethod
    def _seat(rng: np.random.Generator, person: Person) -> list[Solid]:
        root = person.joints[0]
        near = np.linalg.norm(person.vertices[:, [0, 2]] - root[[0, 2]], axis=1) < 0.16
        seat_y = max(0.05, float(person.vertices[near, 1].min()) - 0.005)
        ahead = person.joints[[4, 5]].mean(axis=0) - root
        rotation = Rotation.from_rotvec([0, math.atan2(ahead[0], ahead[2]), 0])
        at = [root[0], 0.0, root[2]]
        return [part.moved(rotation, at) for part in props.chair(seat_y, rng)]

    @staticmethod
    def _held(rng: np.random.Generator, person: Person) -> Solid:
        """A phone, ball, cup, bag or stick in a hand."""
        hand = person.joints[22 if rng.random() < 0.5 else 23]
        rotation = Rotation.random(random_state=int(rng.integers(2**31)))
        kind = rng.random()
        if kind < 0.4:
            solid = props.box(rng.uniform(0.03, 0.25, 3))
        elif kind < 0.65:
            solid = props.blob(rng, rng.uniform(0.03, 0.16, 3), 0.03)
        elif kind < 0.85:
            length, radius = rng.uniform(0.3, 1.3), rng.uniform(0.01, 0.04)
            ends = np.linspace([0, -0.2 * length, 0], [0, 0.8 * length, 0], 4)
            solid = props.tube(ends, np.full(4, radius))
        else:  # a bag hanging from the hand
            size = rng.uniform([0.15, 0.2, 0.08], [0.45, 0.5, 0.25])
            rotation = Rotation.from_rotvec([0, rng.uniform(0, 6), 0])
            return props.box(size).moved(rotation, hand - [0, size[1] / 2, 0])
        return solid.moved(rotation, hand)

    @staticmethod
    def _occluder(rng: np.random.Generator, layout: Layout, person: Person) -> list[Solid]:
        """An object between the camera and a joint of a person; none where there is no room."""
        camera_at = layout.view.position
        joint = person.joints[int(rng.choice([0, 1, 2, 4, 5, 6, 7, 8, 12, 16, 17, 20, 21]))]
        share = rng.uniform(0.45, 0.88)
        at = camera_at + share * (joint - camera_at)
        gap = (1 - share) * float(np.linalg.norm(joint - camera_at))
        if gap < 0.3:
            return []
        extent = share * person.height  # of the person, projected to the occluder's depth
        rotation = Rotation.from_rotvec([0, rng.uniform(-0.6, 0.6), 0])
        kind = rng.random()
        if kind < 0.3 and at[1] > 0.25:  # table, counter, car-like block
            top = [rng.uniform(0.5, 2.2), float(at[1] + rng.uniform(0, 0.15)), 0.5]
            foot = [at[0] + rng.normal(0, 0.2), 0, at[2]]
            return [part.moved(rotation, foot) for part in props.table(top, rng)]
        if kind < 0.45:  # pole or trunk
            radius, lean = extent * rng.uniform(0.015, 0.11), rng.normal(0, 0.15, 2)
            heights = np.linspace(-0.2, at[1] + 2.0, 7)
            centres = np.stack(
                (at[0] + lean[0] * heights, heights, at[2] + 0.1 * lean[1] * heights), axis=1
            )
            return [props.tube(centres, radius * rng.uniform(0.7, 1.2, 7))]
        if kind < 0.75:  # a flat cut-out that faces the camera
            flat = (extent * rng.uniform(0.12, 0.7), extent * rng.uniform(0.12, 0.7))
            facing = Rotation.from_matrix(layout.view.rotation.T @ np.diag([1.0, -1, -1]))
            spin = Rotation.from_rotvec([0, 0, rng.uniform(0, 6.28)])
            return [props.cutout(rng, flat).moved(facing * spin, at)]
        if kind < 0.88:
            half = extent * rng.uniform(0.06, 0.3, 3)
            return [props.blob(rng, half).moved(rotation, at)]
        size = extent * rng.uniform(0.1, 0.6, 3)
        return [props.box(size).moved(Rotation.from_rotvec(rng.normal(0, 0.4, 3)), at)]

    @staticmethod
    def _clutter(rng: np.random.Generator, layout: Layout) -> list[Solid]:
        """Furniture or a hard negative in the view, mostly behind people."""
        camera = layout.view.camera
        depths = [-float(p.joints[0, 2]) for p in layout.people] or [rng.uniform(1.5, 8)]
        far = float(rng.choice(depths)) * rng.uniform(1.0, 2.5) + 0.4
        column = camera.width * rng.uniform(-0.05, 1.05)
        at = np.array([(column - camera.cx) / camera.fx * far, 0.0, -far])
        rotation = Rotation.from_rotvec([0, rng.uniform(-3, 3), 0])
        kind = rng.random()
        if kind < 0.35:
            size = np.exp(rng.uniform(np.log(0.2), np.log(1.8), 3))
            return [part.moved(rotation, at) for part in props.table(size, rng)]
        if kind < 0.5:
            return [part.moved(rotation, at) for part in props.chair(rng.uniform(0.3, 0.6), rng)]
        if kind < 0.65:  # trunk, post
            heights = np.linspace(-0.1, rng.uniform(0.5, 4), 6)
            lean = rng.normal(0, 0.1, 2)
            centres = np.stack((lean[0] * heights, heights, lean[1] * heights), axis=1) + at
            return [props.tube(centres, rng.uniform(0.03, 0.25) * rng.uniform(0.7, 1.3, 6))]
        if kind < 0.85:  # rods, bent like arms and legs
            parts = []
            for _ in range(int(rng.integers(1, 4))):
                length = rng.uniform(0.25, 0.6)
                points = [at + [rng.normal(0, 0.3), rng.uniform(0.2, 1.6), rng.normal(0, 0.3)]]
                for _ in range(2):
                    step = rng.normal(0, 1, 3)
                    points.append(points[-1] + length * step / np.linalg.norm(step))
                path = np.concatenate([np.linspace(a, b, 4) for a, b in pairwise(points)])
                path += rng.normal(0, 0.004, path.shape)
                parts.append(props.tube(path, np.linspace(0.08, 0.04, 8) * rng.uniform(0.6, 1.3)))
            return parts
        half = rng.uniform(0.08, 0.45, 3)  # heaps of clothes, cushions, balls
        raised = [0, half[1] + (rng.uniform(0, 1.2) if rng.random() < 0.4 else 0), 0]
        return [props.blob(rng, half, 0.2).moved(rotation, at + raised)]

    def room(self, rng: np.random.Generator, far: float, view: View) -> list[Thing]:
        """Floor, walls and ceiling of a room that reaches beyond the depth ``far``, m."""
        back, wide = far + rng.uniform(0.6, 4.0), rng.uniform(1.0, 4.0) + 0.7 * far
        tall = max(rng.uniform(2.3, 3.5), float(view.position[1]) + 0.5)
        floor = [[-wide, FLOOR_Y, 2], [wide, FLOOR_Y, 2], [wide, FLOOR_Y, -back]]
        corners = [
            [*floor, [-wide, FLOOR_Y, -back]],
            [[-wide, -0.1, -back], [wide, -0.1, -back], [wide, tall, -back], [-wide, tall, -back]],
            [[-wide, -0.1, 2], [-wide, -0.1, -back], [-wide, tall, -back], [-wide, tall, 2]],
            [[wide, -0.1, -back], [wide, -0.1, 2], [wide, tall, 2], [wide, tall, -back]],
            [[-wide, tall, -back], [wide, tall, -back], [wide, tall, 2], [-wide, tall, 2]],
        ]
        wall = self._wall(rng)
        materials = [self._wall(rng), wall, wall, wall, self._wall(rng)]
        return [
            ([props.panel(c, (2 * wide, tall))], material)
            for c, material in zip(corners, materials, strict=True)
        ]

    def _wall(self, rng: np.random.Generator) -> Material:
        tint = np.exp(rng.normal(0.1, 0.25)) * (1 + rng.normal(0, 0.06, 3))
        scale = rng.uniform(0.15, 0.7)
        r, g, b = (float(v) for v in tint)
        layer = self._bank.pick(rng, "surface")
        return Material(layer, (r, g, b), (scale, scale), (rng.random(), rng.random()))

    @staticmethod
    def shadow_floor(rng: np.random.Generator) -> Thing:
        """An invisible floor that receives shadows, for photo backgrounds."""
        corners = [[-30, FLOOR_Y, 3], [30, FLOOR_Y, 3], [30, FLOOR_Y, -50], [-30, FLOOR_Y, -50]]
        return [props.panel(corners, (1, 1))], Material(lit=-float(rng.uniform(0.25, 0.7)))


def farthest(people: list[Person]) -> float:
    """Depth (-z) of the farthest pelvis, m; 3 m without people."""
    return max((-float(p.joints[0, 2]) for p in people), default=3.0)
