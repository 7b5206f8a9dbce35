"""mesh_node over DDS with an untrained network: inputs, outputs, refusals."""

from __future__ import annotations

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Log
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from visualization_msgs.msg import Marker, MarkerArray

from icl_mesh_ros.inputs.conversions import rgb_from_image
from icl_mesh_ros.msg import Human

K = [60.0, 0.0, 31.5, 0.0, 60.0, 23.5, 0.0, 0.0, 1.0]


@pytest.fixture
def mesh_node(start, mesh_peer, random_weights):
    node = start("mesh_node", weights=str(random_weights), device="cpu", engine="torch")
    mesh_peer.wait_for_node()
    return node


def test_image_to_people_markers_overlay_and_diagnostics(mesh_node, mesh_peer):
    """One node for several checks: a node per check would take minutes on a slow machine."""
    peer = mesh_peer

    # No CameraInfo yet: the focal length is assumed, and each person is marked.
    image = peer.picture()
    answer = peer.answer_to(image)
    assert answer.header == image.header
    assert (answer.image_width, answer.image_height) == (64, 48)
    assert answer.weights_version == peer.body_models[0].weights_version
    assert answer.body_model == peer.body_models[0].name
    assert len(answer.humans) >= 1
    assert {human.distance_source for human in answer.humans} == {Human.ASSUMED_FOCAL}

    # An all-zero CameraInfo means uncalibrated: the same result.
    peer.info.publish(CameraInfo(width=64, height=48))
    peer.spin_for(0.5)
    assert peer.answer_to(peer.picture()).humans[0].distance_source == Human.ASSUMED_FOCAL

    # A calibration is used.
    peer.info.publish(CameraInfo(width=64, height=48, k=K))
    peer.spin_for(0.5)
    calibrated = peer.answer_to(peer.picture())
    assert {human.distance_source for human in calibrated.humans} == {Human.CAMERA_INFO}
    # This log call once failed in rclpy after the people were published: no markers followed.
    assert "[ERROR]" not in mesh_node.last_lines()

    # Markers and overlay are published only to subscribers. Markers are read as raw bytes: a
    # Python subscriber needs 0.1 s to make 40,000 Point objects per person.
    assert peer.node.count_publishers("humans/markers") == 1
    markers = peer.listen(MarkerArray, "humans/markers", raw=True)
    overlays = peer.listen(Image, "humans/overlay")

    def both_arrived() -> bool:
        peer.image.publish(peer.picture())
        peer.spin_for(0.2)
        return bool(markers and overlays)

    peer.until(both_arrived, "markers and overlay")
    assert (overlays[0].width, overlays[0].height, overlays[0].encoding) == (64, 48, "rgb8")
    assert overlays[0].header.frame_id == "test_optical_frame"
    assert rgb_from_image(overlays[0], "humans/overlay").std() > 0
    from rclpy.serialization import deserialize_message

    array = deserialize_message(markers[0], MarkerArray)
    assert {marker.action for marker in array.markers} == {Marker.ADD}
    assert 0 < len(array.markers[0].points) <= 3 * 2500  # the reduced mesh, the default

    statuses = peer.listen(DiagnosticArray, "/diagnostics")
    peer.until(lambda: len(statuses) >= 2, "diagnostics")
    pairs = {pair.key: pair.value for pair in statuses[-1].status[0].values}
    assert pairs["weights"] == answer.weights_version
    assert pairs["engine"] == "torch:f32 on cpu"

    # Ctrl-C leaves RViz empty.
    markers.clear()
    mesh_node.stop()
    last = lambda: deserialize_message(markers[-1], MarkerArray).markers[0]  # noqa: E731
    peer.until(lambda: markers and last().action == Marker.DELETEALL, "no markers")
    assert mesh_node.ended() == 0


def bad_images(peer) -> dict[str, Image]:
    """Bad images, by the text of their error."""
    images = {
        "encoding 'nv24', which needs cv_bridge": peer.picture(),
        "has 9215 bytes of data, but step 192 x height 48 = 9216": peer.picture(),
        "step 96, but a row of 64 rgb8 pixels takes 192 bytes": peer.picture(),
        "has no pixels (0x0)": peer.picture(),
        "is for 64x48 images, the image is 32x24": peer.picture((32, 24)),
    }
    encoding, length, step, empty, _ = images.values()
    encoding.encoding, encoding.step, encoding.width = "nv24", 192, 192
    length.data = length.data[:-1]
    step.step, step.height = 96, 96
    empty.width = empty.height = empty.step = 0
    empty.data = b""
    return images


