"""16-bit images that use only 8 to 14 of their bits are scaled to the full brightness."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from icl_mesh.formats.image_decoding import rgb_from_compressed, rgb_from_image
from icl_mesh.formats.sample_bits import SampleBits

#: Of full scale, 0 to 1.
SHARES = np.linspace(0, 1, 24).reshape(4, 6)


def image(bits: int, brightness: float = 1.0, encoding: str = "mono16", big: int = 0):
    values = np.round(brightness * SHARES * ((1 << bits) - 1))
    channels = {"mono16": 1, "rgb16": 3, "rgba16": 4, "bayer_rggb16": 1}[encoding]
    pixels = np.repeat(values[..., None], channels, axis=2)
    if channels == 4:
        pixels[..., 3] = 65535  # opaque: alpha does not count
    data = pixels.astype(">u2" if big else "<u2").tobytes()
    return SimpleNamespace(
        width=6, height=4, encoding=encoding, step=12 * channels, is_bigendian=big, data=data
    )


@pytest.mark.parametrize("big", [0, 1])
@pytest.mark.parametrize("encoding", ["mono16", "rgb16", "rgba16", "bayer_rggb16"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_what_the_camera_calls_white_is_white(bits, encoding, big):
    stream = SampleBits()
    rgb = rgb_from_image(image(bits, encoding=encoding, big=big), "/cam", stream)
    if encoding != "bayer_rggb16":  # whose neighbours are mixed
        assert np.abs(rgb[..., 0] - 255 * SHARES).max() <= 1.01
    assert rgb.max() >= 150
    note = stream.take_note()
    if bits == 16:
        assert note == ""
    else:
        assert note.startswith(f"16-bit images on '/cam' hold nothing above {(1 << bits) - 1}: ")
        assert f"taken for {bits}-bit ones, and scaled; the camera driver should" in note
    assert stream.take_note() == ""  # once


def test_brightness_does_not_waver_and_each_change_is_said():
    stream, notes, brightest = SampleBits(), [], []
    for brightness in (0.0, 0.2, 0.9, 0.1, 1.0, 0.5):
        rgb = rgb_from_image(image(12, brightness), "/cam", stream)
        brightest.append(int(rgb.max()))
        notes.append(stream.take_note())
    assert stream.bits == 12
    assert brightest[0] == 0
    assert brightest[2:] == pytest.approx([230, 25, 255, 128], abs=1)
    assert [bool(note) for note in notes] == [False, True, True, False, False, False]
    assert notes[2].startswith("brighter than before: ")
    rgb_from_image(image(16), "/cam", stream)
    assert stream.take_note().endswith("fill their 16 bits: not scaled any more")


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_compressed_image_of_16_bits_likewise(bits):
    pixels = np.round(SHARES * ((1 << bits) - 1)).astype(np.uint16)
    for suffix in (".png", ".tiff"):
        data = cv2.imencode(suffix, pixels)[1].tobytes()
        stream = SampleBits()
        message = SimpleNamespace(format=f"mono16; {suffix[1:]} compressed", data=data)
        rgb = rgb_from_compressed(message, "/cam", stream)
        assert rgb.dtype == np.uint8
        assert np.abs(rgb[..., 1] - 255 * SHARES).max() <= 1.01
        assert bool(stream.take_note()) == (bits < 16)


def test_a_compressed_image_of_floats_is_bytes_as_before():
    data = cv2.imencode(".hdr", np.ones((4, 6, 3), np.float32))[1].tobytes()
    rgb = rgb_from_compressed(SimpleNamespace(format="hdr", data=data), "/cam")
    assert rgb.dtype == np.uint8
    assert (rgb == 255).all()
