"""One offscreen renderer for overlays, the demo and training scenes (OpenGL through EGL)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import moderngl
import numpy as np
import numpy.typing as npt

from icl_mesh.geometry.camera import Camera
from icl_mesh.rendering import shaders
from icl_mesh.rendering.context import create_offscreen_context
from icl_mesh.rendering.device import Scratch, set_uniform
from icl_mesh.rendering.lighting import DEFAULT_LIGHTING, Lighting, light_matrix
from icl_mesh.rendering.materials import TABLE_WIDTH, material_table
from icl_mesh.rendering.mesh import VERTEX_FORMAT, VERTEX_NAMES, RenderMesh, join
from icl_mesh.rendering.projection import clip_matrix
from icl_mesh.rendering.targets import Target
from icl_mesh.rendering.tiles import Tiles, cut_tiles, place_tiles, tile_grid

#: Instances from this id on (rooms, floors) and instance 0 receive shadows but cast none.
BACKDROP_ID = 200
#: Cached framebuffers; each image size needs its own.
KEPT_TARGETS = 12
#: Width and height of the shadow map.
_SHADOW_SIZE = 512


@dataclass(frozen=True)
class Rendering:
    """The result of one call.

    image: RGB u8 [H, W, 3]. instance: u8 [H, W], 0 is background. depth: z in metres, float32
    [H, W], 0 where nothing was drawn. Both maps are None unless requested.
    """

    image: npt.NDArray[np.uint8]
    instance: npt.NDArray[np.uint8] | None
    depth: npt.NDArray[np.float32] | None


class Renderer:
    """Draws meshes over a background with a pinhole camera. Not thread-safe.

    textures: RGB or RGBA u8 [L, size, size, 3 or 4], on the device; Material.layer indexes them.
    samples: multisampling of the image. Use it in the thread that created it.
    """

    def __init__(
        self,
        textures: npt.NDArray[np.uint8] | None = None,
        samples: int = 4,
    ) -> None:
        ctx = self._ctx = create_offscreen_context()
        self._samples = min(samples, ctx.max_samples)
        self._color = ctx.program(shaders.VERTEX, fragment_shader=shaders.COLOR_FRAGMENT)
        self._index = ctx.program(shaders.VERTEX, fragment_shader=shaders.INDEX_FRAGMENT)
        self._shadow = ctx.program(shaders.SHADOW_VERTEX, fragment_shader=shaders.SHADOW_FRAGMENT)
        self._behind = ctx.program(
            shaders.BACKGROUND_VERTEX, fragment_shader=shaders.BACKGROUND_FRAGMENT
        )
        corners = np.array([-1, -1, 1, -1, -1, 1, 1, 1], dtype=np.float32)
        self._behind_vertices = ctx.vertex_array(
            self._behind, [(ctx.buffer(corners.tobytes()), "2f", "in_corner")]
        )
        self._shadow_depth = ctx.depth_texture((_SHADOW_SIZE, _SHADOW_SIZE))
        self._shadow_depth.compare_func = "<="
        self._shadow_target = ctx.framebuffer(depth_attachment=self._shadow_depth)
        if textures is None:
            textures = np.full((1, 1, 1, 3), 255, dtype=np.uint8)
        if textures.ndim != 4 or textures.shape[3] not in (3, 4) or textures.dtype != np.uint8:
            raise ValueError(
                "textures must be RGB or RGBA u8 of shape [layers, height, width, 3 or 4], got "
                f"{textures.dtype} {textures.shape}"
            )
        layers, height, width, channels = textures.shape
        self._textures = ctx.texture_array(
            (width, height, layers), channels, np.ascontiguousarray(textures).data, alignment=1
        )
        self._textures.build_mipmaps()
        self._textures.filter = (moderngl.LINEAR_MIPMAP_NEAREST, moderngl.LINEAR)
        self._targets: OrderedDict[tuple[int, int, str], Target] = OrderedDict()

    def render(
        self,
        meshes: Sequence[RenderMesh],
        camera: Camera,
        lighting: Lighting = DEFAULT_LIGHTING,
        background: npt.NDArray[np.uint8] | None = None,
        *,
        maps: bool = False,
        tile_ids: Sequence[int] = (),
        tile_size: int = 128,
    ) -> tuple[Rendering, Tiles | None]:
        """Draw meshes (in this order, depth-tested) over ``background`` (RGB [H, W, 3] or black).

        maps: also return instance and depth maps. tile_ids: instances to draw as separate tiles.
        """
        size = (camera.width, camera.height)
        if background is not None and background.shape != (camera.height, camera.width, 3):
            raise ValueError(
                f"background must be RGB of {camera.height}x{camera.width}x3 like the camera's "
                f"image, got {background.shape}"
            )
        vertices, faces = join(meshes)
        table = material_table({m.instance: m.materials for m in meshes})
        tiles = place_tiles(meshes, camera, table, tile_ids, tile_size)
        scratch = Scratch(self._ctx)
        try:
            arrays = self._upload(scratch, vertices, faces)
            scratch.texture((TABLE_WIDTH, len(table)), 4, table, "f4").use(1)
            self._textures.use(0)
            light = self._draw_shadows(arrays, vertices, lighting)
            image = self._draw_image(
                scratch, arrays, camera, lighting=lighting, light=light, background=background
            )
            instance = depth = None
            if maps:
                index = self._draw_index(arrays, self._target(size, "index"), camera, tiled=False)
                instance = np.rint(index[..., 0]).astype(np.uint8)
                depth = index[..., 1]
            if tiles is not None:
                columns, rows = tile_grid(len(tile_ids))
                atlas = self._target((columns * tile_size, rows * tile_size), "index")
                flat = self._draw_index(arrays, atlas, camera, tiled=True)[..., 1]
                cells = cut_tiles(flat, len(tile_ids), tile_size)
                tiles = Tiles(cells, tiles.px_per_cell, tiles.origin_px)
        finally:
            scratch.release()
        return Rendering(image, instance, depth), tiles

    def release(self) -> None:
        """Free the OpenGL context, as the end of a ``with`` block does."""
        self._ctx.release()

    def __enter__(self) -> Renderer:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _target(self, size: tuple[int, int], kind: str) -> Target:
        key = (*size, kind)
        if key in self._targets:
            self._targets.move_to_end(key)
        else:
            samples = self._samples if kind == "color" else 0
            self._targets[key] = Target(self._ctx, size, kind, samples)
            if len(self._targets) > KEPT_TARGETS:
                self._targets.popitem(last=False)[1].release()
        return self._targets[key]

    def _upload(
        self, scratch: Scratch, vertices: npt.NDArray[np.float32], faces: npt.NDArray[np.int32]
    ) -> dict[str, moderngl.VertexArray]:
        if not len(faces):
            return {}
        vertex_buffer, index_buffer = scratch.buffer(vertices), scratch.buffer(faces)
        programs = {"color": self._color, "index": self._index, "shadow": self._shadow}
        formats = VERTEX_FORMAT.split()
        arrays = {}
        for name, program in programs.items():
            used = [n in program for n in VERTEX_NAMES]
            layout = " ".join(
                f if u else f"{4 * int(f[0])}x" for f, u in zip(formats, used, strict=True)
            )
            names = [n for n, u in zip(VERTEX_NAMES, used, strict=True) if u]
            arrays[name] = scratch.keep(
                self._ctx.vertex_array(program, [(vertex_buffer, layout, *names)], index_buffer)
            )
        return arrays

    def _draw_shadows(
        self,
        arrays: dict[str, moderngl.VertexArray],
        vertices: npt.NDArray[np.float32],
        lighting: Lighting,
    ) -> npt.NDArray[np.float32] | None:
        casters = vertices[(vertices[:, 18] > 0.5) & (vertices[:, 18] < BACKDROP_ID), :3]
        if not lighting.shadows or not len(casters) or not lighting.directions:
            return None
        low, high = casters.min(axis=0), casters.max(axis=0)
        radius = max(0.5, 0.5 * float(np.linalg.norm(high - low))) * 1.05
        matrix = light_matrix(lighting.directions[0], (low + high) / 2, radius)
        self._shadow_target.use()
        self._shadow_target.clear()
        self._ctx.enable_only(moderngl.DEPTH_TEST)
        set_uniform(self._shadow, "light_from_camera", matrix.T)
        arrays["shadow"].render()
        # a bias of about two map cells and 1.5 cm prevents self-shadowing
        set_uniform(self._color, "shadow_bias", 0.0075 / radius + 1.5 / self._shadow_depth.width)
        return matrix

    def _draw_image(
        self,
        scratch: Scratch,
        arrays: dict[str, moderngl.VertexArray],
        camera: Camera,
        *,
        lighting: Lighting,
        light: npt.NDArray[np.float32] | None,
        background: npt.NDArray[np.uint8] | None,
    ) -> npt.NDArray[np.uint8]:
        size = (camera.width, camera.height)
        target = self._target(size, "color")
        target.use()
        if background is not None:
            self._ctx.enable_only(moderngl.NOTHING)
            scratch.texture(size, 3, np.ascontiguousarray(background), "f1").use(3)
            set_uniform(self._behind, "image", 3)
            self._behind_vertices.render(moderngl.TRIANGLE_STRIP)
        if arrays:
            program = self._color
            directions, colors = lighting.padded()
            set_uniform(program, "light_direction", directions)
            set_uniform(program, "light_color", colors)
            set_uniform(program, "sky", lighting.sky)
            set_uniform(program, "ground", lighting.ground)
            set_uniform(program, "up", lighting.up)
            set_uniform(program, "exposure", lighting.exposure)
            set_uniform(program, "shadows", light is not None)
            matrix = np.eye(4, dtype=np.float32) if light is None else light
            set_uniform(program, "light_from_camera", matrix.T)
            self._shadow_depth.use(2)
            set_uniform(program, "textures", 0)
            set_uniform(program, "table", 1)
            set_uniform(program, "shadow_map", 2)
            set_uniform(program, "tiled", False)
            set_uniform(program, "clip_from_camera", clip_matrix(camera).T)
            self._ctx.enable_only(moderngl.DEPTH_TEST | moderngl.BLEND)
            arrays["color"].render()
        return target.read_color()

    def _draw_index(
        self,
        arrays: dict[str, moderngl.VertexArray],
        target: Target,
        camera: Camera,
        *,
        tiled: bool,
    ) -> npt.NDArray[np.float32]:
        target.use()
        if arrays:
            set_uniform(self._index, "textures", 0)
            set_uniform(self._index, "table", 1)
            set_uniform(self._index, "tiled", tiled)
            set_uniform(self._index, "clip_from_camera", clip_matrix(camera).T)
            self._ctx.enable_only(moderngl.DEPTH_TEST)
            arrays["index"].render()
        return target.read_index()
