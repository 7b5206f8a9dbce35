"""Poses of people."""
