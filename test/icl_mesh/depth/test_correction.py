"""Depth in another unit: plausibility, warnings and their timing. Walls replace torsos."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from icl_mesh.depth.correction import DepthCorrection
from icl_mesh.depth.factor import LEAST, DepthFactor
from icl_mesh.depth.matching import DepthStore
from icl_mesh.geometry.camera import Camera

CAMERA = Camera(290.0, 290.0, 159.5, 119.5, 320, 240)
GUESS = Camera.assumed(320, 240, 57.8)  # the same focal length
TRUE_M = 3.2


def wall(metres: float, encoding: str = "16UC1"):
    pixels = np.full((240, 320), metres * (1000 if encoding == "16UC1" else 1))
    pixels = pixels.round().astype("<u2") if encoding == "16UC1" else pixels.astype("<f4")
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=5, nanosec=0)),
        width=320,
        height=240,
        encoding=encoding,
        is_bigendian=0,
        step=pixels.itemsize * 320,
        data=pixels.tobytes(),
    )


@pytest.fixture
def correct(make_people):
    """(depth message, camera, scale, images) -> what became of each image, of one person each who
    is judged up to a quarter too near or too far."""

    def correct(depth, camera=CAMERA, *, scale=1.0, images=2 * LEAST, of=None):
        if of is None:
            store = DepthStore("/depth")
            store.put(depth)
            of = DepthCorrection(store, remedy="do", scale_option="depth_scale")
        errors = np.random.default_rng(0).uniform(0.8, 1.25, images)
        return [
            of(
                make_people([[0, 0, TRUE_M * error]], camera, vertices=True),
                5 * 10**9,
                0.03,
                scale,
            )
            for error in errors
        ]

    return correct


@pytest.mark.parametrize(
    ("depth", "factor", "scale"),
    [
        (wall(4 * TRUE_M), 4, 0.25),  # 16UC1 in units of 0.25 mm
        (wall(10 * TRUE_M), 10, 0.1),
        (wall(0.1 * TRUE_M), 0.1, 10),
        (wall(1000 * TRUE_M, "32FC1"), 1000, 0.001),  # millimetres as floats
    ],
)
@pytest.mark.parametrize("camera", [CAMERA, GUESS])
def test_another_unit_is_reported_once_and_nobody_is_measured(
    correct, depth, factor, scale, camera
):
    results = correct(depth, camera)
    assert not any(result.people.distance_from_depth.any() for result in results)
    warnings = [result.warning for result in results if result.warning]
    assert len(warnings) == 1
    said = warnings[0].split()
    assert "depth on '/depth' is" in warnings[0]
    assert float(said[4]) == pytest.approx(factor, rel=0.1)
    assert f"over {LEAST} people seen" in warnings[0]
    value = warnings[0].partition("set depth_scale to about ")[2].partition(")")[0]
    assert float(value) == pytest.approx(scale, rel=0.1)
    assert "until then nobody is measured" in warnings[0]
    assert ("the assumed field of view is wrong" in warnings[0]) == camera.focal_assumed
    limit = 3 if camera.focal_assumed else 2
    assert f"beyond the factor {limit} that is believed" in results[0].unmeasured
    assert "times the distance by body size, over" in results[-1].unmeasured
    # and with the scale, all is well
    scaled = correct(depth, camera, scale=scale)
    assert all(result.people.distance_from_depth.all() for result in scaled)
    assert not any(result.warning or result.unmeasured for result in scaled)
    assert scaled[0].people.position_m[0, 2] == pytest.approx(TRUE_M + 0.1, abs=0.1)


def test_people_that_fit_the_wrong_unit_by_chance_are_rejected_once_it_is_known(
    correct, make_people
):
    """Units of 0.5 mm, twice the distance: people with too large a distance by size would fit."""
    store = DepthStore("/depth")
    store.put(wall(2.3 * TRUE_M))
    of = DepthCorrection(store, remedy="do", scale_option="depth_scale")
    correct(None, of=of)
    too_far = make_people([[0, 0, 1.3 * TRUE_M]], CAMERA, vertices=True)
    assert not of(too_far, 5 * 10**9, 0.03).people.distance_from_depth.any()
    # the scale is set while running: what was learnt before does not count
    assert of(too_far, 5 * 10**9, 0.03, 0.5).people.distance_from_depth.all()


def test_an_assumed_focal_length_explains_a_factor_and_it_is_said(correct):
    """58 degrees assumed for a lens of 36: distances by size are 1.7 times too small."""
    results = correct(wall(1.7 * TRUE_M), GUESS)
    assert all(result.people.distance_from_depth.all() for result in results)
    (warning,) = [result.warning for result in results if result.warning]
    assert "set depth_scale to about 0.5" in warning or "set depth_scale to about 0.6" in warning
    assert "the assumed field of view is wrong (by this it is about 3" in warning
    assert "nobody is measured" not in warning


@pytest.mark.slow
def test_ordinary_errors_of_size_are_not_worth_a_word(correct):
    for factor in (0.8, 1.0, 1.25):
        assert not any(result.warning or result.unmeasured for result in correct(wall(factor * 3)))


def test_why_nobody_was_measured(correct, make_people):
    empty = correct(wall(0.0), images=1)[0]
    assert empty.unmeasured == "the depth image has no values where their torsos are seen"
    store = DepthStore("/depth")
    of = DepthCorrection(store, remedy="do this", scale_option="x")
    (none,) = correct(None, of=of, images=1)
    assert none.unmeasured == "no depth image on '/depth' within 0.03 s of an image's stamp"
    assert none.warning.endswith("or do this")
    nobody = of(make_people([], CAMERA, vertices=True), 5 * 10**9, 0.03)
    assert nobody.warning
    assert nobody.unmeasured == ""


def test_people_who_disagree_give_no_factor():
    factor = DepthFactor()
    factor.add(np.geomspace(0.1, 10, 50))
    assert factor.value is None
    factor.add(np.full(100, 4.0))
    assert factor.value == pytest.approx(4.0)
    assert factor.count == 100
    few = DepthFactor()
    few.add(np.array([4.0] * (LEAST - 1) + [np.nan] * 30))
    assert few.value is None
