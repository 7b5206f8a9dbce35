"""Corrects people's distances with the depth image of the same stamp."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.depth.factor import FAR, DepthFactor, explanation
from icl_mesh.depth.matching import DepthStore
from icl_mesh.depth.measure import DepthImage, believed_factor, measure_distances
from icl_mesh.formats.image_decoding import depth_from_image
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People

#: Range of the factor on depth: units of 0.1 um to 10 m, relative to mm.
SCALES = (1e-4, 1e4)
_INSTEAD = "until then distances come from body size"


class Corrected(NamedTuple):
    """The people; those without a measurement keep the distance by size.

    warning: there is no depth image, or its unit is doubtful. error: the depth image cannot be
    used. unmeasured: why none of the people was measured. All are "" where they do not apply.
    """

    people: People
    warning: str = ""
    error: str = ""
    unmeasured: str = ""


class DepthCorrection:
    """Finds the depth image of each image, and estimates whether its unit is correct."""

    def __init__(self, depths: DepthStore, *, remedy: str, scale_option: str) -> None:
        """remedy: what the user can do without a depth image. scale_option: the option's name."""
        self._depths, self._remedy, self._option = depths, remedy, scale_option
        self._factor = DepthFactor()
        self._known_for: tuple[float, float] | None = None  # conditions of the factor's estimate
        self._said: float | None = None

    def __call__(
        self,
        people: People,
        stamp_ns: int,
        tolerance_s: float,
        scale: float = 1.0,
        patience_s: float = 0.0,
    ) -> Corrected:
        """Correct people with the depth image that matches stamp_ns within tolerance_s.

        scale: factor on depth whose unit is not that of its encoding. patience_s: longest time to
        wait for the depth image.
        """
        corrected = self._correct(people, stamp_ns, tolerance_s, scale, patience_s)
        if len(people) == 0 or corrected.people.distance_from_depth.any():
            return corrected._replace(unmeasured="")
        return corrected

    def _correct(
        self, people: People, stamp_ns: int, tolerance_s: float, scale: float, patience_s: float
    ) -> Corrected:
        topic = self._depths.topic
        message = self._depths.find(stamp_ns, tolerance_s, patience_s)
        if message is None:
            reason = f"no depth image on '{topic}' within {tolerance_s:g} s of an image's stamp"
            warning = (
                f"{reason}, so its distances come from body size: the camera driver should publish "
                f"depth with the image's stamp; or {self._remedy}"
            )
            return Corrected(people, warning, unmeasured=reason)
        size = people.camera.width, people.camera.height
        if (message.width, message.height) != size:
            reason = (
                f"depth image on '{topic}' is {message.width}x{message.height}, the image "
                f"{size[0]}x{size[1]}"
            )
            error = (
                f"{reason}: the camera driver (its option to align depth to colour) or "
                f"depth_image_proc should register depth to the image; {_INSTEAD}"
            )
            return Corrected(people, error=error, unmeasured=reason)
        try:
            pixels, unit_m = depth_from_image(message, topic)
        except ValueError as error:
            return Corrected(people, error=f"{error}; {_INSTEAD}", unmeasured=str(error))
        measured = measure_distances(people, DepthImage(pixels, unit_m * scale))
        self._learn(measured.ratio, scale, people.camera)
        limit = believed_factor(people.camera)
        factor = self._factor.value
        if factor is not None and not 1 / limit <= factor <= limit:
            # In a wrong unit, single people may seem plausible by chance.
            return Corrected(people, self._doubt(people, scale), unmeasured=self._disagreement())
        ratio = measured.ratio[np.isfinite(measured.ratio)]
        if ratio.size == 0:
            reason = "the depth image has no values where their torsos are seen"
        elif not 1 / limit <= (median := float(np.median(ratio))) <= limit:
            reason = (
                f"depth is {median:.2g} times the distance by body size, beyond the factor "
                f"{limit:g} that is believed: is its unit right ({self._option})?"
            )
        else:
            reason = "too few pixels of their torsos agree"
        return Corrected(measured.people, self._doubt(people, scale), unmeasured=reason)

    def _learn(self, ratio: npt.NDArray[np.float64], scale: float, camera: Camera) -> None:
        # A calibrated focal length varies with the autofocus, an assumed one only when it is set.
        known_for = scale, camera.fx if camera.focal_assumed else 0.0
        if self._known_for != known_for:
            self._known_for, self._factor, self._said = known_for, DepthFactor(), None
        self._factor.add(ratio)

    def _disagreement(self) -> str:
        return (
            f"depth on '{self._depths.topic}' is {self._factor.value:.3g} times the distance by "
            f"body size, over {self._factor.count} people seen"
        )

    def _doubt(self, people: People, scale: float) -> str:
        """The warning about the factor. It is repeated only if the factor changes."""
        factor, limit = self._factor.value, believed_factor(people.camera)
        if factor is None or 1 / FAR <= factor <= FAR:
            return ""
        if self._said is not None and 1 / FAR <= factor / self._said <= FAR:
            return ""
        self._said = factor
        until = "" if 1 / limit <= factor <= limit else "; until then nobody is measured"
        cause = explanation(factor, people.camera, scale, self._option)
        return f"{self._disagreement()}: {cause}{until}"
