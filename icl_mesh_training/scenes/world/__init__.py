"""Where people stand, what stands around them, and the light."""
