"""Modules of scripts/demo.py."""
