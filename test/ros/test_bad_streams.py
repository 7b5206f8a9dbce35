"""Faulty cameras over DDS: every image is answered, and /diagnostics reports the fault."""

from __future__ import annotations

import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, Image

from icl_mesh_ros.msg import Human

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR


@pytest.fixture
def node(start, mesh_peer, random_weights):
    node = start(
        "mesh_node",
        weights=str(random_weights),
        engine="torch",
        image_reliability="reliable",
        warn_image_gap=1.0,
        error_image_gap=2.0,
        warn_result_age=600.0,  # a slow machine is not what is tested here
        error_result_age=1800.0,
    )
    mesh_peer.wait_for_node()
    return node


@pytest.fixture
def peer(mesh_peer):
    mesh_peer.statuses = mesh_peer.listen(DiagnosticArray, "/diagnostics")
    return mesh_peer


def live(peer, size: tuple[int, int] = (64, 48), stamp: Time | None = None) -> Image:
    """An image with the current time or the given stamp."""
    image = peer.picture(size)
    image.header.stamp = peer.node.get_clock().now().to_msg() if stamp is None else stamp
    return image


def reported(peer, level: bytes, said: str, images=tuple) -> dict[str, str]:
    """Wait until a new /diagnostics says so at this level; send images() again and again."""
    peer.statuses.clear()
    found = {}

    def arrived() -> bool:
        for image in images():
            peer.image.publish(image)
            peer.spin_for(0.1)
        for message in peer.statuses:
            status = message.status[0]
            if said in status.message and status.level == level:
                found.update((pair.key, pair.value) for pair in status.values)
        return bool(found)

    peer.until(arrived, f"'{said}' on /diagnostics")
    return found


def logged(node, said: str) -> int:
    """Number of lines in the node's output that contain the text: /rosout may lose one."""
    return sum(said in line for line in node.log.read_text(errors="replace").splitlines())


def test_a_camera_that_stalls_is_noticed_and_so_is_its_return(node, peer):
    image = live(peer)
    assert peer.answer_to(image).header == image.header
    facts = reported(peer, ERROR, "no image on '/image'")
    assert float(facts["time since the last image (s)"]) > 2.0
    for _ in range(2):
        reported(peer, ERROR, "/test_peer stands still")
    peer.until(lambda: logged(node, "stands still"), "the stall in the log")
    assert logged(node, "stands still") == 1  # not once per second

    facts = reported(peer, OK, "results/s", lambda: [live(peer)])
    assert float(facts["input rate (Hz)"]) > 0
    assert float(facts["output rate (Hz)"]) > 0
    peer.until(lambda: logged(node, "images on '/image' again"), "the return in the log")
    image = live(peer)
    assert peer.answer_to(image).header == image.header
    assert node.ended() is None


def test_a_resolution_that_changes_mid_stream(node, peer):
    for width, height in ((64, 48), (160, 120), (48, 64), (64, 48)):
        k = [float(width), 0.0, width / 2, 0.0, float(width), height / 2, 0.0, 0.0, 1.0]
        peer.info.publish(CameraInfo(width=width, height=height, k=k))
        peer.spin_for(0.5)
        answer = peer.answer_to(live(peer, (width, height)))
        assert (answer.image_width, answer.image_height) == (width, height)
        assert len(answer.humans) >= 1
        for human in answer.humans:
            assert human.distance_source == Human.CAMERA_INFO
            x0, y0, x1, y1 = human.bbox_px
            assert 0 <= x0 <= x1 <= width - 1
            assert 0 <= y0 <= y1 <= height - 1
    assert node.ended() is None


def test_stamps_that_go_back_or_are_missing(node, peer):
    ids: set[int] = set()
    for sec in (500, 501, 400, 401, 100):  # a bag that is replayed twice
        answer = peer.answer_to(live(peer, stamp=Time(sec=sec)))
        seen = [human for human in answer.humans if human.tracking_state != Human.OCCLUDED]
        assert len(seen) >= 1
        if sec in (500, 400, 100):  # tracks from a later time are invalid
            assert ids.isdisjoint(human.id for human in answer.humans)
        ids.update(human.id for human in answer.humans)
    back = [Time(sec=500), Time(sec=400)]
    reported(
        peer,
        ERROR,  # such old stamps also suggest use_sim_time
        "stamps on '/image' went back by 100 s",
        lambda: [live(peer, stamp=stamp) for stamp in back],
    )
    peer.until(lambda: logged(node, "went back by"), "the same in the log")

    # Images without stamps are answered too.
    peer.humans.clear()
    facts = reported(peer, WARN, "carry no stamp (0)", lambda: [live(peer, stamp=Time())])
    assert float(facts["age of the newest result (s)"]) < 600  # from its arrival, not from 1970
    assert peer.humans[-1].header.stamp == Time()
    assert len(peer.humans[-1].humans) >= 1
    assert node.ended() is None


def test_bytes_that_are_no_image(node, peer):
    """Truncated, or in an unknown encapsulation: refused, and the next image is answered."""
    image = live(peer)
    assert peer.answer_to(image).header == image.header
    data = serialize_message(image)
    for broken in (data[:60], b"\xff" * 60):
        said = "images failed: image on '/image' of 60 bytes is no sensor_msgs/Image"

        def sent(broken: bytes = broken) -> list[bytes]:
            return [broken]

        reported(peer, ERROR, said, sent)
    peer.until(lambda: logged(node, "is no sensor_msgs/Image"), "the same in the log")
    image = live(peer)
    assert peer.answer_to(image).header == image.header
    assert node.ended() is None


def test_two_publishers_on_one_topic(node, peer):
    second = peer.node.create_publisher(Image, "image", 10)
    peer.until(second.get_subscription_count, "mesh_node hears the second one")
    for _ in range(3):
        first_image, second_image = live(peer), live(peer)
        second_image.header.frame_id = "other_optical_frame"
        assert peer.answer_to(first_image).header == first_image.header
        second.publish(second_image)
        answered = lambda image=second_image: peer.answer(image)  # noqa: E731
        peer.until(answered, "people for the second camera")
        assert peer.answer(second_image).header == second_image.header  # each in its own frame
    said = "2 publishers on '/image' (/test_peer, /test_peer)"
    reported(peer, WARN, said, lambda: [live(peer)])
    frames = "change between frames 'other_optical_frame' and 'test_optical_frame'"
    peer.until(lambda: logged(node, frames), "the frames in the log")
    # One of them ends: all is well again.
    peer.node.destroy_publisher(second)
    reported(peer, OK, "results/s", lambda: [live(peer)])
    assert node.ended() is None
