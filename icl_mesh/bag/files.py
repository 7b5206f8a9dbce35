"""Bags as files: opened for reading and writing, with errors that say what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore


@contextmanager
def open_bag(path: Path, typestore: Typestore) -> Iterator[AnyReader]:
    """A rosbag2 folder, or a .mcap or .db3 file in one. Raises FileNotFoundError or ValueError."""
    from rosbags.highlevel import AnyReader, AnyReaderError

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such bag")
    if path.suffix == ".bag":
        raise ValueError(f"{path} is a bag of ROS 1: rosbags-convert makes a rosbag2 of it")
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        raise ValueError(
            f"{path} is no rosbag2: it has no metadata.yaml (ros2 bag reindex makes one)"
        )
    try:
        with AnyReader([path], default_typestore=typestore) as reader:
            yield reader
    except AnyReaderError as error:
        raise ValueError(f"{path}: not a bag that rosbags can read: {error}") from error


@contextmanager
def new_bag(path: Path, storage: str, *, like: Path) -> Iterator[Writer]:
    """A new rosbag2 folder. storage: sqlite3, mcap, or same: as the bag `like` has it."""
    from rosbags.rosbag2 import StoragePlugin, Writer

    if storage == "same":
        storage = "mcap" if _is_mcap(like) else "sqlite3"
    path.parent.mkdir(parents=True, exist_ok=True)
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    with Writer(path, version=Writer.VERSION_LATEST, storage_plugin=plugin) as writer:
        yield writer


def _is_mcap(bag: Path) -> bool:
    return bag.suffix == ".mcap" or (bag.is_dir() and any(bag.glob("*.mcap*")))


def latched() -> Any:
    """As the node publishes humans/body_model: players keep it for those who come late."""
    from rosbags.interfaces import (
        Qos,
        QosDurability,
        QosHistory,
        QosLiveliness,
        QosReliability,
        QosTime,
    )

    never = QosTime(sec=9223372036, nsec=854775807)  # rmw's RMW_DURATION_INFINITE
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=1,
        reliability=QosReliability.RELIABLE,
        durability=QosDurability.TRANSIENT_LOCAL,
        deadline=never,
        lifespan=never,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=never,
        avoid_ros_namespace_conventions=False,
    )
