"""Distances from a registered depth image, instead of those estimated from body size.

Registered: pixel (u, v) of the depth image shows the same point as pixel (u, v) of the image. Its
value is the depth z in the camera optical frame (REP 118), not the length of the ray.
"""

from __future__ import annotations

import dataclasses
import weakref
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh.body import BodyModel
from icl_mesh.depth.front_most import BodyParts, front_most
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People

Array = npt.NDArray[np.float64]

#: Joints of the torso: pelvis, spine, collars.
TORSO_JOINTS = (0, 3, 6, 9, 13, 14)
#: A body part is weighted by the confidence of its joint, and ignored below this confidence.
LEAST_CONFIDENCE = 0.1
#: A measured distance beyond this factor from the one by size is not that person's: adults differ
#: by a quarter, and the network's error is at most a half.
PLAUSIBLE_FACTOR = 2.0
#: With an assumed focal length, distances by size include its error: lenses have 30 to 110 degrees.
#: A larger factor would accept depth in units of 0.25 mm, which is off by 4.
ASSUMED_FACTOR = 3.0
#: Standard deviation of the prior around the distance by size, of the logarithm.
PRIOR_LOG_DEVIATION = 0.35
#: Half width of a cluster of agreeing pixels: error of the pose, and sensor noise per metre.
CLUSTER_M, CLUSTER_PER_M = 0.10, 0.02
#: Least number of agreeing pixels, and their least share of the torso.
LEAST_PIXELS, LEAST_SHARE = 12, 0.05


@dataclass(frozen=True)
class DepthImage:
    """pixels [H, W], any number type, times unit_m: metres. 0, negative, NaN, inf: no value."""

    pixels: npt.NDArray[Any]
    unit_m: float

    def at(self, columns: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Array:
        """Metres at integer pixels inside the image; NaN where there is no value."""
        depth = self.pixels[rows, columns].astype(np.float64) * self.unit_m
        return np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)


class Measured(NamedTuple):
    """The corrected people, and ratio [N]: median depth of the visible torso over its estimated
    depth, plausible or not; NaN without values there."""

    people: People
    ratio: Array


def believed_factor(camera: Camera) -> float:
    """Largest plausible factor between a measured distance and the one by size."""
    return ASSUMED_FACTOR if camera.focal_assumed else PLAUSIBLE_FACTOR


def correct_distances(people: People, depth: DepthImage) -> People:
    """The people of measure_distances."""
    return measure_distances(people, depth).people


def measure_distances(people: People, depth: DepthImage) -> Measured:
    """Move each person along the ray of the pelvis to the distance in the depth image.

    Samples are torso triangles of the estimated body that face the camera, are not occluded by a
    nearer person, and belong to visible joints. Each sample gives a distance of the pelvis: the
    measured depth, minus the offset in depth between the triangle and the pelvis in the estimated
    body. The median of the largest cluster of agreeing samples is used, which rejects holes, noise
    and occluders. Clusters are weighted by a prior around the distance by size, and ignored beyond
    believed_factor. ``distance_from_depth`` marks the people that were measured; the others are
    unchanged. Pixel positions are observations and stay.

    Raises ValueError where the depth image has another size than the image.
    """
    camera = people.camera
    if depth.pixels.shape != (camera.height, camera.width):
        height, width = depth.pixels.shape[:2]
        raise ValueError(
            f"depth image is {width}x{height}, the image {camera.width}x{camera.height}"
        )
    if len(people) == 0:
        return Measured(people, np.zeros(0))
    meshes = people.mesh_m().astype(np.float64)
    z = people.position_m[:, 2].astype(np.float64)
    px = camera.project_bodies(meshes, z)
    parts = _body_parts(people.body)
    owner = front_most(parts.hulls, px, z, (camera.width, camera.height))
    limit = believed_factor(camera)
    moved, ratio = np.zeros(len(people)), np.zeros(len(people))
    for row, mesh in enumerate(meshes):
        samples = _torso_samples(parts, mesh, px[row], people.joint_confidence[row], camera)
        mine = owner.at(samples.columns, samples.rows) == row
        depths = np.where(mine, depth.at(samples.columns, samples.rows), np.nan)
        moved[row] = _agreed_distance(depths - (samples.z - z[row]), samples, z[row], limit)
        ratio[row] = _median_ratio(depths, samples)
    found = np.isfinite(moved)
    step = people.position_m * np.where(found, moved / z - 1, 0.0)[:, None].astype(np.float32)
    corrected = dataclasses.replace(
        people,
        translation_m=people.translation_m + step,
        joints_m=people.joints_m + step[:, None],
        vertices_m=None if people.vertices_m is None else people.vertices_m + step[:, None],
        distance_from_depth=found,
    )
    return Measured(corrected, ratio)


