"""A short clip of two people who cross, with ground truth. It needs no files."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import Renderer
from icl_mesh_training.scenes.drawing import Scene, draw_scene
from icl_mesh_training.scenes.people.people import Person, PersonFactory
from icl_mesh_training.scenes.poses.gait import CYCLE_M, walking_pose
from icl_mesh_training.scenes.render.cameras import place_view
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.render.textures import build_textures
from icl_mesh_training.scenes.world.furnished_room import furnished_room, room_light
from icl_mesh_training.scenes.world.layout import rotated

#: Start and end (x, z) of each person, m. They walk in opposite directions and pass each other
#: halfway through the clip, 0.9 m apart in depth.
_PATHS = (((-1.3, -3.1), (1.3, -2.8)), ((1.6, -3.7), (-1.6, -4.0)))
#: Seeds of their outfits, chosen by eye for plain, everyday clothes.
_OUTFIT_SEEDS = (58, 103)


def crossing_clip(
    frames: int = 60,
    width: int = 640,
    height: int = 480,
    seed: int = 0,
    body: BodyModel | None = None,
) -> Iterator[tuple[npt.NDArray[np.uint8], SceneLabels]]:
    """Frames RGB u8 [height, width, 3] with labels. The same arguments give the same frames.

    Person 0 passes in front of person 1. Field of view 60 degrees across the longer side.
    Raises ValueError for fewer than 2 frames.
    """
    if frames < 2:
        raise ValueError(f"a clip needs at least 2 frames, got {frames}")
    bank, room = furnished_room(build_textures(seed, size=256))
    factory = PersonFactory(body or BodyModel.load("default"), bank)
    camera = Camera.assumed(width, height, 60.0)
    view = place_view(camera, 1.45, 0.11, 0.0)
    rng = np.random.default_rng(seed)
    betas = np.clip(rng.normal(0, 0.8, (2, 10)), -2, 2).astype(np.float32)
    lighting = room_light(view)
    with Renderer(bank.images) as renderer:
        for frame in range(frames):
            people = _walkers(factory, betas, frame / (frames - 1))
            outfit_rngs = [np.random.default_rng([seed, outfit]) for outfit in _OUTFIT_SEEDS]
            scene = Scene(view, people, outfit_rngs, [], room, lighting)
            image, _, labels = draw_scene(renderer, factory, scene)
            yield image, labels


def _walkers(factory: PersonFactory, betas: npt.NDArray[np.float32], at: float) -> list[Person]:
    poses, positions = [], []
    for i, (start, end) in enumerate(np.asarray(_PATHS)):
        path = end - start
        walked = at * float(np.linalg.norm(path))
        pose = walking_pose(2 * math.pi * walked / CYCLE_M + 2.0 * i)
        poses.append(rotated(pose, math.atan2(path[0], path[1])))
        positions.append(start + at * path)
    people = factory.posed(betas, poses)
    for person, (x, z) in zip(people, positions, strict=True):
        person.shift([x, 0.0, z])
    return people
