"""mesh_node over DDS with the trained network: depth images and lens distortion."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from builtin_interfaces.msg import Time
from rcl_interfaces.msg import Log
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from icl_mesh.body import BodyModel
from icl_mesh.rendering import RenderingUnavailableError
from icl_mesh.rendering.mesh import NormalOperator, RenderMesh
from icl_mesh.rendering.renderer import Renderer
from icl_mesh_ros.inputs.camera_info import info_from_camera
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.inputs.subscriptions import INFO_QOS, patience_s
from icl_mesh_ros.msg import Human
from icl_mesh_training.scenes.clip import crossing_clip

WALL_M = 7.0
WIDE = [-0.22, 0.06, 5e-4, -8e-4, -0.006]


@pytest.fixture(scope="module")
def scene():
    """Two people, 640 x 480: the image, the ground truth, and its depth in mm with holes and
    noise of 1 %."""
    try:
        rgb, truth = next(crossing_clip(frames=4))
        body = BodyModel.load()
        rotations = Rotation.from_rotvec(truth.pose.reshape(-1, 3)).as_matrix()
        rotations = rotations.reshape(len(truth), 24, 3, 3).astype(np.float32)
        mesh = body(torch.from_numpy(truth.betas), torch.from_numpy(rotations))
        shift = truth.joints_m[:, :1] - mesh.joints.numpy()[:, :1]
        normals = NormalOperator(body.faces, body.vertex_count)
        with Renderer() as renderer:
            meshes = [
                RenderMesh(vertices, normals.faces, normals(vertices), row + 1)
                for row, vertices in enumerate(mesh.vertices.numpy() + shift)
            ]
            depth = renderer.render(meshes, truth.camera, maps=True)[0].depth
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    generator = np.random.default_rng(0)
    depth = np.where(depth > 0, depth, WALL_M) * generator.normal(1, 0.01, depth.shape)
    depth[generator.random(depth.shape) < 0.3] = 0
    return rgb, truth, (1000 * depth).round().astype("<u2")


def depth_message(millimetres: np.ndarray, header: Header) -> Image:
    height, width = millimetres.shape
    message = Image(header=header, height=height, width=width, encoding="16UC1", step=2 * width)
    message.data = millimetres.tobytes()
    return message


def from_left(humans: list[Human]) -> list[Human]:
    return sorted(humans, key=lambda human: human.joints_px[0])


def test_depth_images_and_lenses(start, mesh_peer, scene):
    rgb, truth, depth = scene
    peer = mesh_peer
    node = start("mesh_node", image_reliability="reliable", use_depth=True, depth_tolerance=0.02)
    peer.wait_for_node()
    depths = peer.node.create_publisher(Image, "depth", 10)
    peer.until(depths.get_subscription_count, "mesh_node subscribes to depth")
    logs = peer.listen(Log, "/rosout", 100)
    peer.until(lambda: peer.node.count_publishers("/rosout") >= 2, "mesh_node's log")

    stamps = iter(range(1, 1000))

    def people_of(info: CameraInfo, millimetres: np.ndarray) -> list[Human]:
        seconds = next(stamps)
        header = Header(stamp=Time(sec=seconds), frame_id="camera_optical_frame")
        # 10 ms later, as the two sensors of a camera differ.
        late = Header(stamp=Time(sec=seconds, nanosec=10_000_000), frame_id=header.frame_id)
        depths.publish(depth_message(millimetres, late))
        for _ in range(3):  # best effort may lose one
            peer.info.publish(info)
            peer.spin_for(0.2)
        answer = peer.answer_to(image_from_rgb(rgb, header))
        assert answer.header == header
        assert len(answer.humans) == len(truth) == 2
        return from_left(answer.humans)

    def measured_people(info: CameraInfo) -> list[Human]:
        """Repeats while a busy machine delivers the depth image too late."""
        people: list[Human] = []

        def measured() -> bool:
            people[:] = people_of(info, depth)
            return {human.distance_source for human in people} == {Human.DEPTH}

        peer.until(measured, "distances from the depth image")
        return people

    # Distances come from the depth image, accurate to some centimetres.
    pinhole = info_from_camera(truth.camera, Header())
    measured = measured_people(pinhole)
    order = np.argsort(truth.joints_px[:, 0, 0])
    for human, person in zip(measured, order, strict=True):
        assert human.joints[2] == pytest.approx(truth.joints_m[person, 0, 2], abs=0.12)

    # A depth image of another size is reported once; people keep the distance from their size.
    judged = people_of(pinhole, depth[::2, ::2])
    assert [human.distance_source for human in judged] == [Human.CAMERA_INFO] * 2
    said = "/depth' is 320x240, the image 640x480"
    peer.until(lambda: any(said in log.msg for log in logs), "the error about its size")
    assert len([log for log in logs if said in log.msg]) == 1

    # A distorted CameraInfo: OpenCV projects the metric joints to the reported pixels.
    wide = info_from_camera(truth.camera, Header())
    wide.d = WIDE
    distorted = people_of(wide, depth[::2, ::2])
    check_distortion(distorted, judged, np.array(wide.k).reshape(3, 3))
    # Another calibration and other distances: the same people, and they keep their ids.
    ids = [[human.id for human in humans] for humans in (measured, judged, distorted)]
    assert ids[0] == ids[1] == ids[2]
    assert node.ended() is None


def check_distortion(distorted: list[Human], undistorted: list[Human], k: np.ndarray) -> None:
    """joints_px of people under the WIDE lens, against OpenCV's projection of their joints."""
    for human, straight in zip(distorted, undistorted, strict=True):
        assert human.distance_source == Human.CAMERA_INFO
        joints = np.array(human.joints, dtype=float).reshape(24, 3)
        zero = np.zeros(3)
        px = cv2.projectPoints(joints, zero, zero, k, np.array(WIDE))[0][:, 0]
        np.testing.assert_allclose(px, np.array(human.joints_px).reshape(24, 2), atol=0.05)
        # The distortion has moved these people, who are near the edges of the image.
        moved = joints[0] - np.array(straight.joints[:3])
        assert np.linalg.norm(moved) > 0.03


