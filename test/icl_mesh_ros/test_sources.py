"""camera_node's sources on small files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from icl_mesh_ros.sources import open_source


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
    assert source.read() is None


def test_a_broken_photo_costs_only_itself(tmp_path):
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


def test_a_webcam_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="webcam '97' cannot be opened"):
        open_source("97")
