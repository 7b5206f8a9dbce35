"""One furnished room for clips: plank floor, plaster walls, window, door, table, shelf, plant.

World frame of scenes.render.cameras, m: y up, floor at y = 0, camera looking along -z.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from icl_mesh.rendering import Lighting, Material
from icl_mesh_training.scenes.render import patterns
from icl_mesh_training.scenes.render import solids as props
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.solids import Solid
from icl_mesh_training.scenes.render.textures import TextureBank
from icl_mesh_training.scenes.world.objects import FLOOR_Y, Thing

Image = npt.NDArray[np.uint8]

#: Half width and height of the room, and distance of the back wall from the camera, m.
WIDE, TALL, BACK = 3.4, 2.75, 6.2
#: z at which the side walls end, behind the camera, m.
FRONT = 2.0
_UPRIGHT = Rotation.identity()


def furnished_room(bank: TextureBank) -> tuple[TextureBank, list[Thing]]:
    """The bank extended by the room's textures, and the room's things. Always the same."""
    rng = np.random.default_rng(0)
    size = bank.images.shape[1]
    planks, plaster, wood, view = (
        make(rng, size) for make in (_planks, _plaster, _wood, _outdoors)
    )
    first = len(bank.images)
    opaque = [
        np.dstack((image, np.full((size, size), 255, np.uint8)))
        for image in (planks, plaster, wood, view)
    ]
    bank = dataclasses.replace(bank, images=np.concatenate((bank.images, opaque)))
    floor = Material(first, (1.0, 1.0, 1.0), (0.45, 0.45), gloss=0.12)
    wall = Material(first + 1, (0.93, 0.9, 0.84), (0.3, 0.3))
    side = Material(first + 1, (0.74, 0.79, 0.78), (0.3, 0.3))
    ceiling = Material(
        first + 1, (1.55, 1.52, 1.46), (0.3, 0.3)
    )  # brighter: stands for light that the walls reflect
    oak = Material(first + 2, (1.0, 0.9, 0.78), (0.9, 0.9), gloss=0.1)
    white = Material(first + 1, (0.97, 0.97, 0.95), gloss=0.1)
    outdoors = Material(first + 3, (1.0, 1.0, 1.0), lit=0.0)
    things: list[Thing] = [
        ([_quad((-WIDE, FLOOR_Y, FRONT), (2 * WIDE, 0, 0), (0, 0, -BACK - FRONT))], floor),
        ([_quad((-WIDE, FLOOR_Y, -BACK), (2 * WIDE, 0, 0), (0, TALL - FLOOR_Y, 0))], wall),
        ([_quad((-WIDE, FLOOR_Y, FRONT), (0, 0, -BACK - FRONT), (0, TALL - FLOOR_Y, 0))], side),
        ([_quad((WIDE, FLOOR_Y, -BACK), (0, 0, BACK + FRONT), (0, TALL - FLOOR_Y, 0))], side),
        ([_quad((-WIDE, TALL, -BACK), (2 * WIDE, 0, 0), (0, 0, BACK + FRONT))], ceiling),
        (_skirting(), white),
        (_window_frame(), white),
        ([_quad((-1.15, 0.95, -BACK + 0.02), (1.5, 0, 0), (0, 1.25, 0), 1.0)], outdoors),
        (_door(), oak),
        (_table(), oak),
        (_chairs(), Material(first + 2, (0.5, 0.42, 0.36), (1.3, 1.3), gloss=0.1)),
        (_shelf(), oak),
        (_books(rng, 0.5), Material(bank.pick(rng, "cloth"), (0.75, 0.62, 0.55), recolour=0.6)),
        (_books(rng, 0.35), Material(bank.pick(rng, "cloth"), (0.35, 0.45, 0.6), recolour=0.9)),
        (_leaves(rng), Material(tint=(0.2, 0.42, 0.18), gloss=0.15)),
        (_pot(), Material(first + 1, (0.75, 0.42, 0.3))),
        (_lamp(), Material(tint=(0.95, 0.9, 0.78), lit=0.0)),
    ]
    return bank, things


def room_light(view: View) -> Lighting:
    """Light of a room with a ceiling lamp and a window, fixed in the world frame."""

    def toward(world: list[float]) -> tuple[float, float, float]:
        x, y, z = view.rotation @ np.asarray(world)
        return float(x), float(y), float(z)

    return Lighting(
        sky=(0.5, 0.5, 0.52),
        ground=(0.3, 0.28, 0.26),
        up=toward([0, 1, 0]),
        directions=(toward([-0.4, 1.0, 0.7]), toward([0.8, 0.3, 0.5])),
        colors=((0.55, 0.53, 0.5), (0.16, 0.17, 0.2)),
        shadows=True,
    )


def _quad(
    corner: tuple[float, float, float],
    along: tuple[float, float, float],
    up: tuple[float, float, float],
    unit: float | None = None,
) -> Solid:
    """A panel spanned by two edges, m. Its texture repeats every metre, or ``unit`` times."""
    at, u, v = (np.asarray(one, np.float64) for one in (corner, along, up))
    lengths = (float(np.linalg.norm(u)), float(np.linalg.norm(v)))
    return props.panel([at, at + u, at + u + v, at + v], lengths if unit is None else (unit, unit))


def _block(size: tuple[float, float, float], low: tuple[float, float, float]) -> Solid:
    """A box by its size and its corner of least x, y and z, m."""
    return props.box(size).moved(_UPRIGHT, np.add(low, np.divide(size, 2)))


def _skirting() -> list[Solid]:
    high, deep = 0.09, 0.015
    return [
        _block((2 * WIDE, high, deep), (-WIDE, FLOOR_Y, -BACK)),
        _block((deep, high, BACK + FRONT), (-WIDE, FLOOR_Y, -BACK)),
        _block((deep, high, BACK + FRONT), (WIDE - deep, FLOOR_Y, -BACK)),
    ]


def _window_frame() -> list[Solid]:
    """Frame of the window at x from -1.15 to 0.35 m, y from 0.95 to 2.2 m."""
    z, thick = -BACK, 0.06
    bars = [(1.62, thick, -1.21, y) for y in (0.89, 2.2)]
    posts = [(thick, 1.37, x, 0.89) for x in (-1.21, -0.43, 0.35)]
    frame = [_block((w, h, 0.05), (x, y, z)) for w, h, x, y in (*bars, *posts)]
    return [*frame, _block((1.8, 0.035, 0.2), (-1.3, 0.86, z))]


def _door() -> list[Solid]:
    x, z = 1.75, -BACK
    leaf = _block((0.86, 2.02, 0.04), (x, FLOOR_Y, z))
    panels = [_block((0.6, 0.72, 0.015), (x + 0.13, y, z + 0.04)) for y in (0.16, 1.08)]
    jambs = [_block((0.07, 2.1, 0.06), (x + dx, FLOOR_Y, z)) for dx in (-0.07, 0.86)]
    knob = props.tube([[x + 0.79, 1.0, z + 0.04], [x + 0.79, 1.0, z + 0.11]], [0.018, 0.022])
    return [leaf, *panels, *jambs, _block((1.0, 0.08, 0.06), (x - 0.07, 2.02, z)), knob]


def _table() -> list[Solid]:
    x, z, wide, deep, high = -2.6, -5.6, 1.5, 0.8, 0.74
    top = _block((wide, 0.04, deep), (x, high - 0.04, z))
    legs = [
        _block((0.06, high - 0.04, 0.06), (x + dx, FLOOR_Y, z + dz))
        for dx in (0.05, wide - 0.11)
        for dz in (0.05, deep - 0.11)
    ]
    return [top, *legs]


def _chairs() -> list[Solid]:
    parts: list[Solid] = []
    for x, z, yaw in ((-2.35, -4.75, math.pi), (-1.5, -4.7, 0.85 * math.pi)):
        chair = [_block((0.42, 0.04, 0.42), (-0.21, 0.43, -0.21))]
        chair += [
            _block((0.04, 0.47, 0.04), (dx, FLOOR_Y, dz))
            for dx in (-0.21, 0.17)
            for dz in (-0.21, 0.17)
        ]
        chair += [_block((0.04, 0.5, 0.04), (dx, 0.45, -0.21)) for dx in (-0.21, 0.17)]
        chair += [_block((0.42, 0.09, 0.025), (-0.21, y, -0.2)) for y in (0.65, 0.85)]
        parts += [part.moved(Rotation.from_rotvec([0, yaw, 0]), (x, 0, z)) for part in chair]
    return parts


#: The shelf beside the door: its left edge, and the height of each board, m.
_SHELF_X, _BOARDS = 0.62, (0.08, 0.48, 0.88, 1.28, 1.68)


def _shelf() -> list[Solid]:
    wide, deep, z = 0.84, 0.28, -BACK + 0.01
    sides = [_block((0.025, 1.75, deep), (_SHELF_X + dx, FLOOR_Y, z)) for dx in (0, wide)]
    return [*sides, *(_block((wide, 0.025, deep), (_SHELF_X, y, z)) for y in _BOARDS)]


def _books(rng: np.random.Generator, share: float) -> list[Solid]:
    """Books on every board, each with the probability ``share``; gaps stay empty."""
    books = []
    for board in _BOARDS[:-1]:
        x = _SHELF_X + 0.05
        while x < _SHELF_X + 0.72:
            thick = rng.uniform(0.018, 0.05)
            if rng.random() < share:
                size = (thick, rng.uniform(0.18, 0.31), rng.uniform(0.15, 0.22))
                books.append(_block(size, (x, board + 0.025, -BACK + 0.03)))
            x += thick + 0.004
    return books


def _leaves(rng: np.random.Generator) -> list[Solid]:
    """A house plant: bent stalks with a flat leaf at each end."""
    at = np.array([2.75, 0.42, -5.1])
    parts = []
    for i in range(26):
        azimuth, reach, rise = 2.4 * i, rng.uniform(0.12, 0.42), rng.uniform(0.3, 0.95)
        tip = at + [reach * math.cos(azimuth), rise, reach * math.sin(azimuth)]
        path = [at, at + [0.4 * (tip - at)[0], 0.7 * rise, 0.4 * (tip - at)[2]], tip]
        parts.append(props.tube(path, [0.008, 0.006, 0.003], sides=5))
        leaf = props.blob(rng, (0.12, 0.008, 0.045), 0.05)
        pose = Rotation.from_euler("zy", [rng.uniform(-0.7, 0.1), -azimuth])
        parts.append(leaf.moved(pose, tip))
    return parts


def _pot() -> list[Solid]:
    heights, radii = np.array([FLOOR_Y, 0.1, 0.36, 0.42]), [0.13, 0.15, 0.2, 0.19]
    return [props.tube([[2.75, y, -5.1] for y in heights], radii, sides=24)]


def _lamp() -> list[Solid]:
    """A paper globe above the table."""
    globe = props.blob(np.random.default_rng(0), (0.2, 0.2, 0.2), 0.0)
    return [globe.moved(_UPRIGHT, (-1.85, 2.1, -5.1))]


def _planks(rng: np.random.Generator, size: int) -> Image:
    """Oak planks of different tones with lengthwise grain."""
    boards = 6
    tone = np.repeat(1 + rng.normal(0, 0.09, boards), math.ceil(size / boards))[:size]
    grain = cv2.resize(rng.normal(0, 1, (size, 6)).astype(np.float32), (size, size))
    image = np.array([176.0, 132, 88]) * tone[:, None, None] * np.ones((size, size, 1))
    image *= (1 + 0.07 * cv2.GaussianBlur(grain, (0, 0), 0.8))[..., None]
    image[np.arange(size) % math.ceil(size / boards) < max(1, size // 128)] *= 0.55
    return np.clip(image, 0, 255).astype(np.uint8)


def _plaster(rng: np.random.Generator, size: int) -> Image:
    shade = 1 + 0.025 * patterns.smooth_noise(rng, size, 16, 4)
    return np.clip(228 * shade[..., None] * np.ones(3), 0, 255).astype(np.uint8)


def _wood(rng: np.random.Generator, size: int) -> Image:
    grain = cv2.resize(rng.normal(0, 1, (size, 8)).astype(np.float32), (size, size))
    shade = 1 + 0.1 * cv2.GaussianBlur(grain, (0, 0), 1.2)
    shade += 0.06 * patterns.smooth_noise(rng, size, 4)
    return np.clip(np.array([170.0, 122, 78]) * shade[..., None], 0, 255).astype(np.uint8)


def _outdoors(rng: np.random.Generator, size: int) -> Image:
    """The view through the window, out of focus: sky over trees."""
    y = np.linspace(1, 0, size)[:, None]
    ridge = 0.45 + 0.12 * patterns.smooth_noise(rng, size, 5, 4)[0]
    sky = np.array([200.0, 221, 242]) + (1 - y[..., None]) * 18
    trees = (
        np.array([92.0, 118, 74]) * (1 + 0.3 * patterns.smooth_noise(rng, size, 12, 4))[..., None]
    )
    image = np.where((y > 1 - ridge)[..., None], trees, sky)
    return np.clip(cv2.GaussianBlur(image, (0, 0), size / 90), 0, 255).astype(np.uint8)
