"""camera_node over DDS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import pairwise

import cv2
import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from sensor_msgs.msg import CameraInfo, Image
from videos import damage, write_varying, write_video

from icl_mesh_ros.inputs.camera_info import ASSUMED_MODEL
from icl_mesh_ros.inputs.conversions import rgb_from_image
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
    # 60 degrees across 32 pixels, marked as assumed.
    assert infos[0].distortion_model == ASSUMED_MODEL
    assert infos[0].k[0] == pytest.approx(16 / np.tan(np.radians(30)))


@pytest.fixture
def calibration(tmp_path):
    """Of images of 32x24."""
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
    return path


def test_calibration_loop_and_a_broken_photo(start, peer, photos, calibration):
    (photos / "2.png").write_bytes(b"broken")
    (photos / "3b.png").symlink_to("gone")
    (photos / "3c.png").mkdir()
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    images, infos = peer.listen(Image, "image"), peer.listen(CameraInfo, "camera_info")
    node = start(
        "camera_node",
        source=str(photos),
        rate=50.0,
        loop=True,
        calibration=str(calibration),
        frame_id="left_optical",
    )
    peer.until(lambda: len(images) >= 7 and infos, "more images than the folder holds")
    assert list(infos[-1].k[:6]) == [30.0, 0.0, 15.0, 0.0, 31.0, 12.0]
    assert infos[-1].header.frame_id == "left_optical"
    assert {int(rgb_from_image(image, "image")[0, 0, 0]) for image in images} == {0, 50, 150}
    assert node.ended() is None
    assert "2.png: not an image" in node.last_lines(100)
    assert "3b.png: it is a link to 'gone', which is not there" in node.last_lines(100)
    assert "3c.png: it is a folder" in node.last_lines(100)
    peer.until(lambda: diagnostics, "diagnostics")
    (status,) = diagnostics[-1].status
    assert (status.name, status.level) == ("/camera_node: source", DiagnosticStatus.WARN)
    assert "images could not be read" in status.message


def test_photos_of_another_size_do_not_get_the_calibration(start, peer, photos, calibration):
    cv2.imwrite(str(photos / "1.png"), np.zeros((12, 16, 3), np.uint8))
    infos = peer.listen(CameraInfo, "camera_info")
    node = start(
        "camera_node", source=str(photos), rate=20.0, loop=True, calibration=str(calibration)
    )
    peer.until(lambda: len(infos) >= 8, "two rounds")
    models = {(info.width, info.height): info.distortion_model for info in infos}
    assert models == {(32, 24): "plumb_bob", (16, 12): ASSUMED_MODEL}
    assert "the calibration is for 32x24 images, the source gives 16x12" in node.last_lines()


def test_one_photo_runs_at_the_full_rate(start, peer, photos):
    images = peer.listen(Image, "image", 100)
    start("camera_node", source=str(photos / "0.png"), rate=10.0, loop=True)
    peer.until(lambda: len(images) >= 12, "images")
    assert np.median(np.diff(stamps_s(images))) == pytest.approx(0.1, abs=0.03)


def stamps_s(images) -> list[float]:
    return [image.header.stamp.sec + image.header.stamp.nanosec * 1e-9 for image in images]


def test_a_video_is_stamped_with_the_times_of_its_frames(start, peer, tmp_path):
    path = tmp_path / "vfr.mp4"
    times = write_varying(path)
    images = peer.listen(Image, "image", 100)
    node = start("camera_node", source=f"file://{path}", wait_for_subscribers=1)
    peer.until(lambda: len(images) == 30 and node.ended() is not None, "all images, and the end")
    assert node.ended() == 0
    np.testing.assert_allclose(np.diff(stamps_s(images)), np.diff(times), atol=2e-3)


def test_a_video_in_lockstep_is_stamped_with_the_times_of_its_frames(start, peer, tmp_path):
    path = tmp_path / "vfr.mp4"
    times = write_varying(path)
    images = peer.listen(Image, "image", 100)
    humans = peer.node.create_publisher(HumanArray, "humans", 10)
    start("camera_node", source=str(path), wait_for_subscribers=1, lockstep=True)
    for count in range(1, 31):
        peer.until(lambda count=count: len(images) == count, f"image {count}")
        peer.until(humans.get_subscription_count, "camera_node listens")
        humans.publish(HumanArray(header=images[-1].header))
    np.testing.assert_allclose(np.diff(stamps_s(images)), np.diff(times), atol=2e-3)


def test_a_damaged_video_ends_with_the_count_of_lost_frames(start, peer, tmp_path):
    path = tmp_path / "a.mp4"
    write_video(path)
    damage(path)
    images = peer.listen(Image, "image", 100)
    node = start("camera_node", source=str(path), rate=100.0, wait_for_subscribers=1)
    peer.until(lambda: node.ended() is not None, "the end")
    assert node.ended() == 1
    peer.until(lambda: len(images) > 15, "images from behind the damage")
    assert f"only {len(images)} of 30 frames of '{path}' could be read" in node.last_lines()


class Stream(BaseHTTPRequestHandler):
    """A network camera (MJPEG over HTTP) that drops after ten frames."""

    def do_GET(self) -> None:
        if self.server.out:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
        for _ in range(10):
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            self.wfile.write(head.encode() + jpeg + b"\r\n")

    def log_message(self, *_arguments) -> None:
        pass


@pytest.fixture
def stream() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Stream)
    server.out = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_dropped_stream_is_reopened(start, peer, stream):
    images = peer.listen(Image, "image", 100)
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics", 100)
    node = start("camera_node", source=f"http://127.0.0.1:{stream.server_port}/", rate=50.0)

    def levels() -> set[bytes]:
        return {message.status[0].level for message in diagnostics}

    peer.until(lambda: images, "images")
    stream.out = True
    peer.until(lambda: DiagnosticStatus.ERROR in levels(), "diagnostics say it")
    peer.spin_for(2.0)
    assert node.last_lines(100).count("gives no frame: is it unplugged, or its network down?") <= 3
    message = next(m for m in diagnostics if m.status[0].level == DiagnosticStatus.ERROR)
    assert "no frame for " in message.status[0].message
    assert node.ended() is None
    before = len(images)
    stream.out = False
    peer.until(lambda: len(images) > before, "images again")
    assert "frames again, after" in node.last_lines(100)


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
    # Stamps follow the file's times (20 Hz), not the time that the answers took.
    assert [after - before for before, after in pairwise(stamps)] == [50_000_000] * 3


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"source": "none.mp4"}, "source 'none.mp4' is neither a webcam index nor an existing"),
        ({"calibration": "none.yaml"}, "camera calibration file 'none.yaml' does not exist"),
        ({"rate": -1.0}, "rate"),
        ({"width": 1280}, "width is 1280 and height 0: set both"),
    ],
)
def test_a_wrong_set_up_ends_with_one_clear_line(start, peer, photos, parameters, said):
    node = start("camera_node", **{"source": str(photos), **parameters})
    peer.until(lambda: node.ended() is not None, "camera_node ends")
    assert node.ended() == 1
    assert said in node.last_lines()
    assert "Traceback" not in node.last_lines(100)
