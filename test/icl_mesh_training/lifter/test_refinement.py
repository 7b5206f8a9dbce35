"""Statistics of the refinement, on made-up samples and on rendered scenes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from icl_mesh.network.refinement import GATE_INPUTS, UNKNOWNS
from icl_mesh.refinement.gate import own_probability
from icl_mesh.weights import load_weights
from icl_mesh_training.lifter.refinement import (
    LEAST_VARIANCE,
    estimate_refinement,
    fit_gate,
    precision_of,
)
from icl_mesh_training.scenes.writing import SceneJob, write_scenes


def test_the_regression_is_found_again() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.uniform(0, 1, (20_000, GATE_INPUTS))
    gate = np.array([4.0, 1.0, -3.0, 0.0, -1.0, 2.0, -2.0, -0.5])
    correct = rng.uniform(size=len(inputs)) < own_probability(inputs, gate)
    np.testing.assert_allclose(fit_gate(inputs, correct), gate, atol=0.3)


def test_errors_of_known_variance() -> None:
    """Without its largest samples a Gaussian of 79 dimensions is a little narrower."""
    rng = np.random.default_rng(0)
    sigma = np.linspace(0.1, 1.0, UNKNOWNS)
    precision = precision_of(sigma * rng.normal(size=(20_000, UNKNOWNS)))
    np.testing.assert_array_equal(precision, precision.T)
    expected = 1 / (np.square(sigma) + LEAST_VARIANCE)
    np.testing.assert_allclose(np.diag(precision), expected, rtol=0.12)


def test_outliers_and_joints_that_never_move() -> None:
    rng = np.random.default_rng(0)
    errors = 0.3 * rng.normal(size=(2000, UNKNOWNS))
    errors[:, 7] = 0
    errors[:20, :66] = 3.0
    precision = precision_of(errors)
    assert np.linalg.eigvalsh(precision.astype(float)).min() > 0
    assert precision.max() < 65504  # float16
    np.testing.assert_allclose(precision[0, 0], 1 / 0.09, rtol=0.25)


@pytest.mark.slow
def test_statistics_of_rendered_scenes(tmp_path: Path) -> None:
    scenes, out = tmp_path / "scenes", tmp_path / "w.safetensors"
    write_scenes(scenes, SceneJob(10, 3), processes=1, progress=False)
    figures = estimate_refinement("default", scenes, out, engine="torch", refined_threshold=0.2)
    assert figures["people"] > 3
    network, metadata = load_weights(out)
    assert network.refinement is not None
    assert metadata["refined_threshold"] == 0.2
    precision = network.refinement.precision.numpy()
    assert np.linalg.eigvalsh(precision.astype(float)).min() > 0
    assert network.refinement.gate[0] > 0  # a surer keypoint is more often correct


def test_too_few_scenes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a refinement needs 10 rendered scenes"):
        estimate_refinement("default", tmp_path, tmp_path / "w.safetensors")
