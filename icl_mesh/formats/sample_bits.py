"""Scaling of 16-bit images that use only their lower bits, as of cameras with 10 to 14 bits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: Bit depths of cameras.
_BITS = (8, 10, 12, 14, 16)


class SampleBits:
    """The number of bits that the images of one stream use, by their largest sample so far.

    It never shrinks, so that brightness does not fluctuate between images.
    """

    def __init__(self) -> None:
        self.bits = 0  # 0: all samples were 0
        self._note = ""

    def upper_byte(
        self, samples: npt.NDArray[np.uint16], topic: str, channels: int
    ) -> npt.NDArray[np.uint8]:
        """16-bit samples [..., C] of any byte order -> the upper 8 of the bits that are used.

        channels: number of colour channels; an alpha channel after them is ignored.
        """
        if self.bits < _BITS[-1]:
            self._update(int(samples[..., :channels].max(initial=0)), topic)
        # An alpha channel may overflow, but is not used.
        return (samples >> max(self.bits - 8, 0)).astype(np.uint8)

    def take_note(self) -> str:
        """A note on a change of the bits since the last call; "" for none."""
        note, self._note = self._note, ""
        return note

    def _update(self, largest: int, topic: str) -> None:
        bits = next(bits for bits in _BITS if largest < 1 << bits) if largest else 0
        if bits <= self.bits:
            return
        more = "brighter than before: " if self.bits else ""
        if bits < _BITS[-1]:
            self._note = (
                f"{more}16-bit images on '{topic}' hold nothing above {(1 << bits) - 1}: taken for "
                f"{bits}-bit ones, and scaled; the camera driver should fill all 16 bits, as "
                "sensor_msgs has them"
            )
        elif self.bits:
            self._note = f"{more}16-bit images on '{topic}' fill their 16 bits: not scaled any more"
        self.bits = bits
