"""Model updates: synthetic scenes, targets, losses, training and evaluation of the network."""
