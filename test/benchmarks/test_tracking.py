"""Metrics of the tracking benchmark against hand-counted sequences."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("motmetrics")

from benchmarks.report import replace_between_markers
from benchmarks.tracking.recording import Recording
from benchmarks.tracking.report import BEGIN, END, identity_table
from benchmarks.tracking.scores import follow, identity, match_frame, motion
from icl_mesh.body import BodyModel
from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
from icl_mesh.tracking.appearance import AppearanceFeatures
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_training.scenes.render.labels import SceneLabels

CAMERA = Camera(500.0, 500.0, 319.5, 239.5, 640, 480)
FRAMES = 20


def a_body(pelvis) -> np.ndarray:
    """Joints [24, 3] spread over a standing person."""
    offsets = np.random.default_rng(0).uniform((-0.3, -0.8, -0.1), (0.3, 0.8, 0.1), (24, 3))
    return np.asarray(pelvis) + offsets - offsets[0]


def labels_of(pelvises, visible) -> SceneLabels:
    joints = np.stack([a_body(p) for p in pelvises])
    count = len(joints)
    return SceneLabels(
        size=np.array([640, 480], np.int32),
        intrinsics=np.array([500, 500, 319.5, 239.5], np.float32),
        betas=np.zeros((count, 10), np.float32),
        pose=np.zeros((count, 24, 3), np.float32),
        translation=np.zeros((count, 3), np.float32),
        joints_m=joints.astype(np.float32),
        joints_px=CAMERA.project(joints).astype(np.float32),
        occlusion=np.zeros((count, 24), np.uint8),
        visible_share=np.array(visible, np.float32),
    )


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return BodyModel.load()


def people_of(body, pelvises, ids=None) -> People:
    count = len(pelvises)
    joints = np.stack([a_body(p) for p in pelvises])
    px = CAMERA.project(joints)
    return dataclasses.replace(
        People.empty(CAMERA, body, "test"),
        score=np.ones(count, np.float32),
        center_px=px[:, 0].astype(np.float32),
        bbox_px=np.concatenate((px.min(1), px.max(1)), 1).astype(np.float32),
        betas=np.zeros((count, 10), np.float32),
        rotations=np.tile(np.eye(3, dtype=np.float32), (count, 24, 1, 1)),
        translation_m=np.zeros((count, 3), np.float32),
        joints_m=joints.astype(np.float32),
        joints_px=px.astype(np.float32),
        joint_confidence=np.ones((count, 24), np.float32),
        joint_visible=np.ones((count, 24), bool),
        weak_camera=np.ones((count, 3), np.float32),
        embedding=np.tile(np.eye(64, dtype=np.float32)[0], (count, 1)),
        distance_from_depth=np.zeros(count, bool),
        track_id=None if ids is None else np.array(ids, np.int64),
    )


class Swapping(Tracker):
    """A tracker that swaps the ids of its two people after half of the frames."""

    def update(self, people, stamp_s, features=None):
        tracks = super().update(people, stamp_s, features)
        swapped = tracks.people.track_id[::-1] if stamp_s >= FRAMES / 2 / 10 - 1e-9 else None
        if swapped is not None:
            tracks.people = dataclasses.replace(tracks.people, track_id=swapped.copy())
        return tracks


@pytest.fixture
def recording(body) -> Recording:
    """Two people who stand still; their detections are 10 % too near."""
    pelvises = np.array([[-0.8, 0.0, 4.0], [0.8, 0.0, 4.0]])
    people = [people_of(body, 0.9 * pelvises) for _ in range(FRAMES)]
    truth = [labels_of(pelvises, [1, 1]) for _ in range(FRAMES)]
    return Recording(0, 10.0, people, [AppearanceFeatures.unknown(2)] * FRAMES, truth)


def matched(recording):
    return [match_frame(*pair) for pair in zip(recording.people, recording.truth, strict=True)]


def test_identity_by_hand(recording) -> None:
    steady = identity([follow(recording, matched(recording), Tracker())])
    assert steady == (1.0, 0, 1.0, 1.0, 2 * FRAMES)
    swapped = identity([follow(recording, matched(recording), Swapping())])
    # each id is right for half of the frames: 2 TP / (truth + found) = 1/2; both people switch once
    assert swapped.idf1 == pytest.approx(0.5)
    assert swapped.switches == 2
    assert swapped.recall == swapped.precision == 1.0
    assert "| swapped | 0.500 | 2 |" in identity_table({"swapped": swapped})


def test_hidden_people_count_neither_way(body) -> None:
    pelvises = [[-0.8, 0, 4.0], [0.8, 0, 4.0]]
    frame = match_frame(people_of(body, pelvises), labels_of(pelvises, [1.0, 0.1]))
    assert frame.demanded.tolist() == [0]
    assert frame.kept.tolist() == [0]  # the second is true, but not demanded
    nobody_there = match_frame(people_of(body, pelvises), labels_of(pelvises[:1], [1.0]))
    assert nobody_there.kept.tolist() == [0, 1]  # a false detection stays
    assert np.isnan(nobody_there.distance[0, 1])


def test_of_two_behind_each_other_the_distance_decides(body) -> None:
    front, behind = [0.0, 0, 3.0], [0.05, 0, 3.8]
    truth = labels_of([front, behind], [1.0, 0.4])
    for found, row in ((front, 0), (behind, 1)):
        matches = match_frame(people_of(body, [found]), truth)
        assert matches.true.tolist() == [row]


def test_motion_by_hand(recording) -> None:
    result = motion([follow(recording, matched(recording), Tracker())])
    assert result.distance["raw"] == pytest.approx((0.1, 0.0), abs=1e-5)
    assert result.distance["position"].error == pytest.approx(0.1, abs=1e-3)
    assert result.joints["raw"] == pytest.approx((0.0, 0.0), abs=1e-5)
    assert result.covered == 1.0  # 10 % lie within what all images of a person may share


def test_recordings_come_back_from_their_files(recording, tmp_path, body) -> None:
    recording.save(tmp_path)
    loaded = Recording.load(tmp_path, 0, body)
    assert loaded.rate == recording.rate
    assert [len(people) for people in loaded.people] == [2] * FRAMES
    np.testing.assert_array_equal(loaded.people[7].joints_m, recording.people[7].joints_m)
    np.testing.assert_array_equal(loaded.truth[3].joints_px, recording.truth[3].joints_px)
    np.testing.assert_array_equal(loaded.features[0].color, recording.features[0].color)


def test_the_table_goes_between_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_between_markers(page, "new", BEGIN, END)
    assert page.read_text() == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(ValueError, match="must stand there, in this order"):
        replace_between_markers(page, "new", BEGIN, END)
