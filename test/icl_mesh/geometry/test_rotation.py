"""Rotations: SciPy as the outside truth; the order of the six numbers by hand."""

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.geometry.rotation import (
    IDENTITY_6D,
    matrices_from_6d,
    matrix_from_6d,
    matrix_from_rotvec,
    quaternions_and_rotvecs,
    rotvec_from_matrix,
    sixd_from_matrix,
)


@pytest.fixture
def matrices():
    return torch.from_numpy(Rotation.random(200, random_state=0).as_matrix())


def test_six_numbers_are_the_first_two_columns() -> None:
    # A rotation by 90 degrees about z takes x to y and y to -x: columns (0, 1, 0) and (-1, 0, 0).
    quarter = matrix_from_rotvec(torch.tensor([0.0, 0.0, np.pi / 2]))
    expected = torch.tensor([0.0, 1.0, 0.0, -1.0, 0.0, 0.0])
    torch.testing.assert_close(sixd_from_matrix(quarter), expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix_from_6d(expected), quarter, atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix_from_6d(torch.tensor(IDENTITY_6D)), torch.eye(3))


def test_6d_and_back(matrices) -> None:
    torch.testing.assert_close(matrix_from_6d(sixd_from_matrix(matrices)), matrices)


def test_on_the_host_it_is_the_same_rotation() -> None:
    six = torch.randn(4, 22, 6, generator=torch.Generator().manual_seed(1))
    expected = matrix_from_6d(six.double())
    np.testing.assert_allclose(matrices_from_6d(six.double().numpy()), expected, atol=1e-12)
    single = matrices_from_6d(six.numpy())
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=1e-5)
    assert np.isnan(matrices_from_6d(np.zeros((1, 6)))).any()


def test_any_scale_and_skew_gives_romas_rotation() -> None:
    six = torch.randn(50, 6, generator=torch.Generator().manual_seed(0)).double()
    columns = torch.stack((six[:, :3], six[:, 3:]), dim=-1)
    torch.testing.assert_close(matrix_from_6d(six), roma.special_gramschmidt(columns))
    # Zhou et al.: the first column is the first vector, normalised
    torch.testing.assert_close(matrix_from_6d(7 * six), matrix_from_6d(six))
    first = six[:, :3] / six[:, :3].norm(dim=1, keepdim=True)
    torch.testing.assert_close(matrix_from_6d(six)[:, :, 0], first)
    assert torch.linalg.det(matrix_from_6d(six)).min() > 0.999


def test_rotation_vectors_are_scipys(matrices) -> None:
    rotvec = rotvec_from_matrix(matrices)
    expected = Rotation.from_matrix(matrices.numpy()).as_rotvec()
    np.testing.assert_allclose(rotvec, expected, atol=1e-7)
    torch.testing.assert_close(matrix_from_rotvec(rotvec), matrices)


def test_rotation_vectors_near_nothing_and_near_half_a_turn() -> None:
    vectors = torch.tensor([[0.0, 0.0, 0.0], [1e-7, 0.0, 0.0], [0.0, np.pi - 1e-4, 0.0]])
    back = rotvec_from_matrix(matrix_from_rotvec(vectors.double()))
    torch.testing.assert_close(back, vectors.double(), atol=1e-6, rtol=0)


def test_gradient_is_finite_at_identity() -> None:
    six = torch.tensor(IDENTITY_6D, requires_grad=True)
    matrix_from_6d(six).sum().backward()
    assert torch.isfinite(six.grad).all()


def test_quaternions_and_rotation_vectors_are_scipys() -> None:
    """Random ones, and turns by half and nothing about every axis, where signs and divisors go
    wrong. Matrices are float32: so exact are the angles."""
    axes = np.concatenate((np.eye(3), -np.eye(3), [[0.6, 0.0, 0.8], [-0.6, 0.48, 0.64]]))
    turns = [axes * angle for angle in (0, 1e-7, np.pi / 2, np.pi - 1e-6, np.pi)]
    special = Rotation.from_rotvec(np.concatenate(turns))
    small = Rotation.from_rotvec(np.random.default_rng(0).normal(0, 1e-4, (100, 3)))
    for truth in (special, small, Rotation.random(300, random_state=1)):
        matrices = truth.as_matrix().astype(np.float32).reshape(2, -1, 3, 3)
        found, vectors = quaternions_and_rotvecs(matrices)
        assert found.dtype == vectors.dtype == np.float64
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, rtol=1e-15)
        assert Rotation.from_quat(found.reshape(-1, 4)).approx_equal(truth, atol=1e-6).all()
        again = Rotation.from_rotvec(vectors.reshape(-1, 3))
        assert again.approx_equal(truth, atol=1e-6).all()
        assert np.linalg.norm(vectors, axis=-1).max() <= np.pi + 1e-12
        # The two say the same, to the last digits of float64.
        same = Rotation.from_quat(found.reshape(-1, 4)).inv() * again
        assert same.magnitude().max() < 1e-12
    assert quaternions_and_rotvecs(matrices[:0])[1].shape == (0, 150, 3)
