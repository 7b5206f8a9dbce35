"""Clothes, shoes and hair of a MakeHuman asset folder, fitted to the body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from icl_mesh.rendering import Material
from icl_mesh_training.scenes.people.fitting import CLEARANCE_M, Fitter, Garment
from icl_mesh_training.scenes.people.mhclo import Cloth, base_mesh, load_cloth
from icl_mesh_training.scenes.people.rig import skin
from icl_mesh_training.scenes.render import patterns

if TYPE_CHECKING:
    from icl_mesh.body import BodyModel

FloatArray = npt.NDArray[np.float32]

#: Slots of icl_mesh.rendering.materials.SLOTS.
LOWER, UPPER, SHOES, STRANDS = 1, 2, 3, 5
#: Greatest distance by which cloth is lifted out of the skin, m.
MAX_LIFT_M = 0.03
HAIR_TONES = np.array(
    [[0.10, 0.08, 0.07], [0.22, 0.14, 0.10], [0.42, 0.28, 0.17], [0.85, 0.68, 0.42],
     [0.66, 0.64, 0.62], [0.50, 0.20, 0.08]]
)  # fmt: skip
_TONE_SHARES = [0.34, 0.26, 0.17, 0.12, 0.08, 0.03]


@dataclass(frozen=True)
class Piece:
    """A fitted garment. layer: its texture's, or None. see_through: the texture's alpha cuts it."""

    garment: Garment
    layer: int | None
    see_through: bool


class Closet:
    """All pieces below a folder, by kind: "suit", "shoes", "hat", "hair".

    layers: texture layers by file stem. Raises ValueError for a body without ``base_vertices``
    (the default body has them) and for a broken file, which it names.
    """

    def __init__(self, body: BodyModel, folder: Path, layers: Mapping[str, int]) -> None:
        if body.base_vertices is None:
            raise ValueError(
                f"clothes in {folder} are made for MakeHuman's mesh, which the body {body.name!r} "
                "does not come from: use the default body, or no MakeHuman folder"
            )
        base, weights = base_mesh(), body.skinning_weights.numpy()
        fitter = Fitter(body.template.numpy(), weights, body.faces, body.base_vertices, base)
        self.pieces: dict[str, list[Piece]] = {"suit": [], "shoes": [], "hat": [], "hair": []}
        for path in sorted(folder.rglob("*.mhclo")):
            cloth = load_cloth(path, base)
            layer = layers.get(cloth.texture)
            see_through = cloth.see_through and layer is not None
            self.pieces[_kind(path, cloth)].append(Piece(fitter.fit(cloth), layer, see_through))

    def pick(self, rng: np.random.Generator, kind: str) -> Piece | None:
        """A random piece of a kind; None where the folder has none."""
        found = self.pieces[kind]
        return found[int(rng.integers(len(found)))] if found else None


def put_on(
    garment: Garment,
    moved: FloatArray,
    transforms: FloatArray,
    vertices: FloatArray,
    normals: FloatArray,
    *,
    clearance: FloatArray | float = CLEARANCE_M,
) -> FloatArray:
    """The garment's vertices [V, 3] on a posed body.

    moved, transforms: the body's, see rig.Posed. vertices, normals: [B, 3] of its skin, in the
    frame of the transforms. Cloth less than ``clearance``, m, above visible skin is lifted along
    the skin's normal.
    """
    rest = garment.rest + garment.follow @ moved
    worn = skin(rest, garment.weights, transforms)
    below, up = garment.hold @ vertices, garment.hold @ normals
    lift = clearance - np.einsum("va,va->v", worn - below, up)
    uncovered = garment.hold @ (~garment.hides).astype(np.float32)
    lift = np.where(uncovered > 0.01, np.clip(lift, 0, MAX_LIFT_M), 0)
    return np.asarray(worn + lift[:, None] * up, dtype=np.float32)


def outside_faces(inner: Garment, outer: Garment) -> npt.NDArray[np.int32]:
    """Triangles (of rows) of a garment that another does not cover wholly: shoes below trousers."""
    inside = inner.hold @ outer.hides.astype(np.float32) > 0.5
    return inner.row_faces[~inside[inner.row_vertex][inner.row_faces].all(axis=1)]


def slots(piece: Piece, kind: str) -> FloatArray:
    """Coverage [V, 4] that assigns each vertex of a piece its material slot."""
    coverage = np.full((len(piece.garment.rest), 4), -1, np.float32)
    if kind == "shoes":
        coverage[:, SHOES - 1] = 1
    elif kind in ("hair", "hat"):
        coverage[:, 3] = 2
    else:
        upper = piece.garment.upper
        coverage[upper, UPPER - 1] = 1
        coverage[~upper, LOWER - 1] = 1
    return coverage


def cloth_material(rng: np.random.Generator, piece: Piece, fabric: Material) -> Material:
    """The piece's own texture in its own or other colours, or a random fabric."""
    if piece.layer is None or rng.random() < 0.3:
        return replace(fabric, planar=0.0)
    recolour = float(rng.choice([0.0, 0.7, 1.0], p=[0.5, 0.2, 0.3]))
    tint = np.exp(rng.normal(0.05, 0.2)) * (1 + rng.normal(0, 0.06, 3))
    if recolour:
        tint = (1 - recolour) + recolour * patterns.random_color(rng) / 110
    r, g, b = (float(v) for v in np.clip(tint, 0.03, 3))
    gloss = float(rng.choice([0.0, 0.04], p=[0.7, 0.3]))
    return Material(piece.layer, (r, g, b), recolour=recolour, gloss=gloss)


def hair_tint(rng: np.random.Generator) -> tuple[float, float, float]:
    """A hair colour: mostly natural, 4 % dyed."""
    tone = HAIR_TONES[rng.choice(len(HAIR_TONES), p=_TONE_SHARES)]
    if rng.random() < 0.04:
        tone = patterns.random_color(rng) / 255
    r, g, b = (float(v) for v in np.clip(tone * np.exp(rng.normal(0.15, 0.2)), 0.03, 2))
    return r, g, b


def _kind(path: Path, cloth: Cloth) -> str:
    if "hair" in path.parts:
        return "hair"
    top, low = cloth.vertices[:, 1].max(), cloth.vertices[:, 1].min()
    if top < -0.4:
        return "shoes"
    return "hat" if low > 0.5 else "suit"
