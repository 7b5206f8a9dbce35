"""Sequences of people who cross, hide each other, leave and enter, with ground truth.

They evaluate trackers. They are procedural and need no files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import Renderer
from icl_mesh_training.scenes.drawing import Scene, draw_scene, soften_edges
from icl_mesh_training.scenes.people.people import PersonFactory
from icl_mesh_training.scenes.render.cameras import place_view
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.render.textures import build_textures
from icl_mesh_training.scenes.world.furnished_room import room_light
from icl_mesh_training.scenes.world.objects import ObjectSampler
from icl_mesh_training.scenes.world.walks import STORIES, Stage, sample_walks


@dataclass(frozen=True)
class SequenceFormat:
    """width, height: px. frames: per sequence. rate: Hz. fov_deg: across the longer side."""

    width: int = 320
    height: int = 240
    frames: int = 40
    rate: float = 10.0
    fov_deg: float = 60.0

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ValueError(f"a sequence needs at least 2 frames, got {self.frames}")
        if not self.rate > 0:
            raise ValueError(f"the rate must be above 0 Hz, got {self.rate}")


class SequenceRenderer:
    """Renders sequences. An instance belongs to one thread.

    Body, format and seed determine a sequence. Person i is row i of every frame's labels, also in
    frames where this person is not visible.
    """

    def __init__(self, body: BodyModel, form: SequenceFormat | None = None) -> None:
        self.form = form or SequenceFormat()
        bank = build_textures(0, size=256)
        self._factory, self._objects = PersonFactory(body, bank), ObjectSampler(bank)
        self._renderer = Renderer(bank.images, samples=0)

    def __call__(self, seed: int) -> Iterator[tuple[npt.NDArray[np.uint8], SceneLabels]]:
        """Frames RGB u8 [H, W, 3] with labels; the story is `story_of(seed)`."""
        form, rng = self.form, np.random.default_rng([seed, 2])
        camera = Camera.assumed(form.width, form.height, form.fov_deg)
        view = place_view(camera, rng.uniform(1.1, 1.6), rng.uniform(0.05, 0.14), 0.0)
        seconds = (form.frames - 1) / form.rate
        stage = Stage((form.width / 2) / camera.fx, seconds)
        walks = sample_walks(rng, story_of(seed), stage)
        paths = [walk.sample(np.arange(form.frames) / form.rate) for walk in walks]
        betas = np.clip(rng.normal(0, 0.8, (len(walks), 10)), -2, 2).astype(np.float32)
        farthest = max(-float(positions[:, 1].min()) for positions, _ in paths)
        backdrops = self._objects.room(rng, farthest, view)
        light = room_light(view)
        for frame in range(form.frames):
            people = self._factory.posed(betas, [poses[frame] for _, poses in paths])
            for person, (positions, _) in zip(people, paths, strict=True):
                x, z = positions[frame]
                person.shift([x, 0.0, z])
            outfit_rngs = [np.random.default_rng([seed, 3, i]) for i in range(len(people))]
            scene = Scene(view, people, outfit_rngs, [], backdrops, light)
            image, instance, labels = draw_scene(self._renderer, self._factory, scene)
            yield soften_edges(image, instance), labels


def story_of(seed: int) -> str:
    """The story of a seed: walks.STORIES in rotation."""
    return STORIES[seed % len(STORIES)]
