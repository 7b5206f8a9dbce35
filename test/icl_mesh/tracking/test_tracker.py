"""The tracker on synthetic walks with known identities."""

import dataclasses

import numpy as np
import pytest

from icl_mesh.geometry.camera import Camera
from icl_mesh.tracking.appearance import AppearanceFeatures
from icl_mesh.tracking.tracker import Tracker, TrackState

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)
FRAME_S = 0.1


def walk(tracker, make_people, frames, *, seed=0, depth_noise=0.05, embeddings=None):
    """Feed frames {person: position} and return each person's ids, {person: [ids]}.

    Detections are shuffled and noisy: depth by `depth_noise` of the distance, direction by 0.5 %.
    """
    generator = np.random.default_rng(seed)
    ids: dict[str, list[int]] = {}
    for k, frame in enumerate(frames):
        names = list(generator.permutation(list(frame)))
        positions = np.array([frame[name] for name in names], dtype=float).reshape(-1, 3)
        positions *= 1 + generator.normal(0, depth_noise, (len(names), 1))
        positions[:, :2] += positions[:, 2:] * generator.normal(0, 0.005, (len(names), 2))
        rows = np.zeros((len(names), 64))
        for row, name in enumerate(names):
            rows[row, 0] = 1
            if embeddings is not None:
                rows[row] = embeddings[name]
        people = make_people(positions, CAMERA, embedding=rows)
        tracks = tracker.update(people, k * FRAME_S)
        assert tracks.detected[: len(names)].all()
        assert not tracks.detected[len(names) :].any()
        for row, name in enumerate(names):
            ids.setdefault(name, []).append(int(tracks.people.track_id[row]))
    return ids


def crossing(seconds=3.0, *, hidden=(), depths=(3.0, 3.6), height=0.0):
    """Two people who walk through each other's line of sight at 1 m/s; b is hidden in frames."""
    frames = []
    for k in range(round(seconds / FRAME_S)):
        x = -1.5 + k * FRAME_S
        frame = {"a": (x, height, depths[0]), "b": (-x, height, depths[1])}
        frames.append({n: p for n, p in frame.items() if not (n == "b" and k in hidden)})
    return frames


