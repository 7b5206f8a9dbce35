"""Renders a composed scene and computes its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Lighting, Renderer, RenderMesh
from icl_mesh_training.scenes.people.drapes import drape_mesh
from icl_mesh_training.scenes.people.people import Person, PersonFactory
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.labels import SceneLabels
from icl_mesh_training.scenes.render.visibility import (
    FIRST_BACKDROP,
    FIRST_OBJECT,
    hidden_by_people,
    joint_occlusion,
    visible_share,
)
from icl_mesh_training.scenes.world.objects import Thing

Image = npt.NDArray[np.uint8]


@dataclass
class Scene:
    """A composed scene in the world frame of ``view``.

    outfit_rngs: one generator per person, for clothes, hair and skin. background: RGB u8
    [H, W, 3], or None for black.
    """

    view: View
    people: Sequence[Person]
    outfit_rngs: Sequence[np.random.Generator]
    things: Sequence[Thing]
    backdrops: Sequence[Thing]
    lighting: Lighting
    background: Image | None = None


def draw_scene(
    renderer: Renderer, factory: PersonFactory, scene: Scene
) -> tuple[Image, Image, SceneLabels]:
    """Picture RGB u8 [H, W, 3], instance ids u8 [H, W] (person i has 1 + i) and labels."""
    ids = tuple(range(1, 1 + len(scene.people)))
    drawn, tiles = renderer.render(
        _meshes(factory, scene),
        scene.view.camera,
        scene.lighting,
        scene.background,
        maps=True,
        tile_ids=ids,
    )
    labels = describe(scene.people, scene.view)
    assert drawn.instance is not None
    assert drawn.depth is not None
    labels.keep_masks(drawn.instance)
    labels.hidden_by_people = np.zeros(len(ids), np.float32)
    if tiles is not None:
        for i, number in enumerate(ids):
            labels.visible_share[i] = visible_share(number, drawn.instance, tiles, i)
            labels.hidden_by_people[i] = hidden_by_people(
                number, drawn.instance, drawn.depth, tiles, i
            )
            labels.occlusion[i] = joint_occlusion(
                number, i, labels, instance=drawn.instance, depth=drawn.depth, own=tiles
            )
    return drawn.image, drawn.instance, labels


def _meshes(factory: PersonFactory, scene: Scene) -> list[RenderMesh]:
    """All meshes of the scene, in the camera frame."""
    meshes: list[RenderMesh] = []
    for i, (person, rng) in enumerate(zip(scene.people, scene.outfit_rngs, strict=True)):
        meshes += factory.dress(rng, person, scene.view, 1 + i)
    for i, thing in enumerate(scene.things):
        meshes += _thing_meshes(thing, scene.view, FIRST_OBJECT + i)
    # near to far, so that hidden fragments are not shaded; backdrops may blend, so they come last
    meshes.sort(key=lambda mesh: float(mesh.vertices[:, 2].mean()))
    for i, thing in enumerate(scene.backdrops):
        meshes += _thing_meshes(thing, scene.view, FIRST_BACKDROP + i)
    return meshes


def describe(people: Sequence[Person], view: View) -> SceneLabels:
    """Labels of people in a view, without occlusion (occlusion 0, visible_share 1)."""
    count, camera = len(people), view.camera
    joints, pose = np.zeros((count, 24, 3)), np.zeros((count, 24, 3))
    translation, betas = np.zeros((count, 3)), np.zeros((count, 10))
    for i, person in enumerate(people):
        joints[i] = view.to_camera(person.joints)
        pose[i] = person.rotvec
        in_world = Rotation.from_rotvec(person.rotvec[0])
        pose[i, 0] = (Rotation.from_matrix(view.rotation) * in_world).as_rotvec()
        # SMPL's root rotation is about the pelvis, so the pelvis gives the translation
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


def soften_edges(image: Image, instance: Image) -> Image:
    """Blur the edges of instances: as good as multisampling here, a third cheaper."""
    edge = cv2.morphologyEx(instance, cv2.MORPH_GRADIENT, np.ones((2, 2), np.uint8))
    result = image.copy()
    cv2.copyTo(cv2.GaussianBlur(image, (3, 3), 0.7), edge, result)
    return result


def _thing_meshes(thing: Thing, view: View, instance: int) -> list[RenderMesh]:
    solids, material = thing
    return [drape_mesh(solid, view, instance, (material,)) for solid in solids]
