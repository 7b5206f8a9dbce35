"""Colours of clothes, on painted images whose colours scikit-image's conventions define."""

import dataclasses

import numpy as np
import pytest
from oracle_tracking import color_distances

from icl_mesh.geometry.camera import Camera
from icl_mesh.tracking.appearance import AppearanceFeatures, appearance_features, mixed

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)
#: CIE L*a*b* (D65) of pure sRGB red and blue, as published.
RED_LAB, BLUE_LAB = (53.24, 80.09, 67.20), (32.30, 79.19, -107.86)


@pytest.fixture
def scene(make_people):
    """Two people beside each other, the left one red, the right one blue."""
    people = make_people([[-0.6, 0, 3], [0.6, 0, 3]], CAMERA)
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :320, 0], image[:, 320:, 2] = 255, 255
    return image, people


def test_colours_are_cie_lab(scene) -> None:
    features = appearance_features(*scene)
    for row, expected in enumerate((RED_LAB, BLUE_LAB)):
        np.testing.assert_allclose(features.color[row], np.tile(expected, (3, 1)), atol=0.05)
    distance, reliable = color_distances(features, features)
    assert np.diag(distance) == pytest.approx([0, 0], abs=1e-4)
    # CIE76 of the published values
    assert distance[0, 1] == pytest.approx(np.linalg.norm(np.subtract(RED_LAB, BLUE_LAB)), rel=0.01)
    assert (reliable > 0.9).all()


def test_a_view_of_bgr_has_the_same_colours(scene) -> None:
    image, people = scene
    bgr = np.ascontiguousarray(image[..., ::-1])
    found, expected = (
        appearance_features(bgr[..., ::-1], people),
        appearance_features(image, people),
    )
    np.testing.assert_array_equal(found.color, expected.color)


def test_hidden_joints_do_not_count(scene) -> None:
    """Half of the red person's joints are hidden by another person (confidence 0)."""
    image, people = scene
    image = image.copy()
    hidden = people.joints_px[0, :, 0] > people.joints_px[0, 0, 0] - 1
    image[:, round(float(people.joints_px[0, 0, 0])) - 1 : 320] = (0, 255, 0)
    confidence = people.joint_confidence.copy()
    confidence[0, hidden] = 0.0
    mine = appearance_features(image, dataclasses.replace(people, joint_confidence=confidence))
    both = appearance_features(image, people)
    to_red = [np.linalg.norm(features.color[0, 1] - RED_LAB) for features in (mine, both)]
    assert to_red[0] < 0.5 * to_red[1]


def test_what_is_not_seen_tells_nothing(scene, make_people) -> None:
    image, people = scene
    nothing = dataclasses.replace(people, joint_confidence=np.zeros_like(people.joint_confidence))
    _, reliable = color_distances(
        appearance_features(image, nothing), appearance_features(image, people)
    )
    assert (reliable < 0.01).all()
    _, reliable = color_distances(AppearanceFeatures.unknown(2), appearance_features(image, people))
    assert (reliable == 0).all()
    aside = make_people([[9.0, 0, 3]], CAMERA)  # beside the image
    assert appearance_features(image, aside).weight.max() == 0
    assert len(appearance_features(image, make_people([], CAMERA)).weight) == 0


def test_the_running_mean() -> None:
    def one(value, weight):
        return AppearanceFeatures(
            np.full((1, 3, 3), value, np.float32), np.full((1, 3), weight, np.float32)
        )

    first = mixed(AppearanceFeatures.unknown(1), one(50, 0.4), 0.2)
    np.testing.assert_allclose(first.color, 50)
    # equally well seen: the new one counts by the rate
    np.testing.assert_allclose(mixed(one(0, 0.5), one(10, 0.5), 0.2).color, 2.0, rtol=1e-5)
    # hardly seen: hardly counts
    assert mixed(one(0, 0.5), one(10, 0.01), 0.2).color.max() < 0.1
    # never seen: unchanged, finite
    np.testing.assert_array_equal(mixed(one(7, 0.5), one(90, 0.0), 0.2).color, 7)
    assert np.isfinite(
        mixed(AppearanceFeatures.unknown(1), AppearanceFeatures.unknown(1), 0.2).color
    ).all()
