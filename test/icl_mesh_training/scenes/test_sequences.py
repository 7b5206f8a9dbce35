"""Sequences: deterministic, with the requested story, and without collisions."""

import dataclasses

import numpy as np
import pytest

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.sequences import SequenceFormat, SequenceRenderer, story_of
from icl_mesh_training.scenes.world.walks import LEAST_GAP_M, STORIES, Stage, sample_walks

STAGE = Stage(half_width=0.577, seconds=3.9)
TIMES = np.arange(0, 3.95, 0.1)


def paths(story, seed):
    """Positions [N, F, 2] of a story."""
    walks = sample_walks(np.random.default_rng(seed), story, STAGE)
    return np.stack([walk.sample(TIMES)[0] for walk in walks])


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_people_walk_like_people(story) -> None:
    for seed in range(12):
        positions = paths(story, seed)
        assert 2 <= len(positions) <= 4
        apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
        assert apart[~np.eye(len(positions), dtype=bool)].min() >= LEAST_GAP_M
        speed = np.linalg.norm(np.diff(positions, axis=1), axis=-1) / 0.1
        assert speed.max() < 2.6  # a run at most
        push = np.linalg.norm(np.diff(positions, n=2, axis=1), axis=-1) / 0.1**2
        assert push.max() < 12  # no jumps
        np.testing.assert_array_equal(positions, paths(story, seed))


@pytest.mark.slow
def test_every_story_is_told() -> None:
    seeds = range(20)
    outside = {
        story: [
            abs(positions[:, :, 0] / positions[:, :, 1]) > STAGE.half_width * 1.15
            for positions in told
        ]
        for story, told in {s: [paths(s, k) for k in seeds] for s in STORIES}.items()
    }
    assert all(out[0, -1] and not out[0, 0] for out in outside["leaving"])
    assert all(out[0, 0] and not out[0, -1] for out in outside["entering"])
    sides = [
        np.sign(positions[0, :, 0] - positions[1, :, 0])
        for positions in (paths("crossing", k) for k in seeds)
    ]
    passed = [s[0] != s[-1] for s in sides]
    assert 5 < sum(passed) < 20  # most people pass each other, some turn back
    for seed in seeds:  # the second person comes behind the first
        positions = paths("occlusion", seed)
        bearing = abs(
            positions[0, :, 0] / positions[0, :, 1] - positions[1, :, 0] / positions[1, :, 1]
        )
        assert bearing.min() < 0.03
        assert positions[1, bearing.argmin(), 1] < positions[0, bearing.argmin(), 1]
    with pytest.raises(ValueError, match=r"story must be one of crossing, .*, got 'chase'"):
        sample_walks(np.random.default_rng(0), "chase", STAGE)


def test_yaw_follows_the_path() -> None:
    """A walking body faces its direction of motion (an unrotated body faces +z)."""
    from scipy.spatial.transform import Rotation

    walks = sample_walks(np.random.default_rng(3), "leaving", STAGE)
    positions, poses = walks[0].sample(TIMES)
    step = positions[20] - positions[19]
    ahead = Rotation.from_rotvec(poses[20].rotvec[0]).apply([0, 0, 1])
    assert ahead[[0, 2]] @ step / np.linalg.norm(step) > 0.98


@pytest.mark.slow
def test_rendered_sequence_has_its_labels() -> None:
    form = SequenceFormat(width=96, height=72, frames=6, rate=1.5)
    render = SequenceRenderer(BodyModel.load(), form)
    frames = list(render(1))
    assert story_of(1) == "occlusion"
    assert len(frames) == 6
    people = {len(labels) for _, labels in frames}
    assert len(people) == 1  # rows are people, seen or not
    image, labels = frames[0]
    assert image.shape == (72, 96, 3)
    assert (labels.camera.width, labels.camera.height) == (96, 72)
    shares = np.stack([labels.visible_share[:2] for _, labels in frames])
    assert shares[0].min() > 0.9
    assert shares[:, 0].min() > 0.9  # the person in front
    assert shares[:, 1].min() < 0.4  # hides the other
    for (first, _), (second, _) in zip(frames, render(1), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        dataclasses.replace(form, frames=1)
    with pytest.raises(ValueError, match="rate must be above 0 Hz, got 0"):
        SequenceFormat(rate=0)
