"""CameraInfo -> Camera: calibrated, absent, all zero, of another size; calibration files."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import yaml
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens
from icl_mesh_ros.inputs.camera_info import (
    ASSUMED_MODEL,
    CameraSource,
    camera_from_info,
    info_from_camera,
    load_calibration,
)
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore

K = [500.0, 0.0, 310.0, 0.0, 505.0, 250.0, 0.0, 0.0, 1.0]


def info(**fields) -> CameraInfo:
    return CameraInfo(**{"width": 640, "height": 480, "k": K, **fields})


def camera_of(message, width=640, height=480, **options) -> tuple[Camera, str]:
    source = source_of(message, width, height, **options)
    assert source.warnings == {}
    return source.camera, source.note


def source_of(message, width=640, height=480, **options) -> CameraSource:
    return camera_from_info(message, width, height, assumed_fov_deg=90.0, topic="/ci", **options)


def test_calibrated():
    camera, note = camera_of(info())
    assert camera == Camera(500.0, 505.0, 310.0, 250.0, 640, 480, focal_assumed=False)
    assert "calibration on '/ci'" in note


@pytest.mark.parametrize("message", [None, CameraInfo(), CameraInfo(width=640, height=480)])
def test_absent_or_all_zero_means_an_assumed_field_of_view(message):
    camera, note = camera_of(message)
    # 90 degrees across 640 px: the focal length is half the width.
    assert (camera.fx, camera.fy, camera.focal_assumed) == (
        pytest.approx(320.0),
        pytest.approx(320.0),
        True,
    )
    assert "assuming a field of view of 90 degrees" in note
    assert "ASSUMED_FOCAL" in note


def test_another_resolution_is_refused_and_says_who_fixes_it():
    with pytest.raises(
        ValueError,
        match=r"'/ci' is for 640x480 images, the image is 320x240: the node that resizes or crops",
    ):
        camera_of(info(), 320, 240)


def test_a_calibration_without_size_is_taken_for_the_image():
    assert camera_of(info(width=0, height=0), 600, 400)[0].width == 600


def test_roi_and_binning():
    # Rays must agree with the full image's: pixel u of the result covers full pixels
    # x0 + 2u and x0 + 2u + 1, so its centre lies at x0 + 2u + 0.5.
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    camera, _ = camera_of(info(roi=roi, binning_x=2, binning_y=2), 200, 150)
    for u in (0, 57, 199):
        full = 100 + 2 * u + 0.5
        assert (u - camera.cx) / camera.fx == pytest.approx((full - 310.0) / 500.0)


def test_a_rectified_image_uses_p():
    p = [400.0, 0.0, 300.0, 0.0, 0.0, 401.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    camera, _ = camera_of(info(p=p, d=[0.1, 0.0, 0.0, 0.0, 0.0]), rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (400.0, 401.0, 300.0, 240.0)


WIDE = [-0.31, 0.11, 8e-4, -1e-3, -0.017]


@pytest.mark.parametrize(
    ("model", "d", "lens"),
    [
        ("plumb_bob", WIDE, Lens("plumb_bob", tuple(WIDE))),
        ("rational_polynomial", [0.1] * 8, Lens("rational_polynomial", (0.1,) * 8)),
        ("equidistant", [0.1, 0.0, 0.0, 0.0], Lens("equidistant", (0.1, 0.0, 0.0, 0.0))),
        ("fisheye", [0.1, 0.0, 0.0, 0.0], Lens("equidistant", (0.1, 0.0, 0.0, 0.0))),
        ("plumb_bob", [0.0] * 5, None),
        ("", [], None),
    ],
)
def test_the_camera_gets_the_lens(model, d, lens):
    camera, note = camera_of(info(distortion_model=model, d=d))
    assert camera.lens == lens
    assert ("set 'rectified' if the image is already rectified" in note) == (lens is not None)


@pytest.mark.parametrize(
    ("model", "d", "said"),
    [
        ("omni", [0.1] * 5, "must be one of plumb_bob, rational_polynomial, equidistant, got"),
        ("plumb_bob", [0.1] * 3, "plumb_bob has 4 or 5 coefficients, got 3"),
    ],
)
def test_an_unknown_lens_model_is_ignored_with_a_warning(model, d, said):
    source = source_of(info(distortion_model=model, d=d))
    assert source.camera == Camera(500.0, 505.0, 310.0, 250.0, 640, 480)
    assert list(source.warnings) == ["lens"]
    assert said in source.warnings["lens"]
    assert "'/ci' is not undone" in source.warnings["lens"]
    assert "set 'rectified'" in source.warnings["lens"]
    assert "lens" not in source_of(info(distortion_model=model, d=d), rectified=True).warnings


def test_roi_binning_and_lens_against_opencv_on_the_whole_sensor():
    """OpenCV's projection to the full sensor lies in the binned pixel that Camera returns."""
    roi = RegionOfInterest(x_offset=90, y_offset=30, width=480, height=360)
    message = info(roi=roi, binning_x=2, binning_y=3, distortion_model="plumb_bob", d=WIDE)
    camera, _ = camera_of(message, 240, 120)
    points = np.random.default_rng(0).uniform((-0.4, -0.3, 1), (0.4, 0.3, 1.3), (40, 3))
    zero, k = np.zeros(3), np.array(K).reshape(3, 3)
    sensor = cv2.projectPoints(points, zero, zero, k, np.array(WIDE))[0][:, 0]
    # the sensor's columns 90 to 569, in pairs; integer coordinates are pixel centres
    expected = (sensor + 0.5 - [90, 30]) / [2, 3] - 0.5
    np.testing.assert_allclose(camera.project(points), expected, atol=1e-9)


