"""Suspicious patterns in the labels of a whole COCO file: valid in form, implausible in content.

Letters: P people, K keypoints. A pattern counts only if most people show it: single people may lie
on their side or face away from the camera.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

#: A pattern must hold for more than this share of the people in whom it is observable ...
MOST = 0.6
#: ... and these must be at least so many.
LEAST = 2
#: Coordinates are judged only by people with this many labelled keypoints.
POINTS = 5
#: Minimum plausible extent of a person's keypoints, px.
TINY_PX = 2.0


def suspicions(
    keypoints: FloatArray, box: FloatArray, size: FloatArray, names: tuple[str, ...], source: Path
) -> list[str]:
    """One sentence per pattern found. keypoints [P, K, 3]: x, y in px and COCO's flag. box
    [P, 4]: left, top, width, height in px or NaN. size [P, 2]: of their images, 0 where unknown.

    Raises ValueError if all coordinates seem to be shares of the image size.
    """
    labelled = keypoints[..., 2] > 0
    known = labelled.sum(axis=1) >= POINTS
    found = _coordinates(keypoints[known], labelled[known], size[known], source)
    boxed = box[np.isfinite(box).all(axis=1)]
    if not known.any() and len(boxed) and np.abs(boxed).max() <= TINY_PX:
        raise ValueError(f"{source}: no bbox reaches beyond {TINY_PX:g} px: {_SHARES}")
    found += _flags(keypoints, labelled)
    found += _boxes(keypoints[known], labelled[known], box[known], size[known])
    if {"nose", "left_shoulder", "left_hip", "left_eye"} <= set(names):
        found += _sides(keypoints, labelled, names)
    return found


_SHARES = (
    "these look like shares of the image (0 to 1), and pixels are wanted; multiply x and widths by "
    "the image's width, y and heights by its height"
)


def _coordinates(
    keypoints: FloatArray, labelled: BoolArray, size: FloatArray, source: Path
) -> list[str]:
    if not len(keypoints):
        return []
    points = np.where(labelled[..., None], keypoints[..., :2], np.nan)
    high = np.nanmax(points, axis=1)
    extent = (high - np.nanmin(points, axis=1)).max(axis=1)
    tiny = extent < TINY_PX
    if tiny.all():
        raise ValueError(
            f"{source}: the keypoints of each of {len(tiny)} people lie within {TINY_PX:g} px: "
            + _SHARES
        )
    if tiny.any():
        return [f"{tiny.sum()} of {len(tiny)} people have all keypoints within {TINY_PX:g} px"]
    if len(high) < LEAST or not (size > 0).all():
        return []
    if high.max() <= 100 and (size >= 250).all():
        return ["all coordinates are 100 or less: percent of the image? Pixels are wanted"]
    if (high <= 0.25 * size).all():
        return [
            "no keypoint lies beyond a quarter of its image's width and height: labels of a "
            "smaller copy of the images?"
        ]
    return []


def _flags(keypoints: FloatArray, labelled: BoolArray) -> list[str]:
    flags = keypoints[..., 2][labelled]
    if not len(flags) and keypoints[..., :2].any():
        return [
            "all keypoints have v = 0, which says not labelled, and yet they have coordinates: if "
            "0 means visible in your tool, write 2"
        ]
    odd = int((~np.isin(flags, (1, 2))).sum())
    if odd:
        return [
            f"{odd} of {len(flags)} labelled keypoints have a flag v other than 0, 1 and 2, as if "
            f"it were a score: they count as visible"
        ]
    if len(flags) >= POINTS and (flags == 1).all():
        return [
            "all labelled keypoints have v = 1, which says hidden: if 1 means visible in your "
            "tool, write 2"
        ]
    return []


def _boxes(
    keypoints: FloatArray, labelled: BoolArray, box: FloatArray, size: FloatArray
) -> list[str]:
    low, extent = box[:, None, :2], box[:, None, 2:]
    known = np.asarray(np.isfinite(box).all(axis=1))
    margin = 0.1 * extent + 2
    points = keypoints[..., :2]
    inside = ((points >= low - margin) & (points <= low + extent + margin)).all(axis=2)
    outside = (~inside & labelled).sum(axis=1) > 0.5 * labelled.sum(axis=1)
    beyond = np.asarray((box[:, :2] + box[:, 2:] > 1.05 * size + 2).any(axis=1))
    found = []
    if _most(outside, known):
        found.append(
            f"{(outside & known).sum()} of {known.sum()} people have most keypoints outside of "
            f"their bbox: it is left, top, width, height in px"
        )
    sized = known & np.asarray((size > 0).all(axis=1))
    if _most(beyond, sized):
        found.append(
            f"{(beyond & sized).sum()} of {sized.sum()} bboxes reach beyond their image: they are "
            f"left, top, width, height, not left, top, right, bottom"
        )
    return found


def _sides(keypoints: FloatArray, labelled: BoolArray, names: tuple[str, ...]) -> list[str]:
    """Noses below hips; left and right exchanged, for all points or for one pair."""

    def at(name: str) -> FloatArray:
        return keypoints[:, names.index(name), :2]

    def has(*wanted: str) -> BoolArray:
        return np.asarray(labelled[:, [names.index(name) for name in wanted]].all(axis=1))

    found = []
    nose = at("nose")
    hips = (at("left_hip") + at("right_hip")) / 2
    upright = has("nose", "left_hip", "right_hip")
    below = nose[:, 1] > hips[:, 1]
    if _most(below, upright):
        found.append(
            f"{(below & upright).sum()} of {upright.sum()} people have their nose below their "
            f"hips: is the order of the keypoints that of their names?"
        )
    across = at("left_shoulder") - at("right_shoulder")
    up = nose - (at("left_shoulder") + at("right_shoulder")) / 2
    # People with a visible face look at the camera: their left shoulder is on the image's right.
    face = [names.index(name) for name in ("nose", "left_eye", "right_eye")]
    seen = keypoints[..., 2] >= keypoints[..., 2].max(initial=1)
    facing = has("left_shoulder", "right_shoulder") & seen[:, face].all(axis=1)
    facing &= np.linalg.norm(across, axis=1) > 0.5 * np.linalg.norm(up, axis=1)  # no profiles
    exchanged = up[:, 0] * across[:, 1] - up[:, 1] * across[:, 0] < 0
    if _most(exchanged, facing):
        found.append(
            f"{(exchanged & facing).sum()} of {facing.sum()} people whose face is seen have their "
            f"left shoulder where the right one should be: left and right look exchanged (they are "
            f"the person's own)"
        )
    for part in ("eye", "ear", "hip"):
        pair = (f"left_{part}", f"right_{part}")
        both = has("left_shoulder", "right_shoulder", *pair)
        against = ((at(pair[0]) - at(pair[1])) * across).sum(axis=1) < 0
        if _most(against, both):
            found.append(
                f"{(against & both).sum()} of {both.sum()} people have left and right {part} the "
                f"other way round than their shoulders: look exchanged"
            )
    return found


def _most(pattern: BoolArray, among: BoolArray) -> bool:
    count = int(among.sum())
    return count >= LEAST and int((pattern & among).sum()) > MOST * count
