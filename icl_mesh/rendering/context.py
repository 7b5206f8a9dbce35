"""An OpenGL context without a window (EGL): a GPU where there is one, Mesa's llvmpipe elsewhere."""

from __future__ import annotations

from typing import Any

import moderngl


class RenderingUnavailableError(RuntimeError):
    """No offscreen OpenGL context can be made on this machine."""


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
