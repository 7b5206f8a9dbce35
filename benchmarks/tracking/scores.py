"""Identity metrics (IDF1, switches), and error and jitter of the filtered values.

The library motmetrics computes IDF1 (Ristani et al. 2016, "Performance Measures and a Data Set for
Multi-Target, Multi-Camera Tracking") and switches (Bernardin and Stiefelhagen 2008, CLEAR MOT)
over all sequences together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from benchmarks.tracking.recording import Recording
from icl_mesh.people import People
from icl_mesh.tracking.tracker import Tracker, Tracks
from icl_mesh_training.evaluation.evaluate import MIN_VISIBLE
from icl_mesh_training.evaluation.metrics import MATCH_IOU, point_iou
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class Matches(NamedTuple):
    """Detections of one frame against the demanded true people, at least MIN_VISIBLE visible.
    Detections of other true people are ignored.

    demanded: [T] rows of the truth. kept: [P] rows of the detections. distance: [T, P], NaN for
    impossible pairs. found, true: [K] rows of the matched pairs.
    """

    demanded: Index
    kept: Index
    distance: Array
    found: Index
    true: Index


def match_frame(people: People, labels: SceneLabels) -> Matches:
    """Match detections to true people. Boxes must overlap by MATCH_IOU, as in evaluation; overlap
    and log depth are the cost, which separates people behind each other."""
    is_demanded = labels.visible_share >= MIN_VISIBLE
    labelled = (labels.occlusion != OUTSIDE) | ~is_demanded[:, None]
    iou = point_iou(people.joints_px, labels.joints_px, labelled).T
    depth = np.log(np.maximum(people.position_m[:, 2], 0.1))
    true_depth = np.log(np.maximum(labels.joints_m[:, 0, 2], 0.1))
    valid = (iou >= MATCH_IOU) & (labels.visible_share > 0)[:, None]
    distance = np.where(valid, 1 - iou + abs(depth - true_depth[:, None]), np.nan)
    true, found = linear_sum_assignment(np.where(valid, distance, 1e3))
    matched = valid[true, found]
    true, found = true[matched], found[matched]
    demanded, good = np.flatnonzero(is_demanded), is_demanded[true]
    kept = np.setdiff1d(np.arange(len(people)), found[~good])
    return Matches(demanded, kept, distance[np.ix_(demanded, kept)], found[good], true[good])


class Run(NamedTuple):
    """One sequence with the tracks of one tracker."""

    recording: Recording
    matches: list[Matches]
    tracks: list[Tracks]


def follow(recording: Recording, matches: list[Matches], tracker: Tracker) -> Run:
    """Run a tracker over a recording."""
    tracks = [
        tracker.update(people, k / recording.rate, features)
        for k, (people, features) in enumerate(
            zip(recording.people, recording.features, strict=True)
        )
    ]
    return Run(recording, matches, tracks)


class Identity(NamedTuple):
    """Metrics of all sequences. idf1, recall, precision: 0 to 1. switches: changes of a true
    person's id. people: demanded people, summed over frames."""

    idf1: float
    switches: int
    recall: float
    precision: float
    people: int


def identity(runs: Sequence[Run]) -> Identity:
    """Metrics of the ids of detected people, without predicted (OCCLUDED) ones."""
    import motmetrics  # imports pandas, which only this benchmark needs

    accumulators = []
    for run in runs:
        accumulator = motmetrics.MOTAccumulator(auto_id=True)
        for matches, tracks in zip(run.matches, run.tracks, strict=True):
            ids = tracks.people.track_id
            assert ids is not None
            accumulator.update(matches.demanded, ids[matches.kept], matches.distance)
        accumulators.append(accumulator)
    names = ["idf1", "num_switches", "recall", "precision", "num_objects"]
    table = motmetrics.metrics.create().compute_many(
        accumulators, metrics=names, generate_overall=True
    )
    idf1, switches, recall, precision, people = table.loc["OVERALL", names]
    return Identity(float(idf1), int(switches), float(recall), float(precision), int(people))


class Steadiness(NamedTuple):
    """Of one value over all tracks. error: median absolute error. jitter: root mean square of the
    error's change between frames."""

    error: float
    jitter: float


class Motion(NamedTuple):
    """Errors of raw and filtered values.

    distance: of the pelvis from the camera, relative; raw, position (Kalman filter), body
    (smoothed). joints: mean over pelvis-aligned joints, m; raw and body. covered: share of
    positions within the 95 % ellipsoid of their covariance.
    """

    distance: dict[str, Steadiness]
    joints: dict[str, Steadiness]
    covered: float


#: Squared radius of the 95 % ellipsoid in three dimensions (chi-squared).
ELLIPSOID_95 = 7.815
#: Errors by frame, by (sequence, person, id).
_Series = dict[tuple[int, int, int], dict[int, Array]]


def motion(runs: Sequence[Run]) -> Motion:
    """Errors of detected people before and after filtering."""
    distance: dict[str, _Series] = {n: defaultdict(dict) for n in ("raw", "position", "body")}
    joints: dict[str, _Series] = {n: defaultdict(dict) for n in ("raw", "body")}
    covered = []
    for run in runs:
        for k, (matches, tracks) in enumerate(zip(run.matches, run.tracks, strict=True)):
            raw, out, labels = run.recording.people[k], tracks.people, run.recording.truth[k]
            assert out.track_id is not None
            for i, j in zip(matches.found.tolist(), matches.true.tolist(), strict=True):
                key = (run.recording.seed, j, int(out.track_id[i]))
                true = labels.joints_m[j].astype(float)
                for name, at in (
                    ("raw", raw.position_m[i]),
                    ("position", tracks.position_m[i]),
                    ("body", out.position_m[i]),
                ):
                    share = np.linalg.norm(at) / np.linalg.norm(true[0]) - 1
                    distance[name][key][k] = np.array([share])
                for name, found in (("raw", raw.joints_m[i]), ("body", out.joints_m[i])):
                    joints[name][key][k] = found - found[0] - (true - true[0])
                off = tracks.position_m[i] - true[0]
                spread = tracks.position_covariance[i].astype(float)
                covered.append(float(off @ np.linalg.solve(spread, off)) <= ELLIPSOID_95)
    return Motion(
        {name: _steadiness(series, _size) for name, series in distance.items()},
        {name: _steadiness(series, _mean_length) for name, series in joints.items()},
        float(np.mean(covered)),
    )


def _size(error: Array) -> float:
    return float(np.abs(error[0]))


def _mean_length(error: Array) -> float:
    return float(np.linalg.norm(error, axis=-1).mean())


def _steadiness(series: _Series, size: Callable[[Array], float]) -> Steadiness:
    sizes = [size(error) for frames in series.values() for error in frames.values()]
    changes = [
        size(frames[k + 1] - frames[k])
        for frames in series.values()
        for k in frames
        if k + 1 in frames
    ]
    return Steadiness(float(np.median(sizes)), float(np.sqrt(np.mean(np.square(changes)))))
