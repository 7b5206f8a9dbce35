"""Overlays: people's meshes on their image, translucent and shaded, with labels."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.io.colors import person_color
from icl_mesh.rendering.lighting import Lighting
from icl_mesh.rendering.materials import Material
from icl_mesh.rendering.mesh import NormalOperator, RenderMesh
from icl_mesh.rendering.renderer import Renderer

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel
    from icl_mesh.people import People

Image = npt.NDArray[np.uint8]

#: Instance ids are one byte, and 0 is the background.
MAX_DRAWN = 255
_LIGHTING = Lighting(
    sky=(0.42, 0.42, 0.44),
    ground=(0.22, 0.21, 0.21),
    directions=((-0.5, -0.6, -0.8), (0.9, -0.1, -0.3)),
    colors=((0.62, 0.61, 0.58), (0.16, 0.17, 0.2)),
)
# An OpenGL context belongs to the thread that created it.
_local = threading.local()


def draw_overlay(image: Image, people: People, *, alpha: float = 0.8, labels: bool = True) -> Image:
    """Draw all meshes on the image with ``people.camera``.

    image: RGB u8 [H, W, 3] of the size of ``people.camera``. alpha: opacity for mean joint
    confidence of 0.5 or more; less confident people are drawn fainter. labels: track id (or row)
    and distance in metres ("~" where the focal length was assumed). Returns a new image.

    Raises ValueError for an image of another size, RenderingUnavailableError without EGL.
    """
    camera = people.camera
    if image.shape != (camera.height, camera.width, 3) or image.dtype != np.uint8:
        raise ValueError(
            f"overlay needs the people's own image, RGB u8 {camera.height}x{camera.width}x3, got "
            f"{image.dtype} {image.shape}"
        )
    if len(people) == 0:
        return image.copy()
    # the nearest people: ids do not suffice for more
    order = np.argsort(people.position_m[:, 2], kind="stable")[:MAX_DRAWN]
    numbers = np.arange(len(people)) if people.track_id is None else people.track_id
    normals = _normal_operator(people.body)
    opacity = np.zeros(MAX_DRAWN + 1, np.float32)
    meshes = []
    for instance, (row, vertices) in enumerate(
        zip(order, people.select(order).mesh_m(), strict=True), start=1
    ):
        color = np.asarray(person_color(int(numbers[row]))) / 255
        material = Material(tint=(float(color[0]), float(color[1]), float(color[2])), gloss=0.06)
        placed = camera.pinhole_equivalent(vertices).astype(np.float32)  # the lens, if any
        meshes.append(RenderMesh(placed, normals.faces, normals(vertices), instance, (material,)))
        sure = min(1.0, 2.0 * float(people.joint_confidence[row].mean()))
        opacity[instance] = alpha * (0.45 + 0.55 * sure)
    drawn, _ = _renderer().render(meshes, camera, _LIGHTING, image, maps=True)
    assert drawn.instance is not None
    share = cv2.GaussianBlur(opacity[drawn.instance], (3, 3), 0.8)[..., None]
    result = np.asarray(np.rint(image + share * (drawn.image.astype(np.float32) - image)), np.uint8)
    if labels:
        for row in order[::-1]:
            _draw_label(result, people, int(row), int(numbers[row]))
    return result


def _draw_label(image: Image, people: People, row: int, number: int) -> None:
    head = people.joints_px[row, 15]
    height, width = image.shape[:2]
    if not np.isfinite(head).all():
        return
    distance = float(np.linalg.norm(people.position_m[row]))
    about = "~" if people.camera.focal_assumed else ""
    text = f"{number}  {about}{distance:.1f} m"
    scale = max(0.35, min(width, height) / 1100)
    font = cv2.FONT_HERSHEY_SIMPLEX
    (text_width, text_height), base = cv2.getTextSize(text, font, scale, 1)
    pad = max(2, round(5 * scale))
    px_per_m = people.camera.fy / max(float(people.joints_m[row, 15, 2]), 0.3)
    if px_per_m < 2.5 * text_height:  # the label would hide a small person
        return
    above = 0.16 * px_per_m
    x = round(float(head[0]) - text_width / 2)
    y = round(float(head[1]) - above - pad)
    x = min(max(x, pad), max(pad, width - text_width - pad))
    y = min(max(y, text_height + pad), max(text_height + pad, height - base - pad))
    box = np.s_[
        max(0, y - text_height - pad) : y + base + pad // 2, max(0, x - pad) : x + text_width + pad
    ]
    color = np.asarray(person_color(number))
    image[box] = (0.25 * image[box] + 0.75 * 0.35 * color).astype(np.uint8)
    cv2.putText(image, text, (x, y), font, scale, (255, 255, 255), 1, cv2.LINE_AA)


def _renderer() -> Renderer:
    if not hasattr(_local, "renderer"):
        _local.renderer = Renderer()
    renderer: Renderer = _local.renderer
    return renderer


def _normal_operator(body: BodyModel) -> NormalOperator:
    kept = getattr(_local, "normals", None)
    if kept is None or kept[0] is not body:
        kept = _local.normals = (body, NormalOperator(body.faces, body.vertex_count))
    operator: NormalOperator = kept[1]
    return operator
