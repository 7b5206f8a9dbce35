"""Random lighting that matches a background."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from icl_mesh.rendering import Lighting
from icl_mesh_training.scenes.render.cameras import View


def _triple(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    a, b, c = (float(value) for value in values)
    return a, b, c


def _tint(rng: np.random.Generator, spread: float) -> npt.NDArray[np.float64]:
    """A colour of light between warm and cold, luminance about 1."""
    warm = rng.normal(0, spread)
    return np.asarray(np.clip([1 + warm, 1 + 0.1 * rng.normal(0, spread), 1 - warm], 0.3, 1.7))


def sample_lighting(
    rng: np.random.Generator, view: View, background: npt.NDArray[np.uint8], shadows: bool
) -> Lighting:
    """Ambient light with the background's mean colour and one to three directional lights.

    background: RGB u8 [H, W, 3]. Its brightness scales the exposure.
    """
    mean = (background[::8, ::8].reshape(-1, 3).mean(axis=0) / 255) ** 2
    gray = float(mean.mean())
    cast = mean / max(gray, 1e-3)
    follow = rng.uniform(0.2, 0.9)
    cast = np.clip(cast, 0.5, 1.8) ** follow
    level = np.clip((gray / 0.2) ** (0.5 * follow) * np.exp(rng.normal(0, 0.25)), 0.45, 1.7)
    ambient = rng.uniform(0.28, 0.8)
    sky = ambient * cast * _tint(rng, 0.06) * rng.uniform(0.8, 1.3)
    ground = ambient * cast * _tint(rng, 0.05) * rng.uniform(0.35, 0.9)
    directions, colors = [], []
    key = (1.15 - ambient) * rng.uniform(0.7, 1.3)
    for i in range(int(rng.integers(1, 4))):
        azimuth = rng.uniform(0, 2 * np.pi)
        elevation = rng.uniform(0.15, 1.4) if i == 0 else rng.uniform(-0.3, 1.0)
        world = [
            np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
            np.sin(azimuth) * np.cos(elevation),
        ]
        directions.append(_triple(view.rotation @ np.asarray(world)))
        intensity = key if i == 0 else key * rng.uniform(0.1, 0.5)
        colors.append(_triple(intensity * _tint(rng, 0.12)))
    return Lighting(
        sky=_triple(sky),
        ground=_triple(ground),
        up=_triple(view.up),
        directions=tuple(directions),
        colors=tuple(colors),
        exposure=float(level),
        shadows=shadows,
    )
