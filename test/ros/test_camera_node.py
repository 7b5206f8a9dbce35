"""camera_node over DDS."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
import yaml
from sensor_msgs.msg import CameraInfo, Image

from icl_mesh_ros.camera_info import ASSUMED_MODEL
from icl_mesh_ros.conversions import rgb_from_image
from icl_mesh_ros.msg import HumanArray


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        image = np.full((24, 32, 3), (0, 0, 50 * number), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def test_a_folder_is_published_whole_with_equal_headers_and_then_ends(start, peer, photos):
    images, infos = peer.listen(Image, "image"), peer.listen(CameraInfo, "camera_info")
    node = start("camera_node", source=str(photos), rate=50.0, wait_for_subscribers=1)
    peer.until(lambda: len(images) == 4 and node.ended() is not None, "four images and the end")
    assert node.ended() == 0
    values = [int(rgb_from_image(image, "image")[0, 0, 0]) for image in images]
    assert values == [0, 50, 100, 150]
    assert {image.header.frame_id for image in images} == {"camera_optical_frame"}
    peer.until(lambda: len(infos) == 4, "four CameraInfos")
    assert [info.header for info in infos] == [image.header for image in images]
    # 60 degrees across 32 pixels, said to be a guess.
    assert infos[0].distortion_model == ASSUMED_MODEL
    assert infos[0].k[0] == pytest.approx(16 / np.tan(np.radians(30)))


def test_calibration_loop_and_a_broken_photo(start, peer, photos, tmp_path):
    (photos / "2.png").write_bytes(b"broken")
    matrix = [30.0, 0.0, 15.0, 0.0, 31.0, 12.0, 0.0, 0.0, 1.0]
    calibration = {
        "image_width": 32,
        "image_height": 24,
        "distortion_model": "plumb_bob",
        "camera_matrix": {"data": matrix},
        "distortion_coefficients": {"data": [0.0] * 5},
        "rectification_matrix": {"data": np.eye(3).ravel().tolist()},
        "projection_matrix": {"data": [*matrix[:3], 0.0, *matrix[3:6], 0.0, 0.0, 0.0, 1.0, 0.0]},
    }
    path = tmp_path / "calibration.yaml"
    path.write_text(yaml.safe_dump(calibration))
    images, infos = peer.listen(Image, "image"), peer.listen(CameraInfo, "camera_info")
    node = start(
        "camera_node",
        source=str(photos),
        rate=50.0,
        loop=True,
        calibration=str(path),
        frame_id="left_optical",
    )
    peer.until(lambda: len(images) >= 7 and infos, "more images than the folder holds")
    assert list(infos[-1].k) == matrix
    assert infos[-1].header.frame_id == "left_optical"
    assert {int(rgb_from_image(image, "image")[0, 0, 0]) for image in images} == {0, 50, 150}
    assert node.ended() is None
    assert "2.png: not an image" in node.last_lines()


def test_lockstep_waits_for_the_people_of_each_image(start, peer, photos):
    images = peer.listen(Image, "image")
    humans = peer.node.create_publisher(HumanArray, "humans", 10)
    start("camera_node", source=str(photos), rate=20.0, wait_for_subscribers=1, lockstep=True)
    for count in range(1, 5):
        peer.until(lambda count=count: len(images) == count, f"image {count}")
        peer.spin_for(0.3)
        assert len(images) == count  # no further one before its people arrive
        peer.until(humans.get_subscription_count, "camera_node listens")
        humans.publish(HumanArray(header=images[-1].header))
    stamps = [image.header.stamp.sec * 10**9 + image.header.stamp.nanosec for image in images]
    # The file's own time line, 20 Hz, however long the answers took.
    assert [after - before for before, after in pairwise(stamps)] == [50_000_000] * 3


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"source": "none.mp4"}, "source 'none.mp4' is neither a webcam index nor an existing"),
        ({"calibration": "none.yaml"}, "camera calibration file 'none.yaml' does not exist"),
        ({"rate": -1.0}, "rate"),
    ],
)
def test_a_wrong_set_up_ends_with_one_clear_line(start, peer, photos, parameters, said):
    node = start("camera_node", **{"source": str(photos), **parameters})
    peer.until(lambda: node.ended() is not None, "camera_node ends")
    assert node.ended() == 1
    assert said in node.last_lines()
    assert "Traceback" not in node.last_lines(100)
