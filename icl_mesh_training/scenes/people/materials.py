"""Random materials of people and objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from icl_mesh.rendering import Material
from icl_mesh_training.scenes.people.closet import Piece, cloth_material, hair_tint
from icl_mesh_training.scenes.people.garments import Outfit
from icl_mesh_training.scenes.render import patterns
from icl_mesh_training.scenes.render.textures import TextureBank

Color = tuple[float, float, float]


def _color(values: object) -> Color:
    r, g, b = np.clip(np.asarray(values, dtype=float), 0.0, 3.0)
    return float(r), float(g), float(b)


class PersonMaterials:
    """Samples materials of people. has_uv: the body has texture coordinates."""

    def __init__(self, bank: TextureBank, has_uv: bool) -> None:
        self._bank = bank
        self._skin_kind = "skin" if has_uv and len(bank.kinds["skin"]) else "plain_skin"

    def sample(
        self, rng: np.random.Generator, outfit: Outfit, worn: Mapping[str, Piece]
    ) -> tuple[Material, ...]:
        """Materials by slot: skin, lower, upper, shoes, hair, strands. worn: pieces by kind."""
        kind = self._skin_kind if rng.random() < 0.97 else "plain_skin"
        tone = np.exp(rng.normal(0, 0.14)) * (1 + rng.normal(0, 0.04, 3))
        skin = Material(self._bank.pick(rng, kind), _color(tone), gloss=rng.uniform(0, 0.12))
        lower, upper = self.cloth(rng), self.cloth(rng)
        if rng.random() < 0.12:  # a dress, a suit, an overall
            upper = lower
        shoes = self.cloth(rng, dark=rng.random() < 0.6)
        if outfit.hat and rng.random() < 0.8:
            hair = self.cloth(rng)
        else:
            tint = _color(np.exp(rng.normal(0.1, 0.35)) * (1 + rng.normal(0, 0.06, 3)))
            scale = float(rng.uniform(1.5, 6))
            hair = Material(
                self._bank.pick(rng, "hair"),
                tint,
                (scale, scale),
                (rng.random(), rng.random()),
                gloss=rng.uniform(0, 0.1),
            )
        if "suit" in worn:
            lower = cloth_material(rng, worn["suit"], lower)
            # parts of one texture sheet, recoloured together or each on its own
            together = rng.random() < 0.4
            upper = lower if together else cloth_material(rng, worn["suit"], upper)
        if "shoes" in worn:
            shoes = cloth_material(rng, worn["shoes"], shoes)
        strands = hair
        if "hat" in worn:
            strands = replace(self.cloth(rng), planar=0.0)
        elif "hair" in worn:
            piece, tint = worn["hair"], hair_tint(rng)
            layer = self._bank.pick(rng, "hair") if piece.layer is None else piece.layer
            strands = Material(layer, tint, recolour=1.0, cutout=piece.see_through)
            hair = replace(hair, tint=tint, recolour=1.0)
        return skin, lower, upper, shoes, hair, strands

    def cloth(self, rng: np.random.Generator, dark: bool = False) -> Material:
        """A random fabric."""
        recolour = float(rng.choice([0.0, 0.5, 1.0], p=[0.55, 0.15, 0.3]))
        tint = np.exp(rng.normal(0.05, 0.3)) * (1 + rng.normal(0, 0.08, 3))
        if recolour:
            tint = (1 - recolour) + recolour * patterns.random_color(rng) / 160
        if dark:
            tint = tint * 0.35
        planar = float(rng.random() < 0.35)
        scale = np.exp(rng.uniform(np.log(1.0), np.log(5.0)))
        aspect = np.exp(rng.normal(0, 0.15, 2))
        return Material(
            self._bank.pick(rng, "cloth"),
            _color(tint),
            (float(scale * aspect[0]), float(scale * aspect[1])),
            (rng.random(), rng.random()),
            recolour,
            gloss=float(rng.choice([0.0, 0.03, 0.2], p=[0.6, 0.3, 0.1])),
            planar=planar,
        )


def object_material(rng: np.random.Generator, bank: TextureBank) -> Material:
    """A material of furniture, poles and the like; cloth, skin and hair are hard negatives."""
    kind = str(rng.choice(["surface", "cloth", "plain_skin", "hair"], p=[0.62, 0.26, 0.07, 0.05]))
    tint = np.exp(rng.normal(0, 0.3)) * (1 + rng.normal(0, 0.1, 3))
    scale = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0))))
    return Material(
        bank.pick(rng, kind),
        _color(tint),
        (scale, scale),
        (rng.random(), rng.random()),
        recolour=float(rng.choice([0.0, 1.0], p=[0.75, 0.25])),
        gloss=float(rng.choice([0.0, 0.1, 0.4], p=[0.6, 0.25, 0.15])),
    )
