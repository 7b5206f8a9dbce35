"""Renders labelled scenes of random people. Seed and index determine a scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.rendering import Renderer
from icl_mesh_training.scenes.drawing import Scene, draw_scene, soften_edges
from icl_mesh_training.scenes.people.closet import Closet
from icl_mesh_training.scenes.people.faces import paint_faces
from icl_mesh_training.scenes.people.people import PersonFactory
from icl_mesh_training.scenes.poses.mocap import MocapPoses
from icl_mesh_training.scenes.render.finishing import finish
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.render.textures import build_textures
from icl_mesh_training.scenes.world.backgrounds import Backgrounds, load_panoramas, load_photos
from icl_mesh_training.scenes.world.decoys import Decoys
from icl_mesh_training.scenes.world.layout import Layout, LayoutSampler
from icl_mesh_training.scenes.world.lights import sample_lighting
from icl_mesh_training.scenes.world.objects import ObjectSampler, Thing, farthest
from icl_mesh_training.scenes.world.occluding import TOLERANCE, OcclusionSampler

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

Image = npt.NDArray[np.uint8]

#: Most people in one scene: instance ids are 8 bits, shared with things.
MAX_PEOPLE = 32
#: Most pictures rendered for one scene with a wanted occlusion.
MAX_ATTEMPTS = 20


@dataclass(frozen=True)
class SceneAssets:
    """Files of the user. Without them everything is procedural.

    mocap: .npz of motion capture. backgrounds: folder of photos without people. panoramas: folder
    of .hdr files. makehuman: folder of MakeHuman assets (textures; clothes and hair as .mhclo).
    split: which files of backgrounds and panoramas to use, see textures.split_files.
    """

    mocap: Path | None = None
    backgrounds: Path | None = None
    panoramas: Path | None = None
    makehuman: Path | None = None
    split: str = "all"


class SceneGenerator:
    """Renders scenes of random people.

    body: its parameters are the labels. long_side: of the images, px. max_people: at most
    MAX_PEOPLE. texture_size: px. aspect: width over height of all images, None for random ones
    (cameras.ASPECTS). An instance belongs to one thread. Raises ValueError for sizes
    out of range and for assets that cannot be used, FileNotFoundError for a missing mocap file.
    """

    def __init__(
        self,
        body: BodyModel,
        assets: SceneAssets | None = None,
        *,
        seed: int = 0,
        long_side: int = 384,
        max_people: int = 10,
        texture_size: int = 512,
        aspect: float | None = None,
    ) -> None:
        if not 1 <= max_people <= MAX_PEOPLE:
            raise ValueError(f"max_people must lie in [1, {MAX_PEOPLE}], got {max_people}")
        if long_side < 16:
            raise ValueError(f"long_side must be at least 16 px, got {long_side}")
        assets = assets or SceneAssets()
        self._seed, self._long_side = seed, long_side
        photos = load_photos(assets.backgrounds, assets.split) if assets.backgrounds else []
        panoramas = load_panoramas(assets.panoramas, assets.split) if assets.panoramas else []
        bank = build_textures(seed, assets.makehuman, photos, texture_size)
        mocap = MocapPoses(assets.mocap) if assets.mocap else None
        paint_faces(bank, body, seed)
        closet = Closet(body, assets.makehuman, bank.named) if assets.makehuman else None
        self._factory = PersonFactory(body, bank, closet)
        self._layouts = LayoutSampler(self._factory, mocap, max_people, aspect)
        self._objects = ObjectSampler(bank, Decoys(self._factory, bank))
        self._backgrounds = Backgrounds(bank, photos, panoramas)
        self._renderer = Renderer(bank.images, samples=0)
        self._occlusions = OcclusionSampler(self._factory, self._renderer, aspect)

    def __call__(self, index: int, occlusion: float | None = None) -> tuple[Image, SceneLabels]:
        """Scene ``index``: RGB u8 [H, W, 3] and labels.

        occlusion: share of the first person that other people hide, in [0, 0.9], or None for a
        random scene. hidden_by_people[0] is within occluding.TOLERANCE of it; such scenes have no
        objects. Raises ValueError for a share out of range, RuntimeError where it is not met.
        """
        if occlusion is None:
            rng = np.random.default_rng([self._seed, index])
            layout = self._layouts.sample(rng, self._long_side)
            return self._picture(rng, layout, self._objects.things(rng, layout))
        for attempt in range(MAX_ATTEMPTS):
            rng = np.random.default_rng([self._seed, index, attempt])
            layout = self._occlusions.sample(rng, self._long_side, occlusion)
            image, labels = self._picture(rng, layout, [])
            assert labels.hidden_by_people is not None
            if abs(float(labels.hidden_by_people[0]) - occlusion) <= TOLERANCE:
                return image, labels
        raise RuntimeError(f"scene {index}: occlusion {occlusion} not met in {MAX_ATTEMPTS} tries")

    def _picture(
        self, rng: np.random.Generator, layout: Layout, things: list[Thing]
    ) -> tuple[Image, SceneLabels]:
        view, people = layout.view, layout.people
        background = self._backgrounds.sample(rng, view)
        shadows = rng.random() < 0.5
        backdrops: list[Thing] = []
        if rng.random() < 0.18:
            backdrops = self._objects.room(rng, farthest(people), view)
        elif shadows and people:
            backdrops = [self._objects.shadow_floor(rng)]
        lighting = sample_lighting(rng, view, background, shadows)
        outfit_rngs = [rng] * len(people)
        scene = Scene(view, people, outfit_rngs, things, backdrops, lighting, background)
        image, instance, labels = draw_scene(self._renderer, self._factory, scene)
        return finish(rng, soften_edges(image, instance)), labels


def encode_jpeg(image: Image, quality: int) -> bytes:
    """RGB u8 -> JPEG bytes."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    return bytes(data.tobytes())
