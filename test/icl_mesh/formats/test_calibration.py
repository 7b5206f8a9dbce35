"""CameraInfos with faults, with oddities, and with deviations from ROS's definition."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from icl_mesh.formats.camera_info import camera_from_info
from icl_mesh.geometry.camera import Camera

SIZE = (640, 480)
ASSUMED = Camera.assumed(*SIZE, 60.0)
GOOD = (600.0, 605.0, 322.0, 238.0)


def matrix(fx, fy, cx, cy, rest=(0.0, 0.0, 0.0, 0.0, 1.0)) -> list[float]:
    return [fx, rest[0], cx, rest[1], fy, cy, *rest[2:]]


def info(k=GOOD, *, size=SIZE, binning=(0, 0), roi=(0, 0, 0, 0), p=None, model="plumb_bob", d=()):
    k = list(k) if len(k) == 9 else matrix(*k)
    x, y, width, height = roi
    region = SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height)
    return SimpleNamespace(
        width=size[0],
        height=size[1],
        k=np.array(k),  # as rosbags reads it
        p=np.zeros(12) if p is None else np.insert(np.array(matrix(*p)), (3, 6, 9), 0.0),
        d=np.array(d),
        distortion_model=model,
        binning_x=binning[0],
        binning_y=binning[1],
        roi=region,
    )


def source_of(message, size=SIZE, **options):
    return camera_from_info(message, *size, assumed_fov_deg=60.0, topic="/ci", **options)


@pytest.mark.parametrize(
    ("k", "why"),
    [
        ((772, 1, 320, 240), "fx 772 and fy 1 differ by a factor of 772, more than 2"),
        ((1, 772, 320, 240), "differ by a factor of 772"),
        ((600, 250, 320, 240), "differ by a factor of 2.4, more than 2"),
        (np.eye(3).ravel(), r"principal point \(cx 0, cy 0\) is the image's first pixel"),
        ((600, 600, 0, 0), r"principal point \(cx 0, cy 0\)"),
        ((0.94, 1.25, 0.5, 0.5), r"principal point \(cx 0.5, cy 0.5\)"),  # shares of the image
        ((1, 1, 320, 240), "a field of view of 179.6 degrees, outside 2 to 178"),
        ((20000, 20000, 320, 240), "a field of view of 1.833 degrees, outside 2 to 178"),
        ((600, 600, 1290, 240), r"\(cx 1290, cy 240\) is farther outside the 640x480 image"),
        ((600, 600, 320, -500), r"\(cx 320, cy -500\) is farther outside"),
        ((math.nan, 600, 320, 240), "fx nan, .* must be finite"),
        ((600, 600, math.inf, 240), "cx inf, .* must be finite"),
        ((-600, 600, 320, 240), "fx -600, .*focal lengths positive"),
        ((600, 0, 320, 240), "fy 0, .*focal lengths positive"),
        ((1e300, 1e300, 320, 240), "must be finite pixels"),
        ((600, 0, 0, 0, 600, 0, 320, 240, 1), "terms below its diagonal"),  # by columns
        ((600, 0, 320, 0, 600, 240, 0, 0, 7), "terms below its diagonal and its last one"),
    ],
)
def test_what_cannot_be_true_is_said_and_a_field_of_view_assumed(k, why):
    source = source_of(info(k))
    assert source.camera == ASSUMED
    assert source.note.startswith("K of the CameraInfo on '/ci' cannot be true (")
    assert "assuming a field of view of 60 degrees" in source.note
    assert "ASSUMED_FOCAL" in source.note
    assert source.warnings == {}
    assert re.search(why, source.fault)
    # P is judged as K is.
    rectified = source_of(info(p=k), rectified=True) if len(k) == 4 else source
    assert rectified.camera == ASSUMED


@pytest.mark.parametrize(
    ("k", "kind", "said"),
    [
        ((600, 470, 320, 240), "aspect", "fx 600 and fy 470 differ by a factor of 1.28"),
        ((600, 600, 700, 240), "principal point", r"(cx 700, cy 240) lies outside the 640x480"),
        ((600, 600, 320, -40), "principal point", r"(cx 320, cy -40) lies outside the 640x480"),
        (matrix(600, 600, 320, 240, (12, 0, 0, 0, 1)), "skew", "a skew of 12"),
    ],
)
def test_oddities_are_used_with_one_warning(k, kind, said):
    source = source_of(info(k))
    fx, cx, fy, cy = (float(np.array(info(k).k)[i]) for i in (0, 2, 4, 5))
    assert source.camera == Camera(fx, fy, cx, cy, *SIZE)
    assert list(source.warnings) == [kind]
    assert "CameraInfo on '/ci' is odd, and believed: " in source.warnings[kind]
    assert said in source.warnings[kind]


def test_ordinary_cameras_are_neither():
    for k in (GOOD, (600, 510, 300, 260), (1200, 1200, 350, 200), (330, 330, 320, 240)):
        source = source_of(info(k))
        assert (source.fault, source.warnings) == ("", {})
        assert not source.camera.focal_assumed


@pytest.mark.parametrize(
    ("degrees", "model", "true"),
    [
        (175.0, "equidistant", True),
        (180.0, "equidistant", True),
        (190.0, "equidistant", False),
        (1.5, "equidistant", False),
        (120.0, "plumb_bob", True),
    ],
)
def test_a_fisheye_lens_sees_by_its_own_rule(degrees, model, true):
    """Its angle grows with the distance from the axis: f = pixels / radians."""
    radians = math.radians(degrees)
    focal = 640 / radians if model == "equidistant" else 320 / math.tan(radians / 2)
    source = source_of(info((focal, focal, 320, 240), model=model, d=[-0.01, 0, 0, 0]))
    assert (source.fault == "") == true
    assert source.camera.focal_assumed != true


def test_k_all_zero_with_p_given():
    p = (500.0, 505.0, 318.0, 242.0)
    source = source_of(info([0.0] * 9, p=p, d=[-0.3, 0.1, 0, 0, 0]))
    assert source.camera == Camera(*p, *SIZE)  # P is that of the image without distortion
    assert "K on '/ci' is all zero: P counts" in source.warnings["matrix"]
    assert source_of(info([0.0] * 9, p=p), rectified=True).warnings == {}
    assert "uncalibrated" in source_of(info([0.0] * 9)).note


def test_rectified_without_p_is_k_with_a_warning():
    source = source_of(info(d=[-0.3, 0.1, 0, 0, 0]), rectified=True)
    assert source.camera == Camera(*GOOD, *SIZE)
    assert "has no P" in source.warnings["matrix"]
    assert source_of(info(), rectified=True).warnings == {}


BINNED = Camera(300.0, 302.5, 160.75, 118.75, 320, 240)  # GOOD, two by two


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (0, 0)])
def test_a_matrix_of_the_binned_image_is_taken_as_it_is(size):
    binned = (BINNED.fx, BINNED.fy, BINNED.cx, BINNED.cy)
    source = source_of(info(binned, size=size, binning=(2, 2)), (320, 240))
    assert source.camera == BINNED
    assert "is that of the binned image already" in source.warnings["binning"]
    assert ("size" in source.warnings) == (size == (320, 240))
    # and so is one whose size alone is that of the binned image
    source = source_of(info(size=size, binning=(2, 2)), (320, 240))
    assert source.camera == BINNED
    assert "binning" not in source.warnings
    assert ("size" in source.warnings) == (size == (320, 240))


def test_binning_of_one_side():
    """The whole sensor's pixels are square, the image's are not: that is not odd."""
    half = (300.0, 605.0, 160.75, 238.0)
    for k in (GOOD, half):
        source = source_of(info(k, binning=(2, 1)), (320, 480))
        assert source.camera == Camera(*half, 320, 480)
        assert ("binning" in source.warnings) == (k is half)
        assert "aspect" not in source.warnings


def test_a_matrix_of_the_region_is_taken_as_it_is():
    roi, sensor = (320, 240, 640, 480), (1280, 960)
    source = source_of(info(size=sensor, roi=roi))
    assert source.camera == Camera(*GOOD, *SIZE)
    assert "is that of the region of interest already" in source.warnings["binning"]
    whole = (600.0, 605.0, 642.0, 478.0)
    source = source_of(info(whole, size=sensor, roi=roi))
    assert source.camera == Camera(*GOOD, *SIZE)
    assert source.warnings == {}
    # a region at the sensor's edge, far from the principal point, is no oddity
    edge = source_of(info(whole, size=sensor, roi=(960, 0, 320, 960)), (320, 960))
    assert edge.camera == Camera(600.0, 605.0, -318.0, 478.0, 320, 960)
    assert edge.warnings == {}
    # never set, region or not
    assert source_of(info((600, 600, 0, 0), size=sensor, roi=roi)).fault


@pytest.mark.parametrize(
    ("size", "binning", "image"),
    [
        ((640, 480), (0, 0), (641, 480)),
        ((640, 480), (0, 0), (639, 479)),
        ((1280, 961), (3, 2), (427, 480)),
        ((1281, 961), (2, 2), (641, 481)),
    ],
)
def test_sizes_that_differ_by_rounding(size, binning, image):
    sensor = (1000.0, 1000.0, size[0] / 2, size[1] / 2)
    source = source_of(info(sensor, size=size, binning=binning), image)
    assert (source.camera.width, source.camera.height) == image
    assert source.camera.fx == 1000.0 / max(1, binning[0])
    assert (source.fault, source.warnings) == ("", {})


@pytest.mark.parametrize("image", [(642, 480), (320, 240), (640, 478)])
def test_other_sizes_are_refused(image):
    with pytest.raises(ValueError, match="is for 640x480 images, the image is"):
        source_of(info(), image)


def test_binning_larger_than_the_image_is_a_fault():
    source = source_of(info(binning=(1000, 1000)))
    assert source.camera == Camera(*GOOD, *SIZE)
    assert set(source.warnings) == {"size", "binning"}


@pytest.mark.parametrize(
    ("d", "said"),
    [
        ([-40.0, 0.0, 0.0, 0.0, 0.0], "turns back .* pixels from the image's centre"),
        ([1e30, 0.0, 0.0, 0.0, 0.0], "through it the image shows .* degrees, less than 2"),
        ([-1e30] * 5, "turns back"),
        ([1.0, 2.0, 500.0, 0.0, 0.0], "turns back"),
    ],
)
def test_a_lens_that_cannot_be_this_cameras_is_left_out(d, said):
    source = source_of(info(d=d))
    assert source.camera == Camera(*GOOD, *SIZE)
    assert "is not undone" in source.warnings["lens"]
    assert re.search(said, source.warnings["lens"])


def test_coefficients_without_a_model_are_taken_for_plumb_bob():
    source = source_of(info(model="", d=[-0.3, 0.1, 0, 0, 0]))
    assert source.camera.lens.model == "plumb_bob"
    assert "names no distortion_model" in source.warnings["lens"]


def test_any_numbers_in_a_message_give_a_finite_camera_or_a_size_error():
    random = np.random.default_rng(5)
    numbers = (0.0, 1.0, -1.0, 0.5, 600.0, 320.0, 240.0, 1e-300, 1e300, math.nan, math.inf, -7e6)
    counts = (0, 1, 2, 3, 480, 640, 1280, 2**32 - 1)
    models = ("plumb_bob", "", "equidistant", "rational_polynomial", "omni", "\n" * 99)
    usable = 0
    for _ in range(2000):
        fields = {}
        if random.random() < 0.7:
            fields["k"] = np.where(random.random(9) < 0.7, matrix(*GOOD), random.choice(numbers, 9))
        if random.random() < 0.5:
            fields["binning"] = tuple(random.choice(counts, 2).tolist())
        if random.random() < 0.3:
            fields["size"] = tuple(random.choice(counts, 2).tolist())
        if random.random() < 0.3:
            fields["roi"] = tuple(random.choice(counts, 4).tolist())
        message = info(
            **fields,
            model=random.choice(models),
            d=random.choice(numbers, random.integers(0, 15)),
            p=random.choice(numbers, 4),
        )
        for rectified in (False, True):
            try:
                source = source_of(message, rectified=rectified)
            except ValueError as error:
                assert "the image is 640x480" in str(error)
                continue
            usable += 1
            assert (source.camera.width, source.camera.height) == SIZE
            assert np.isfinite(source.camera.rays([[0.0, 0.0], [639.0, 479.0]])).all()
    assert usable > 1000
