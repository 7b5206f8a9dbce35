"""Identities over time: assignment, filters, appearance."""

from icl_mesh.tracking.tracker import Tracker, TrackState

__all__ = ["TrackState", "Tracker"]
