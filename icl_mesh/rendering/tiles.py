"""Tiles: each instance drawn alone, cropped to its whole silhouette."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering.mesh import RenderMesh


@dataclass(frozen=True)
class Tiles:
    """Each instance alone, over its whole silhouette (also outside the image).

    depth: [N, size, size], z in metres of the nearest surface, 0 outside. px_per_cell: [N, 2],
    image pixels (x, y) that one cell spans. origin_px: [N, 2], pixel coordinates of the outer
    corner of cell (0, 0).
    """

    depth: npt.NDArray[np.float32]
    px_per_cell: npt.NDArray[np.float64]
    origin_px: npt.NDArray[np.float64]


def place_tiles(
    meshes: Sequence[RenderMesh],
    camera: Camera,
    table: npt.NDArray[np.float32],
    tile_ids: Sequence[int],
    size: int,
) -> Tiles | None:
    """Write the wanted instances' tile transforms into ``table``; others leave clip space."""
    if not tile_ids:
        return None
    columns, rows = tile_grid(len(tile_ids))
    table[:, -1] = (0, 0, 9, 9)
    per_cell, origins = np.zeros((len(tile_ids), 2)), np.zeros((len(tile_ids), 2))
    image = np.array([camera.width, camera.height])
    for i, wanted in enumerate(tile_ids):
        px = camera.project(np.concatenate([m.vertices for m in meshes if m.instance == wanted]))
        if not np.isfinite(px).all():
            raise ValueError(f"instance {wanted} reaches behind the camera: it has no tile")
        low, high = px.min(axis=0), px.max(axis=0)
        per_cell[i] = np.maximum(high - low, 1e-3) / (size - 2)
        origins[i] = low - per_cell[i]  # a free cell on each side
        spread = 2 / np.array([columns, rows])  # a tile's extent in clip space
        corner = np.array([i % columns, i // columns]) * spread - 1
        # ndc = 2 (px + 0.5) / image - 1; wanted: corner + spread * (px - origin) / extent
        extent = per_cell[i] * size
        factor = spread / extent * image / 2
        table[wanted, -1, :2] = factor
        table[wanted, -1, 2:] = factor + corner - spread * (origins[i] + 0.5) / extent
    return Tiles(np.zeros((0, size, size), np.float32), per_cell, origins)


def tile_grid(count: int) -> tuple[int, int]:
    """(columns, rows) of a nearly square grid for ``count`` tiles."""
    columns = math.ceil(math.sqrt(count))
    return columns, math.ceil(count / columns)


def cut_tiles(atlas: npt.NDArray[np.float32], count: int, size: int) -> npt.NDArray[np.float32]:
    """Atlas [rows * size, columns * size] -> its first ``count`` tiles [count, size, size]."""
    rows, columns = atlas.shape[0] // size, atlas.shape[1] // size
    cells = atlas.reshape(rows, size, columns, size).swapaxes(1, 2)
    return cells.reshape(-1, size, size)[:count]
