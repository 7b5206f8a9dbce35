"""Draws many images with their detected people as tiles of one sheet.

    python tools/contact_sheet.py FOLDER --out docs/photos.png --without-photos

FOLDER: images; or person_keypoints.json (COCO format) with images/; or rendered scenes (.jpg with
.npz), with their cameras. Most data sets permit to publish their labels but not their photos:
--without-photos draws meshes and labelled skeletons on a plain background.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

sys.path.append(str(Path(__file__).resolve().parents[1]))  # a checkout without an install

from icl_mesh.body.layout import PARENTS
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.io.images import find_images, read_image
from icl_mesh.people import People
from icl_mesh.rendering import RenderingUnavailableError
from icl_mesh.rendering.overlay import draw_overlay
from icl_mesh_training.scenes.render.labels import SceneLabels

Pixels = npt.NDArray[np.uint8]

MAX_BYTES = 3_000_000
GAP, NAME_HEIGHT = 6, 16
PAPER, GROUND, INK, FAINT = (255, 255, 255), (238, 240, 242), (25, 25, 30), (150, 155, 160)
#: Width of lines on the tile, px: a share of the person's size within limits.
LINE_SHARE, THINNEST, THICKEST = 0.02, 0.8, 1.8


@dataclass(frozen=True)
class Picture:
    """An image file with its labels. camera: None if unknown. skeletons: per labelled person the
    ends (x, y) of M bones [M, 2, 2], px. boxes: x, y, width, height, px, of other people.
    """

    path: Path
    camera: Camera | None = None
    skeletons: list[npt.NDArray[np.float64]] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)


def find_pictures(folder: Path) -> list[Picture]:
    """The images of a folder, sorted by name, with their labels.

    Raises FileNotFoundError or ValueError for a folder without images or with broken labels.
    """
    if (labels := folder / "person_keypoints.json").is_file():
        try:
            return list(_coco_pictures(folder))
        except (KeyError, IndexError) as error:
            raise ValueError(f"{labels}: not COCO person keypoints: {error!r}") from error
    return [_scene_or_photo(path) for path in find_images(folder)]


def _coco_pictures(folder: Path) -> Iterator[Picture]:
    data = json.loads((folder / "person_keypoints.json").read_text(encoding="utf-8"))
    skeleton = np.array(data["categories"][0]["skeleton"]) - 1
    annotations: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for annotation in data["annotations"]:
        annotations[annotation["image_id"]].append(annotation)
    for record in sorted(data["images"], key=lambda record: str(record["file_name"])):
        skeletons, boxes = [], []
        for annotation in annotations[record["id"]]:
            points = np.array(annotation["keypoints"], dtype=float).reshape(-1, 3)
            bones = points[skeleton]  # [M, 2, (x, y, label)]
            bones = bones[(bones[..., 2] > 0).all(axis=1)][..., :2]
            if len(bones):
                skeletons.append(bones)
            else:
                boxes.append(annotation["bbox"])
        yield Picture(folder / "images" / record["file_name"], None, skeletons, boxes)


def _scene_or_photo(path: Path) -> Picture:
    labels_path = path.with_suffix(".npz")
    if not labels_path.is_file():
        return Picture(path)
    labels = SceneLabels.load(labels_path)
    pairs = np.array([(joint, parent) for joint, parent in enumerate(PARENTS) if parent >= 0])
    bodies = labels.joints_px.astype(np.float64)[:, pairs]  # [N, 23, 2, (x, y)]
    skeletons = [bones[np.isfinite(bones).all(axis=(1, 2))] for bones in bodies]
    return Picture(path, labels.camera, [bones for bones in skeletons if len(bones)])


def draw_tile(
    image: Pixels, people: People, picture: Picture, width: int, *, without_photo: bool
) -> Pixels:
    """A tile `width` px wide: the image with its people, and the file's name below."""
    ground = np.full_like(image, GROUND) if without_photo else image
    drawn = draw_overlay(ground, people, labels=False)
    scale = min(width / image.shape[1], 2 * width / image.shape[0])  # at most twice as high as wide
    if without_photo:
        draw_labels(drawn, picture, scale)
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = np.full((size[1] + NAME_HEIGHT, width, 3), PAPER, np.uint8)
    left = (width - size[0]) // 2
    tile[: size[1], left : left + size[0]] = cv2.resize(drawn, size, interpolation=method)
    write(tile, picture.path.name, (1, size[1] + 12))
    return tile


