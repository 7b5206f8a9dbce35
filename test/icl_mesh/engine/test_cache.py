"""The cache: damaged, endless, or foreign files are not used."""

import os
import threading

import pytest

from icl_mesh.engine import cache as cache_module
from icl_mesh.engine import create_engine
from icl_mesh.engine.cache import read_cached, write_cached
from icl_mesh.engine.choose import map_difference

SIZE = 64  # of the fixture images
DATA = b"a converted network"


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr(cache_module, "_said", set())


@pytest.fixture
def kept(cache):
    """A cached file."""
    write_cached("a.onnx", DATA)
    assert read_cached("a.onnx") == DATA
    return cache / "a.onnx"


@pytest.mark.slow
def test_a_flipped_bit_anywhere_is_noticed_and_the_network_converted_anew(
    network, images, cache, caplog
) -> None:
    pytest.importorskip("openvino")
    pytest.importorskip("onnx")
    first = create_engine("openvino", network, "cpu", SIZE)(images)
    first = [values.clone() for values in first]
    files = sorted(cache.glob("*.onnx"))
    assert len(files) == 2
    for file in files:
        good = file.read_bytes()
        damaged = bytearray(good)
        damaged[len(good) // 2] ^= 64
        file.write_bytes(damaged)
        caplog.clear()
        again = create_engine("openvino", network, "cpu", SIZE)(images)
        assert map_difference(again, first) < 1e-6
        assert f"{file} in the cache does not have the SHA-256 beside it" in caplog.text
        assert file.read_bytes() != damaged


@pytest.mark.parametrize("place", [0, 7, -1])
def test_each_byte_counts(kept, place) -> None:
    damaged = bytearray(DATA)
    damaged[place] ^= 1
    kept.write_bytes(damaged)
    assert read_cached("a.onnx") is None
    kept.write_bytes(DATA)
    assert read_cached("a.onnx") == DATA


def test_a_file_without_its_checksum_or_cut_is_made_anew(kept) -> None:
    kept.write_bytes(DATA[:-1])
    assert read_cached("a.onnx") is None
    kept.write_bytes(DATA)
    (kept.parent / "a.onnx.sha256").unlink()
    assert read_cached("a.onnx") is None


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_that_others_can_write_is_not_used_and_that_is_said_once(
    kept, mode, caplog
) -> None:
    kept.parent.chmod(mode)
    for _ in range(2):
        assert read_cached("a.onnx") is None
        write_cached("b.onnx", DATA)
    assert not (kept.parent / "b.onnx").exists()
    assert caplog.text.count("can be written by other users") == 1
    assert f"(mode {mode:o}), so it is not used" in caplog.text
    assert "set ICL_MESH_CACHE to a folder of your own" in caplog.text


def test_a_file_that_others_can_write_is_not_used(kept, caplog) -> None:
    kept.chmod(0o666)
    assert read_cached("a.onnx") is None
    assert "a.onnx in the cache can be written by other users (mode 666)" in caplog.text


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_and_folders_of_another_user_are_not_used(kept, caplog) -> None:
    os.chown(kept, 12345, 12345)
    assert read_cached("a.onnx") is None
    assert "a.onnx in the cache belongs to user 12345" in caplog.text
    os.chown(kept, 0, 0)
    os.chown(kept.parent, 12345, 12345)
    assert read_cached("a.onnx") is None
    assert f"the cache folder {kept.parent} belongs to user 12345" in caplog.text


def test_a_pipe_a_link_and_endless_files_do_not_hang(kept) -> None:
    results = []

    def read() -> None:
        results.append(read_cached("a.onnx", 1000))

    def make_fifo() -> None:
        os.mkfifo(kept)

    def make_endless() -> None:
        with kept.open("wb") as file:
            file.truncate(1 << 40)  # sparse

    for make in (make_fifo, lambda: kept.symlink_to("/dev/zero"), make_endless, kept.mkdir):
        kept.unlink()
        make()
        thread = threading.Thread(target=read, daemon=True)
        thread.start()
        thread.join(10)
        assert not thread.is_alive()
    assert results == [None] * 4


def test_a_user_without_a_home(monkeypatch) -> None:
    monkeypatch.delenv("ICL_MESH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(cache_module.Path, "home", nobody)
    assert cache_module.cache_folder().name == f"icl_mesh_{os.geteuid()}"


def test_a_new_cache_belongs_to_its_user_alone(kept) -> None:
    assert kept.parent.stat().st_mode & 0o777 == 0o700
