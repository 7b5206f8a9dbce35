"""camera_node's sources on small files."""

from __future__ import annotations

import os
import struct

import cv2
import numpy as np
import pytest
from videos import add, box, damage, write_varying, write_video

from icl_mesh_ros.inputs import live_source
from icl_mesh_ros.inputs.live_source import FIRST_PAUSE_S, LONGEST_PAUSE_S, LiveSource
from icl_mesh_ros.inputs.sources import open_source


def write_photo(path, value: int, size=(32, 24)) -> None:
    image = np.full((size[1], size[0], 3), (0, 0, value), dtype=np.uint8)  # BGR: red
    assert cv2.imwrite(str(path), image)


def test_a_folder_gives_its_photos_in_natural_order_as_rgb(tmp_path):
    for number in (10, 9, 100):
        write_photo(tmp_path / f"frame{number}.png", number)
    (tmp_path / "notes.txt").write_text("not a photo")
    source = open_source(str(tmp_path))
    values = []
    while (image := source.read()) is not None:
        assert image.shape == (24, 32, 3)
        assert image[0, 0, 1] == image[0, 0, 2] == 0
        values.append(int(image[0, 0, 0]))
    assert values == [9, 10, 100]
    assert source.is_file
    source.rewind()
    assert source.read()[0, 0, 0] == 9


def test_one_photo(tmp_path):
    write_photo(tmp_path / "a.PNG", 5)
    source = open_source(str(tmp_path / "a.PNG"))
    assert source.read()[0, 0, 0] == 5
    assert not source.ended
    assert source.read() is None
    assert source.ended
    assert source.losses() == ""


def test_after_a_broken_photo_the_next_one_is_read(tmp_path):
    (tmp_path / "0.jpg").write_bytes(b"broken")
    write_photo(tmp_path / "1.png", 7)
    source = open_source(str(tmp_path))
    with pytest.raises(ValueError, match=r"0\.jpg: not an image that OpenCV can read"):
        source.read()
    assert source.read()[0, 0, 0] == 7


def test_a_video_names_its_rate_and_starts_again(tmp_path):
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.0, (64, 48))
    if not writer.isOpened():
        pytest.skip("this OpenCV cannot encode MJPG")
    for value in (50, 150, 250):
        writer.write(np.full((48, 64, 3), (0, 0, value), dtype=np.uint8))
    writer.release()
    source = open_source(str(path))
    assert source.native_rate == pytest.approx(12.0)
    first = source.read()
    assert first[24, 32] == pytest.approx(np.array([50, 0, 0]), abs=8)
    assert source.read() is not None
    assert source.read() is not None
    assert source.read() is None
    source.rewind()
    np.testing.assert_array_equal(source.read(), first)
    source.close()


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("missing.mp4", FileNotFoundError, "neither a webcam index nor an existing file or folder"),
        ("empty", ValueError, "holds no image"),
        ("broken.mp4", ValueError, "video .* cannot be opened"),
    ],
)
def test_sources_that_cannot_be_used_say_why(tmp_path, name, error, said):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(error, match=said):
        open_source(str(tmp_path / name))


def read_all(source) -> list[float]:
    times = []
    while source.read() is not None:
        times.append(source.time_s)
    return times


