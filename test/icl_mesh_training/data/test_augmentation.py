"""Crops, measured over many draws: how large people become, and who is looked at."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from icl_mesh_training.data.augmentation import AugmentationConfig, square_affine
from icl_mesh_training.scenes.render.labels import OUTSIDE, SceneLabels

SIZE = 256
CROPPED = AugmentationConfig(crop=1, roll=0, shift=0)
DRAWS = 400


def labels_of(*boxes: tuple[float, float, float, float]) -> SceneLabels:
    """A 400 x 300 px image of people whose 24 joints fill boxes (left, top, width, height)."""
    count, rng = len(boxes), np.random.default_rng(1)
    unit = rng.random((24, 2))
    unit[:2] = (0, 0), (1, 1)
    joints = np.array([unit * box[2:] + box[:2] for box in boxes], np.float32).reshape(-1, 24, 2)
    return SceneLabels(
        size=np.array([400, 300], np.int32),
        intrinsics=np.array([400, 400, 199.5, 149.5], np.float32),
        betas=np.zeros((count, 10), np.float32),
        pose=np.zeros((count, 24, 3), np.float32),
        translation=np.zeros((count, 3), np.float32),
        joints_m=np.zeros((count, 24, 3), np.float32),
        joints_px=joints,
        occlusion=np.zeros((count, 24), np.uint8),
        visible_share=np.ones(count, np.float32),
    )


def draw(
    labels: SceneLabels, config: AugmentationConfig, person: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Over many crops: the extent of a person's joints as a share of the square [DRAWS], and the
    share of them inside the square [DRAWS]."""
    rng = np.random.default_rng(7)
    spans, inside = np.zeros(DRAWS), np.zeros(DRAWS)
    for number in range(DRAWS):
        affine, _ = square_affine(labels, SIZE, config, rng)
        px = labels.joints_px[person] @ affine[:, :2].T + affine[:, 2]
        spans[number] = np.ptp(px, axis=0).max() / SIZE
        inside[number] = ((px > -0.501) & (px < SIZE - 0.499)).all(axis=1).mean()
    return spans, inside


def test_people_become_a_share_of_the_square_uniform_in_its_logarithm() -> None:
    # Letterboxed, 100 of 400 px span 0.25: zooms 1.2 to 3.2 reach all of 0.3 to 0.8.
    spans, _ = draw(labels_of((150, 100, 40, 100)), replace(CROPPED, person=(0.3, 0.8)))
    assert spans.min() == pytest.approx(0.3, abs=0.01)
    assert spans.max() == pytest.approx(0.8, abs=0.02)
    assert np.median(spans) == pytest.approx(np.sqrt(0.3 * 0.8), abs=0.03)


@pytest.mark.parametrize(("height", "span"), [(20, 0.2), (280, 0.49)])
def test_zoom_has_limits(height: float, span: float) -> None:
    """20 px span 0.05 and are wanted at 0.6: four times that. 280 px span 0.7, wanted at 0.3."""
    wanted = 0.6 if height == 20 else 0.3
    config = replace(CROPPED, person=(wanted, wanted), zoom=(0.7, 4.0))
    spans, _ = draw(labels_of((150, 10, 10, height)), config)
    np.testing.assert_allclose(spans, span, rtol=1e-4)


def test_a_whole_person_fits_wherever_it_stands() -> None:
    corner = labels_of((2, 3, 60, 90))
    spans, inside = draw(corner, replace(CROPPED, person=(0.4, 0.95), whole=1))
    assert spans.max() == pytest.approx(0.9)  # four times 90 of 400 px
    assert inside.min() == 1
    _, parts = draw(corner, replace(CROPPED, person=(0.9, 1.8), whole=0))
    assert parts.min() < 0.6  # half bodies


def test_crops_are_centred_on_people_not_on_regions_or_people_outside() -> None:
    """Regions (UNLABELLED, above OUTSIDE) and people out of the image are never the ones."""
    labels = labels_of((30, 200, 40, 80), (0, 0, 399, 150), (900, 100, 50, 100))
    labels.occlusion[1], labels.occlusion[2] = OUTSIDE + 1, OUTSIDE
    config = replace(CROPPED, person=(0.5, 0.7), whole=1)
    spans, inside = draw(labels, config)
    assert spans.min() > 0.49
    assert spans.max() < 0.71
    assert inside.min() == 1


def test_images_without_people_are_zoomed_too() -> None:
    rng = np.random.default_rng(0)
    nobody = labels_of()
    zooms = [square_affine(nobody, SIZE, CROPPED, rng)[0][0, 0] * 400 / SIZE for _ in range(DRAWS)]
    assert 0.7 <= min(zooms) < 0.75
    assert 3.8 < max(zooms) <= 4
