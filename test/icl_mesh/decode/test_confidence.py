"""Joint confidences: visible joints, and joints of this person."""

import numpy as np
import pytest
import torch
from kernel_cases import all_cases
from oracle_confidence import joint_confidence
from plain_network import PlainNetwork, unchanging_projector

from icl_mesh import kernels
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera

CAMERA = Camera(580.0, 580.0, 319.5, 239.5, 640, 480)


#: Keeps the first 32 channels, and sets the others to 0.
PROJECTOR = np.stack([layer.weight.numpy().T for layer in unchanging_projector()[::2]]).copy()


def confidence(heat, instance, centers, square, inside=None):
    """Confidences of the first two joints [N, 2]; the others have no evidence."""
    heatmaps, features = np.zeros((24, 8, 8), np.float32), np.zeros((64, 8, 8), np.float32)
    heatmaps[:2], features[:4] = heat, instance
    count = len(centers)
    embedding, places = np.zeros((count, 64), np.float32), np.zeros((count, 24, 2), np.float32)
    embedding[:, :4], places[:, :2] = centers, square
    within = np.ones((count, 24), np.bool_)
    if inside is not None:
        within[:, :2] = inside
    result = np.full((count, 24), np.nan, np.float32)
    kernels.joint_confidence(heatmaps, features, PROJECTOR, embedding, places, within, result)
    assert (result[:, 2:] == 0).all()
    return result[:, :2]


@pytest.fixture
def maps():
    """Two joints on 8x8 cells: joint 0 in cell (x, y) = (6, 1), score 0.8; joint 1 in (0, 0),
    score 0.5. Everybody's features there are the first unit vector."""
    heat, instance = np.zeros((2, 8, 8)), np.zeros((4, 8, 8))
    heat[0, 1, 6], heat[1, 0, 0] = 0.8, 0.5
    instance[0, 1, 6] = instance[0, 0, 0] = 3.0  # length does not matter
    return heat, instance


PLACES = [[[0.625, -0.625], [-0.875, -0.875]]]  # centres of cells (6, 1) and (0, 0)
OWN = np.eye(4)[:1]


def test_own_joints_have_their_heatmaps_value(maps) -> None:
    np.testing.assert_allclose(confidence(*maps, OWN, PLACES), [[0.8, 0.5]])


def test_another_persons_joints_are_not_own(maps) -> None:
    centers = np.stack((np.eye(4)[1], -np.eye(4)[0], [0.6, 0.8, 0, 0]))
    # orthogonal 0, opposite 0 (not negative), cosine 0.6
    found = confidence(*maps, centers, PLACES * 3)
    np.testing.assert_allclose(found, [[0, 0], [0, 0], [0.48, 0.3]], atol=1e-6)


def test_features_that_point_the_other_way_agree_where_both_do(maps) -> None:
    heat, instance = maps
    np.testing.assert_allclose(confidence(heat, -instance, -OWN, PLACES), [[0.8, 0.5]])
    np.testing.assert_allclose(confidence(heat, -instance, OWN, PLACES), [[0, 0]])


def test_one_cell_off_still_counts_two_do_not(maps) -> None:
    places = [[[0.625 - 0.25, -0.625 + 0.25], [-0.875, -0.875]], [[0.125, -0.625], [-0.4, -0.875]]]
    found = confidence(*maps, OWN.repeat(2, axis=0), places)
    np.testing.assert_allclose(found, [[0.8, 0.5], [0, 0]])


def test_the_best_product_of_nine_cells_counts(maps) -> None:
    """A lower heatmap value with a better agreement: 0.7 * 1 exceeds 0.8 * 0.6."""
    heat, instance = maps
    heat[0, 2, 6], instance[0, 2, 6] = 0.7, 1.0
    instance[:2, 1, 6] = 0.6, 0.8
    np.testing.assert_allclose(confidence(heat, instance, OWN, PLACES), [[0.7, 0.5]])


def test_x_and_y_are_not_swapped(maps) -> None:
    swapped = [[[-0.625, 0.625], [-0.875, -0.875]]]
    np.testing.assert_allclose(confidence(*maps, OWN, swapped), [[0.0, 0.5]])


def test_joints_outside_the_image_have_none(maps) -> None:
    found = confidence(*maps, OWN, PLACES, np.array([[False, True]]))
    np.testing.assert_allclose(found, [[0.0, 0.5]])


def test_maps_that_are_not_finite_have_no_finite_confidence(maps) -> None:
    heat, instance = maps
    heat[0, 2, 7] = np.nan
    assert np.isnan(confidence(heat, instance, OWN, PLACES)).tolist() == [[True, False]]


@pytest.mark.parametrize("projected", [True, False])
def test_it_is_what_torch_computes(projected: bool) -> None:
    """Random maps, with random projectors and without; the reference projects whole maps
    (oracle_confidence)."""
    case = all_cases(kernels.compiled)["joint_confidence"]
    given = case.arguments
    network = PlainNetwork()
    if projected:
        for layer, weights in zip(network.joint_projector[::2], given["projector"], strict=True):
            layer.weight = torch.nn.Parameter(torch.from_numpy(weights.T.copy()), False)
    else:
        network.joint_projector, given["projector"] = torch.nn.Identity(), None
    case.call(**given)
    wanted = joint_confidence(
        torch.from_numpy(given["heatmaps"]), torch.from_numpy(given["instance"]),
        given["embedding"], given["joints_square"], given["inside"], network=network,
    )  # fmt: skip
    np.testing.assert_allclose(given["confidence"], wanted, atol=2e-6)
    assert (wanted > 0).mean() > 0.5


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
    """A person at the image's lower edge: the legs lie in the padding."""
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