class _Samples(NamedTuple):
    """S torso triangles that face the camera and are inside the image.

    z [S]: depth, m. columns, rows [S]: integer pixels. weight [S]: covered pixels times confidence.
    total: weight of a torso that is wholly in the image with confidence 1.
    """

    z: Array
    columns: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]
    weight: Array
    total: float


class _Parts(NamedTuple):
    hulls: BodyParts
    torso_faces: npt.NDArray[np.int64]  # [F, 3]
    torso_joint: npt.NDArray[np.int64]  # [F]


_KNOWN: weakref.WeakKeyDictionary[BodyModel, _Parts] = weakref.WeakKeyDictionary()


def _body_parts(body: BodyModel) -> _Parts:
    if body not in _KNOWN:
        joint = body.skinning_weights.argmax(dim=1).cpu().numpy()
        faces = body.faces.astype(np.int64)
        torso = np.isin(joint[faces], TORSO_JOINTS).all(axis=1)
        _KNOWN[body] = _Parts(BodyParts(joint), faces[torso], joint[faces[torso, 0]])
    return _KNOWN[body]


def _torso_samples(
    parts: _Parts, mesh: Array, px: Array, confidence: npt.NDArray[np.float32], camera: Camera
) -> _Samples:
    first, second, third = (mesh[parts.torso_faces[:, i]] for i in range(3))
    center = (first + second + third) / 3  # [F, 3]
    normal = np.cross(second - first, third - first)
    facing = np.maximum(-(normal * center).sum(axis=1), 0.0)
    area = facing / np.maximum(center[:, 2], 1e-3) ** 3  # covered pixels up to a factor
    first, second, third = (px[parts.torso_faces[:, i]] for i in range(3))
    at = np.rint((first + second + third) / 3)
    kept = (area > 0) & camera.contains(at)
    column, row = at[kept].astype(np.int64).T
    sure = np.where(confidence >= LEAST_CONFIDENCE, confidence, 0.0)[parts.torso_joint]
    return _Samples(center[kept, 2], column, row, (area * sure)[kept], float(area.sum()))


def _median_ratio(depths: Array, samples: _Samples) -> float:
    """Weighted median of measured over estimated depth; NaN for too few measurements.

    Implausible ratios are included, since depth may be in a wrong unit.
    """
    used = (samples.weight > 0) & np.isfinite(depths)
    if np.count_nonzero(used) < LEAST_PIXELS:
        return float("nan")
    ratios = depths[used] / samples.z[used]
    order = np.argsort(ratios)
    cumulative = np.cumsum(samples.weight[used][order])
    return float(ratios[order][np.searchsorted(cumulative, cumulative[-1] / 2)])


def _agreed_distance(measured: Array, samples: _Samples, by_size: float, limit: float) -> float:
    """The distance of the pelvis from the cluster of largest weight; NaN for none.

    measured [S]: pelvis distances by the samples, m, NaN: none. by_size: distance by size, m.
    limit: largest plausible factor between both.
    """
    trust = np.log(PLAUSIBLE_FACTOR) / np.log(limit)
    shift = trust * np.abs(np.log(np.maximum(measured, 1e-6) / by_size))
    used = (samples.weight > 0) & (shift <= np.log(PLAUSIBLE_FACTOR))  # NaN compares false
    if not used.any():
        return float("nan")
    order = np.flatnonzero(used)[np.argsort(measured[used])]
    values = measured[order]
    cumulative = np.concatenate(([0.0], np.cumsum(samples.weight[order])))
    half = CLUSTER_M + CLUSTER_PER_M * values
    low = np.searchsorted(values, values - half)
    high = np.searchsorted(values, values + half, side="right")
    agreeing = cumulative[high] - cumulative[low]
    prior = np.exp(-0.5 * (shift[order] / PRIOR_LOG_DEVIATION) ** 2)
    best = int((agreeing * prior).argmax())
    group = order[low[best] : high[best]]
    pixels = np.unique(samples.rows[group] * 2**32 + samples.columns[group]).size
    if pixels < LEAST_PIXELS or agreeing[best] < LEAST_SHARE * samples.total:
        return float("nan")
    halfway = (cumulative[low[best]] + cumulative[high[best]]) / 2
    return float(values[np.searchsorted(cumulative, halfway) - 1])
