"""Clothes and hair as regions of the body's surface, displaced outwards.

A garment is a scalar field over the T-pose template, in metres: positive inside, zero along its
hem. The renderer cuts at zero within triangles, so hems are smooth. Slots: 0 lower
garment, 1 upper garment, 2 shoes, 3 hair (coverage of icl_mesh.rendering.mesh.RenderMesh).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
NOT_WORN = -1.0
_HAIR_SHARES = {"bald": 0.06, "short": 0.38, "full": 0.2, "long": 0.24, "hat": 0.12}


@dataclass
class Outfit:
    """One person's clothes and hair.

    coverage: [V, 4] fields. offset: [V] m outwards. color: [V, 3] factor on the materials.
    skirt_to: length of a skirt, 0 (waist) to 1 (ankles), or None. brim: width of a hat's brim, m,
    or 0. long_hair: length below the head, m, or 0.
    """

    coverage: FloatArray
    offset: FloatArray
    color: FloatArray
    skirt_to: float | None = None
    brim: float = 0.0
    long_hair: float = 0.0
    hat: bool = False


class Wardrobe:
    """Samples outfits.

    template: T-pose vertices [V, 3] m. joints: [24, 3] m. head_weight: skinning weights [V] of the
    head joint.
    """

    def __init__(self, template: FloatArray, joints: FloatArray, head_weight: FloatArray) -> None:
        self.template = np.asarray(template, dtype=np.float32)
        j = np.asarray(joints, dtype=np.float32)
        x, y, z = self.template.T
        self._side = np.abs(x)
        self._neck, self._head = j[12], j[15]
        self._hip_y, self._knee_y = float(j[[1, 2], 1].mean()), float(j[[4, 5], 1].mean())
        self._ankle_y = float(j[[7, 8], 1].mean())
        self._shoulder_x, self._elbow_x = float(j[16, 0]), float(j[18, 0])
        self._wrist_x = float(j[20, 0])
        on_head = head_weight > 0.5
        # negative on the head: keeps collars off the chin
        self._below_head = 0.1 * (0.5 - head_weight)
        self._top = float(y.max())
        self._face_z, self._nape_z = float(z[on_head].max()), float(z[on_head].min())
        self._on_head = on_head
        self._arm = np.clip(
            (self._side - self._shoulder_x) / (self._wrist_x - self._shoulder_x), 0, 1
        )

    def sample(
        self,
        rng: np.random.Generator,
        allow_skirt: bool = True,
        replaced: Collection[str] = (),
    ) -> Outfit:
        """One random outfit.

        replaced: kinds that separate meshes cover ("suit", "shoes", "hair", "hat"). Below a mesh
        of hair the scalp has hair too.
        """
        count = len(self.template)
        outfit = Outfit(
            np.full((count, 4), NOT_WORN, np.float32),
            np.zeros(count, np.float32),
            np.ones((count, 3), np.float32),
        )
        if "suit" not in replaced:
            waist = self._lower(rng, outfit, allow_skirt)
            self._upper(rng, outfit, waist)
        if "shoes" not in replaced and rng.random() < 0.9:
            height = rng.choice([-0.025, 0.0, 0.06, 0.2], p=[0.35, 0.4, 0.17, 0.08])
            field = self._ankle_y + height - self.template[:, 1]
            self._wear(rng, outfit, 2, field, offset=0.012, wrinkle=0.001)
        self._hair(rng, outfit, "scalp" if {"hair", "hat"} & set(replaced) else None)
        return outfit

    def _lower(self, rng: np.random.Generator, outfit: Outfit, allow_skirt: bool) -> float:
        """Add trousers, shorts or a skirt. Returns the height of the waist, m."""
        y = self.template[:, 1]
        waist = self._hip_y + rng.uniform(0.03, 0.14)
        kind = rng.random()
        if kind < 0.62:
            hem = self._ankle_y + rng.uniform(-0.02, 0.04)
        elif kind < 0.72:
            hem = self._knee_y + rng.uniform(-0.2, 0.0)
        else:
            hem = self._knee_y + rng.uniform(-0.02, 0.25)
        if allow_skirt and rng.random() < 0.13:
            outfit.skirt_to = float(rng.uniform(0.3, 0.95))
            hem = self._hip_y - 0.12 if rng.random() < 0.6 else hem
        loose = rng.choice([0.003, 0.012, 0.025], p=[0.25, 0.45, 0.3])
        field = np.minimum(waist - y, y - hem)
        # trousers hang from the hips: looser further down
        down = np.clip((self._hip_y - y) / (self._hip_y - self._ankle_y), 0, 1)
        self._wear(
            rng,
            outfit,
            0,
            field,
            offset=0.004 + loose * (0.4 + 0.6 * down),
            wrinkle=0.006 * loose / 0.025,
        )
        return waist

    def _upper(self, rng: np.random.Generator, outfit: Outfit, waist: float) -> None:
        y = self.template[:, 1]
        if rng.random() < 0.05:
            return  # bare chest
        sleeve = rng.choice(["long", "short", "none", "rolled"], p=[0.45, 0.4, 0.08, 0.07])
        sleeve_x = {
            "long": self._wrist_x + rng.uniform(-0.02, 0.03),
            "short": self._shoulder_x + rng.uniform(0.3, 0.85) * (self._elbow_x - self._shoulder_x),
            "none": self._shoulder_x - 0.005,
            "rolled": self._elbow_x + rng.uniform(-0.02, 0.1),
        }[sleeve]
        hem = waist + rng.uniform(-0.03, 0.03)
        if rng.random() < 0.6:
            hem = self._hip_y - rng.uniform(0.0, 0.12)
        if rng.random() < 0.08:
            hem = self._knee_y + rng.uniform(0.0, 0.3)  # a coat
        deep = abs(rng.normal(0, 0.05))
        centre = self._neck + [0, 0.01 - deep, 0.4 * deep]
        from_neck = np.linalg.norm(self.template - centre, axis=1) - (0.075 + 0.5 * deep)
        collar = self._neck[1] + rng.choice([0.02, 0.05])
        field = np.minimum.reduce(
            [sleeve_x - self._side, y - hem, from_neck, collar - y, self._below_head]
        )
        loose = rng.choice([0.004, 0.014, 0.03, 0.05], p=[0.2, 0.4, 0.3, 0.1])
        belly = np.clip((self._neck[1] - 0.15 - y) / 0.4, 0, 1) * (self._arm == 0)
        slack = loose * (0.35 + 0.65 * np.maximum(belly, 0.7 * np.minimum(3 * self._arm, 1)))
        self._wear(
            rng, outfit, 1, field, offset=0.006 + slack, wrinkle=0.008 * min(loose / 0.025, 1.2)
        )
        self._blocks(rng, outfit)

    def _blocks(self, rng: np.random.Generator, outfit: Outfit) -> None:
        """Colour a part of the upper garment differently: sleeves, an open front, a yoke."""
        if rng.random() > 0.35:
            return
        upper = outfit.coverage[:, 1] > 0
        kind = rng.integers(3)
        if kind == 0:
            part = upper & (self._side > self._shoulder_x - rng.uniform(0, 0.05))
        elif kind == 1:
            part = (
                upper
                & (self._side < rng.uniform(0.02, 0.07))
                & (self.template[:, 2] > self._neck[2])
            )
        else:
            part = upper & (self.template[:, 1] > self._neck[1] - rng.uniform(0.08, 0.3))
        outfit.color[part] = rng.uniform(0.25, 1.9) * rng.uniform(0.75, 1.25, 3)

    def _hair(self, rng: np.random.Generator, outfit: Outfit, kind: str | None) -> None:
        _, y, z = self.template.T
        if kind is None:
            kind = str(rng.choice(list(_HAIR_SHARES), p=list(_HAIR_SHARES.values())))
        if kind == "bald":
            return
        back = np.clip((self._face_z - z) / (self._face_z - self._nape_z), 0, 1)
        front_y = self._top - rng.uniform(0.03, 0.075)
        nape_y = self._head[1] + rng.uniform(-0.03, 0.05)
        line = front_y + (nape_y - front_y) * back ** rng.uniform(0.6, 1.3)
        wave = np.sin(rng.uniform(30, 80) * self.template[:, 0] + rng.uniform(0, 6))
        line += rng.uniform(0.0, 0.012) * wave + 0.25 * self._side * rng.uniform(-1, 1)
        if kind == "scalp":  # well behind the hairline of any mesh
            line = self._top - 0.02 + (self._head[1] + 0.06 - self._top) * back
        thick = {"scalp": 0.0, "short": 0.011, "full": 0.034, "long": 0.022, "hat": 0.018}[kind]
        thick *= rng.uniform(0.7, 1.5)
        if kind == "hat":
            outfit.hat = True
            line = self._top - rng.uniform(0.07, 0.11) - 0.02 * back
            outfit.brim = float(rng.choice([0.0, 0.05, 0.09], p=[0.4, 0.3, 0.3]))
        if kind == "long":
            outfit.long_hair = float(rng.uniform(0.06, 0.35))
        field = np.where(self._on_head, y - line, NOT_WORN)
        self._wear(rng, outfit, 3, field, offset=thick, wrinkle=0.12 * thick)

    def _wear(
        self,
        rng: np.random.Generator,
        outfit: Outfit,
        slot: int,
        field: FloatArray,
        *,
        offset: FloatArray | float,
        wrinkle: float,
    ) -> None:
        """Add a garment with wrinkles. Its offset, m, rises from 0 within 1 cm of the hem."""
        waves = rng.normal(0, 1, (4, 3)) * rng.uniform(25, 90, (4, 1))
        phase = rng.uniform(0, 2 * np.pi, 4).astype(np.float32)
        noise = np.sin(self.template @ waves.T.astype(np.float32) + phase).mean(axis=1)
        ramp = np.clip(field / 0.01, 0, 1)
        outfit.offset = np.maximum(
            outfit.offset, np.maximum(ramp * (offset + 2 * wrinkle * noise), 0)
        ).astype(np.float32)
        outfit.coverage[:, slot] = np.clip(field, -1, 1)