def test_a_half_filled_matrix_is_no_calibration():
    source = source_of(info(k=[500.0, *[0.0] * 8]))
    assert source.camera == Camera.assumed(640, 480, 90.0)
    assert "K of the CameraInfo on '/ci' cannot be true (fx 500, fy 0" in source.note


@pytest.mark.parametrize("assumed", [False, True])
def test_info_from_camera_keeps_everything_and_marks_an_assumed_focal_length(assumed):
    lens = None if assumed else Lens("plumb_bob", tuple(WIDE))
    camera = Camera(500.0, 505.0, 310.0, 250.0, 640, 480, focal_assumed=assumed, lens=lens)
    message = info_from_camera(camera, Header(frame_id="f"))
    assert (message.distortion_model == ASSUMED_MODEL) == assumed
    assert camera_of(message)[0] == camera
    pinhole = dataclasses.replace(camera, lens=None)
    assert camera_of(message, rectified=True)[0] == pinhole


CALIBRATION = {
    "image_width": 640,
    "image_height": 480,
    "camera_name": "c",
    "camera_matrix": {"rows": 3, "cols": 3, "data": K},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.1, 0.2, 0, 0, 0]},
    "rectification_matrix": {"rows": 3, "cols": 3, "data": np.eye(3).ravel().tolist()},
    "projection_matrix": {"rows": 3, "cols": 4, "data": [*K[:3], 0, *K[3:6], 0, 0, 0, 1, 0]},
}


@pytest.mark.parametrize(
    "place", ["{}", "file://{}", "FILE://localhost{}", "file://${{ROS_HOME}}/a%20b.yaml"]
)
def test_calibration_file(tmp_path, monkeypatch, place):
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    path = tmp_path / "a b.yaml"
    path.write_text(yaml.safe_dump(CALIBRATION))
    text = str(path) if place == "{}" else str(path).replace(" ", "%20")
    message = load_calibration(place.format(text))
    assert list(message.k) == K
    assert list(message.d) == [0.1, 0.2, 0.0, 0.0, 0.0]
    assert list(message.p) == CALIBRATION["projection_matrix"]["data"]
    assert (message.width, message.height, message.distortion_model) == (640, 480, "plumb_bob")


def test_calibration_in_a_package(tmp_path, monkeypatch):
    share = tmp_path / "share" / "my_robot"
    share.mkdir(parents=True)
    index = tmp_path / "share" / "ament_index" / "resource_index" / "packages"
    index.mkdir(parents=True)
    (index / "my_robot").touch()
    (share / "c.yaml").write_text(yaml.safe_dump(CALIBRATION))
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    assert list(load_calibration("package://my_robot/c.yaml").k) == K
    with pytest.raises(FileNotFoundError, match=r"d\.yaml' does not exist"):
        load_calibration("package://my_robot/d.yaml")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("package://no_such_package/c.yaml", "no package 'no_such_package' in the workspaces"),
        ("package:///c.yaml", "there is no package ''"),
        ("package://../c.yaml", "there is no package '..'"),
        ("file://home/me/c.yaml", "names the computer 'home': .*file:///home/me/camera.yaml"),
        ("https://example.org/c.yaml", "'https://' is not: download the file"),
        ("flash:///c.yaml", "'flash://' is not"),
    ],
)
def test_an_unreadable_location_is_refused_with_the_readable_kinds(place, said):
    with pytest.raises(ValueError, match=said):
        load_calibration(place)


def test_store_finds_the_newest_of_the_images_size():
    store = CameraInfoStore()
    assert store.find(640, 480) is None
    first, second = info(), info(k=[501.0, *K[1:]])
    small = CameraInfo(width=320, height=240, k=K)
    for message in (first, second, small):
        store.put(message)
    assert store.find(640, 480) is second
    assert store.find(320, 240) is small
    assert store.find(100, 100) is small  # the newest, which camera_from_info refuses
    assert store.find(641, 479) is second  # rounding
    binned = info(width=1000, height=800, binning_x=2, binning_y=2)
    store.put(binned)
    assert store.find(500, 401) is binned
    assert store.find(1000, 800) is binned  # the image may be binned


def test_store_keeps_the_first_of_equal_infos():
    """So that its camera is computed once for all images."""
    store, first = CameraInfoStore(), info()
    for message in (first, info(header=Header(frame_id="later")), info(width=320, height=240)):
        store.put(message)
    assert store.find(640, 480) is first
    store.put(info(header=Header(frame_id="latest")))
    assert store.find(0, 0) is first  # the newest of all
    for field in ({"k": [501.0, *K[1:]]}, {"d": [0.1] * 5}, {"distortion_model": "plumb_bob"}):
        store.put(changed := info(**field))
        assert store.find(640, 480) is changed, field
