"""`icl-mesh bag` on bags that rosbags wrote: both storages, calibration, stamps, bad images."""

from __future__ import annotations

import numpy as np
import pytest

from icl_mesh.cli.main import main
from icl_mesh.formats.human import ASSUMED_FOCAL, CAMERA_INFO

SIZE = (64, 48)
#: As the fixture write_bag has them.
TAKEN_NS = [10**18 + i * 10**8 for i in range(4)]
LATE_NS = 5_000_000


@pytest.mark.slow
@pytest.mark.parametrize(("storage", "suffix"), [("SQLITE3", ".db3"), ("MCAP", ".mcap")])
def test_people_under_the_images_own_stamps(
    write_bag, read, weights, tmp_path, capsys, storage, suffix
):
    bag, out = write_bag(storage), tmp_path / "out"
    assert main(["bag", str(bag), str(out), "--weights", str(weights)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("4 images, ")
    assert "image" in captured.err  # the progress bar
    assert [path.suffix for path in out.iterdir() if path.suffix != ".yaml"] == [suffix]
    found = read(out)
    assert set(found) == {"/humans", "/humans/body_model"}
    times, messages = zip(*found["/humans"], strict=True)
    assert list(times) == [taken + LATE_NS for taken in TAKEN_NS]
    stamps = [m.header.stamp.sec * 10**9 + m.header.stamp.nanosec for m in messages]
    assert stamps == TAKEN_NS
    assert {m.header.frame_id for m in messages} == {"optical"}
    assert {(m.image_width, m.image_height) for m in messages} == {SIZE}
    humans = [human for message in messages for human in message.humans]
    assert humans
    # The calibration in the bag is used, also for the image that was recorded before it.
    assert {human.distance_source for human in humans} == {CAMERA_INFO}
    (_, body), *more = found["/humans/body_model"]
    assert not more
    assert (body.name, body.weights_version) == (
        messages[0].body_model,
        messages[0].weights_version,
    )
    assert len(body.faces) % 3 == 0


@pytest.mark.slow
def test_the_focal_length_in_the_bag_sets_the_distance(write_bag, read, weights, tmp_path):
    """Pinhole: with twice the focal length, the same image shows twice the distance."""
    distances = []
    for focal in (80.0, 160.0):
        out = tmp_path / f"out{focal}"
        bag = write_bag(focal=focal, name=f"in{focal}")
        assert main(["bag", str(bag), str(out), "--weights", str(weights)]) == 0
        distances.append([h.joints[2] for h in read(out)["/humans"][0][1].humans])
    near, far = map(np.array, distances)
    assert len(near) >= 1
    np.testing.assert_allclose(far / near, 2.0, rtol=0.1)


@pytest.mark.slow
def test_without_calibration_distances_are_marked(write_bag, read, weights, tmp_path, capsys):
    bag, out = write_bag(focal=None), tmp_path / "out"
    assert main(["bag", str(bag), str(out), "--weights", str(weights), "--vertices"]) == 0
    assert capsys.readouterr().err.count("no CameraInfo on '/camera/camera_info'") == 1
    humans = [human for _, message in read(out)["/humans"] for human in message.humans]
    assert {human.distance_source for human in humans} == {ASSUMED_FOCAL}
    vertex_count = read(out)["/humans/body_model"][0][1].vertex_count
    assert {len(human.vertices) for human in humans} == {3 * vertex_count}


def test_a_calibration_that_cannot_be_true_is_said_once(write_bag, read, weights, tmp_path, capsys):
    """P, which --rectified uses, is the identity in these bags."""
    bag, out = write_bag(), tmp_path / "out"
    assert main(["bag", str(bag), str(out), "--weights", str(weights), "--rectified"]) == 0
    said = capsys.readouterr().err
    assert said.count("P of the CameraInfo on '/camera/camera_info' cannot be true") == 1
    humans = [human for _, message in read(out)["/humans"] for human in message.humans]
    assert {human.distance_source for human in humans} == {ASSUMED_FOCAL}


def test_a_broken_image_costs_only_itself(write_bag, raw, weights, tmp_path, capsys):
    bag = write_bag(encodings=("rgb8", "smoke", "rgb8", "cut off"))
    out = tmp_path / "deep" / "out"
    command = ["bag", str(bag / "in.db3"), str(out), "--weights", str(weights), "--copy"]
    assert main([*command, "--storage", "mcap"]) == 1
    captured = capsys.readouterr()
    assert "image on '/camera/image_raw' has encoding 'smoke'" in captured.err
    said = "the message on '/camera/image_raw' at 1000000000.305 s, of 40 bytes, is damaged"
    assert said in captured.err
    assert "2 images failed" in captured.out
    # --copy: the input is there too, byte for byte.
    copied, given = raw(out), raw(bag)
    assert len(copied["/humans"]) == 2
    assert {topic: copied[topic] for topic in given} == given
    assert len(given["/camera/image_raw"]) == len(given["/camera/camera_info"]) == 4

    # People that are in the bag already would lie among the new ones.
    assert main([*command[:1], str(out), str(tmp_path / "again"), *command[3:]]) == 2
    assert "has /humans and /humans/body_model already" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


def test_what_is_odd_about_many_images_is_said_once(write_bag, weights, tmp_path, capsys):
    """By kind: a driver that counts in frame_id, and encodings that are none, of any length."""
    bag = write_bag(
        encodings=("rgb8", "smoke\nand" * 999, "mirrors" * 999, "rgb8"), frames=("1", "2", "3", "4")
    )
    assert main(["bag", str(bag), str(tmp_path / "out"), "--weights", str(weights)]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("has encoding '") == 1
    assert r"has encoding 'smoke\nandsmoke" in captured.err
    assert captured.err.count("change between frames '1' and '4': do several cameras publish") == 1
    assert "start afresh" not in captured.err  # the calibration is the same
    assert "2 images failed" in captured.out


def test_what_cannot_be_done_is_one_line(write_bag, weights, tmp_path, capsys):
    bag, out, broken = write_bag(), tmp_path / "out", tmp_path / "broken.mcap"
    broken.write_bytes(b"not a bag")
    (tmp_path / "empty").mkdir()
    for arguments, said in (
        ([tmp_path / "none", out], "no such bag"),
        ([bag, bag], "exists already: choose another name"),
        ([bag, out, "--image-topic", "/other"], "'/other' is not one"),
        ([tmp_path / "empty", out], "is no rosbag2: it has no metadata.yaml"),
        ([broken, out], "not a bag that rosbags can read"),
    ):
        assert main(["bag", *map(str, arguments), "--weights", str(weights)]) == 2
        error = capsys.readouterr().err
        assert error.startswith("icl-mesh: error: ")
        assert said in error
        assert not out.exists()
