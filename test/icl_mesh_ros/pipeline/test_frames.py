"""The camera of a frame: of an unchanged CameraInfo, of a missing one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from icl_mesh.geometry.camera import Camera
from icl_mesh.people import People
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


def test_the_camera_of_an_unchanged_camera_info_is_computed_once(make_tracks):
    """Drivers send an equal CameraInfo with every image."""
    cameras: list[Camera] = []

    def estimator(rgb, camera, **_) -> People:
        cameras.append(camera)
        return dataclasses.replace(make_tracks(camera=camera).people, track_id=None)

    infos = CameraInfoStore()
    frames = FrameProcessor(estimator, Tracker(), infos, "/image", "/info")
    image = image_from_rgb(np.zeros((480, 640, 3), np.uint8), Header())

    def run(k: float = 500.0, **parameters: object) -> Camera:
        matrix = [k, 0.0, 320.0, 0.0, k, 240.0, 0.0, 0.0, 1.0]
        infos.put(CameraInfo(width=640, height=480, k=matrix, p=[0.0] * 12))
        frames(image, MeshParameters(**parameters), vertices=False)
        return cameras[-1]

    first = run()
    assert run() is first
    assert run(501.0).fx == 501.0
    assert run(501.0, rectified=True) is not cameras[-2]
    assert run() == first
