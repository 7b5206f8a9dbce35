"""`icl-mesh bag` on bags that are damaged, unfinished, or more than one file."""

from __future__ import annotations

import shutil
import sqlite3
from types import SimpleNamespace

import numpy as np
import pytest

from icl_mesh.cli.main import main
from icl_mesh.formats.human import CAMERA_INFO


class Nobody:
    """A fake estimator that finds no people."""

    def __init__(self, make_people, body) -> None:
        self._make_people = make_people
        self.body, self.weights_version = body, "test"

    def __call__(self, _rgb, camera, *, vertices, threshold):
        return self._make_people([[0, 0, 2.0]], camera, vertices=vertices)


@pytest.fixture(autouse=True)
def estimator(monkeypatch, make_people, body) -> None:
    loader = SimpleNamespace(load=lambda *_options, refine: Nobody(make_people, body))
    monkeypatch.setattr("icl_mesh.bag.convert.Estimator", loader)


@pytest.fixture
def convert(tmp_path, capsys):
    """Run the command; its status and what it printed on stdout and stderr."""

    def run(bag, *options: str):
        status = main(["bag", str(bag), str(tmp_path / "out"), *options])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def data_file(bag):
    return next(path for path in bag.iterdir() if path.suffix in (".db3", ".mcap"))


def damage_message(database, topic: str, row: int) -> None:
    """Cut the row-th message of a topic down to 20 bytes."""
    with sqlite3.connect(database) as connection:
        rows = connection.execute(
            "SELECT messages.id, data FROM messages JOIN topics ON topic_id = topics.id "
            "WHERE name = ? ORDER BY timestamp",
            (topic,),
        ).fetchall()
        number, data = rows[row]
        connection.execute("UPDATE messages SET data = ? WHERE id = ?", (data[:20], number))
    connection.close()


def test_a_damaged_camera_info_is_left_out_and_counted(write_bag, read, tmp_path, convert) -> None:
    bag = write_bag()
    damage_message(data_file(bag), "/camera/camera_info", 1)
    status, out, error = convert(bag)
    assert status == 0
    assert "the message on '/camera/camera_info' at 1000000000.110 s, of 20 bytes" in error
    assert "is damaged and left out" in error
    assert out.startswith("4 images, 4 people in them, 1 CameraInfo messages damaged: written to")
    humans = [human for _, message in read(tmp_path / "out")["/humans"] for human in message.humans]
    assert {human.distance_source for human in humans} == {CAMERA_INFO}


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_damage_inside_a_bag_keeps_the_messages_before_it(
    write_bag, read, tmp_path, convert, storage
) -> None:
    bag = write_bag(storage)
    path = data_file(bag)
    data = bytearray(path.read_bytes())
    middle, size = (0.7, 600) if storage == "MCAP" else (0.5, 3 * 4096)
    start = int(middle * len(data))
    data[start : start + size] = b"\xff" * size
    path.write_bytes(data)
    status, out, error = convert(bag)
    assert status == 1
    assert "is damaged, the rest is not read" in error
    assert ("mcap recover" if storage == "MCAP" else ".recover | sqlite3") in error
    assert "of the 4 images that it lists" in error
    assert "images failed: written to" in out
    read(tmp_path / "out")  # whole


def test_an_image_with_a_huge_header_fails_alone(write_bag, typestore, tmp_path, convert) -> None:
    import cv2
    from rosbags import rosbag2

    kind = "sensor_msgs/msg/CompressedImage"
    types = typestore.types
    good = cv2.imencode(".png", np.zeros((48, 64, 3), np.uint8))[1].ravel()
    bomb = good.copy()
    bomb[16:24] = np.array([60_000, 60_000], ">u4").view(np.uint8)
    with rosbag2.Writer(tmp_path / "bomb", version=9) as writer:
        connection = writer.add_connection("/c/compressed", kind, typestore=typestore)
        for i, data in enumerate((good, bomb, good)):
            stamp = types["builtin_interfaces/msg/Time"](1, i)
            message = types[kind](types["std_msgs/msg/Header"](stamp, "c"), "png", data)
            writer.write(connection, 10**9 + i, typestore.serialize_cdr(message, kind))
    status, out, error = convert(tmp_path / "bomb")
    assert status == 1
    assert out.startswith("2 images, 2 people in them, 1 images failed")
    assert "compressed image on '/c/compressed'" in error


