"""The trained network behind the node: it finds the people of a rendered photo."""

from __future__ import annotations

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from icl_mesh.rendering import RenderingUnavailableError
from icl_mesh_ros.inputs.camera_info import info_from_camera
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.msg import Human
from icl_mesh_training.scenes.clip import crossing_clip


@pytest.fixture(scope="module")
def scene():
    """Two people, side by side, 640 x 480, with their ground truth."""
    try:
        return next(crossing_clip(frames=4))
    except RenderingUnavailableError as error:
        pytest.skip(str(error))


def test_the_people_of_a_photo_are_found_where_they_are(start, mesh_peer, scene):
    rgb, truth = scene
    # Reliable: over UDP (no shared memory between containers) a best-effort image of 0.9 MB is
    # lost whenever one of its 15 datagrams is, which on one CI machine was always.
    start("mesh_node", image_reliability="reliable")
    mesh_peer.wait_for_node()
    header = Header(stamp=Time(sec=1), frame_id="camera_optical_frame")
    mesh_peer.info.publish(info_from_camera(truth.camera, header))
    mesh_peer.spin_for(0.5)
    answer = mesh_peer.answer_to(image_from_rgb(rgb, header))
    assert answer.header == header
    assert len(answer.humans) == len(truth) == 2

    def from_left(humans: list[Human]) -> list[Human]:
        return sorted(humans, key=lambda human: human.joints_px[0])

    order = np.argsort(truth.joints_px[:, 0, 0])
    for human, person in zip(from_left(answer.humans), order, strict=True):
        assert human.distance_source == Human.CAMERA_INFO
        assert np.hypot(*(human.joints_px[:2] - truth.joints_px[person, 0])) < 40
        true_m = np.linalg.norm(truth.joints_m[person, 0])
        found_m = np.linalg.norm([human.position.x, human.position.y, human.position.z])
        assert found_m == pytest.approx(true_m, rel=0.25)
