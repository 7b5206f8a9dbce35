"""Maps to people, on maps written by hand."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.decode.peaks import (
    MAX_PEOPLE,
    Detections,
    decode_maps,
    duplicates,
    find_peaks,
    mean_angle,
    read_cells,
    rotations_from_channels,
    weak_from_channels,
)
from icl_mesh.network import InferenceMaps, NetworkMaps


def heatmap(*peaks: tuple[int, int, float], size: int = 64) -> torch.Tensor:
    """Zeros [1, 1, size, size] but for the peaks (x, y, score)."""
    values = torch.zeros(1, 1, size, size)
    for x, y, score in peaks:
        values[0, 0, y, x] = score
    return values


def found(peaks: object) -> list[tuple[int, int, float]]:
    return [
        (*cell, round(score, 4))
        for cell, score in zip(peaks.cell.tolist(), peaks.score.tolist(), strict=True)
    ]


def people_maps(center: torch.Tensor, seed: int = 0) -> NetworkMaps:
    """Random but sane maps around a centre heatmap [B, 1, h, w]."""
    count, _, height, width = center.shape
    generator = torch.Generator().manual_seed(seed)

    def noise(channels: int) -> torch.Tensor:
        return torch.randn(count, channels, height, width, generator=generator)

    joints = noise(24).sigmoid()
    return NetworkMaps(center, joints, noise(3), noise(64), noise(64), noise(142))


def test_peaks_come_by_falling_score_with_x_before_y() -> None:
    assert found(find_peaks(heatmap((40, 7, 0.5), (3, 50, 0.9)))) == [(3, 50, 0.9), (40, 7, 0.5)]


@pytest.mark.parametrize("cell", [(0, 0), (63, 0), (0, 63), (63, 63), (0, 30), (30, 0)])
def test_first_and_last_rows_and_columns_are_ordinary_cells(cell) -> None:
    assert found(find_peaks(heatmap((*cell, 0.7)))) == [(*cell, 0.7)]


def test_threshold() -> None:
    scores = heatmap((5, 5, 0.19), (20, 20, 0.2), (40, 40, 0.35))
    assert len(find_peaks(scores).score) == 2  # float32(0.2) itself counts
    assert found(find_peaks(scores, threshold=0.3)) == [(40, 40, 0.35)]


def test_the_lower_of_two_neighbours_is_suppressed_within_two_cells() -> None:
    near = heatmap((10, 10, 0.9), (12, 12, 0.8))
    apart = heatmap((10, 10, 0.9), (13, 12, 0.8))
    assert found(find_peaks(near)) == [(10, 10, 0.9)]
    assert len(find_peaks(apart).score) == 2


def test_equal_neighbours_are_both_peaks() -> None:
    assert len(find_peaks(heatmap((10, 10, 0.9), (11, 10, 0.9))).score) == 2


def test_at_most_64_people_and_the_best_of_them() -> None:
    grid = [(x, y, 0.3 + 0.001 * (13 * y + x)) for y in range(0, 64, 5) for x in range(0, 64, 5)]
    peaks = find_peaks(heatmap(*grid))
    assert len(grid) == 169
    assert len(peaks.score) == MAX_PEOPLE == 64
    best = sorted((score for *_, score in grid), reverse=True)[:64]
    np.testing.assert_allclose(peaks.score, best, rtol=1e-6)


def test_images_of_a_batch_keep_their_people() -> None:
    batch = torch.cat((heatmap((1, 2, 0.5)), heatmap(), heatmap((3, 4, 0.6), (9, 9, 0.7))))
    peaks = find_peaks(batch)
    assert peaks.image.tolist() == [0, 2, 2]
    assert peaks.cell.tolist() == [[1, 2], [9, 9], [3, 4]]


def test_channels_are_read_at_the_peak_not_at_its_mirror() -> None:
    peaks = find_peaks(heatmap((40, 7, 0.5)))
    values = torch.arange(64 * 64, dtype=torch.float32).reshape(1, 1, 64, 64)
    assert read_cells(peaks, values)[0].tolist() == [[7 * 64 + 40]]


def test_scale_channel_by_hand() -> None:
    weak_camera = weak_from_channels(
        np.array([[0.0, 0.1, -0.2], [2.0, 0.0, 0.0], [-1.0, 3.0, 4.0]])
    )
    expected = [[1.0, 0.1, -0.2], [1.21, 0.0, 0.0], [1 / 1.1, 3.0, 4.0]]
    np.testing.assert_allclose(weak_camera, expected, rtol=1e-6)


def test_absurd_scales_stay_finite_and_positive() -> None:
    weak_camera = weak_from_channels(np.array([[1e6, 0.0, 0.0], [-1e6, 0.0, 0.0]], np.float32))
    assert np.isfinite(weak_camera).all()
    assert (weak_camera[:, 0] > 0).all()


def test_rotation_channels_are_joint_by_joint_with_identity_hands() -> None:
    matrices = Rotation.random(22, random_state=1).as_matrix()
    # "the first two columns, one after the other"
    channels = np.concatenate([np.concatenate((m[:, 0], m[:, 1])) for m in matrices])
    rotations = rotations_from_channels(channels[None])
    assert rotations.shape == (1, 24, 3, 3)
    np.testing.assert_allclose(rotations[0, :22], matrices, atol=1e-12)
    np.testing.assert_array_equal(rotations[0, 22:], np.stack([np.eye(3)] * 2))


def test_mean_angle_is_scipys() -> None:
    generator = np.random.default_rng(0)
    first, second = (Rotation.random(22, random_state=generator) for _ in range(2))
    angles = (first.inv() * second).magnitude()
    one, other = first.as_matrix(), second.as_matrix()
    pairs = np.stack((one, one, other, other)), np.stack((one, other, one, other))
    expected = [0, angles.mean(), angles.mean(), 0]
    np.testing.assert_allclose(mean_angle(*pairs), expected, atol=1e-6)


def detections(
    cells: list[tuple[int, int]],
    *,
    angles_deg: list[float],
    scales: list[float] | None = None,
    images: list[int] | None = None,
) -> Detections:
    """People in one pose, each with all joints rotated about x by an angle; best first."""
    count = len(cells)
    peaks = find_peaks(heatmap())._replace(
        image=np.array(images or [0] * count),
        cell=np.array(cells),
        score=np.linspace(0.9, 0.3, count, dtype=np.float32),
    )
    turns = Rotation.from_rotvec(np.outer(np.deg2rad(angles_deg), [1, 0, 0])).as_matrix()
    rotations = np.broadcast_to(turns.astype(np.float32)[:, None], (count, 24, 3, 3))
    weak_camera = np.zeros((count, 3), np.float32)
    weak_camera[:, 0] = scales or [0.5] * count
    return Detections(peaks, weak_camera, rotations, np.zeros((count, 10)), np.zeros((count, 64)))


def test_one_person_found_twice_is_kept_once() -> None:
    twice = detections([(10, 10), (12, 12)], angles_deg=[0, 5])
    assert duplicates(twice).tolist() == [False, True]


@pytest.mark.parametrize(
    "other",
    [
        {"cells": [(10, 10), (13, 11)], "angles_deg": [0, 0]},  # farther apart
        {"cells": [(10, 10), (12, 10)], "angles_deg": [0, 15]},  # another pose
        {"cells": [(10, 10), (12, 10)], "angles_deg": [0, 0], "scales": [0.5, 0.6]},  # nearer
        {"cells": [(10, 10), (10, 10)], "angles_deg": [0, 0], "images": [0, 1]},  # another image
    ],
)
def test_two_people_are_both_kept(other) -> None:
    assert duplicates(detections(**other)).tolist() == [False, False]


def test_nobody() -> None:
    maps = people_maps(heatmap())
    people = decode_maps(maps)
    assert len(people) == 0
    assert people.rotations.shape == (0, 24, 3, 3)
    assert people.center_instance.shape == (0, 64)


def test_decoding_reads_every_map_at_the_peak() -> None:
    maps = people_maps(heatmap((40, 7, 0.5), (3, 50, 0.9)))
    people = decode_maps(maps)
    assert len(people) == 2
    for row, (x, y) in enumerate([(3, 50), (40, 7)]):
        log_scale, *shift = maps.camera[0, :, y, x].tolist()
        expected = [math.exp(log_scale * math.log(1.1)), *shift]
        np.testing.assert_allclose(people.weak_camera[row], expected, rtol=1e-5)
        np.testing.assert_array_equal(people.betas[row], maps.smpl[0, 132:, y, x])
        np.testing.assert_array_equal(people.center_instance[row], maps.center_instance[0, :, y, x])


def test_two_peaks_in_neighbouring_cells_with_one_pose_are_one_person() -> None:
    maps = people_maps(heatmap((10, 10, 0.9), (11, 10, 0.9)))
    assert len(decode_maps(maps)) == 2  # random poses: two people
    maps.smpl[:, :, 10, 11] = maps.smpl[:, :, 10, 10]
    maps.camera[:, :, 10, 11] = maps.camera[:, :, 10, 10]
    assert len(decode_maps(maps)) == 1


def test_bodies_from_a_second_step_are_those_of_the_dense_map() -> None:
    dense = people_maps(heatmap((40, 7, 0.5), (3, 50, 0.9)))
    asked = []

    def smpl_at(image, cell):
        asked.append((image.tolist(), cell.tolist()))
        return dense.smpl[image, :, cell[:, 1], cell[:, 0]]

    maps = InferenceMaps(*dense[:5], torch.zeros(1, 8, 128, 128))
    people, wanted = decode_maps(maps, smpl_at=smpl_at), decode_maps(dense)
    assert asked == [([0, 0], [[3, 50], [40, 7]])]
    np.testing.assert_array_equal(people.rotations, wanted.rotations)
    np.testing.assert_array_equal(people.betas, wanted.betas)
    with pytest.raises(ValueError, match="need smpl_at"):
        decode_maps(maps)
    with pytest.raises(RuntimeError, match=r"not finite .* in smpl"):
        decode_maps(maps, smpl_at=lambda image, cell: smpl_at(image, cell) * torch.nan)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["center_heatmap", "camera", "smpl", "center_instance"])
def test_output_that_is_not_finite_is_an_error(name, value) -> None:
    maps = people_maps(heatmap((10, 12, 0.9)))
    getattr(maps, name)[0, 0, 12, 10] = value
    with pytest.raises(
        RuntimeError, match=rf"not finite .* in {name}.*\): the weights are damaged"
    ):
        decode_maps(maps)


def test_rotation_channels_all_zero_are_an_error() -> None:
    maps = people_maps(heatmap((10, 12, 0.9)))
    maps.smpl[0, 6:12, 12, 10] = 0
    with pytest.raises(RuntimeError, match=r"not finite .* in rotations"):
        decode_maps(maps)
