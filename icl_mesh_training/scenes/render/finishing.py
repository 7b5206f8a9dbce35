"""Camera effects: exposure, colour, blur, noise, vignette."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def finish(rng: np.random.Generator, image: Image) -> Image:
    """Apply random camera effects to RGB u8 [H, W, 3]. No pixel moves, so labels stay valid."""
    height, width = image.shape[:2]
    if rng.random() < 0.12:  # a low resolution, enlarged
        shrink = rng.uniform(0.4, 0.8)
        small = cv2.resize(image, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        image = np.asarray(cv2.resize(small, (width, height)), np.uint8)
    if rng.random() < 0.55:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1)), np.uint8)
    if rng.random() < 0.05:
        image = _motion_blur(rng, image)
    values = np.arange(256) / 255
    contrast, gamma = rng.uniform(0.7, 1.15), np.exp(rng.normal(0, 0.15))
    gain = np.exp(rng.normal(0, 0.16)) * (1 + rng.normal(0, 0.05, 3))
    curve = np.clip((values**gamma - 0.45) * contrast + 0.45, 0, 1)
    table = np.clip(255 * curve[:, None] * gain, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(image, table[None]), np.uint8)
    if rng.random() < 0.5:
        saturation = rng.uniform(0.4, 1.3)
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None].repeat(3, axis=2)
        image = np.asarray(cv2.addWeighted(image, saturation, gray, 1 - saturation, 0), np.uint8)
    if rng.random() < 0.05:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = np.asarray(cv2.merge((gray, gray, gray)), np.uint8)
    if rng.random() < 0.2:
        y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
        dark = 1 - rng.uniform(0.1, 0.4) * (x * x + y * y) / 2
        image = (image * dark[..., None]).astype(np.uint8)
    if rng.random() < 0.6:
        gray_noise = rng.random() < 0.4
        noise = np.empty((height, width, 1 if gray_noise else 3), np.int16)
        cv2.setRNGSeed(int(rng.integers(2**31)))
        # one deviation per channel: OpenCV applies a scalar to the first channel alone
        cv2.randn(noise, np.zeros(noise.shape[2]), np.full(noise.shape[2], rng.uniform(1, 10)))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return image


def _motion_blur(rng: np.random.Generator, image: Image) -> Image:
    length, angle = int(rng.integers(3, 9)), rng.uniform(0, np.pi)
    kernel = np.zeros((length, length), np.float32)
    centre = (length - 1) / 2
    for t in np.linspace(-centre, centre, 4 * length):
        kernel[round(centre + t * np.sin(angle)), round(centre + t * np.cos(angle))] = 1
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)
