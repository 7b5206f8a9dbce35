"""Joint confidences: seen, and this person's own."""

import numpy as np
import pytest
import torch

from icl_mesh.camera import Camera
from icl_mesh.confidence import joint_confidence
from icl_mesh.estimator import Estimator

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


def confidence(plain_network, heat, instance, own, square, inside=None):
    square = np.array(square)
    inside = np.ones(square.shape[:2], dtype=np.bool_) if inside is None else inside
    own = own.numpy()
    return joint_confidence(heat, instance, own, square, inside, network=plain_network)


@pytest.fixture
def maps():
    """Two joints on 8x8 cells: joint 0 in cell (x, y) = (6, 1), score 0.8; joint 1 in (0, 0),
    score 0.5. Everybody's features there are the first unit vector."""
    heat, instance = torch.zeros(2, 8, 8), torch.zeros(4, 8, 8)
    heat[0, 1, 6], heat[1, 0, 0] = 0.8, 0.5
    instance[0, 1, 6] = instance[0, 0, 0] = 3.0  # length does not matter
    return heat, instance


PLACES = [[[0.625, -0.625], [-0.875, -0.875]]]  # middles of cells (6, 1) and (0, 0)


def test_own_joints_have_their_heatmaps_value(plain_network, maps) -> None:
    result = confidence(plain_network, *maps, torch.eye(4)[:1], PLACES)
    np.testing.assert_allclose(result, [[0.8, 0.5]])


def test_another_persons_joints_are_not_own(plain_network, maps) -> None:
    centers = torch.stack((torch.eye(4)[1], -torch.eye(4)[0], torch.tensor([0.6, 0.8, 0, 0])))
    result = confidence(plain_network, *maps, centers, PLACES * 3)
    # orthogonal 0, opposite 0 (not negative), cosine 0.6
    np.testing.assert_allclose(result, [[0, 0], [0, 0], [0.48, 0.3]], atol=1e-6)


def test_one_cell_off_still_counts_two_do_not(plain_network, maps) -> None:
    heat, instance = maps
    places = [[[0.625 - 0.25, -0.625 + 0.25], [-0.875, -0.875]], [[0.125, -0.625], [-0.4, -0.875]]]
    result = confidence(plain_network, heat, instance, torch.eye(4)[:1].repeat(2, 1), places)
    np.testing.assert_allclose(result, [[0.8, 0.5], [0, 0]])


def test_x_and_y_are_not_swapped(plain_network, maps) -> None:
    swapped = [[[-0.625, 0.625], [-0.875, -0.875]]]
    result = confidence(plain_network, *maps, torch.eye(4)[:1], swapped)
    np.testing.assert_allclose(result, [[0.0, 0.5]])


def test_joints_outside_the_image_have_none(plain_network, maps) -> None:
    inside = np.array([[False, True]])
    result = confidence(plain_network, *maps, torch.eye(4)[:1], PLACES, inside)
    np.testing.assert_allclose(result, [[0.0, 0.5]])


def test_seen_and_hidden_people_in_an_image(
    people_at, encode, body, plain_network, fixed_engine
) -> None:
    truth = people_at(CAMERA, [[200.0, 240.0], [450.0, 200.0]], [5.0, 6.0])
    maps = encode(truth, 512)
    estimator = Estimator(plain_network, body, engine=fixed_engine(maps))
    image = np.zeros((480, 640, 3), np.uint8)
    people = estimator(image, CAMERA)
    assert (people.joint_confidence > 0.99).mean() > 0.9  # nobody hides, nobody is cut off
    assert people.joint_visible.mean() > 0.9
    assert people.joint_visible.dtype == bool

    maps.joint_heatmaps[0, 20] = 0.05  # nobody sees a left wrist
    people = estimator(image, CAMERA)
    assert (people.joint_confidence[:, 20] < 0.06).all()
    assert not people.joint_visible[:, 20].any()


def test_joints_on_the_padding_have_none(
    people_at, encode, body, plain_network, fixed_engine
) -> None:
    """A person at the image's lower edge: the legs fall on the padded square, not on the image."""
    truth = people_at(CAMERA, [[320.0, 470.0]], [2.0])
    maps = encode(truth, 512)
    maps.joint_heatmaps[:] = 1.0
    maps.joint_instance[:] = 0.0
    maps.joint_instance[:, 0] = 1.0
    people = Estimator(plain_network, body, engine=fixed_engine(maps))(
        np.zeros((480, 640, 3), np.uint8), CAMERA
    )
    below = people.joints_px[0, :, 1] > 479.5
    assert 2 <= below.sum() <= 22
    assert (people.joint_confidence[0, below] == 0).all()
    inside = ~below & (people.joints_px[0, :, 0] > 0) & (people.joints_px[0, :, 0] < 639)
    inside &= people.joints_px[0, :, 1] > 0
    assert (people.joint_confidence[0, inside] == 1).all()
