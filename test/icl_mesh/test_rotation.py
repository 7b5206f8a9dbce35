"""Rotations: SciPy as the outside truth; the order of the six numbers by hand."""

import numpy as np
import pytest
import roma
import torch
from scipy.spatial.transform import Rotation

from icl_mesh.rotation import (
    IDENTITY_6D,
    matrices_from_6d,
    matrix_from_6d,
    matrix_from_rotvec,
    quaternions,
    quaternions_and_rotvecs,
    rotvec_from_matrix,
    rotvecs,
    sixd_from_matrix,
)


@pytest.fixture
def matrices():
    return torch.from_numpy(Rotation.random(200, random_state=0).as_matrix())


def test_six_numbers_are_the_first_two_columns() -> None:
    # A quarter turn about z takes x to y and y to -x: columns (0, 1, 0) and (-1, 0, 0).
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
    # Zhou et al.: the first column is the first vector's direction, whatever its length
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
    wrong."""
    axes = np.concatenate((np.eye(3), -np.eye(3), [[0.6, 0.0, 0.8], [-0.6, 0.48, 0.64]]))
    turns = [axes * angle for angle in (0, 1e-7, np.pi / 2, np.pi - 1e-6, np.pi)]
    special = Rotation.from_rotvec(np.concatenate(turns))
    for truth in (special, Rotation.random(300, random_state=1)):
        matrices = truth.as_matrix().astype(np.float32).reshape(2, -1, 3, 3)
        found = quaternions(matrices)
        np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1)
        assert Rotation.from_quat(found.reshape(-1, 4)).approx_equal(truth, atol=1e-6).all()
        again = Rotation.from_rotvec(rotvecs(found).reshape(-1, 3))
        assert again.approx_equal(truth, atol=1e-6).all()
    assert rotvecs(quaternions(np.zeros((0, 24, 3, 3)))).shape == (0, 24, 3)


def test_rotation_vectors_are_scipys_near_no_turn_and_near_half_a_turn() -> None:
    axes = Rotation.random(300, random_state=5).apply([0, 0, 1.0])
    angles = np.concatenate((np.geomspace(1e-13, 1, 100), np.pi - np.geomspace(1e-9, 1, 200)))
    found = Rotation.from_rotvec(axes * angles[:, None]).as_quat()
    np.testing.assert_allclose(rotvecs(found), axes * angles[:, None], rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(rotvecs(-found), axes * angles[:, None], rtol=1e-7, atol=1e-15)
    assert (rotvecs(np.array([[0.0, 0, 0, 1]])) == 0).all()


def test_the_compiled_kernel_does_what_numpy_does() -> None:
    rng = np.random.default_rng(0)
    rotations = Rotation.concatenate(
        (
            Rotation.random(500, random_state=1),
            Rotation.from_rotvec(rng.normal(0, 1e-4, (100, 3))),
            Rotation.from_rotvec(np.pi * np.eye(3)),
            Rotation.identity(),
        )
    )
    matrices = rotations.as_matrix().astype(np.float32).reshape(4, 151, 3, 3)
    turns, vectors = quaternions_and_rotvecs(matrices)
    np.testing.assert_allclose(turns, quaternions(matrices), rtol=0, atol=3e-16)
    np.testing.assert_allclose(vectors, rotvecs(turns), rtol=0, atol=2e-15)
    assert quaternions_and_rotvecs(matrices[:0])[1].shape == (0, 151, 3)
