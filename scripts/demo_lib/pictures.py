"""Writes the demo's overlay video (or GIF) and contact sheet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

RgbImage = npt.NDArray[np.uint8]

SHEET_COLUMNS, SHEET_ROWS, SHEET_WIDTH = 4, 3, 400


def save_video(folder: Path, frames: list[RgbImage], rate: float) -> Path:
    """Write overlay.mp4, or overlay.gif where OpenCV cannot encode. rate: Hz. Returns the path."""
    height, width = (side - side % 2 for side in frames[0].shape[:2])  # MPEG-4 needs even sides
    frames = [_fitted(frame, width, height) for frame in frames]
    path = folder / "overlay.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    for frame in frames:
        writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    opened = writer.isOpened()
    writer.release()
    if opened and _first_frame_reads(path):
        return path
    path.unlink(missing_ok=True)
    path = folder / "overlay.gif"
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=round(1000 / rate), loop=0
    )
    return path


def save_contact_sheet(path: Path, frames: list[RgbImage]) -> None:
    """Write up to 12 numbered frames, evenly spaced from first to last."""
    count = min(len(frames), SHEET_COLUMNS * SHEET_ROWS)
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    height = round(SHEET_WIDTH * frames[0].shape[0] / frames[0].shape[1])
    tiles = []
    for number in chosen:
        tile = _fitted(frames[number], SHEET_WIDTH, height)
        origin = (8, height - 10)
        for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                tile, f"frame {number}", origin, cv2.FONT_HERSHEY_SIMPLEX, 0.5, color, thickness
            )
        tiles.append(tile)
    columns = min(count, SHEET_COLUMNS)
    tiles += [np.zeros_like(tiles[0])] * (-count % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def _fitted(frame: RgbImage, width: int, height: int) -> RgbImage:
    """A copy scaled to fit width x height, with black borders."""
    scale = min(width / frame.shape[1], height / frame.shape[0])
    size = (max(1, round(frame.shape[1] * scale)), max(1, round(frame.shape[0] * scale)))
    result = np.zeros((height, width, 3), dtype=np.uint8)
    x, y = (width - size[0]) // 2, (height - size[1]) // 2
    area = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    result[y : y + size[1], x : x + size[0]] = cv2.resize(frame, size, interpolation=area)
    return result


def _first_frame_reads(path: Path) -> bool:
    capture = cv2.VideoCapture(str(path))
    try:
        return bool(capture.read()[0])
    finally:
        capture.release()
