"""Helpers for moderngl: uniforms, and objects with the lifetime of one call."""

from __future__ import annotations

import moderngl
import numpy as np
import numpy.typing as npt


def set_uniform(program: moderngl.Program, name: str, value: object) -> None:
    """Set a uniform to a plain value or an array (matrices column-major)."""
    uniform = program[name]
    assert isinstance(uniform, moderngl.Uniform)
    if isinstance(value, np.ndarray):
        uniform.write(np.ascontiguousarray(value).data)
    else:
        uniform.value = value


class Scratch:
    """OpenGL objects with the lifetime of one call."""

    def __init__(self, ctx: moderngl.Context) -> None:
        self._ctx = ctx
        self._kept: list[moderngl.Buffer | moderngl.Texture | moderngl.VertexArray] = []

    def keep(self, item: moderngl.VertexArray) -> moderngl.VertexArray:
        self._kept.append(item)
        return item

    def buffer(self, data: npt.NDArray[np.generic]) -> moderngl.Buffer:
        item = self._ctx.buffer(np.ascontiguousarray(data).data)
        self._kept.append(item)
        return item

    def texture(
        self, size: tuple[int, int], channels: int, data: npt.NDArray[np.generic], dtype: str
    ) -> moderngl.Texture:
        item = self._ctx.texture(size, channels, data.tobytes(), alignment=1, dtype=dtype)
        item.filter = (moderngl.NEAREST, moderngl.NEAREST)
        self._kept.append(item)
        return item

    def release(self) -> None:
        for item in reversed(self._kept):
            item.release()
