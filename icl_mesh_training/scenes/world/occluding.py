"""Samples layouts in which other people hide a chosen share of one person."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import Renderer, RenderMesh
from icl_mesh_training.scenes.people.people import Person, PersonFactory
from icl_mesh_training.scenes.poses.everyday import EverydayPoses
from icl_mesh_training.scenes.render.cameras import (
    View,
    pitch_towards,
    place_view,
    sample_camera,
    sample_roll,
)
from icl_mesh_training.scenes.render.visibility import hidden_by_people
from icl_mesh_training.scenes.world.layout import MIN_DEPTH_M, Layout, rotated

#: Greatest difference between the requested share and that of the picture.
TOLERANCE = 0.05
#: Longer side of the small pictures in which the share is searched, px.
SEARCH_SIDE = 160
_STEPS = 7
_ATTEMPTS = 40


class OcclusionSampler:
    """Samples layouts whose first person is hidden by others to a given share."""

    def __init__(
        self, factory: PersonFactory, renderer: Renderer, aspect: float | None = None
    ) -> None:
        """aspect: of the images, see sample_camera."""
        self._factory, self._renderer, self._aspect = factory, renderer, aspect
        self._poses = EverydayPoses(factory.rest_joints)

    def sample(self, rng: np.random.Generator, long_side: int, wanted: float) -> Layout:
        """One layout; wanted: hidden share of people[0], in [0, 0.9].

        The share is met for people without clothes; clothes hide a little more. Raises ValueError
        for a share outside the range, RuntimeError where no layout is found.
        """
        if not 0 <= wanted <= 0.9:
            raise ValueError(f"occlusion must lie in [0, 0.9], got {wanted}")
        for _ in range(_ATTEMPTS):
            layout = self._attempt(rng, long_side, wanted)
            if layout is not None:
                return layout
        raise RuntimeError(f"no layout with occlusion {wanted} found in {_ATTEMPTS} attempts")

    def _attempt(self, rng: np.random.Generator, long_side: int, wanted: float) -> Layout | None:
        view, distance, across = self._view(rng, sample_camera(rng, long_side, self._aspect))
        behind = int(rng.integers(0, 3))
        poses = [
            rotated(self._poses.sample(rng, upright=rng.random() < 0.6), rng.uniform(0, 6.28))
            for _ in range(2 + behind)
        ]
        target, other, *rest = self._factory.bodies(rng, poses)
        at = np.array([across, 0.0, -distance])
        target.shift(at)
        if not _is_inside(view, target):
            return None
        # towards the camera by at least 0.5 m; nearer to it for a larger share
        share = rng.uniform(0.5, 0.88 - 0.25 * wanted)
        share = min(share, 1 - 0.5 / distance)
        start, side = share * at, rng.choice([-1.0, 1.0])
        aside = side * np.array([distance, 0.0, across]) / math.hypot(distance, across)
        other.shift(start)
        if not self._approach(view, target, other, aside, wanted):
            return None
        for person in rest:
            far = distance * rng.uniform(1.3, 2.5)
            column = view.camera.width * rng.uniform(0.05, 0.95)
            person.shift([(column - view.camera.cx) / view.camera.fx * far, 0.0, -far])
        people = [target, other, *rest]
        if any(view.to_camera(p.vertices)[:, 2].min() < MIN_DEPTH_M for p in people):
            return None
        return Layout(view, people)

    @staticmethod
    def _view(rng: np.random.Generator, camera: Camera) -> tuple[View, float, float]:
        size = math.exp(rng.uniform(math.log(0.4), math.log(0.8)))
        distance = max(1.8, camera.fy * 1.68 / (size * camera.height))
        height = rng.uniform(0.8, 1.9)
        row = camera.height * (0.5 + rng.uniform(-0.08, 0.08))
        view = place_view(
            camera, height, pitch_towards(camera, height, 0.85, distance, row), sample_roll(rng)
        )
        column = camera.width * rng.uniform(0.3, 0.7)
        return view, distance, (column - camera.cx) / camera.fx * distance

    def _approach(
        self,
        view: View,
        target: Person,
        other: Person,
        aside: npt.NDArray[np.float64],
        wanted: float,
    ) -> bool:
        """Move ``other`` sideways (bisection) until it hides the wanted share; False if never."""
        slack = 0.5 * TOLERANCE
        low, high, moved = 0.0, 1.1, 0.0
        if wanted > slack and self._hidden(view, target, other) < wanted - slack:
            return False
        for step in range(_STEPS):
            offset = high if step == 0 and wanted <= slack else (low + high) / 2
            other.shift((offset - moved) * aside)
            moved = offset
            hidden = self._hidden(view, target, other)
            if abs(hidden - wanted) <= slack:
                return True
            low, high = (offset, high) if hidden > wanted else (low, offset)
        return False

    def _hidden(self, view: View, target: Person, other: Person) -> float:
        """Hidden share of the target, without clothes, in a small picture."""
        camera = view.camera
        factor = SEARCH_SIDE / max(camera.width, camera.height)
        small = Camera(
            camera.fx * factor,
            camera.fy * factor,
            (camera.cx + 0.5) * factor - 0.5,
            (camera.cy + 0.5) * factor - 0.5,
            max(1, round(camera.width * factor)),
            max(1, round(camera.height * factor)),
        )
        meshes = [
            RenderMesh(
                at := view.to_camera(p.vertices).astype(np.float32), self._factory.faces, at, i
            )
            for i, p in enumerate((target, other), start=1)
        ]
        if min(float(m.vertices[:, 2].min()) for m in meshes) < MIN_DEPTH_M:
            return 0.0
        drawn, tiles = self._renderer.render(meshes, small, maps=True, tile_ids=(1,), tile_size=96)
        assert drawn.instance is not None
        assert drawn.depth is not None
        assert tiles is not None
        return hidden_by_people(1, drawn.instance, drawn.depth, tiles, 0)


def _is_inside(view: View, person: Person) -> bool:
    """Whether all vertices are in front of the camera and within the image."""
    at = view.to_camera(person.vertices)
    if at[:, 2].min() < MIN_DEPTH_M:
        return False
    px = view.camera.project(at)
    return bool(((px >= 0) & (px <= [view.camera.width - 1, view.camera.height - 1])).all())
