"""CameraInfo to cameras: calibrated, absent, all zero, of another size; and calibration files."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from sensor_msgs.msg import CameraInfo, RegionOfInterest
from std_msgs.msg import Header

from icl_mesh.camera import Camera
from icl_mesh_ros.camera_info import (
    ASSUMED_MODEL,
    camera_from_info,
    info_from_camera,
    load_calibration,
)
from icl_mesh_ros.camera_info_store import CameraInfoStore

K = [500.0, 0.0, 310.0, 0.0, 505.0, 250.0, 0.0, 0.0, 1.0]


def info(**fields) -> CameraInfo:
    return CameraInfo(**{"width": 640, "height": 480, "k": K, **fields})


def camera_of(message, width=640, height=480, **options) -> tuple[Camera, str]:
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
    assert camera_of(info(width=0, height=0), 320, 240)[0].width == 320


def test_roi_and_binning():
    # Rays must agree with the full image's: pixel u of the result covers full pixels
    # x0 + 2u and x0 + 2u + 1, so its centre lies at x0 + 2u + 0.5.
    roi = RegionOfInterest(x_offset=100, y_offset=40, width=400, height=300)
    camera, _ = camera_of(info(roi=roi, binning_x=2, binning_y=2), 200, 150)
    for u in (0, 57, 199):
        full = 100 + 2 * u + 0.5
        assert (u - camera.cx) / camera.fx == pytest.approx((full - 310.0) / 500.0)


def test_a_rectified_image_goes_with_p():
    p = [400.0, 0.0, 300.0, 0.0, 0.0, 401.0, 240.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    camera, _ = camera_of(info(p=p, d=[0.1, 0.0, 0.0, 0.0, 0.0]), rectified=True)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (400.0, 401.0, 300.0, 240.0)


def test_distortion_that_is_not_undone_is_said():
    assert "distortion is not undone" in camera_of(info(d=[0.1, 0.0, 0.0, 0.0, 0.0]))[1]
    assert "distortion" not in camera_of(info(d=[0.0] * 5))[1]


def test_a_half_filled_matrix_is_refused():
    with pytest.raises(ValueError, match=r"'/ci' is unusable \(.*positive focal.*camera driver"):
        camera_of(info(k=[500.0, *[0.0] * 8]))


@pytest.mark.parametrize("assumed", [False, True])
def test_info_from_camera_keeps_everything_and_the_guess(assumed):
    camera = Camera(500.0, 505.0, 310.0, 250.0, 640, 480, focal_assumed=assumed)
    message = info_from_camera(camera, Header(frame_id="f"))
    assert (message.distortion_model == ASSUMED_MODEL) == assumed
    assert camera_of(message)[0] == camera
    assert camera_of(message, rectified=True)[0] == camera


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


def test_calibration_file(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(CALIBRATION))
    message = load_calibration(path)
    assert list(message.k) == K
    assert list(message.d) == [0.1, 0.2, 0.0, 0.0, 0.0]
    assert (message.width, message.height, message.distortion_model) == (640, 480, "plumb_bob")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"camera_matrix": None}, "not in the format"),
        ({"camera_matrix": {"data": [1.0]}}, "camera_matrix needs 9 numbers, has 1"),
        ({"image_width": -5}, "must be 1 or more, got -5x480"),
    ],
)
def test_a_broken_calibration_file_is_refused(tmp_path, change, said):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({**CALIBRATION, **change}))
    with pytest.raises(ValueError, match=f"c.yaml.*{said}"):
        load_calibration(path)


def test_a_missing_key_or_file_is_named(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in CALIBRATION.items() if k != "image_width"}))
    with pytest.raises(ValueError, match="key 'image_width' is missing"):
        load_calibration(path)
    with pytest.raises(FileNotFoundError, match=r"none\.yaml' does not exist"):
        load_calibration(tmp_path / "none.yaml")


def test_store_finds_the_newest_of_the_images_size():
    store = CameraInfoStore()
    assert store.find(640, 480) is None
    first, second, small = info(), info(), CameraInfo(width=320, height=240, k=K)
    for message in (first, second, small):
        store.put(message)
    assert store.find(640, 480) is second
    assert store.find(320, 240) is small
    assert store.find(100, 100) is small  # the newest, which camera_from_info then refuses
