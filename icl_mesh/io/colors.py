"""The colours of people in overlays, mesh files and RViz."""

from __future__ import annotations

import colorsys
import functools


@functools.lru_cache(maxsize=1024)
def person_color(number: int) -> tuple[int, int, int]:
    """RGB, 0 to 255, of a track id or row; a function of the number alone."""
    hue = (0.58 + number * 0.618034) % 1.0  # the golden ratio separates successive hues
    saturation, value = (0.62, 0.95) if number % 2 else (0.75, 0.85)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
