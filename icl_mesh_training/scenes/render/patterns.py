"""Procedural textures: cloth, skin, hair, surfaces. RGB u8 [size, size, 3]."""

from __future__ import annotations

import colorsys
import string

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def random_color(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """An RGB colour [3] in [0, 255] of cloth and objects: mostly muted, often grey."""
    kind = rng.random()
    if kind < 0.3:
        return np.full(3, rng.uniform(10, 245)) + rng.normal(0, 6, 3)
    saturation = rng.uniform(0.15, 0.65) if kind < 0.8 else rng.uniform(0.6, 1.0)
    rgb = colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.15, 1.0))
    return np.asarray(rgb) * 255


def smooth_noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 3) -> npt.NDArray:
    """Noise in about [-1, 1], float32 [size, size]; ``cells`` bumps across, halving each octave."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        n = min(cells * 2**octave, size)
        grid = rng.uniform(-1, 1, (n, n)).astype(np.float32)
        total += cv2.resize(grid, (size, size), interpolation=cv2.INTER_CUBIC) / 2**octave
    return total / 1.5


def cloth(rng: np.random.Generator, size: int) -> Image:
    """Cloth: plain or patterned, with folds and weave."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    image = np.broadcast_to(random_color(rng), (size, size, 3)).astype(np.float32).copy()
    kind = rng.choice(
        ["plain", "stripes", "checks", "plaid", "dots", "camo", "print", "knit", "fade"]
    )
    other = random_color(rng)
    if kind == "stripes":
        axis = x if rng.random() < 0.35 else y
        period, share = rng.uniform(0.02, 0.25), rng.uniform(0.1, 0.6)
        image[(axis / period) % 1 < share] = other
    elif kind == "checks":
        period = rng.uniform(0.03, 0.2)
        image[((x / period).astype(int) + (y / period).astype(int)) % 2 == 0] = other
    elif kind == "plaid":
        for axis in (x, y):
            for _ in range(rng.integers(1, 4)):
                period, share = rng.uniform(0.06, 0.3), rng.uniform(0.05, 0.5)
                mask = (axis / period + rng.random()) % 1 < share
                image[mask] = 0.55 * image[mask] + 0.45 * random_color(rng)
    elif kind == "dots":
        period = rng.uniform(0.03, 0.15)
        distance = np.hypot((x / period) % 1 - 0.5, (y / period) % 1 - 0.5)
        image[distance < rng.uniform(0.15, 0.4)] = other
    elif kind == "camo":
        for _ in range(3):
            image[smooth_noise(rng, size, int(rng.integers(3, 12))) > 0.25] = random_color(rng)
    elif kind == "print":
        image = _with_prints(rng, image)
    elif kind == "knit":
        period = rng.uniform(0.008, 0.03)
        wave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
        image *= (1 + 0.25 * wave)[..., None]
    elif kind == "fade":
        share = np.clip(y * rng.uniform(0.7, 2) - rng.uniform(0, 0.5), 0, 1)[..., None]
        image = image * (1 - share) + other * share
    folds = smooth_noise(rng, size, int(rng.integers(2, 8)), 4) * rng.uniform(0.05, 0.3)
    weave = rng.normal(0, rng.uniform(0.01, 0.07), (size, size)).astype(np.float32)
    image *= (1 + folds + weave)[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def _with_prints(
    rng: np.random.Generator, plain: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    size, image = len(plain), np.clip(plain, 0, 255).astype(np.uint8)
    for _ in range(rng.integers(1, 6)):
        color = tuple(float(v) for v in random_color(rng))
        at = tuple(int(v) for v in rng.uniform(0.05, 0.8, 2) * size)
        if rng.random() < 0.6:
            text = "".join(rng.choice(list(string.ascii_uppercase + string.digits), 5))
            scale = float(rng.uniform(1, 6) * size / 512)
            cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, color, int(3 * scale) + 1)
        else:
            cv2.circle(image, at, int(rng.uniform(0.04, 0.25) * size), color, -1)
    return image.astype(np.float32)


def skin(rng: np.random.Generator, size: int) -> Image:
    """Plain skin of a random tone with slight blotches."""
    dark, light = np.array([70.0, 42, 28]), np.array([238.0, 196, 170])
    tone = dark + (light - dark) * rng.beta(1.6, 1.2) + rng.normal(0, 6, 3)
    blotches = 1 + 0.06 * smooth_noise(rng, size, 8, 4)
    return np.clip(tone * blotches[..., None], 0, 255).astype(np.uint8)


def hair(rng: np.random.Generator, size: int) -> Image:
    """Strands of a random colour: mostly natural, 7 % dyed."""
    tones = np.array([[22.0, 18, 16], [50, 34, 24], [96, 66, 40], [180, 145, 95], [150, 145, 140]])
    tone = tones[rng.integers(len(tones))] if rng.random() < 0.93 else random_color(rng)
    strands = rng.normal(0, 1, (max(size // 16, 1), size)).astype(np.float32)
    smooth = cv2.GaussianBlur(cv2.resize(strands, (size, size)), (0, 0), 1.2)
    image = tone * (1 + 0.6 * smooth + 0.3 * smooth_noise(rng, size, 6))[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def surface(rng: np.random.Generator, size: int) -> Image:
    """Floors, walls, furniture, bark: grain, tiles, planks, plaster, grass."""
    image = np.broadcast_to(random_color(rng), (size, size, 3)).astype(np.float32).copy()
    kind = rng.choice(["plaster", "grain", "tiles", "planks", "speckle"])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    if kind in ("grain", "planks"):
        grain = cv2.resize(
            rng.normal(0, 1, (size, max(size // 32, 2))).astype(np.float32), (size, size)
        )
        image *= (1 + 0.15 * cv2.GaussianBlur(grain, (0, 0), 1.5))[..., None]
    if kind in ("tiles", "planks"):
        period = rng.uniform(0.08, 0.5)
        joint = (y / period) % 1 < 0.04
        if kind == "tiles":
            joint |= (x / period) % 1 < 0.04
        image[joint] *= rng.uniform(0.3, 1.3)
    if kind == "speckle":
        image *= (1 + rng.uniform(0.1, 0.4) * rng.normal(0, 1, (size, size)))[..., None]
    shade = 1 + rng.uniform(0.05, 0.4) * smooth_noise(rng, size, int(rng.integers(2, 12)), 5)
    return np.clip(image * shade[..., None], 0, 255).astype(np.uint8)
