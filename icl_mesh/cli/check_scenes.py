"""Reproducible rendered people, to compare engines without photos."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import Lighting, Material, NormalOperator, Renderer, RenderMesh

WIDTH, HEIGHT, COUNT = 640, 480, 8
_LIGHTING = Lighting(
    sky=(0.45, 0.45, 0.5),
    ground=(0.25, 0.22, 0.2),
    directions=((-0.5, -0.7, -0.6), (0.8, -0.2, -0.4)),
    colors=((0.6, 0.58, 0.5), (0.2, 0.2, 0.25)),
)


def rendered_people(body: BodyModel) -> Iterator[npt.NDArray[np.uint8]]:
    """COUNT RGB images [480, 640, 3], with two or three people each, 2.5 to 5 m away, in random
    poses.

    Raises RenderingUnavailableError without OpenGL.
    """
    generator = np.random.default_rng(0)
    camera = Camera.assumed(WIDTH, HEIGHT)
    normals = NormalOperator(body.faces, body.vertex_count)
    device = body.template.device
    with Renderer() as renderer:
        for _ in range(COUNT):
            people = int(generator.integers(2, 4))
            betas = generator.normal(0, 0.7, (people, 10)).astype(np.float32)
            with torch.inference_mode():
                mesh = body(
                    torch.from_numpy(betas).to(device),
                    torch.from_numpy(_poses(generator, people)).to(device),
                )
            vertices = mesh.vertices.cpu().numpy()
            vertices += _positions(generator, people, camera)[:, None]
            meshes = [
                RenderMesh(v, normals.faces, normals(v), i, (Material(tint=_color(generator)),))
                for i, v in enumerate(vertices, start=1)
            ]
            drawn, _ = renderer.render(meshes, camera, _LIGHTING, _background(generator))
            yield drawn.image


def _poses(generator: np.random.Generator, people: int) -> npt.NDArray[np.float32]:
    """Random poses [N, 24, 3, 3] around standing with the arms down."""
    rotvecs = generator.normal(0, 0.15, (people, 24, 3))
    rotvecs[:, 16, 2] -= 1.1
    rotvecs[:, 17, 2] += 1.1
    rotations = Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix().reshape(people, 24, 3, 3)
    upright = Rotation.from_rotvec([np.pi, 0, 0])  # the body's y is up, the camera's y is down
    facing = Rotation.from_rotvec(np.outer(generator.uniform(-0.8, 0.8, people), [0, 1, 0]))
    rotations[:, 0] = (upright * facing).as_matrix()
    return rotations.astype(np.float32)


def _positions(
    generator: np.random.Generator, people: int, camera: Camera
) -> npt.NDArray[np.float32]:
    """People side by side, [N, 3], m."""
    z = generator.uniform(2.5, 5.0, people)
    columns = (np.arange(people) + 0.5) / people + generator.normal(0, 0.03, people)
    x = (columns * camera.width - camera.cx) / camera.fx * z
    return np.stack((x, np.full(people, 0.15), z), axis=1).astype(np.float32)


def _color(generator: np.random.Generator) -> tuple[float, float, float]:
    red, green, blue = generator.uniform(0.25, 0.9, 3)
    return float(red), float(green), float(blue)


def _background(generator: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Soft coloured patches."""
    coarse = generator.integers(40, 220, (6, 8, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return np.asarray(soft, dtype=np.uint8)
