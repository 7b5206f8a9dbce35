"""Framebuffers of the renderer."""

from __future__ import annotations

import moderngl
import numpy as np
import numpy.typing as npt


class Target:
    """One framebuffer of a size (width, height).

    kind "color": RGBA u8, multisampled where samples > 0. kind "index": two float32 channels.
    """

    def __init__(
        self, ctx: moderngl.Context, size: tuple[int, int], kind: str, samples: int
    ) -> None:
        self._ctx, self._size = ctx, size
        channels, dtype = (4, "f1") if kind == "color" else (2, "f4")
        self._parts: list[moderngl.Renderbuffer | moderngl.Framebuffer] = []
        self._drawn = self._framebuffer(channels, dtype, samples)
        self._read = self._framebuffer(channels, dtype, 0) if samples else self._drawn

    def _framebuffer(self, channels: int, dtype: str, samples: int) -> moderngl.Framebuffer:
        color = self._ctx.renderbuffer(self._size, channels, samples=samples, dtype=dtype)
        depth = self._ctx.depth_renderbuffer(self._size, samples=samples)
        framebuffer = self._ctx.framebuffer(color_attachments=[color], depth_attachment=depth)
        self._parts += [color, depth, framebuffer]
        return framebuffer

    def use(self) -> None:
        """Make this the current framebuffer, and clear it."""
        self._drawn.use()
        self._drawn.clear()

    def read_color(self) -> npt.NDArray[np.uint8]:
        """RGB u8 [height, width, 3]."""
        if self._read is not self._drawn:
            self._ctx.copy_framebuffer(self._read, self._drawn)
        data = np.frombuffer(self._read.read(components=4, alignment=1), dtype=np.uint8)
        rows = data.reshape(self._size[1], self._size[0], 4)
        return np.ascontiguousarray(rows[..., :3])

    def read_index(self) -> npt.NDArray[np.float32]:
        """Float32 [height, width, 2]."""
        data = self._drawn.read(components=2, alignment=1, dtype="f4")
        return np.frombuffer(data, dtype=np.float32).reshape(self._size[1], self._size[0], 2)

    def release(self) -> None:
        """Free the device memory."""
        for part in reversed(self._parts):
            part.release()
