"""Distances of people measured in a registered depth image."""
