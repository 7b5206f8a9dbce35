"""Files are written atomically."""

from __future__ import annotations

import os
import threading

import pytest

from icl_mesh.io.atomic import write_atomically


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, full_disk) -> None:
    path = tmp_path / "old.bin"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match=r"No space left on device: '.*old\.bin'"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_people_and_meshes_leave_nothing_on_a_full_disk(tmp_path, make_people, full_disk) -> None:
    from icl_mesh.geometry.camera import Camera

    people = make_people([[0, 0, 3.0]], Camera.assumed(64, 48, 60.0), vertices=True)
    for write in (people.save_npz, people.save_json, people.save_glb, people.save_ply):
        with pytest.raises(OSError, match="No space left"):
            write(tmp_path / "people")
    assert list(tmp_path.iterdir()) == []


def test_a_link_stays_a_link(tmp_path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "link").symlink_to("file")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_bytes() == b"new"


def test_a_pipe_is_written_to_and_not_replaced(tmp_path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(path.read_bytes()))
    reader.start()
    write_atomically(path, b"data")
    reader.join(5)
    assert found == [b"data"]
    assert path.is_fifo()


def test_a_name_as_long_as_the_disk_allows(tmp_path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"data")
    assert path.read_bytes() == b"data"
