"""The nodes, and their start and end."""
