"""Recipes, the training loop, checkpoints, weights files."""
