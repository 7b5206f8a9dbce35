"""16-bit images that fill only their lower bits, as many cameras with 10 to 14 bits send them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

#: What cameras count in.
_BITS = (8, 10, 12, 14, 16)


class SampleBits:
    """How many bits the images of one stream fill: as many as their largest sample so far takes.

    That only grows, so that brightness does not waver from image to image.
    """

    def __init__(self) -> None:
        self.bits = 0  # 0: all samples were 0
        self._note = ""

    def upper_byte(
        self, samples: npt.NDArray[np.uint16], topic: str, channels: int
    ) -> npt.NDArray[np.uint8]:
        """16-bit samples [..., C] of any byte order -> the upper 8 of the bits that are filled.

        channels: the first ones count, so that an alpha channel that is full does not.
        """
        if self.bits < _BITS[-1]:
            self._look(int(samples[..., :channels].max(initial=0)), topic)
        # An alpha channel may overflow: nobody looks at it.
        return (samples >> max(self.bits - 8, 0)).astype(np.uint8)

    def take_note(self) -> str:
        """What is to be said of the bits since the last call; "" for nothing."""
        note, self._note = self._note, ""
        return note

    def _look(self, largest: int, topic: str) -> None:
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
