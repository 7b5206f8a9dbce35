"""Textures: of asset folders where given, procedural otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from icl_mesh.io.images import read_image
from icl_mesh_training.scenes.render import patterns

Image = npt.NDArray[np.uint8]
IMAGE_ENDINGS = {".jpg", ".jpeg", ".png"}


@dataclass(frozen=True)
class TextureBank:
    """Textures by layer.

    images: RGBA u8 [L, size, size, 4]. kinds: layers by kind: "skin" (in the body's UV
    coordinates), "plain_skin", "cloth", "hair", "surface". named: layer by file stem, of texture
    sheets of clothes and hair.
    """

    images: Image
    kinds: dict[str, npt.NDArray[np.int64]]
    named: dict[str, int]

    def pick(self, rng: np.random.Generator, kind: str) -> int:
        """A random layer of one kind."""
        return int(rng.choice(self.kinds[kind]))


def image_files(folder: Path) -> list[Path]:
    """Images below a folder, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_ENDINGS)


def split_files(files: Sequence[Path], split: str) -> list[Path]:
    """Files of a split: every 6th belongs to "val", the others to "train"; "all" has both.

    Fewer than 6 files belong to every split. Raises ValueError for another name of a split.
    """
    if split not in ("train", "val", "all"):
        raise ValueError(f"split must be train, val or all, got {split!r}")
    if split == "all" or len(files) < 6:
        return list(files)
    return [f for i, f in enumerate(files) if (i % 6 == 5) == (split == "val")]


def build_textures(
    seed: int, assets: Path | None = None, photos: Sequence[Image] = (), size: int = 512
) -> TextureBank:
    """Textures for a run.

    assets: folder of MakeHuman assets, with skins below ``skins*`` folders, cloth below
    ``clothes`` and hair below ``hair``. photos: RGB u8; crops of them serve as surfaces of
    objects. Raises ValueError for a folder without images.
    """
    rng = np.random.default_rng(seed)
    files = image_files(assets) if assets else []
    if assets and not files:
        raise ValueError(f"asset folder {assets} holds no images: give a MakeHuman texture folder")
    skins = [f for f in files if any(p.name.startswith("skins") for p in f.parents)]
    clothes = [f for f in files if "clothes" in f.parts]
    hairs = [f for f in files if "hair" in f.parts]
    kinds: dict[str, list[Image]] = {
        "skin": [_square(read_image(f), size) for f in skins if "suit" not in f.name]
        or _many(patterns.skin, 8, rng, size),
        "plain_skin": [patterns.skin(rng, size) for _ in range(8)],
        "cloth": _crops(rng, clothes, 5, size) + _many(patterns.cloth, 70, rng, size),
        "hair": _crops(rng, hairs, 2, size) + _many(patterns.hair, 10, rng, size),
        "surface": _many(patterns.surface, 24, rng, size),
    }
    for photo in photos[:40]:
        for least, most in ((0.1, 0.35), (0.35, 0.9)):
            kinds["surface"].append(_square(_crop(rng, photo, rng.uniform(least, most)), size))
    layers: dict[str, npt.NDArray[np.int64]] = {}
    images: list[Image] = []
    for kind, pictures in kinds.items():
        layers[kind] = np.arange(len(images), len(images) + len(pictures))
        images += [_opaque(picture) for picture in pictures]
    named = {}
    for file in clothes:
        named[file.stem] = len(images)
        images.append(_opaque(_square(read_image(file), size)))
    for file in hairs:
        named[file.stem] = len(images)
        images.append(_strands(file, size))
    return TextureBank(np.stack(images), layers, named)


def _opaque(image: Image) -> Image:
    return np.dstack((image, np.full(image.shape[:2], 255, np.uint8)))


def _strands(file: Path, size: int) -> Image:
    """A texture sheet of hair with its alpha, grey, so that a tint gives it any colour."""
    image = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ValueError(f"{file} is not an image that can be read: replace or remove it")
    if image.ndim != 3 or image.shape[2] != 4:
        return _opaque(_square(read_image(file), size))
    image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
    gray = image[..., :3].astype(np.float32).mean(axis=2)
    mean = float(gray[image[..., 3] > 128].mean()) if (image[..., 3] > 128).any() else 128.0
    even = np.clip(110 * (gray / max(mean, 1.0)) ** 0.6, 0, 255).astype(np.uint8)
    return np.dstack((even, even, even, image[..., 3]))


def _many(
    make: Callable[[np.random.Generator, int], Image],
    count: int,
    rng: np.random.Generator,
    size: int,
) -> list[Image]:
    return [make(rng, size) for _ in range(count)]


def _square(image: Image, size: int) -> Image:
    return np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def _crop(rng: np.random.Generator, image: Image, share: float) -> Image:
    height, width = (max(8, int(share * n)) for n in image.shape[:2])
    y = int(rng.integers(image.shape[0] - height + 1))
    x = int(rng.integers(image.shape[1] - width + 1))
    return image[y : y + height, x : x + width]


def _crops(
    rng: np.random.Generator, files: Sequence[Path], per_file: int, size: int
) -> list[Image]:
    """Crops of texture sheets with little or no empty background."""
    pieces = []
    for file in files:
        sheet = read_image(file)
        dark_sheet = sheet.mean() < 25
        found = 0
        for _ in range(60):
            piece = _crop(rng, sheet, rng.uniform(0.12, 0.4))
            empty = (piece.max(axis=2) < 6).mean()
            if empty > 0.04 and not dark_sheet:
                continue
            if empty > 0.6 or piece.std() < 2:
                continue
            if rng.random() < 0.5:
                piece = piece[:, ::-1]
            if rng.random() < 0.5:
                piece = piece[::-1]
            pieces.append(_square(np.ascontiguousarray(piece), size))
            found += 1
            if found == per_file:
                break
    return pieces
