"""Small videos for tests, and what is changed in an MP4 file."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest


def write_video(path, count: int = 30, codec: str = "mp4v", rate: float = 10.0) -> None:
    """A square on noise, which moves: every frame takes some bytes."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), rate, (160, 120))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV cannot encode {codec}")
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    for i in range(count):
        image = np.roll(noise, 2 * i, axis=1)
        image[20:60, 4 * i % 120 : 4 * i % 120 + 40] = 255
        writer.write(image)
    writer.release()


def box(data: bytes, name: bytes) -> int:
    """Where the content of a box of an MP4 file begins."""
    return data.index(name) + 4


def add(data: bytearray, at: int, number: int) -> None:
    """To a 32-bit number in an MP4 file."""
    data[at : at + 4] = struct.pack(">I", struct.unpack(">I", data[at : at + 4])[0] + number)


def write_varying(path) -> list[float]:
    """A video of 15 long frames and 15 short ones; returns their times, s.

    The table of durations (stts) of an MP4 file is made anew.
    """
    write_video(path)
    data = bytearray(path.read_bytes())
    at = box(data, b"stts")
    _flags, entries, count, delta = struct.unpack(">IIII", data[at : at + 16])
    assert (entries, count) == (1, 30)
    data[at : at + 16] = struct.pack(">IIIIII", 0, 2, 15, delta * 3 // 2, 15, delta // 2)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"):
        add(data, box(data, name) - 8, 8)
    assert data.index(b"moov") > data.index(b"mdat")  # so that no offset changes
    path.write_bytes(data)
    return [0.15 * i for i in range(15)] + [2.25 + 0.05 * i for i in range(15)]


def damage(path) -> None:
    """In the middle of an MP4 file's pictures."""
    data = bytearray(path.read_bytes())
    start = box(data, b"mdat")
    middle = start + (data.index(b"moov") - start) // 2
    data[middle : middle + 12_000] = bytes(12_000)
    path.write_bytes(data)