@pytest.mark.parametrize("seed", range(5))
def test_people_who_cross_keep_their_ids(make_people, seed) -> None:
    ids = walk(Tracker(), make_people, crossing(), seed=seed)
    assert len(ids["a"]) == len(ids["b"]) == 30
    assert len(set(ids["a"])) == len(set(ids["b"])) == 1
    assert set(ids["a"]) | set(ids["b"]) == {1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_people_who_cross_behind_each_other_keep_their_ids(make_people, seed) -> None:
    frames = crossing(hidden=range(12, 18))  # not seen for 0.6 s
    ids = walk(Tracker(), make_people, frames, seed=seed)
    assert len(ids["b"]) == 24
    assert len(set(ids["a"])) == len(set(ids["b"])) == 1


def test_embeddings_decide_where_positions_are_ambiguous(make_people) -> None:
    """Two people meet and turn back. To constant velocity they look as if they walked on; only
    their embeddings, which the push loss makes opposite, distinguish them."""
    frames = []
    for k in range(30):
        seconds = abs(k - 15) * FRAME_S
        # 1 m/s, slowing down and speeding up again at 4 m/s^2
        x = 2 * seconds**2 if seconds < 0.25 else seconds - 0.125
        frames.append({"a": (-x, 0, 3.0), "b": (x, 0, 3.4)})
    opposite = {"a": np.eye(64)[0], "b": -np.eye(64)[0]}
    ids = walk(Tracker(), make_people, frames, embeddings=opposite, depth_noise=0.02)
    assert len(set(ids["a"])) == len(set(ids["b"])) == 1
    ids = walk(Tracker(), make_people, frames, depth_noise=0.02)
    assert len(set(ids["a"])) == len(set(ids["b"])) == 2


def test_image_centres_decide_where_space_does_not(make_people) -> None:
    """Two pelvises nearly coincide: one person's upper body and the other's legs are seen."""

    def frame(shift_m):
        people = make_people([[shift_m, 0, 3], [-shift_m, 0, 3]], CAMERA, embedding=np.eye(64)[:2])
        people.embedding[:] = people.embedding[0]
        centers = people.center_px + np.array([[0, -80], [0, 80]], np.float32)
        return dataclasses.replace(people, center_px=centers)

    tracker = Tracker()
    assert tracker.update(frame(0.01), 0.0).people.track_id.tolist() == [1, 2]
    assert tracker.update(frame(-0.01), 0.1).people.track_id.tolist() == [1, 2]


def test_all_detections_are_reported_and_ids_are_unique(make_people) -> None:
    generator = np.random.default_rng(5)
    tracker = Tracker()
    for k in range(40):
        count = int(generator.integers(0, 8))
        positions = generator.uniform((-2, -1, 2), (2, 1, 9), (count, 3))
        people = make_people(positions, CAMERA, embedding=np.ones((count, 64)) / 8)
        tracks = tracker.update(people, k * FRAME_S)
        ids = tracks.people.track_id
        assert len(set(ids.tolist())) == len(ids)
        assert (ids >= 1).all()
        assert tracks.detected.sum() == count
        for name in ("joints_m", "score", "rotations"):  # same rows, same order, untouched
            np.testing.assert_array_equal(
                getattr(tracks.people, name)[:count], getattr(people, name)
            )


def test_states_over_a_persons_stay(make_people) -> None:
    tracker = Tracker(max_age_s=0.5, min_hits=3)
    states = []
    for k in range(14):
        here = k < 6 or k == 13
        tracks = tracker.update(make_people([[0.1, 0, 3]] if here else [], CAMERA), k * FRAME_S)
        states.append([TrackState(value).name for value in tracks.state])
    assert states[:6] == [["TENTATIVE"]] * 2 + [["TRACKED"]] * 4
    assert states[6:11] == [["OCCLUDED"]] * 5  # last seen at 0.5 s: forgotten after 1.0 s
    assert states[11:13] == [[], []]
    assert states[13] == [["TENTATIVE"]][0]
    assert tracks.people.track_id.tolist() == [2]


def test_a_person_seen_once_is_not_called_occluded(make_people) -> None:
    tracker = Tracker()
    tracker.update(make_people([[0, 0, 3]], CAMERA), 0.0)
    assert len(tracker.update(make_people([], CAMERA), 0.1).people) == 0


def test_occluded_people_go_on_walking(make_people) -> None:
    tracker = Tracker()
    for k in range(20):
        seen = tracker.update(make_people([[-1 + 0.1 * k, 0, 4]], CAMERA, vertices=True), 0.1 * k)
    assert seen.velocity_m_s[0] == pytest.approx([1, 0, 0], abs=0.05)
    for k in range(20, 25):
        hidden = tracker.update(make_people([], CAMERA, vertices=True), 0.1 * k)
    assert hidden.state.tolist() == [TrackState.OCCLUDED]
    assert hidden.people.track_id.tolist() == [1]
    assert hidden.people.position_m[0] == pytest.approx([1.4, 0, 4], abs=0.05)
    assert hidden.position_m[0] == pytest.approx(hidden.people.position_m[0], abs=1e-5)
    # the whole body moved with the pelvis, and its projection with it
    expected = make_people([hidden.people.position_m[0]], CAMERA, vertices=True)
    np.testing.assert_allclose(hidden.people.vertices_m, expected.vertices_m, atol=1e-4)
    np.testing.assert_allclose(hidden.people.joints_px, expected.joints_px, atol=0.05)
    np.testing.assert_allclose(hidden.people.bbox_px, expected.bbox_px, atol=10)
    assert not hidden.people.joint_visible.any()
    # and is less certain than it was
    assert np.trace(hidden.position_covariance[0]) > np.trace(seen.position_covariance[0])


def test_a_person_who_left_the_image_is_not_occluded(make_people) -> None:
    tracker = Tracker()
    for k in range(10):
        tracker.update(make_people([[1.0 + 0.1 * k, 0, 4]], CAMERA), 0.1 * k)
    states = [tracker.update(make_people([], CAMERA), 0.1 * k).state for k in range(10, 20)]
    assert states[0].tolist() == [TrackState.OCCLUDED]  # at 2.0 m of the visible 2.2 m
    assert len(states[-1]) == 0


def features(*colors) -> AppearanceFeatures:
    """Fully seen people, each of one colour (L*a*b*)."""
    color = np.array(colors, np.float32).reshape(-1, 1, 3)
    return AppearanceFeatures(color.repeat(3, axis=1), np.ones((len(colors), 3), np.float32))


RED, BLUE = (53.0, 80.0, 67.0), (32.0, 79.0, -108.0)


def test_colours_decide_after_both_were_out_of_sight(make_people) -> None:
    """Two people stand apart, vanish for a second, and come back with exchanged positions, so
    near that both pairs are possible. Only their colours distinguish them."""
    tracker = Tracker()
    here, there = [-0.25, 0, 3.0], [0.25, 0, 3.0]
    for k in range(5):
        tracks = tracker.update(make_people([here, there], CAMERA), 0.1 * k, features(RED, BLUE))
    assert tracks.people.track_id.tolist() == [1, 2]
    tracker.update(make_people([], CAMERA), 1.0)
    tracks = tracker.update(make_people([here, there], CAMERA), 1.5, features(BLUE, RED))
    assert tracks.people.track_id.tolist() == [2, 1]


def test_ids_survive_a_change_of_light(make_people) -> None:
    tracker, ids = Tracker(), []
    for k in range(10):
        colors = features(RED, BLUE) if k < 5 else features((5, 0, 0), (6, 0, 0))
        people = make_people([[-0.5, 0, 3], [0.5, 0, 3]], CAMERA)
        ids.append(tracker.update(people, 0.1 * k, colors).people.track_id.tolist())
    assert ids == [[1, 2]] * 10


@pytest.mark.parametrize("stamp", [float("nan"), float("inf")])
def test_bad_values(make_people, stamp) -> None:
    with pytest.raises(ValueError, match="stamp_s must be a finite time"):
        Tracker().update(make_people([], CAMERA), stamp)
    with pytest.raises(ValueError, match="max_age_s must be 0 or more seconds, got -1"):
        Tracker(max_age_s=-1)
    with pytest.raises(ValueError, match="min_hits must be 1 or more, got 0"):
        Tracker(min_hits=0)
    with pytest.raises(ValueError, match="smoothing_s must be 0 or more seconds, got nan"):
        Tracker().smoothing_s = float("nan")
