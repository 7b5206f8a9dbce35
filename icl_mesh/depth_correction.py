"""People's distances from the depth image that belongs to their image."""

from __future__ import annotations

from icl_mesh.depth import DepthImage, correct_distances
from icl_mesh.depth_store import DepthStore
from icl_mesh.people import People
from icl_mesh.pixels import depth_from_image

_INSTEAD = "until then distances come from body size"


def with_measured_distances(
    people: People,
    depths: DepthStore,
    stamp_ns: int,
    tolerance_s: float,
    patience_s: float = 0.0,
    *,
    remedy: str,
) -> tuple[People, str, str]:
    """The people with the distances that the depth image of their stamp shows; a warning where
    there is none, an error where it cannot be used ("": all is well). Then they stay as they are.

    patience_s: wait so long for the depth image. remedy: what the user can do where there is none.
    """
    message = depths.find(stamp_ns, tolerance_s, patience_s)
    if message is None:
        warning = (
            f"no depth image on '{depths.topic}' within {tolerance_s:g} s of an image's stamp, so "
            "its distances come from body size: the camera driver should publish depth with the "
            f"image's stamp; or {remedy}"
        )
        return people, warning, ""
    size = people.camera.width, people.camera.height
    if (message.width, message.height) != size:
        return (
            people,
            "",
            f"depth image on '{depths.topic}' is {message.width}x{message.height}, the image "
            f"{size[0]}x{size[1]}: the camera driver (its option to align depth to colour) or "
            f"depth_image_proc should register depth to the image; {_INSTEAD}",
        )
    try:
        depth = DepthImage(*depth_from_image(message, depths.topic))
    except ValueError as error:
        return people, "", f"{error}; {_INSTEAD}"
    return correct_distances(people, depth), "", ""