def test_bad_images_are_one_error_each_and_the_node_continues(mesh_node, mesh_peer):
    peer = mesh_peer
    logs = peer.listen(Log, "/rosout", 100)
    statuses = peer.listen(DiagnosticArray, "/diagnostics")
    peer.info.publish(CameraInfo(width=64, height=48, k=K))
    peer.until(lambda: peer.node.count_publishers("/rosout") >= 2, "mesh_node's log")
    peer.answer_to(peer.picture())
    for said, image in bad_images(peer).items():

        def refused(said=said, image=image) -> bool:
            peer.image.publish(image)  # again and again: best effort may lose one
            peer.spin_for(0.5)
            return any(said in log.msg and "'/" in log.msg for log in logs)

        peer.until(refused, f"an error that says: {said}")
        good = peer.picture()
        assert peer.answer_to(good).header == good.header
        assert peer.answer(image) is None
    errors = [log.msg for log in logs if log.level == 40]  # Log.ERROR, a byte in Python
    assert len({error.split(" (and ")[0] for error in errors}) == 5
    assert all("should" in error for error in errors)  # each says who fixes it
    assert mesh_node.ended() is None
    peer.until(
        lambda: any(s.status[0].level == DiagnosticStatus.ERROR for s in statuses),
        "an error on /diagnostics",
    )


def test_compressed_images(start, mesh_peer, random_weights):
    import cv2
    import numpy as np

    node = start("mesh_node", weights=str(random_weights), image_transport="compressed")
    peer = mesh_peer
    peer.until(lambda: peer.body_models, "mesh_node's body model")
    compressed = peer.node.create_publisher(CompressedImage, "image/compressed", 10)
    peer.until(compressed.get_subscription_count, "mesh_node subscribes")
    header = peer.picture().header
    jpeg = cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1].tobytes()
    broken = CompressedImage(header=header, format="jpeg", data=jpeg[:20])
    image = CompressedImage(header=header, format="jpeg", data=jpeg)

    def answered() -> bool:
        compressed.publish(broken)
        compressed.publish(image)
        peer.spin_for(0.5)
        return peer.answer(image) is not None

    peer.until(answered, "people for the compressed image")
    assert (peer.answer(image).image_width, peer.answer(image).image_height) == (64, 48)
    assert node.ended() is None


def test_parameters_change_while_running_and_say_why_not(mesh_node, mesh_peer):
    peer, change = mesh_peer, mesh_peer.set_parameter
    assert len(peer.answer_to(peer.picture()).humans) >= 1
    assert change("detection_threshold", 0.999).successful
    seen = [h for h in peer.answer_to(peer.picture()).humans if h.tracking_state != Human.OCCLUDED]
    assert seen == []
    assert change("publish_vertices", True).successful
    assert change("track_timeout", 0.0).successful
    assert change("detection_threshold", 0.0).successful
    vertices = peer.answer_to(peer.picture()).humans[0].vertices
    assert len(vertices) == 3 * peer.body_models[0].vertex_count
    for name, value, why in (
        ("detection_threshold", 1.5, "out of range"),
        ("assumed_fov_deg", 0.0, "out of range"),
        ("assumed_fov_deg", float("nan"), "out of range"),
        ("warn_image_gap", 11.0, "warn_image_gap (11 s) must not exceed error_image_gap (10 s)"),
        ("weights", "other.safetensors", "other.safetensors: no such weights file"),
        ("image_transport", "smoke signals", "must be one of raw, compressed"),
        ("image_transport", "compressed", "cannot change while the node is configured"),
        ("device", "cuda", "device cannot change while the node is configured"),
        ("autostart", False, "read-only"),
    ):
        result = change(name, value)
        assert not result.successful
        assert why in result.reason


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"weights": "none.safetensors"}, "none.safetensors: no such weights file"),
        ({"image_transport": "pigeon"}, "image_transport must be one of raw, compressed"),
    ],
)
def test_a_wrong_set_up_ends_with_one_clear_line(start, peer, random_weights, parameters, said):
    node = start("mesh_node", **{"weights": str(random_weights), **parameters})
    peer.until(lambda: node.ended() is not None, "mesh_node ends")
    assert node.ended() == 1
    assert said in node.last_lines()
    assert "Traceback" not in node.last_lines(100)


def test_ctrl_c_ends_quietly(mesh_node, mesh_peer):
    mesh_peer.image.publish(mesh_peer.picture())  # it may be at work
    mesh_node.stop()
    assert mesh_node.ended() == 0
    assert "Traceback" not in mesh_node.last_lines(100)
