"""Cameras, lenses, rotations and boxes."""