@pytest.mark.parametrize("log", ["-wal", "-journal"])
def test_messages_beside_the_database_are_not_passed_over(
    write_bag, tmp_path, convert, log
) -> None:
    path = data_file(write_bag())
    path.with_name(path.name + log).write_bytes(b"")  # an empty one holds nothing
    assert convert(path)[0] == 0
    shutil.rmtree(tmp_path / "out")
    path.with_name(path.name + log).write_bytes(b"messages")
    for bag in (path, path.parent):
        status, _, error = convert(bag)
        assert status == 2
        assert f"{path}{log} holds messages or changes that are not yet in {path.name}" in error
        assert f"sqlite3 {path} 'PRAGMA journal_mode=DELETE'" in error


def test_the_command_that_is_named_brings_the_messages_in(write_bag, tmp_path, convert) -> None:
    path = data_file(write_bag())
    live = sqlite3.connect(path)
    live.execute("PRAGMA journal_mode=WAL")
    live.execute("DELETE FROM messages WHERE id = 1")
    live.commit()
    killed = tmp_path / "killed"  # as it lies there when the recorder is killed
    shutil.copytree(path.parent, killed)
    live.close()
    assert convert(killed)[0] == 2
    connection = sqlite3.connect(killed / path.name)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    status, out, _ = convert(killed / path.name)
    assert (status, out[:9]) == (0, "3 images,")


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_a_lone_data_file_and_a_folder_without_metadata_are_read(write_bag, convert, storage):
    bag = write_bag(storage)
    (bag / "metadata.yaml").unlink()
    assert convert(bag)[1].startswith("4 images, ")


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_a_data_file_given_directly_is_read(write_bag, convert, storage) -> None:
    assert convert(data_file(write_bag(storage)))[1].startswith("4 images, ")


def break_nothing(bag):
    (bag / "metadata.yaml").unlink()
    shutil.copy(data_file(bag), bag / "second.mcap")
    return bag


def break_storage_id(bag):
    path = bag / "metadata.yaml"
    text = path.read_text().replace("storage_identifier: mcap", "storage_identifier: ''")
    path.write_text(text)
    return bag


def break_metadata(bag):
    (bag / "metadata.yaml").write_bytes(b"\xff\xfe")
    return bag


def break_end(bag):
    path = data_file(bag)
    path.write_bytes(path.read_bytes()[:-500])
    return bag


def break_end_alone(bag):
    return data_file(break_end(bag))


def compress(bag):
    path = data_file(bag)
    path.rename(f"{path}.zstd")
    return path.with_name(path.name + ".zstd")


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (break_nothing, "has no metadata.yaml, which names the order of its 2 files: `ros2 bag"),
        (break_storage_id, "or give {file} itself"),
        (break_metadata, "`ros2 bag reindex -s mcap {bag}` rebuilds it, or give {file} itself"),
        (break_end, "`mcap recover {file} -o {bag}/recovered_in.mcap` saves the rest"),
        (break_end_alone, "`mcap recover {file} -o {bag}/recovered_in.mcap` saves the rest"),
        (compress, "is compressed: give its folder, {bag}, or decompress it with `zstd -d"),
    ],
)
def test_unreadable_bags_give_the_remedy(write_bag, tmp_path, convert, break_it, said) -> None:
    bag = write_bag("MCAP")
    status, _, error = convert(break_it(bag))
    assert status == 2
    assert said.format(bag=bag, file=bag / "in.mcap") in error
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_cut_bag(write_bag, tmp_path, convert, monkeypatch) -> None:
    from rosbags.rosbag2 import Writer

    def write(*_arguments):
        raise sqlite3.OperationalError("database or disk is full")

    bag = write_bag()
    monkeypatch.setattr(Writer, "write", write)
    status, _, error = convert(bag)
    assert status == 2
    assert "the new bag cannot be written (database or disk is full): make room" in error
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.slow
def test_mutated_bags_end_with_a_status_and_one_sentence(write_bag, tmp_path, convert) -> None:
    random = np.random.default_rng(0)
    for storage in ("SQLITE3", "MCAP"):
        bag = write_bag(storage, name=storage)
        for name in ("metadata.yaml", data_file(bag).name):
            good = (bag / name).read_bytes()
            for _ in range(8):
                data = np.frombuffer(good, np.uint8).copy()
                data[random.integers(0, len(data), 30)] = random.integers(0, 256, 30)
                (bag / name).write_bytes(data.tobytes())
                status, _, error = convert(bag)
                assert status in (0, 1, 2)
                assert status == 0 or error.strip()
                shutil.rmtree(tmp_path / "out", ignore_errors=True)
            (bag / name).write_bytes(good)
