"""Checks and actions that the launch files share. Independent of the nodes."""
