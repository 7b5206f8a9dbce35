"""People's distances from the depth image that belongs to their image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.camera import Camera
from icl_mesh.depth import DepthImage, believed_factor, measure_distances
from icl_mesh.depth_factor import FAR, DepthFactor, explanation
from icl_mesh.depth_store import DepthStore
from icl_mesh.people import People
from icl_mesh.pixels import depth_from_image

#: What depth is multiplied by may lie between these: a unit of 0.1 um to one of 10 m, in mm.
SCALES = (1e-4, 1e4)
_INSTEAD = "until then distances come from body size"


class Corrected(NamedTuple):
    """The people; a warning where there is no depth image or its unit is in doubt, an error where
    it cannot be used ("": all is well); and why nobody of the people who are seen was measured ("":
    somebody was, or nobody is seen). Who was not measured stays where size says."""

    people: People
    warning: str = ""
    error: str = ""
    unmeasured: str = ""


class DepthCorrection:
    """Finds each image's depth image, and learns whether its unit is what it should be."""

    def __init__(self, depths: DepthStore, *, remedy: str, scale_option: str) -> None:
        """remedy: what the user can do where there is no depth image. scale_option: the name of
        what sets the scale."""
        self._depths, self._remedy, self._option = depths, remedy, scale_option
        self._factor = DepthFactor()
        self._known_for: tuple[float, float] | None = None  # what the factor was measured with
        self._said: float | None = None

    def __call__(
        self,
        people: People,
        stamp_ns: int,
        tolerance_s: float,
        scale: float = 1.0,
        patience_s: float = 0.0,
    ) -> Corrected:
        """The people with the distances that the depth image of their stamp shows.

        scale: depth is multiplied by it, where its unit is not what its encoding says. patience_s:
        wait so long for the depth image.
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
            # By chance somebody's size is so badly judged that another unit seems to fit.
            return Corrected(people, self._doubt(people, scale), unmeasured=self._disagreement())
        ratio = measured.ratio[np.isfinite(measured.ratio)]
        if ratio.size == 0:
            reason = "the depth image has no values where their torsos are seen"
        elif not 1 / limit <= (middle := float(np.median(ratio))) <= limit:
            reason = (
                f"depth is {middle:.2g} times the distance by body size, beyond the factor "
                f"{limit:g} that is believed: is its unit right ({self._option})?"
            )
        else:
            reason = "too few pixels of their torsos agree"
        return Corrected(measured.people, self._doubt(people, scale), unmeasured=reason)

    def _learn(self, ratio: npt.NDArray[np.float64], scale: float, camera: Camera) -> None:
        # A calibrated focal length moves with the autofocus, an assumed one when somebody sets it.
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
        """The warning about the factor; once, unless it changes."""
        factor, limit = self._factor.value, believed_factor(people.camera)
        if factor is None or 1 / FAR <= factor <= FAR:
            return ""
        if self._said is not None and 1 / FAR <= factor / self._said <= FAR:
            return ""
        self._said = factor
        until = "" if 1 / limit <= factor <= limit else "; until then nobody is measured"
        cause = explanation(factor, people.camera, scale, self._option)
        return f"{self._disagreement()}: {cause}{until}"
