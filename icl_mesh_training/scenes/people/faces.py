"""Paints eyes and eyebrows onto skin textures: in MakeHuman they are separate meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh_training.scenes.render.textures import Image, TextureBank

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

FloatArray = npt.NDArray[np.float64]

IRIS_M = 0.0062
#: Left eyebrow from the inside out, m from the eyeball's centre (x left, y up), and its width.
BROW_M = np.array(
    [[-0.016, 0.019], [-0.006, 0.024], [0.008, 0.027], [0.019, 0.023], [0.025, 0.018]]
)
BROW_WIDTH_M = 0.006
_IRISES = np.array([[60, 36, 18], [92, 60, 30], [70, 100, 130], [80, 104, 70], [40, 26, 16]])
_BROWS = np.array([[20, 15, 12], [46, 32, 22], [88, 62, 40], [120, 96, 66], [110, 106, 102]])


def paint_faces(bank: TextureBank, body: BodyModel, seed: int) -> None:
    """Paint eyes and brows onto the bank's "skin" textures, in place.

    Does nothing for a body without texture coordinates or part labels.
    """
    if body.uv is None or body.uv_vertex is None or body.part_labels is None:
        return
    rng = np.random.default_rng(seed)
    template = body.template.numpy()[body.uv_vertex].astype(np.float64)
    px = np.column_stack((body.uv[:, 0], 1 - body.uv[:, 1])) * bank.images.shape[1]
    part = body.part_labels[body.uv_vertex]
    eyes = part == body.part_names.index("eyes")
    face = part == body.part_names.index("face")
    skin = _Skin(template[face], px[face])
    sides = [eyes & (side * template[:, 0] > 0) for side in (1, -1)]
    balls = [_Skin(template[chosen], px[chosen]) for chosen in sides]
    for layer in bank.kinds["skin"]:
        image = bank.images[layer]
        iris, brow = (table[rng.integers(len(table))] for table in (_IRISES, _BROWS))
        opacity = float(rng.uniform(0.5, 0.95))
        for side, ball in zip((1, -1), balls, strict=True):
            centre = (ball.positions.min(axis=0) + ball.positions.max(axis=0)) / 2
            _paint_eye(image, ball, centre, iris)
            contour = _brow_contour(skin, centre, side)
            _fill(image, contour, brow, opacity)


@dataclass(frozen=True)
class _Skin:
    """Vertices of a part of the skin. positions: [K, 3] m, T-pose. px: [K, 2] on the texture."""

    positions: FloatArray
    px: FloatArray


def _paint_eye(image: Image, ball: _Skin, centre: FloatArray, color: npt.NDArray[np.int64]) -> None:
    """Paint white, iris and pupil at the eyeball's front."""
    low, high = ball.px.min(axis=0) - 1, ball.px.max(axis=0) + 2
    x0, y0, x1, y1 = (int(v) for v in (*np.floor(low), *np.ceil(high)))
    image[max(y0, 0) : y1, max(x0, 0) : x1, :3] = (214, 206, 200)
    ahead = ball.positions[:, 2] > centre[2] - 0.004
    flat = ball.positions[ahead, :2] - centre[:2]
    linear = np.column_stack((flat, np.ones(len(flat))))
    to_px = np.linalg.lstsq(linear, ball.px[ahead], rcond=None)[0]
    angle = np.linspace(0, 2 * np.pi, 24)
    for radius, shade in ((IRIS_M, color), (0.45 * IRIS_M, np.full(3, 8))):
        ring = np.column_stack((radius * np.cos(angle), radius * np.sin(angle), np.ones(24)))
        _fill(image, ring @ to_px, shade, 1.0)


def _brow_contour(skin: _Skin, centre: FloatArray, side: int) -> FloatArray:
    """Contour of the brow [K, 2] on the texture, px, by a linear fit to the nearest skin."""
    path = BROW_M * [side, 1] + centre[:2]
    steps = np.linspace(0, len(path) - 1, 12)
    path = np.column_stack([np.interp(steps, np.arange(len(path)), path[:, k]) for k in (0, 1)])
    half = [0, 1] * (BROW_WIDTH_M / 2 * np.linspace(1.0, 0.5, len(path)))[:, None]
    ahead = skin.positions[:, 2] > centre[2] - 0.03
    positions, px = skin.positions[ahead], skin.px[ahead]
    contour = []
    for point in np.concatenate((path + half, (path - half)[::-1])):
        near = np.argsort(np.linalg.norm(positions[:, :2] - point, axis=1))[:10]
        flat = np.column_stack((positions[near, :2] - point, np.ones(10)))
        contour.append(np.linalg.lstsq(flat, px[near], rcond=None)[0][2])
    return np.asarray(contour)


def _fill(image: Image, contour: FloatArray, color: npt.NDArray[np.int64], opacity: float) -> None:
    """Blend a colour into a polygon [K, 2], px, with antialiased edges."""
    mask = np.zeros(image.shape[:2], np.uint8)
    shift = 4
    points = np.round((contour - 0.5) * 2**shift).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift)
    share = mask[..., None].astype(np.float32) * opacity / 255
    image[..., :3] = (image[..., :3] * (1 - share) + color * share).astype(np.uint8)
