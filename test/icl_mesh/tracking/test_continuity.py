"""Events that tracks survive, and events that restart them."""

import dataclasses

import numpy as np
import pytest

from icl_mesh.body import BodyModel
from icl_mesh.body.asset import load_default_body
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh.tracking.memory import through
from icl_mesh.tracking.streams import MOST_SIZES
from icl_mesh.tracking.tracker import MOST_LOST, Tracker, TrackState

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


def test_time_jumping_back_starts_afresh_with_new_ids(make_people) -> None:
    tracker = Tracker()
    for k in range(5):
        tracks = tracker.update(make_people([[0, 0, 3]], CAMERA), 100 + 0.1 * k)
    assert tracks.people.track_id.tolist() == [1]
    tracks = tracker.update(make_people([[0, 0, 3]], CAMERA), 3.0)
    assert tracks.people.track_id.tolist() == [2]
    assert tracks.state.tolist() == [TrackState.TENTATIVE]
    assert tracks.velocity_m_s[0] == pytest.approx([0, 0, 0])


def test_a_long_gap_forgets_and_equal_stamps_do_not_hurt(make_people) -> None:
    tracker = Tracker()
    first = tracker.update(make_people([[0, 0, 3]], CAMERA), 1.0)
    again = tracker.update(make_people([[0, 0, 3]], CAMERA), 1.0)
    later = tracker.update(make_people([[0, 0, 3]], CAMERA), 60.0)
    assert [t.people.track_id.tolist() for t in (first, again, later)] == [[1], [1], [2]]


def test_ids_survive_images_slightly_out_of_order(make_people) -> None:
    tracker = Tracker()
    for stamp in (10.0, 10.1, 10.3, 10.2, 10.4, 10.35, 10.5):
        tracks = tracker.update(make_people([[0, 0, 3]], CAMERA), stamp)
        assert tracks.people.track_id.tolist() == [1]
        assert np.isfinite(tracks.velocity_m_s).all()
    assert tracker.update(make_people([[0, 0, 3]], CAMERA), 9.9).people.track_id.tolist() == [2]


