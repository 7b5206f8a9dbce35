"""Rendered training scenes with exact labels."""

from icl_mesh_training.scenes.render.labels import SceneLabels

__all__ = ["SceneLabels"]
