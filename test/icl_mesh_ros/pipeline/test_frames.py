"""A frame whose CameraInfo is missing."""

from __future__ import annotations

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.tracking.tracker import Tracker
from icl_mesh_ros.inputs.camera_info_store import CameraInfoStore
from icl_mesh_ros.inputs.conversions import image_from_rgb
from icl_mesh_ros.parameters.mesh_node import MeshParameters
from icl_mesh_ros.pipeline.frame import FrameProcessor


def test_a_lost_camera_info_of_images_of_changing_size_is_reported():
    infos = CameraInfoStore()
    frames = FrameProcessor(lambda *_, **__: None, Tracker(), infos, "/image", "/info")
    image = image_from_rgb(np.zeros((240, 320, 3), np.uint8), Header())

    def put(width: int, height: int) -> None:
        k = [500.0, 0.0, width / 2, 0.0, 500.0, height / 2, 0.0, 0.0, 1.0]
        infos.put(CameraInfo(width=width, height=height, k=k))

    put(640, 480)
    with pytest.raises(ValueError, match=r"^CameraInfo on '/info' is for 640x480 images"):
        frames(image, MeshParameters(), vertices=False)
    put(800, 600)
    with pytest.raises(
        ValueError,
        match=r"^no CameraInfo for 320x240 images came on '/info' in time, only for 640x480, "
        r"800x600: it was lost or is late, and the image is left out",
    ):
        frames(image, MeshParameters(), vertices=False)
