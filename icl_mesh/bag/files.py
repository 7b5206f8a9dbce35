"""Opens bags for reading and writing; errors name the fault and the remedy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from icl_mesh.bag.types import make_typestore

if TYPE_CHECKING:
    from rosbags.highlevel import AnyReader
    from rosbags.interfaces import Connection
    from rosbags.rosbag2 import Writer
    from rosbags.typesys.store import Typestore


_ENDINGS = (".mcap", ".db3")


@contextmanager
def open_bag(path: Path, typestore: Typestore) -> Iterator[AnyReader]:
    """Open a rosbag2 folder, or a single .mcap or .db3 file.

    Raises FileNotFoundError or ValueError.
    """
    from rosbags.highlevel import AnyReader

    source = _source(path)
    for file in _data_files(source):
        _refuse_pending(file)
    try:
        reader = AnyReader([source], default_typestore=typestore)
        reader.open()
    except Exception as error:  # rosbags passes on the errors of sqlite, zstd, struct and YAML
        raise ValueError(_what_is_wrong(source, error)) from error
    try:
        yield reader
    finally:
        reader.close()


def read_raw(
    reader: AnyReader, connections: Sequence[Connection]
) -> Iterator[tuple[Connection, int, bytes]]:
    """Messages as (connection, time in ns, bytes), by time. connections: at least one.

    Raises ValueError where the bag is damaged; rosbags cannot read further.
    """
    try:
        yield from reader.messages(connections=connections)
    except Exception as error:  # see open_bag
        path = Path(str(reader.paths[0]))
        cure = _cure(_data_files(path)[0])
        raise ValueError(f"{path} is damaged, the rest is not read ({error}): {cure}") from error


@contextmanager
def new_bag(path: Path, storage: str, *, like: Path) -> Iterator[Writer]:
    """Write a new rosbag2 folder. It appears when it is complete, and never after an error.

    storage: sqlite3, mcap, or same: the storage of the bag `like`.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer

    if storage == "same":
        storage = "mcap" if _is_mcap(like) else "sqlite3"
    path.parent.mkdir(parents=True, exist_ok=True)
    plugin = StoragePlugin.MCAP if storage == "mcap" else StoragePlugin.SQLITE3
    # rosbags names the files after their folder: the name is final, its parent is temporary.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".icl_mesh_bag.") as folder:
        unfinished = Path(folder) / path.name
        with Writer(unfinished, version=Writer.VERSION_LATEST, storage_plugin=plugin) as writer:
            yield writer
        unfinished.rename(path)


def _source(path: Path) -> Path:
    """The path for rosbags: the bag, or the only data file of a folder without metadata.yaml."""
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such bag")
    if path.suffix == ".bag":
        raise ValueError(f"{path} is a bag of ROS 1: rosbags-convert makes a rosbag2 of it")
    if path.suffix in (".zstd", ".zst"):
        where = path.parent
        whole = f"give its folder, {where}, or " if (where / "metadata.yaml").is_file() else ""
        raise ValueError(f"{path} is compressed: {whole}decompress it with `zstd -d {path}`")
    if not path.is_dir() or (path / "metadata.yaml").is_file():
        return path
    files = _data_files(path)
    if len(files) == 1 and files[0].suffix in _ENDINGS:
        return files[0]
    if files:
        raise ValueError(
            f"{path} has no metadata.yaml, which names the order of its {len(files)} files: "
            f"`{_reindex(path)}` makes one"
        )
    raise ValueError(
        f"{path} is no rosbag2: it has no metadata.yaml, and no .mcap or .db3 file either"
    )


def _data_files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if {*_ENDINGS} & {*file.suffixes[-2:]})


def _refuse_pending(database: Path) -> None:
    """Raise ValueError for an sqlite database with a pending log: rosbags ignores logs."""
    for log in ("-wal", "-journal"):
        real = database.resolve()  # sqlite puts logs next to a link's target
        pending = real.with_name(real.name + log)
        if pending.is_file() and pending.stat().st_size > 0:
            raise ValueError(
                f"{pending} holds messages or changes that are not yet in {database.name}: when "
                f"nobody records any more, `sqlite3 {database} 'PRAGMA journal_mode=DELETE'` puts "
                "them there"
            )


def _what_is_wrong(path: Path, error: Exception) -> str:
    """One sentence: the faulty file, rosbags' error, and the remedy."""
    from rosbags.highlevel import AnyReader

    files = _data_files(path)
    if files == [path]:
        return f"{path}: not a bag that rosbags can read ({error}): {_cure(path)}"
    for file in files:
        if file.suffix not in _ENDINGS:  # compressed
            continue
        try:
            with AnyReader([file], default_typestore=make_typestore()):
                pass
        except Exception as file_error:  # see open_bag
            return _what_is_wrong(file, file_error)
    alone = f", or give {files[0]} itself" if len(files) == 1 else ""
    return f"{path / 'metadata.yaml'} does not fit ({error}): `{_reindex(path)}` rebuilds it{alone}"


def _cure(file: Path) -> str:
    if file.suffix == ".mcap":
        saved = file.with_name(f"recovered_{file.name}")
        return f"where it was cut off or damaged, `mcap recover {file} -o {saved}` saves the rest"
    if file.suffix == ".db3":
        saved = file.with_name(f"recovered_{file.name}")
        return f"where it is damaged, `sqlite3 {file} .recover | sqlite3 {saved}` saves the rest"
    return "give the folder of a rosbag2, or its .mcap or .db3 file"


def _reindex(folder: Path) -> str:
    return f"ros2 bag reindex -s {'mcap' if _is_mcap(folder) else 'sqlite3'} {folder}"


def _is_mcap(bag: Path) -> bool:
    return bag.suffix == ".mcap" or (bag.is_dir() and any(bag.glob("*.mcap*")))


def latched() -> Any:
    """The QoS of the node's humans/body_model: players keep the message for late subscribers."""
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
