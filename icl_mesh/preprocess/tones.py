"""From bytes to normalised numbers."""

from __future__ import annotations

import numpy as np

from icl_mesh.geometry.letterbox import PAD_VALUE
from icl_mesh.network.normalization import IMAGENET_MEAN, IMAGENET_STD

_MEAN, _STD = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
_SCALE, _SHIFT = 1 / (255 * _STD), -_MEAN / _STD
#: [3, 3], per RGB channel: what a byte is multiplied by, what is then added, and the padding's
#: normalised value.
TONES = np.array([_SCALE, _SHIFT, np.multiply(PAD_VALUE, _SCALE) + _SHIFT], np.float32)
