"""Bags written and read by rosbags, and a network that detects people in noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

SIZE = (64, 48)
#: One image every 0.1 s, recorded a little after it was taken.
TAKEN_NS = [10**18 + i * 10**8 for i in range(4)]
LATE_NS = 5_000_000


@pytest.fixture(scope="session")
def typestore():
    pytest.importorskip("rosbags.rosbag2", reason="PyPI package rosbags is not installed")
    from icl_mesh.bag.types import make_typestore

    return make_typestore()


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """An untrained network that detects a person everywhere."""
    import torch

    from icl_mesh.body import BodyModel
    from icl_mesh.network import build_network
    from icl_mesh.weights import save_weights

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    metadata = {"input_size": 128, "body": BodyModel.load().name, "threshold": 0.02}
    save_weights(path, build_network("mobilenet_v2", head_width=0.25), metadata)
    return path


@pytest.fixture
def write_bag(tmp_path, typestore):
    """Write a bag with images on /camera/image_raw and a CameraInfo that comes after the first.

    depths: of each image, (seconds that its stamp differs, metres everywhere, size), on
    /camera/depth, recorded well after the image; None: none.
    """
    from rosbags import rosbag2

    def write(
        storage: str = "SQLITE3",
        *,
        encodings=("rgb8",) * 4,
        frames=("optical",) * 4,
        focal=80.0,
        name="in",
        depths=(None,) * 4,
    ) -> Path:
        types, (width, height) = typestore.types, SIZE
        path = tmp_path / name
        with rosbag2.Writer(
            path, version=9, storage_plugin=rosbag2.StoragePlugin[storage]
        ) as writer:
            image_type, info_type = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
            images = writer.add_connection("/camera/image_raw", image_type, typestore=typestore)
            infos = writer.add_connection("/camera/camera_info", info_type, typestore=typestore)
            if any(depths):
                beside = writer.add_connection("/camera/depth", image_type, typestore=typestore)
            for i, (taken, encoding) in enumerate(zip(TAKEN_NS, encodings, strict=True)):
                seconds, nanoseconds = divmod(taken, 10**9)
                stamp = types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
                header = types["std_msgs/msg/Header"](stamp, frames[i])
                rgb = np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8)
                image = types[image_type](
                    header, height, width, encoding, 0, 3 * width, rgb.ravel()
                )
                data = typestore.serialize_cdr(image, image_type)
                data = data[:40] if encoding == "cut off" else data
                writer.write(images, taken + LATE_NS, data)
                if depths[i] is not None:
                    image = depth_image(types, taken, *depths[i])
                    data = typestore.serialize_cdr(image, image_type)
                    writer.write(beside, taken + 10 * LATE_NS, data)
                if focal is None:
                    continue
                k = np.array([focal, 0, 31.5, 0, focal, 23.5, 0, 0, 1], dtype=float)
                info = types[info_type](
                    header,
                    height,
                    width,
                    "plumb_bob",
                    np.zeros(5),
                    k,
                    np.eye(3).ravel(),
                    np.eye(3, 4).ravel(),
                    0,
                    0,
                    types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False),
                )
                data = typestore.serialize_cdr(info, info_type)
                writer.write(infos, taken + 2 * LATE_NS, data)
        return path

    return write


def depth_image(types, taken: int, off_s: float, metres: float, size: tuple[int, int]):
    """A wall: the same millimetres everywhere."""
    width, height = size
    stamp = types["builtin_interfaces/msg/Time"](*divmod(taken + round(off_s * 1e9), 10**9))
    header = types["std_msgs/msg/Header"](stamp, "optical")
    millimetres = np.full(width * height, round(1000 * metres), "<u2").view(np.uint8)
    return types["sensor_msgs/msg/Image"](header, height, width, "16UC1", 0, 2 * width, millimetres)


@pytest.fixture
def read():
    return read_messages


@pytest.fixture
def raw():
    return read_bytes


def read_messages(path: Path) -> dict[str, list]:
    """(time, message) by topic. The types come from the definitions in the bag itself."""
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    found: dict[str, list] = {}
    with AnyReader([path], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
        for connection, time_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            found.setdefault(connection.topic, []).append((time_ns, message))
    return found


def read_bytes(path: Path) -> dict[str, list]:
    """(time, bytes) by topic."""
    from rosbags.highlevel import AnyReader

    found: dict[str, list] = {}
    with AnyReader([path]) as reader:
        for connection, time_ns, data in reader.messages():
            found.setdefault(connection.topic, []).append((time_ns, bytes(data)))
    return found
