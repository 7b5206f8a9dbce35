"""What the renderer draws with and what a camera makes of it."""
