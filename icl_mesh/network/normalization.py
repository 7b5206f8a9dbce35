"""The network's input: RGB in [0, 1], normalised with ImageNet's channel statistics."""

from __future__ import annotations

#: Mean and standard deviation per RGB channel of pixels in [0, 1] (torchvision's models).
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
