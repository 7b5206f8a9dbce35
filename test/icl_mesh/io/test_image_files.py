"""An unreadable image is a ValueError with its path, for every fault."""

from __future__ import annotations

import os
import struct
import sys
import types
import zlib

import cv2
import numpy as np
import pytest

from icl_mesh.formats.image_decoding import rgb_from_compressed
from icl_mesh.io.images import find_images, read_image, read_images


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes with this size in its header."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [60_000, 20_000])
def test_too_large_a_header_is_refused_before_memory_is_allocated(tmp_path, side) -> None:
    (tmp_path / "bomb.png").write_bytes(bomb(side, side))
    with pytest.raises(ValueError, match=r"bomb\.png: .*promises more pixels than any camera has"):
        read_image(tmp_path / "bomb.png")
    message = types.SimpleNamespace(format="png", data=bomb(side, side))
    with pytest.raises(ValueError, match=r"'/c' .*cannot be decoded \(its header promises"):
        rgb_from_compressed(message, "/c")


def test_no_mutation_of_a_picture_raises_anything_but_value_errors(tmp_path) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (24, 32, 3), np.uint8)
    path = tmp_path / "a.png"
    for suffix in (".png", ".jpg", ".bmp", ".tiff", ".webp"):
        good = cv2.imencode(suffix, image)[1].ravel()
        for _ in range(60):
            data = good.copy()
            data[random.integers(0, min(len(data), 200), 4)] = random.integers(0, 256, 4)
            path.write_bytes(data[: random.integers(1, len(data) + 1)].tobytes())
            try:
                assert read_image(path).shape[2] == 3
            except ValueError as error:
                assert str(path) in str(error)


def test_pictures_that_are_no_files(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").mkdir()
    (tmp_path / "c.jpg").symlink_to("gone")
    with (tmp_path / "d.jpg").open("wb") as file:
        file.truncate(2**30 + 1)
    said = ("it is not a file", "it is a folder", "it is a link to 'gone'", "has more than")
    paths = find_images(tmp_path)
    assert len(paths) == 4
    for path, text in zip(paths, said, strict=True):
        with pytest.raises(ValueError, match=f"{path}: {text}"):
            read_image(path)


@pytest.mark.parametrize("name", ["a.avif", "a.jp2", "a.gif", "a.jfif", "a.JPE"])
def test_formats_that_opencv_or_pillow_reads(tmp_path, name) -> None:
    image_module = pytest.importorskip("PIL.Image")
    kind = {"jfif": "JPEG", "JPE": "JPEG", "jp2": "JPEG2000"}.get(name[2:], name[2:].upper())
    image_module.init()
    if kind not in image_module.SAVE:
        pytest.skip(f"this Pillow does not write {kind}")
    red = np.zeros((24, 32, 3), np.uint8)
    red[..., 0] = 200
    image_module.fromarray(red).save(tmp_path / name, kind)
    assert find_images(tmp_path) == [tmp_path / name]
    assert np.abs(read_image(tmp_path / name).astype(int) - red).max() < 6


def test_what_opencv_was_built_without_is_read_by_pillow(tmp_path, monkeypatch) -> None:
    image_module = pytest.importorskip("PIL.Image")
    red = np.full((24, 32, 3), (200, 0, 0), np.uint8)
    image_module.fromarray(red).save(tmp_path / "a.gif")
    monkeypatch.setattr(cv2, "imdecode", lambda *_: None)
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif"), red)


HEIC = struct.pack(">I", 24) + b"ftypheic" + bytes(100)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("IMG 1.HEIC", r"HEIC is not read here.*pip install pi-heif.*heif-convert 'IMG 1.HEIC'"),
        ("renamed.jpg", r"HEIC is not read here.*heif-convert 'renamed.jpg' 'renamed'.jpg"),
        ("a.dng", "DNG is not read here.*darktable-cli 'a.dng' 'a'.jpg"),
        ("a.jxl", "JXL is not read here.*djxl 'a.jxl' 'a'.png"),
    ],
)
def test_unread_formats_name_the_command_that_converts_them(
    tmp_path, monkeypatch, name, said
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    (tmp_path / name).write_bytes(HEIC)
    assert find_images(tmp_path) == [tmp_path / name]  # in a mixed folder too: not passed over
    with pytest.raises(ValueError, match=said):
        read_image(tmp_path / name)


def test_reading_several_images_skips_unreadable_ones(tmp_path, capsys) -> None:
    (tmp_path / "a.png").write_bytes(bomb(60_000, 60_000))
    cv2.imwrite(str(tmp_path / "b.png"), np.zeros((4, 6, 3), np.uint8))
    assert [image.shape for image in read_images(find_images(tmp_path))] == [(4, 6, 3)]
    assert f"left out: {tmp_path / 'a.png'}: " in capsys.readouterr().err