def test_a_stamp_that_stands_still_fills_no_memory(make_people) -> None:
    """Constant stamps: tracks never age, but their number is limited."""
    tracker, generator = Tracker(), np.random.default_rng(0)
    for _ in range(MOST_LOST // 2 + 30):
        people = make_people(generator.uniform((-2, -1, 2), (2, 1, 9), (4, 3)), CAMERA)
        tracks = tracker.update(people, 5.0)
        assert tracks.detected.sum() == 4
        assert len(tracks.people) <= MOST_LOST + 4


BENT = Lens("plumb_bob", (-0.2, 0.05, 1e-3, -1e-3, 0.0))


def of_focus(step: int) -> Camera:
    """CAMERA with autofocus: intrinsics that change with every image."""
    breath = 1 + 0.01 * np.sin(step)
    lens = Lens("plumb_bob", tuple(breath * np.array(BENT.coefficients)))
    return Camera(580 * breath, 581 * breath, 319.5 + breath, 239.5 - breath, 640, 480, lens=lens)


def test_ids_survive_intrinsics_that_change_with_every_image(make_people) -> None:
    tracker = Tracker(smoothing_s=0.1)
    for k in range(12):
        tracks = tracker.update(make_people([[-0.4, 0, 3], [0.5, 0, 4]], of_focus(k)), 0.1 * k)
        assert tracks.people.track_id.tolist() == [1, 2]
    assert tracks.state.tolist() == [TrackState.TRACKED] * 2
    np.testing.assert_allclose(tracks.velocity_m_s, 0, atol=1e-3)
    # occluded people are projected by the newest intrinsics
    hidden = tracker.update(make_people([[-0.4, 0, 3]], of_focus(12)), 1.2)
    assert hidden.state.tolist() == [TrackState.TRACKED, TrackState.OCCLUDED]
    expected = make_people([[0.5, 0, 4]], of_focus(12))
    np.testing.assert_allclose(hidden.people.joints_px[1:], expected.joints_px, atol=0.1)
    np.testing.assert_allclose(hidden.people.center_px[1:], expected.center_px, atol=0.1)
    assert tracker.update(make_people([[0.5, 0, 4]], CAMERA), 1.3).people.track_id[0] == 2


@pytest.mark.parametrize(
    "other",
    [
        Camera(1100.0, 1090.0, 300.0, 250.0, 640, 480),  # zoomed in
        Camera(870.0, 870.0, 479.5, 269.5, 960, 540),  # another mode
        dataclasses.replace(CAMERA, lens=BENT),  # a calibration with the lens
    ],
)
def test_people_through_another_calibration(make_people, other) -> None:
    """Against people projected by that calibration from the start."""
    places = [[-0.5, 0.1, 6.0], [0.4, -0.2, 8.0]]
    moved, expected = through(make_people(places, CAMERA), other), make_people(places, other)
    assert moved.camera == other
    for name in ("center_px", "joints_px", "joints_m"):
        np.testing.assert_allclose(getattr(moved, name), getattr(expected, name), atol=0.02)
    # the box of a bent mesh is not quite the bent box
    atol = 0.02 if other.lens is None else 1.0
    np.testing.assert_allclose(moved.bbox_px, expected.bbox_px, atol=atol)
    tracker = Tracker()
    tracker.update(make_people(places, CAMERA), 0.0)
    assert tracker.update(make_people(places, other), 0.1).people.track_id.tolist() == [1, 2]


def test_another_guess_of_the_focal_length_starts_afresh(make_people) -> None:
    """Distances before and after differ by a factor."""
    tracker, ids, said = Tracker(), [], []
    for k, camera in enumerate(
        (Camera.assumed(640, 480, 60), Camera.assumed(640, 480, 70), CAMERA, CAMERA)
    ):
        tracks = tracker.update(make_people([[0, 0, 3]], camera), 0.1 * k)
        ids += tracks.people.track_id.tolist()
        said.append(tracks.lost_because)
    assert ids == [1, 2, 3, 3]
    assert [bool(text) for text in said] == [False, True, True, False]
    assert "the focal length was assumed before, or is now" in said[1]


def test_another_camera_restarts_tracks_with_a_reason(make_people) -> None:
    """Another frame with another calibration: positions are not comparable."""
    tracker, ids, said = Tracker(), [], []
    for k, frame in enumerate(("left", "left", "right", "right", "left")):
        camera = CAMERA if frame == "left" else dataclasses.replace(CAMERA, fx=500.0)
        tracks = tracker.update(make_people([[0, 0, 3]], camera), 0.1 * k, frame_id=frame)
        ids += tracks.people.track_id.tolist()
        said.append(tracks.lost_because)
    assert ids == [1, 1, 2, 2, 3]
    assert [bool(text) for text in said] == [False, False, True, False, True]
    assert said[2].startswith("frame 'right' has another calibration than 'left'")


@pytest.mark.parametrize("camera", [CAMERA, Camera.assumed(640, 480)])
def test_ids_survive_a_driver_that_counts_in_frame_id(make_people, camera) -> None:
    tracker = Tracker()
    for k in range(6):
        tracks = tracker.update(make_people([[0, 0, 3]], camera), 0.1 * k, frame_id=str(k))
        assert tracks.people.track_id.tolist() == [1]
        assert tracks.lost_because == ""
    assert tracks.state.tolist() == [TrackState.TRACKED]


SMALL = Camera(290.0, 290.0, 159.5, 119.5, 320, 240)


@pytest.mark.parametrize(
    ("cameras", "frames", "ids"),
    [
        # Assumed focal lengths: nothing is known in common.
        ((Camera.assumed(640, 480), Camera.assumed(320, 200)), ("a", "a"), ([1], [2])),
        # Two cameras of two sizes.
        ((CAMERA, SMALL), ("a", "b"), ([1], [2])),
        # Two modes of one calibrated camera: positions are metric.
        ((CAMERA, SMALL), ("a", "a"), ([1], [1])),
    ],
)
def test_alternating_sizes_keep_their_tracks(make_people, cameras, frames, ids) -> None:
    tracker, states = Tracker(), []
    for k in range(12):
        camera = cameras[k % 2]
        tracks = tracker.update(make_people([[0, 0, 3]], camera), 0.1 * k, frame_id=frames[k % 2])
        assert tracks.people.track_id.tolist() == ids[k % 2]
        assert tracks.lost_because == ""
        states.append(tracks.state.tolist())
    assert states[-2:] == [[TrackState.TRACKED]] * 2


def test_people_of_two_sizes_never_share_an_id(make_people) -> None:
    """Later people get unique ids too, in both streams."""
    tracker, owners = Tracker(max_age_s=0.3), {}
    places = np.random.default_rng(4).uniform((-1, -0.5, 3), (1, 0.5, 8), (30, 3))
    for k in range(60):
        camera = (Camera.assumed(640, 480), Camera.assumed(320, 200))[k % 2]
        here = places[k // 4 : k // 4 + 2]
        for number in tracker.update(make_people(here, camera), 0.1 * k).people.track_id:
            assert owners.setdefault(int(number), camera) == camera


def test_a_mode_that_returns_late_continues_the_latest_tracks(make_people) -> None:
    tracker = Tracker(max_age_s=1.0)
    first = tracker.update(make_people([[0, 0, 3]], CAMERA), 0.0)
    for k in range(1, 40):
        tracker.update(make_people([[0, 0, 3], [1, 0, 4]], SMALL), 0.1 * k)
    again = tracker.update(make_people([[0, 0, 3], [1, 0, 4]], CAMERA), 4.0)
    assert first.people.track_id.tolist() == [1]
    assert again.people.track_id.tolist() == [1, 2]


def test_a_bag_played_again_restarts_tracks_of_every_size(make_people) -> None:
    tracker = Tracker()
    big, small = Camera.assumed(640, 480), Camera.assumed(320, 200)
    for stamp, camera, ids in (
        (50.0, big, [1]),
        (60.0, small, [2]),
        (10.0, big, [3]),
        (10.1, small, [4]),
        (10.2, big, [3]),
    ):
        tracks = tracker.update(make_people([[0, 0, 3]], camera), stamp)
        assert tracks.people.track_id.tolist() == ids
        assert tracks.lost_because == ("the stamps went back by 40 s" if stamp == 10.0 else "")


def test_many_sizes_fill_no_memory(make_people) -> None:
    tracker = Tracker()
    for k in range(3 * MOST_SIZES):
        tracker.update(make_people([[0, 0, 3]], Camera.assumed(300 + k, 200)), 0.1 * k)
    assert len(tracker._streams._by_size) == MOST_SIZES


def test_other_weights_keep_the_ids_another_body_does_not(make_people, body) -> None:
    """A model update brings its own copy of the body; a body of another name means other betas."""
    tracker = Tracker()
    people = make_people([[0, 0, 3]], CAMERA)
    tracker.update(people, 0.0)
    copy = BodyModel(load_default_body())
    updated = dataclasses.replace(people, body=copy, weights_version="newer")
    tracks = tracker.update(updated, 0.1)
    assert tracks.people.track_id.tolist() == [1]
    assert tracks.people.weights_version == "newer"
    other = BodyModel(dataclasses.replace(load_default_body(), name="other"))
    tracks = tracker.update(dataclasses.replace(people, body=other), 0.2)
    assert tracks.people.track_id.tolist() == [2]


def test_other_weights_take_over_nothing_but_ids(make_people) -> None:
    """No message mixes two models: neither smoothed bodies nor occluded people."""
    tracker = Tracker(min_hits=1, smoothing_s=1.0)
    for k in range(3):
        tracker.update(make_people([[0, 0, 3], [1, 0, 4]], CAMERA), 0.1 * k)
    seen = make_people(
        [[0, 0, 3.1]], CAMERA, embedding=-np.eye(64)[:1]
    )  # embeddings are not comparable
    updated = dataclasses.replace(seen, weights_version="newer")
    tracks = tracker.update(updated, 0.3)
    assert tracks.people.track_id.tolist() == [1]
    assert tracks.state.tolist() == [TrackState.TRACKED]
    np.testing.assert_allclose(tracks.people.joints_m, updated.joints_m, atol=1e-5)
    np.testing.assert_allclose(tracks.position_m, updated.position_m, atol=1e-5)
    assert (
        len(tracker.update(dataclasses.replace(updated), 0.4).state) == 1
    )  # no occluded person returns


def scored(people, *scores: float):
    return dataclasses.replace(people, score=np.array(scores, np.float32))


def test_low_scores_continue_tracks_and_start_none(make_people) -> None:
    tracker = Tracker(start_score=0.3)
    both = make_people([[-1, 0, 3], [1, 0, 3]], CAMERA)
    first = tracker.update(scored(both, 0.2, 0.9), 1.0)
    assert first.people.track_id.tolist() == [1]
    np.testing.assert_array_equal(first.people.position_m, both.position_m[1:])
    second = tracker.update(scored(both, 0.29, 0.1), 1.1)
    assert second.people.track_id.tolist() == [1]
    assert second.people.score.tolist() == pytest.approx([0.1])
    third = tracker.update(scored(both, 0.4, 0.1), 1.2)
    assert sorted(third.people.track_id.tolist()) == [1, 2]


def test_nobody_above_the_start_score(make_people) -> None:
    tracker = Tracker(start_score=0.3)
    tracks = tracker.update(scored(make_people([[0, 0, 3]], CAMERA), 0.1), 1.0)
    assert len(tracks.people) == 0