def test_a_video_gives_its_frames_own_times(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    times = write_varying(path)
    source = open_source(str(path))
    assert read_all(source) == pytest.approx(times, abs=2e-3)
    assert source.losses() == ""


def test_a_trimmed_video_has_no_lost_frames(tmp_path) -> None:
    """Phones keep the trimmed frames in the file, and hide them by an edit list."""
    path = tmp_path / "a.mp4"
    write_video(path)
    data = bytearray(path.read_bytes())
    delta = struct.unpack(">I", data[box(data, b"stts") + 12 :][:4])[0]
    add(data, box(data, b"elst") + 12, 15 * delta)  # it begins between two key frames
    path.write_bytes(data)
    source = open_source(str(path))
    assert len(read_all(source)) == 15
    assert source.losses() == ""
    start = box(data, b"mdat")
    middle = start + (data.index(b"moov") - start) * 2 // 3
    data[middle : middle + 12_000] = bytes(12_000)
    path.write_bytes(data)
    source = open_source(str(path))
    count = len(read_all(source))
    assert count < 15
    assert f"only {count} of " in source.losses()


def test_lost_frames_of_an_incomplete_download_are_counted(tmp_path) -> None:
    """Its index is at the start, as in files for the web."""
    path = tmp_path / "a.mp4"
    write_video(path)
    data = bytearray(path.read_bytes())
    moov, mdat = data.index(b"moov") - 4, data.index(b"mdat") - 4
    index = data[moov:]
    add(index, box(index, b"stco") + 8, len(index))
    assert struct.unpack(">I", index[box(index, b"stco") + 4 :][:4]) == (1,)
    whole = data[:mdat] + index + data[mdat:moov]
    path.write_bytes(whole)
    source = open_source(str(path))
    assert len(read_all(source)) == 30
    assert source.losses() == ""
    path.write_bytes(whole[: len(whole) * 2 // 3])
    source = open_source(str(path))
    count = len(read_all(source))
    assert 10 < count < 28
    assert f"only {count} of 30 frames" in source.losses()


@pytest.mark.parametrize(
    ("codec", "name"), [("mp4v", "a.mp4"), ("MJPG", "a.avi"), ("VP80", "a.webm")]
)
def test_a_whole_video_has_no_lost_frames(tmp_path, codec, name) -> None:
    write_video(tmp_path / name, codec=codec)
    source = open_source(str(tmp_path / name))
    for _ in range(2):
        assert read_all(source) == pytest.approx([0.1 * i for i in range(30)], abs=2e-3)
        assert source.losses() == ""
        source.rewind()


def test_damaged_frames_in_the_middle_are_skipped_and_counted(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path)
    damage(path)
    source = open_source(str(path))
    times = read_all(source)
    assert 15 < len(times) < 30
    assert times[-1] > 2.0  # after the damage
    assert (
        f"only {len(times)} of 30 frames of '{path}' could be read: it is damaged"
        in source.losses()
    )


@pytest.mark.parametrize(("codec", "name"), [("MJPG", "a.avi"), ("VP80", "a.webm")])
def test_lost_frames_of_a_truncated_video_are_counted(tmp_path, codec, name) -> None:
    path = tmp_path / name
    write_video(path, count=60, codec=codec)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_source(str(path))
    count = len(read_all(source))
    assert 10 < count < 40
    assert f"only {count} of " in source.losses()


def test_an_undecodable_video_has_lost_all_frames(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path)
    data = bytearray(path.read_bytes())
    start, end = box(data, b"mdat"), data.index(b"moov") - 4
    data[start:end] = b"\xff" * (end - start)
    path.write_bytes(data)
    source = open_source(str(path))
    count = len(read_all(source))
    assert count < 30
    assert f"only {count} of 30 frames" in source.losses()


def test_an_mp4_without_index_says_how_to_recover_it(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    write_video(path)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov") - 4])
    with pytest.raises(ValueError, match=r"no index \(moov\).*cut off: `untrunc GOOD.mp4"):
        open_source(str(path))


@pytest.mark.parametrize("form", ["file://{}", "file:{}", "file://localhost{}"])
def test_a_file_given_as_an_address_ends(tmp_path, form) -> None:
    path = tmp_path / "a b.avi"
    write_video(path, count=3, codec="MJPG")
    for name in (path, str(path).replace(" ", "%20")):
        source = open_source(form.format(name))
        assert source.is_file
        assert len(read_all(source)) == 3
        assert source.ended


class Camera:
    """A stand-in for cv2.VideoCapture: `there` says whether the device is plugged in."""

    there = True
    opened = 0

    def __init__(self, _where) -> None:
        type(self).opened += 1

    def isOpened(self) -> bool:  # noqa: N802
        return self.there

    def read(self):
        return (True, np.zeros((4, 6, 3), np.uint8)) if self.there else (False, None)

    def get(self, _property) -> float:
        return 25.0

    def release(self) -> None:
        pass


def test_a_dropped_camera_is_reopened_with_growing_pauses(monkeypatch) -> None:
    monkeypatch.setattr(live_source.cv2, "VideoCapture", Camera)
    now = 0.0
    source = LiveSource("rtsp://user:secret@robot/cam", clock=lambda: now)
    assert source.read().shape == (4, 6, 3)
    assert source.trouble == ""
    monkeypatch.setattr(Camera, "there", False)
    Camera.opened = 0
    tries, troubles = [], set()
    while now < 200:
        before = Camera.opened
        assert source.read() is None
        troubles.add(source.trouble)
        if Camera.opened > before:
            tries.append(now)
        now += 0.04
    pauses = np.diff([0, *tries])
    np.testing.assert_allclose(pauses[:6], [1, 2, 4, 8, 16, 30], atol=0.1)
    assert pauses.max() <= LONGEST_PAUSE_S + 0.1
    (trouble,) = troubles  # one sentence, without the password
    assert trouble.startswith("'rtsp://robot/cam' gives no frame: is it unplugged")
    assert not source.ended
    monkeypatch.setattr(Camera, "there", True)
    now += LONGEST_PAUSE_S
    assert source.read().shape == (4, 6, 3)
    assert source.trouble == ""
    # The pauses are short again.
    monkeypatch.setattr(Camera, "there", False)
    source.read()
    monkeypatch.setattr(Camera, "there", True)
    now += FIRST_PAUSE_S
    assert source.read() is not None


def test_photos_that_cannot_be_read_are_counted(tmp_path) -> None:
    write_photo(tmp_path / "a.png", 5)
    (tmp_path / "b.jpg").mkdir()
    (tmp_path / "c.jpg").symlink_to("gone")
    (tmp_path / "d.heic").write_bytes(b"no image")
    source = open_source(str(tmp_path))
    assert source.read() is not None
    for _ in range(3):
        with pytest.raises(ValueError, match=r"replace or remove it|HEIC is not read"):
            source.read()
    assert source.read() is None
    assert source.losses() == "only 1 of 4 images could be read: see the lines above"


def test_a_pipe_is_refused(tmp_path) -> None:
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"a\.mp4' is not a file"):
        open_source(str(tmp_path / "a.mp4"))


def test_a_missing_webcam_is_named():
    with pytest.raises(ValueError, match="webcam '97' cannot be opened"):
        open_source("97")
