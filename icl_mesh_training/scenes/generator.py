"""Makes labelled scenes: layout, looks, picture, labels. Scene i of a seed is always the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Material, Renderer, RenderMesh
from icl_mesh_training.scenes.backgrounds import Backgrounds, load_panoramas, load_photos
from icl_mesh_training.scenes.finishing import finish
from icl_mesh_training.scenes.labels import SceneLabels
from icl_mesh_training.scenes.layout import LayoutSampler
from icl_mesh_training.scenes.lights import sample_lighting
from icl_mesh_training.scenes.mocap import MocapPoses
from icl_mesh_training.scenes.objects import ObjectSampler, Thing
from icl_mesh_training.scenes.people import Person, PersonFactory, drape_mesh
from icl_mesh_training.scenes.textures import build_textures
from icl_mesh_training.scenes.view import View
from icl_mesh_training.scenes.visibility import (
    FIRST_BACKDROP,
    FIRST_OBJECT,
    joint_occlusion,
    visible_share,
)

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class SceneAssets:
    """Folders that the user brings; without them everything is procedural.

    mocap: .npz of motion capture; backgrounds: photos without people; panoramas: .hdr files;
    makehuman: MakeHuman textures (skins, clothes, hair). split: see textures.split_files.
    """

    mocap: Path | None = None
    backgrounds: Path | None = None
    panoramas: Path | None = None
    makehuman: Path | None = None
    split: str = "all"


class SceneGenerator:
    """Renders scenes of random people.

    body: the body whose parameters are the labels. long_side: of the images, px. Use it from one
    thread; several processes may each make their own.
    """

    def __init__(
        self,
        body: BodyModel,
        assets: SceneAssets | None = None,
        *,
        seed: int = 0,
        long_side: int = 384,
        max_people: int = 8,
    ) -> None:
        assets = assets or SceneAssets()
        self._seed, self._long_side = seed, long_side
        photos = load_photos(assets.backgrounds, assets.split) if assets.backgrounds else []
        panoramas = load_panoramas(assets.panoramas, assets.split) if assets.panoramas else []
        bank = build_textures(seed, assets.makehuman, photos)
        mocap = MocapPoses(assets.mocap) if assets.mocap else None
        self._factory = PersonFactory(body, bank)
        self._layouts = LayoutSampler(self._factory, mocap, max_people)
        self._objects = ObjectSampler(bank)
        self._backgrounds = Backgrounds(bank, photos, panoramas)
        self._renderer = Renderer(bank.images, samples=0)

    def __call__(self, index: int) -> tuple[Image, SceneLabels]:
        """Scene ``index``: RGB u8 [H, W, 3] and labels."""
        rng = np.random.default_rng([self._seed, index])
        layout = self._layouts.sample(rng, self._long_side)
        view, people = layout.view, layout.people
        things = self._objects.things(rng, layout)
        background = self._backgrounds.sample(rng, view)
        shadows = rng.random() < 0.5
        backdrops: list[Thing] = []
        if rng.random() < 0.18:
            backdrops = self._objects.room(rng, layout)
        elif shadows and people:
            backdrops = [self._objects.shadow_floor(rng)]
        lighting = sample_lighting(rng, view, background, shadows)
        meshes: list[RenderMesh] = []
        for i, person in enumerate(people):
            meshes += self._factory.dress(rng, person, view, 1 + i)
        for i, thing in enumerate(things):
            meshes += thing_meshes(thing, view, FIRST_OBJECT + i)
        # near to far: what lies behind is then not shaded
        meshes.sort(key=lambda mesh: float(mesh.vertices[:, 2].mean()))
        for i, thing in enumerate(backdrops):
            meshes += thing_meshes(thing, view, FIRST_BACKDROP + i)
        image, labels = self.draw(meshes, people, view, lighting, background)
        return finish(rng, image), labels

    def draw(self, meshes, people, view, lighting, background):  # noqa: ANN001, ANN201
        """Render meshes and label people."""
        ids = tuple(range(1, 1 + len(people)))
        drawn, tiles = self._renderer.render(
            meshes, view.camera, lighting, background, maps=True, tile_ids=ids
        )
        labels = describe(people, view)
        for i in range(len(people)):
            labels.occlusion[i] = joint_occlusion(
                1 + i, labels.joints_m[i], labels.joints_px[i], drawn.instance, drawn.depth,
                tiles, i,
            )  # fmt: skip
            labels.visible_share[i] = visible_share(1 + i, drawn.instance, tiles, i)
        return soften_edges(drawn.image, drawn.instance), labels


def soften_edges(image: Image, instance: npt.NDArray[np.uint8]) -> Image:
    """Blur the outlines of instances a little: as good as multisampling here, a third cheaper."""
    edge = cv2.morphologyEx(instance, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    soft = cv2.GaussianBlur(image, (3, 3), 0.7)
    cv2.copyTo(soft, edge, image)
    return image


def thing_meshes(thing: Thing, view: View, instance: int) -> list[RenderMesh]:
    """An object's parts in the camera frame; parts behind the camera are left out."""
    solids, material = thing
    materials: tuple[Material, ...] = (material,)
    return [drape_mesh(s, view, instance, materials) for s in solids]


def describe(people: list[Person], view: View) -> SceneLabels:
    """Labels of people in a view, with nobody hidden yet (occlusion 0, visible_share 1)."""
    count, camera = len(people), view.camera
    joints = np.zeros((count, 24, 3))
    pose = np.zeros((count, 24, 3))
    translation = np.zeros((count, 3))
    betas = np.zeros((count, 10))
    for i, person in enumerate(people):
        joints[i] = view.to_camera(person.joints)
        pose[i] = person.rotvec
        in_world = Rotation.from_rotvec(person.rotvec[0])
        pose[i, 0] = (Rotation.from_matrix(view.rotation) * in_world).as_rotvec()
        translation[i] = joints[i, 0] - person.rest_root
        betas[i] = person.betas
    return SceneLabels(
        size=np.array([camera.width, camera.height], np.int32),
        intrinsics=np.array([camera.fx, camera.fy, camera.cx, camera.cy], np.float32),
        betas=betas.astype(np.float32),
        pose=pose.astype(np.float32),
        translation=translation.astype(np.float32),
        joints_m=joints.astype(np.float32),
        joints_px=camera.project(joints).astype(np.float32),
        occlusion=np.zeros((count, 24), np.uint8),
        visible_share=np.ones(count, np.float32),
    )


def encode_jpeg(image: Image, quality: int) -> bytes:
    """RGB u8 -> JPEG bytes."""
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise RuntimeError("OpenCV could not encode a JPEG image")
    return bytes(data.tobytes())
