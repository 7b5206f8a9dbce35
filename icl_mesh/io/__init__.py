"""Files: images, meshes, whole writes."""
