"""Evidence of joints and keypoints: locations by hand, windows, batches, backbone keypoints."""

from __future__ import annotations

import numpy as np
import oracle_evidence
import pytest
import torch

from icl_mesh.decode.evidence import gather_evidence, regressed_keypoints, search_heatmaps
from icl_mesh.decode.peaks import Peaks
from icl_mesh.network import InferenceMaps, build_network


def peaks(image: list[int], cell: list[list[int]]) -> Peaks:
    return Peaks(np.array(image), np.array(cell), np.ones(len(image), np.float32))


def extent_of(joints: np.ndarray) -> np.ndarray:
    return np.linalg.norm(np.ptp(joints, axis=1), axis=1)


def test_the_joint_nearby_is_taken_and_not_a_stronger_one_of_somebody_else() -> None:
    joints = np.zeros((2, 24, 2))
    joints[:, 0], joints[:, 1] = (-0.5, -0.5), (0.0, 0.0)  # extent: 8 cells of 32, diagonally
    heatmaps = np.zeros((1, 24, 32, 32), np.float32)
    heatmaps[0, 5, 17, 18] = 0.4  # a cell and a half from where joint 5 should be
    heatmaps[0, 5, 2, 30] = 0.9
    heatmaps[0, 7, 31, 31] = 0.3  # far, but nothing else is seen
    seen = search_heatmaps(heatmaps, np.array([0, 0]), joints, extent_of(joints))
    np.testing.assert_allclose(seen.points[:, 5], [[18.5 / 16 - 1, 17.5 / 16 - 1]] * 2, atol=1e-6)
    np.testing.assert_allclose(seen.score[:, 5], 0.4)
    np.testing.assert_allclose(seen.points[:, 7], [[31.5 / 16 - 1] * 2] * 2, atol=1e-6)
    np.testing.assert_allclose(seen.score[:, 8], 0)


@pytest.mark.parametrize("cells", [16, 96, 144])
def test_places_lie_between_cells(cells: int) -> None:
    """A Gaussian around a point between cell centres is located, with and without max-pooling."""
    middle = np.array([0.3, 0.62]) * cells  # cells, counted from the left and upper edge
    steps = np.arange(cells) + 0.5
    bump = np.exp(-0.5 * (np.subtract.outer(steps, middle) ** 2))
    heatmaps = np.tile(np.outer(bump[:, 1], bump[:, 0]), (1, 24, 1, 1)).astype(np.float32)
    guess = middle / cells * 2 - 1 + np.random.default_rng(0).normal(0, 0.05, (1, 24, 2))
    seen = search_heatmaps(heatmaps, np.array([0]), guess, np.ones(1))
    np.testing.assert_allclose((seen.points + 1) / 2 * cells, [[middle] * 24], atol=0.3)


def test_each_person_reads_their_own_image() -> None:
    heatmaps = np.zeros((2, 24, 8, 8), np.float32)
    heatmaps[0, :, 4, 3], heatmaps[1, :, 3, 4] = 0.5, 0.6
    joints = np.random.default_rng(0).normal(0, 0.3, (2, 24, 2))
    seen = search_heatmaps(heatmaps, np.array([1, 0]), joints, extent_of(joints))
    np.testing.assert_allclose(seen.score, np.repeat([[0.6], [0.5]], 24, axis=1))
    np.testing.assert_allclose(seen.points[0], [[0.125, -0.125]] * 24, atol=1e-6)