def draw_labels(image: Pixels, picture: Picture, scale: float) -> None:
    """Draw skeletons as dark lines and boxes as faint ones, in place.

    scale: of the tile, tile px per image px.
    """
    limit = 4 * max(image.shape)  # OpenCV wraps coordinates that leave 16 bits
    for box in picture.boxes:
        x, y, width, height = (round(value) for value in box)
        thickness = max(1, round(THINNEST / scale))
        cv2.rectangle(image, (x, y), (x + width, y + height), FAINT, thickness)
    for bones in picture.skeletons:
        extent = np.ptp(bones.reshape(-1, 2), axis=0).max() * scale
        thickness = max(1, round(float(np.clip(LINE_SHARE * extent, THINNEST, THICKEST)) / scale))
        for start, end in np.rint(bones).clip(-limit, limit).astype(int).tolist():
            cv2.line(image, start, end, INK, thickness, cv2.LINE_AA)
            if LINE_SHARE * extent > THINNEST:  # dots would hide the bones of smaller people
                for point in (start, end):
                    cv2.circle(image, point, round(1.3 * thickness), INK, -1, cv2.LINE_AA)


def write(image: Pixels, text: str, at: tuple[int, int]) -> None:
    """Draw small text, in place."""
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.36, INK, 1, cv2.LINE_AA)


def compose(tiles: list[Pixels], columns: int, title: str) -> Pixels:
    """Tiles of one width in rows, sorted by height, so that a row's heights are similar."""
    tiles = sorted(tiles, key=lambda tile: tile.shape[0])
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    heights = [max(tile.shape[0] for tile in row) for row in rows]
    width = tiles[0].shape[1]
    shape = (
        NAME_HEIGHT + 2 * GAP + sum(heights) + GAP * len(rows),
        GAP + (width + GAP) * min(columns, len(tiles)),
    )
    sheet = np.full((*shape, 3), PAPER, np.uint8)
    write(sheet, title, (GAP, GAP + 12))
    top = NAME_HEIGHT + 2 * GAP
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            left = GAP + column * (width + GAP)
            sheet[top : top + tile.shape[0], left : left + width] = tile
        top += height + GAP
    return sheet


def encode(sheet: Pixels, suffix: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The best encoding below max_bytes: .png (full colour, else 256 colours) or .jpg.

    Raises ValueError where none is, and for another suffix.
    """
    image = Image.fromarray(sheet)
    if suffix not in {".png", ".jpg", ".jpeg"}:
        raise ValueError(f"--out must end in .png or .jpg, got '{suffix}'")
    for attempt in range(2):
        file = io.BytesIO()
        if suffix == ".png":
            chosen = image if attempt == 0 else image.quantize(256)
            chosen.save(file, "PNG", optimize=True)
        else:
            image.save(file, "JPEG", quality=90 - 15 * attempt)
        if file.tell() < max_bytes:
            return file.getvalue()
    raise ValueError(
        f"the sheet takes {file.tell()} bytes, more than {max_bytes}: give a smaller --limit or "
        "--tile, or an --out that ends in .jpg"
    )


def make_sheet(estimator: Estimator, options: argparse.Namespace) -> tuple[Pixels, str]:
    """The sheet of the folder's images, and its title."""
    pictures = find_pictures(options.folder)
    chosen = pictures[: options.limit]
    tiles, found = [], 0
    for picture in tqdm(chosen, unit="image"):
        image = read_image(picture.path)
        people = estimator(image, picture.camera, vertices=True, threshold=options.threshold)
        found += len(people)
        hidden = options.without_photos
        tiles.append(draw_tile(image, people, picture, options.tile, without_photo=hidden))
    labelled = "; dark lines: labelled skeletons" if options.without_photos else ""
    title = (
        f"{len(chosen)} of {len(pictures)} images, {found} people found by "
        f"{estimator.weights_version}{labelled}"
    )
    return compose(tiles, options.columns, title), title


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path)
    add("--out", type=Path, required=True, help=".png or .jpg")
    add("--weights", default="default", help="weights file (default: the package's own)")
    add("--threshold", type=float, help="least score of a person (default: the weights' own)")
    add("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    add("--columns", type=int, default=8, help="tiles in a row (8)")
    add("--tile", type=int, default=240, help="width of a tile, px (240)")
    add("--limit", type=int, default=64, help="number of images, the first by name (64)")
    add("--without-photos", action="store_true", help="meshes and labels on a plain background")
    options = parser.parse_args(arguments)
    try:
        if min(options.columns, options.tile, options.limit) < 1:
            raise ValueError("--columns, --tile and --limit must be 1 or more")
        estimator = Estimator.load(options.weights, device=options.device)
        sheet, title = make_sheet(estimator, options)
        data = encode(sheet, options.out.suffix.lower())
    except (ValueError, OSError, RenderingUnavailableError) as error:
        print(f"contact_sheet: {error}", file=sys.stderr)
        return 2
    options.out.write_bytes(data)
    print(f"{options.out}: {title}; {sheet.shape[1]}x{sheet.shape[0]} px, {len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
