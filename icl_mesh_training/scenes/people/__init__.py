"""People of a scene: bodies and clothes."""
