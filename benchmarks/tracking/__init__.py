"""Measures identity preservation and filter jitter of the tracker on rendered sequences."""
