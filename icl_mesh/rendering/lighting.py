"""Lights: a hemisphere of ambient light and up to three directional lights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MAX_LIGHTS = 3
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Lighting:
    """Light in the camera optical frame; colours are linear RGB, about 1 for full white.

    sky, ground: ambient light from above and from below. up: unit vector away from the ground.
    directions: unit vectors *towards* each light; colors: one each. The first light casts shadows
    if ``shadows``. exposure: factor on everything.
    """

    sky: Vector = (0.35, 0.35, 0.38)
    ground: Vector = (0.2, 0.19, 0.18)
    up: Vector = (0.0, -1.0, 0.0)
    directions: tuple[Vector, ...] = ((-0.4, -0.7, -0.6), (0.8, -0.3, -0.5))
    colors: tuple[Vector, ...] = ((0.55, 0.55, 0.52), (0.2, 0.2, 0.24))
    exposure: float = 1.0
    shadows: bool = False

    def __post_init__(self) -> None:
        if len(self.directions) != len(self.colors) or len(self.colors) > MAX_LIGHTS:
            raise ValueError(
                f"lighting takes at most {MAX_LIGHTS} lights with one colour each, got "
                f"{len(self.directions)} directions and {len(self.colors)} colors"
            )

    def padded(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Unit directions and colours, [3, 3] each; missing lights are black."""
        directions = np.zeros((MAX_LIGHTS, 3), dtype=np.float32)
        directions[:, 1] = -1
        colors = np.zeros((MAX_LIGHTS, 3), dtype=np.float32)
        for i, (direction, color) in enumerate(zip(self.directions, self.colors, strict=True)):
            directions[i] = np.asarray(direction) / np.linalg.norm(direction)
            colors[i] = color
        return directions, colors


def light_matrix(
    direction: npt.ArrayLike, center: npt.ArrayLike, radius: float
) -> npt.NDArray[np.float32]:
    """Orthographic view of a directional light: camera frame -> clip space, 4x4.

    direction: unit vector towards the light. Covers the sphere (center, radius), m.
    """
    z = -np.asarray(direction, dtype=np.float64)
    z /= np.linalg.norm(z)
    helper = np.array([1.0, 0, 0]) if abs(z[0]) < 0.7 else np.array([0.0, 0, 1])
    x = np.cross(helper, z)
    x /= np.linalg.norm(x)
    rotation = np.stack((x, np.cross(z, x), z)) / radius
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = -rotation @ np.asarray(center, dtype=np.float64)
    return matrix.astype(np.float32)


DEFAULT_LIGHTING = Lighting()