@pytest.mark.parametrize(("kinds", "cells"), [(24, 48), (24, 30), (17, 96), (3, 100), (2, 5)])
@pytest.mark.parametrize("side_by_side", [False, True])
def test_it_finds_what_numpy_finds(kinds: int, cells: int, side_by_side: bool) -> None:
    """Noise, in both memory layouts, with some of the kinds; people outside the image."""
    rng = np.random.default_rng(0)
    shape = (2, kinds + 4, cells, cells)
    heatmaps = rng.random(shape, np.float32) ** 6
    if side_by_side:
        heatmaps = np.ascontiguousarray(heatmaps.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    given = (
        heatmaps[:, 1 : kinds + 1],
        np.array([0, 0, 1, 1, 1]),
        rng.normal(0, 0.8, (5, kinds, 2)),
        rng.uniform(0, 1.5, 5),
    )
    seen = search_heatmaps(*given)
    expected = oracle_evidence.search_heatmaps(*given)
    np.testing.assert_allclose(seen.points, expected.points, atol=2e-6)
    np.testing.assert_array_equal(seen.score, expected.score)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_maps_that_are_not_finite_have_no_finite_score(value: float) -> None:
    heatmaps = np.full((1, 3, 96, 96), 0.1, np.float32)
    heatmaps[0, 1, 95, 3] = value
    seen = search_heatmaps(heatmaps, np.array([0]), np.zeros((1, 3, 2)), np.ones(1))
    assert np.isfinite(seen.score).tolist() == [[True, False, True]]


def test_keypoints_regressed_from_the_centre_near_by() -> None:
    channels = build_network("movenet", 0.125).keypoint_channels
    assert channels is not None
    features = np.zeros((2, 55, 32, 32), np.float32)
    features[1, channels.center, 11, 9] = 0.8  # beside cell (4, 5) of the map of half the size
    features[1, channels.center, 30, 30] = 0.9
    offsets = np.zeros((17, 2), np.float32)
    offsets[3] = (-0.5, 1.0)  # y, x
    features[1, channels.offsets, 11, 9] = offsets.ravel()
    features[1, channels.log_extent, 11, 9] = np.log(6.0)
    seen = regressed_keypoints(features, channels, np.array([1]), np.array([[4, 5]]))
    cells = (seen.points[0] + 1) / 2 * 32 - 0.5
    np.testing.assert_allclose(cells[3], [9 + 6, 11 - 3], atol=1e-5)
    np.testing.assert_allclose(cells[4], [9, 11], atol=1e-5)
    np.testing.assert_allclose(seen.score, 0.8)
    assert seen.score.shape == (1, 17)


def test_movenets_keypoints_are_where_its_channels_say() -> None:
    """The pyramid's own heads against the channels' slices of the network's map."""
    torch.manual_seed(0)
    network = build_network("movenet", 0.125).eval()
    channels = network.keypoint_channels
    assert channels is not None
    with torch.inference_mode():
        images = torch.randn(1, 3, 64, 64)
        own = network.inference_maps(images).features[:, channels.first :]
        blocks = network.backbone.blocks(images)  # type: ignore[operator]
        pyramid = network.backbone.pyramid(blocks)  # type: ignore[operator]
    heatmaps = pyramid[:, 24 + 1 : 24 + 1 + 17]
    torch.testing.assert_close(own[:, channels.keypoints], heatmaps)
    torch.testing.assert_close(own[:, channels.center], pyramid[:, 24])
    torch.testing.assert_close(own[:, channels.offsets], pyramid[:, 42:76])
    torch.testing.assert_close(own[:, channels.log_extent], pyramid[:, 76])


def test_a_backbone_without_keypoints_gives_none() -> None:
    network = build_network("mobilenet_v2", 0.125).eval()
    assert network.keypoint_channels is None
    with torch.inference_mode():
        maps: InferenceMaps = network.inference_maps(torch.randn(1, 3, 64, 64))
    points = np.zeros((2, 24, 2), np.float32)
    evidence = gather_evidence(maps, None, peaks([0, 0], [[1, 1], [2, 2]]), points, points[:, :17])
    assert evidence.joints.points.shape == (2, 24, 2)
    assert evidence.keypoints.points.shape == evidence.regressed.points.shape == (2, 0, 2)
    assert evidence.keypoints.score.shape == evidence.regressed.score.shape == (2, 0)
