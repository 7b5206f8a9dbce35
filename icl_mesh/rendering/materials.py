"""Materials of an instance's surface, as rows of a table for the shader."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Slots of an instance: skin (or a whole object), lower garment, upper garment, shoes, hair, and
#: strands (hair as a separate mesh).
SLOTS = ("skin", "lower", "upper", "shoes", "hair", "strands")
TABLE_WIDTH = 3 * len(SLOTS) + 1

#: ``layer`` of a material without texture, and of one that is not drawn.
NO_TEXTURE = -1
HIDDEN = -2


@dataclass(frozen=True)
class Material:
    """Surface of one slot.

    layer: index into the renderer's textures, NO_TEXTURE or HIDDEN. tint: RGB in [0, 1],
    multiplied with texture and vertex colour. scale, offset: of the texture coordinates.
    recolour: 0 keeps the texture's colours, 1 takes only its brightness. gloss: strength of the
    highlight. planar: texture coordinates from the rest pose's x and y instead of uv.
    lit: 1 shaded, 0 unshaded; -a: only receives shadows, of opacity a. cutout: nothing is drawn
    where the texture's alpha is below 0.5.
    """

    layer: int = NO_TEXTURE
    tint: tuple[float, float, float] = (0.7, 0.7, 0.7)
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)
    recolour: float = 0.0
    gloss: float = 0.0
    planar: float = 0.0
    lit: float = 1.0
    cutout: bool = False

    def row(self) -> list[float]:
        """The 12 values of this slot in the table; a fraction of the layer encodes cutout."""
        return [
            self.layer + (0.25 if self.cutout else 0.0),
            *self.tint,
            *self.scale,
            *self.offset,
            self.recolour,
            self.gloss,
            self.planar,
            self.lit,
        ]


def material_table(
    materials: dict[int, tuple[Material, ...]],
) -> npt.NDArray[np.float32]:
    """{instance id: materials by slot} -> table [max id + 1, TABLE_WIDTH, 4].

    Missing slots of an instance repeat its first one.
    """
    table = np.zeros((max(materials, default=0) + 1, TABLE_WIDTH, 4), dtype=np.float32)
    for instance, slots in materials.items():
        rows = [m.row() for m in slots] + [slots[0].row()] * (len(SLOTS) - len(slots))
        table[instance, : TABLE_WIDTH - 1] = np.asarray(rows, dtype=np.float32).reshape(-1, 4)
    return table
