"""Offscreen rendering of meshes with real cameras."""

from icl_mesh.rendering.context import RenderingUnavailableError
from icl_mesh.rendering.lighting import Lighting
from icl_mesh.rendering.materials import Material
from icl_mesh.rendering.mesh import NormalOperator, RenderMesh
from icl_mesh.rendering.renderer import Renderer, Rendering
from icl_mesh.rendering.tiles import Tiles

__all__ = [
    "Lighting",
    "Material",
    "NormalOperator",
    "RenderMesh",
    "Renderer",
    "Rendering",
    "RenderingUnavailableError",
    "Tiles",
]
