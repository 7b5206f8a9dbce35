"""An offscreen OpenGL context (EGL): on a GPU if available, else Mesa's llvmpipe."""

from __future__ import annotations

from typing import Any

import moderngl


class RenderingUnavailableError(RuntimeError):
    """This machine cannot create an offscreen OpenGL context."""


def create_offscreen_context() -> moderngl.Context:
    """A standalone OpenGL 3.3 core context.

    Raises RenderingUnavailableError, naming the packages to install, if EGL is missing.
    """
    options: dict[str, Any] = {"backend": "egl", "require": 330}
    try:
        return moderngl.create_context(standalone=True, **options)
    except Exception as error:  # glcontext raises bare Exception for a missing library
        raise RenderingUnavailableError(
            f"offscreen rendering needs EGL with OpenGL 3.3 ({error}); on Debian or Ubuntu "
            "install it with: apt install libegl1 libgl1-mesa-dri"
        ) from error