def test_only_a_remapped_topic_with_a_publisher_is_waited_for(peer):
    import rclpy

    arguments = ["--ros-args", "-r", "camera_info:=/front/info"]
    node = rclpy.create_node("remapped", cli_args=arguments)
    try:
        subscription = node.create_subscription(
            CameraInfo, "camera_info", lambda message: None, INFO_QOS
        )
        assert patience_s(subscription, 0.1) == 0.0
        other = peer.node.create_publisher(CameraInfo, "camera_info", 1)
        publisher = peer.node.create_publisher(CameraInfo, "/front/info", 1)
        peer.until(lambda: patience_s(subscription, 0.1) == 0.1, "the publisher is seen")
        peer.node.destroy_publisher(publisher)
        peer.until(lambda: patience_s(subscription, 0.1) == 0.0, "it is gone")
        peer.node.destroy_publisher(other)
    finally:
        node.destroy_node()


def test_camera_infos_of_several_sizes_that_come_together_are_all_kept(peer):
    """Photos of mixed sizes, each with its CameraInfo: none replaces another."""
    import rclpy

    found: list[int] = []
    node = rclpy.create_node("late")
    try:
        node.create_subscription(
            CameraInfo, "infos", lambda message: found.append(message.width), INFO_QOS
        )
        publisher = peer.node.create_publisher(CameraInfo, "infos", 10)
        peer.until(publisher.get_subscription_count, "the subscriber is seen")
        for width in (640, 320, 160):
            publisher.publish(CameraInfo(width=width))
        assert publisher.wait_for_all_acked(rclpy.duration.Duration(seconds=5))
        peer.spin_for(1.0)
        for _ in range(30):
            rclpy.spin_once(node, timeout_sec=0.1)
        assert found == [640, 320, 160]
    finally:
        node.destroy_node()
