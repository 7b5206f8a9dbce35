"""Sequences: repeatable, with the story that they promise, and people who do not collide."""

import dataclasses

import numpy as np
import pytest

from icl_mesh.body import BodyModel
from icl_mesh_training.scenes.sequences import SequenceFormat, SequenceRenderer, story_of
from icl_mesh_training.scenes.walks import LEAST_GAP_M, STORIES, Stage, sample_walks

STAGE = Stage(half_width=0.577, seconds=3.9)
TIMES = np.arange(0, 3.95, 0.1)


def ways(story, seed):
    """Spots [N, F, 2] of a story."""
    walks = sample_walks(np.random.default_rng(seed), story, STAGE)
    return np.stack([walk.sample(TIMES)[0] for walk in walks])


@pytest.mark.parametrize("story", STORIES)
def test_people_walk_like_people(story) -> None:
    for seed in range(12):
        spots = ways(story, seed)
        assert 2 <= len(spots) <= 4
        apart = np.linalg.norm(spots[:, None] - spots[None], axis=-1)
        assert apart[~np.eye(len(spots), dtype=bool)].min() >= LEAST_GAP_M
        speed = np.linalg.norm(np.diff(spots, axis=1), axis=-1) / 0.1
        assert speed.max() < 2.6  # a run at most
        push = np.linalg.norm(np.diff(spots, n=2, axis=1), axis=-1) / 0.1**2
        assert push.max() < 12  # no jumps
        np.testing.assert_array_equal(spots, ways(story, seed))


def test_every_story_is_told() -> None:
    seeds = range(20)
    outside = {
        story: [abs(spots[:, :, 0] / spots[:, :, 1]) > STAGE.half_width * 1.15 for spots in told]
        for story, told in {s: [ways(s, k) for k in seeds] for s in STORIES}.items()
    }
    assert all(out[0, -1] and not out[0, 0] for out in outside["leaving"])
    assert all(out[0, 0] and not out[0, -1] for out in outside["entering"])
    sides = [
        np.sign(spots[0, :, 0] - spots[1, :, 0]) for spots in (ways("crossing", k) for k in seeds)
    ]
    passed = [s[0] != s[-1] for s in sides]
    assert 5 < sum(passed) < 20  # most pass each other, some turn back
    for seed in seeds:  # the second one comes behind the first
        spots = ways("occlusion", seed)
        bearing = abs(spots[0, :, 0] / spots[0, :, 1] - spots[1, :, 0] / spots[1, :, 1])
        assert bearing.min() < 0.03
        assert spots[1, bearing.argmin(), 1] < spots[0, bearing.argmin(), 1]
    with pytest.raises(ValueError, match=r"story must be one of crossing, .*, got 'chase'"):
        sample_walks(np.random.default_rng(0), "chase", STAGE)


def test_facing_follows_the_way() -> None:
    """Who walks looks where they go (the body faces +z before it is turned)."""
    from scipy.spatial.transform import Rotation

    walks = sample_walks(np.random.default_rng(3), "leaving", STAGE)
    spots, poses = walks[0].sample(TIMES)
    way = spots[20] - spots[19]
    ahead = Rotation.from_rotvec(poses[20].rotvec[0]).apply([0, 0, 1])
    assert ahead[[0, 2]] @ way / np.linalg.norm(way) > 0.98


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
    assert shares[:, 0].min() > 0.9  # the one in front
    assert shares[:, 1].min() < 0.4  # hides the other
    for (first, _), (second, _) in zip(frames, render(1), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(ValueError, match="at least 2 frames, got 1"):
        dataclasses.replace(form, frames=1)
    with pytest.raises(ValueError, match="rate must be above 0 Hz, got 0"):
        SequenceFormat(rate=0)
