"""Layouts that nodes and bags share: image encodings, CameraInfo, fields of Human."""
