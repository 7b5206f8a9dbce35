"""Backgrounds: photos without people, panoramas, procedural clutter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from icl_mesh.io.images import read_image
from icl_mesh_training.scenes.render import patterns
from icl_mesh_training.scenes.render.cameras import View
from icl_mesh_training.scenes.render.textures import Image, TextureBank, image_files, split_files

#: Longest side, px, at which background photos are kept in memory.
KEPT_SIDE = 800


class Backgrounds:
    """Samples backgrounds.

    photos: RGB u8, without people. panoramas: equirectangular RGB u8. Without both, all
    backgrounds are procedural.
    """

    def __init__(
        self, bank: TextureBank, photos: Sequence[Image], panoramas: Sequence[Image]
    ) -> None:
        self._bank, self._photos, self._panoramas = bank, photos, panoramas

    def sample(self, rng: np.random.Generator, view: View) -> Image:
        """One background, RGB u8 [H, W, 3], for a view."""
        size = (view.camera.width, view.camera.height)
        kind = rng.random()
        if self._photos and kind < 0.62:
            image = self._photo(rng, size)
        elif self._panoramas and kind < 0.80:
            image = self._panorama(rng, view)
        else:
            image = self._procedural(rng, size)
        if rng.random() < 0.25:
            self._clutter(rng, image)
        if rng.random() < 0.3:  # out of focus
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.8)), np.uint8)
        if rng.random() < 0.5:
            gain = np.exp(rng.normal(-0.05, 0.18)) * (1 + rng.normal(0, 0.06, 3))
            image = np.clip(image * gain + rng.normal(0, 10), 0, 255).astype(np.uint8)
        return np.ascontiguousarray(image)

    def _photo(self, rng: np.random.Generator, size: tuple[int, int]) -> Image:
        """A piece of a photo; sometimes of two, one beside or below the other."""
        image = self._crop(rng, size)
        if rng.random() < 0.22:
            other, (width, height) = self._crop(rng, size), size
            if rng.random() < 0.6:  # another ground
                ends = height * rng.uniform(0.45, 0.8) + rng.normal(0, 6, 2)
                mask = np.arange(height)[:, None] > np.linspace(ends[0], ends[1], width)
            else:
                ends = width * rng.uniform(0.2, 0.8) + rng.normal(0, 12, 2)
                mask = np.arange(width)[None] > np.linspace(ends[0], ends[1], height)[:, None]
            image = np.where(mask[..., None], other, image)
        if rng.random() < 0.15:  # another hue
            hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
            hsv[..., 0] = (hsv[..., 0].astype(int) + int(rng.integers(180))) % 180
            image = np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), np.uint8)
        return image

    def _crop(self, rng: np.random.Generator, size: tuple[int, int]) -> Image:
        photo = self._photos[int(rng.integers(len(self._photos)))]
        height, width = photo.shape[:2]
        largest = min(width / size[0], height / size[1])
        scale = largest * (rng.uniform(0.2, 0.45) if rng.random() < 0.25 else rng.uniform(0.45, 1))
        crop_w, crop_h = max(2, int(size[0] * scale)), max(2, int(size[1] * scale))
        x, y = int(rng.integers(width - crop_w + 1)), int(rng.integers(height - crop_h + 1))
        crop = photo[y : y + crop_h, x : x + crop_w]
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        image = cv2.resize(np.ascontiguousarray(crop), size, interpolation=method)
        return np.asarray(image, np.uint8)

    def _panorama(self, rng: np.random.Generator, view: View) -> Image:
        panorama = self._panoramas[int(rng.integers(len(self._panoramas)))]
        camera, yaw = view.camera, rng.uniform(0, 2 * np.pi)
        step = 4  # the map is smooth: a coarse map, enlarged, is enough
        xs = np.linspace(0, camera.width - 1, camera.width // step)
        ys = np.linspace(0, camera.height - 1, camera.height // step)
        ray = view.ray(np.stack(np.meshgrid(xs, ys), axis=-1))
        ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
        height, width = panorama.shape[:2]
        angle = np.arctan2(ray[..., 0], -ray[..., 2]) + yaw
        rows = np.arccos(np.clip(ray[..., 1], -1, 1)) / np.pi * height
        # the angle is interpolated as a unit vector: no seam where it wraps
        maps = np.dstack((np.cos(angle), np.sin(angle), rows)).astype(np.float32)
        maps = np.asarray(cv2.resize(maps, (camera.width, camera.height)), np.float32)
        columns = (np.arctan2(maps[..., 1], maps[..., 0]) / (2 * np.pi) % 1.0) * width
        image = cv2.remap(
            panorama, columns.astype(np.float32), maps[..., 2], cv2.INTER_LINEAR, None,
            cv2.BORDER_WRAP,
        )  # fmt: skip
        return np.asarray(cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.6, 2.5))), np.uint8)

    def _procedural(self, rng: np.random.Generator, size: tuple[int, int]) -> Image:
        width, height = size
        ramp = np.linspace(0, 1, height)[:, None, None]
        colors = patterns.random_color(rng), patterns.random_color(rng)
        shades = np.broadcast_to(colors[0] * (1 - ramp) + colors[1] * ramp, (height, width, 3))
        image: Image = np.clip(shades, 0, 255).astype(np.uint8)
        for top in sorted(rng.uniform(-0.2, 1.0, int(rng.integers(1, 4)))):
            texture = self._texture(rng, ("surface",))
            at = max(0, int(top * height))
            part = cv2.resize(texture, (width, max(height - at, 1)))
            if at < height:
                image[at:] = part[: height - at]
        self._clutter(rng, image, int(rng.integers(4, 25)))
        return image

    def _texture(self, rng: np.random.Generator, kinds: Sequence[str]) -> Image:
        return self._bank.images[self._bank.pick(rng, str(rng.choice(list(kinds))))][..., :3]

    def _clutter(self, rng: np.random.Generator, image: Image, count: int | None = None) -> None:
        """Draw textured polygons and ellipses over ``image``, in place."""
        height, width = image.shape[:2]
        for _ in range(int(rng.integers(1, 10)) if count is None else count):
            center = rng.uniform(0, 1, 2) * [width, height]
            radius = np.exp(rng.uniform(np.log(0.02), np.log(0.3))) * max(width, height)
            corners = int(rng.choice([3, 4, 4, 4, 5, 6, 16]))
            angle = np.sort(rng.uniform(0, 2 * np.pi, corners))
            stretch = np.exp(rng.normal(0, 0.5, 2))
            points = center + radius * stretch * np.stack((np.cos(angle), np.sin(angle)), axis=1)
            low = np.clip(points.min(axis=0), 0, [width, height]).astype(int)
            high = np.clip(points.max(axis=0) + 1, 0, [width, height]).astype(int)
            if (high - low < 2).any():
                continue
            mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
            cv2.fillPoly(mask, [(points - low).astype(np.int32)], 255, cv2.LINE_AA)
            if rng.random() < 0.7:
                texture = self._texture(rng, ("surface", "cloth"))
                part = int(rng.integers(len(texture) // 8, len(texture)))
                piece = np.ascontiguousarray(texture[:part, :part])
                fill = cv2.resize(piece, (mask.shape[1], mask.shape[0]))
            else:
                fill = np.broadcast_to(
                    np.clip(patterns.random_color(rng), 0, 255).astype(np.uint8), (*mask.shape, 3)
                )
            view = image[low[1] : high[1], low[0] : high[0]]
            alpha = (mask.astype(np.float32) / 255)[..., None] * rng.uniform(0.85, 1.0)
            view[:] = (view * (1 - alpha) + fill * alpha).astype(np.uint8)


def load_photos(folder: Path, split: str) -> list[Image]:
    """Photos of a folder, RGB u8, shrunk to KEPT_SIDE. Raises ValueError where it has none."""
    files = split_files(image_files(folder), split)
    if not files:
        raise ValueError(f"background folder {folder} holds no .jpg or .png: give photos there")
    photos = []
    for file in files:
        image = read_image(file)
        scale = KEPT_SIDE / max(image.shape[:2])
        if scale < 1:
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            image = np.asarray(small, np.uint8)
        photos.append(image)
    return photos


def load_panoramas(folder: Path, split: str) -> list[Image]:
    """Equirectangular .hdr panoramas of a folder, tone-mapped to RGB u8. Raises ValueError where it
    has none, or for a file that is not an image."""
    files = split_files(sorted(folder.glob("*.hdr")), split)
    if not files:
        raise ValueError(f"panorama folder {folder} holds no .hdr file: give panoramas there")
    images = []
    for file in files:
        radiance = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        if radiance is None:
            raise ValueError(f"{file} is not an image that can be read: replace or remove it")
        exposed = radiance / max(float(np.percentile(radiance.mean(axis=2), 85)), 1e-6)
        image = np.clip(255 * np.sqrt(np.clip(exposed * 0.7, 0, 1)), 0, 255).astype(np.uint8)
        images.append(np.ascontiguousarray(image[..., ::-1]))
    return images
