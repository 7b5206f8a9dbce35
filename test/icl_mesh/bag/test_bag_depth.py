"""`icl-mesh bag --depth-topic`: matching of depth images, and measured distances."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from icl_mesh.cli.main import main
from icl_mesh.formats.human import CAMERA_INFO, DEPTH

SIZE = (64, 48)


class TwoMetresAway:
    """A fake estimator: one person in every image, 2 m away by size."""

    def __init__(self, make_people, body) -> None:
        self._make_people = make_people
        self.body, self.weights_version = body, "test"

    def __call__(self, _rgb, camera, *, vertices, threshold):
        return self._make_people([[0, 0, 2.0]], camera, vertices=vertices)


@pytest.fixture(autouse=True)
def estimator(monkeypatch, make_people, body) -> None:
    loader = SimpleNamespace(load=lambda *_options, refine: TwoMetresAway(make_people, body))
    monkeypatch.setattr("icl_mesh.bag.convert.Estimator", loader)


@pytest.mark.parametrize("storage", ["SQLITE3", "MCAP"])
def test_distances_from_the_depth_image_of_the_stamp(write_bag, read, tmp_path, capsys, storage):
    # Walls 10 ms off, one whose stamp is too far off, and one of another size.
    depths = ((0.01, 1.6, SIZE), (-0.01, 2.4, SIZE), (0.04, 1.6, SIZE), (0.0, 1.6, (32, 24)))
    bag = write_bag(storage, depths=depths)

    def people(name: str, *options: str) -> list:
        command = ["bag", str(bag), str(tmp_path / name), "--depth-topic", "/camera/depth"]
        assert main([*command, *options]) == 0
        return [message.humans[0] for _, message in read(tmp_path / name)["/humans"]]

    first, second, late, small = people("measured")
    captured = capsys.readouterr()
    # The wall is the front of the torso: the pelvis is in the body behind it.
    assert first.distance_source == second.distance_source == DEPTH
    assert 1.6 < first.joints[2] < 1.8
    assert 2.4 < second.joints[2] < 2.6
    assert late.distance_source == small.distance_source == CAMERA_INFO
    assert late.joints[2] == small.joints[2] == pytest.approx(2.0)
    assert captured.out.startswith("4 images, 4 people in them (2 with depth): written to")
    assert "no depth image on '/camera/depth' within 0.03 s" in captured.err
    assert "raise --depth-tolerance, or leave --depth-topic out" in captured.err
    assert "'/camera/depth' is 32x24, the image 64x48" in captured.err

    # With more tolerance the third one has its depth too; and meshes move with their people.
    late = people("tolerant", "--depth-tolerance", "0.06", "--vertices")[2]
    assert late.distance_source == DEPTH
    assert 1.6 < late.joints[2] < 1.8
    middle = np.median(np.array(late.vertices).reshape(-1, 3)[:, 2])
    assert middle == pytest.approx(late.joints[2], abs=0.1)


def test_depth_in_another_unit(write_bag, read, tmp_path, capsys):
    """Units of 0.25 mm: nobody is measured until the scale is set; the final message says why."""
    bag = write_bag(depths=((0.0, 4 * 1.9, SIZE),) * 4)
    command = ["bag", str(bag), str(tmp_path / "out"), "--depth-topic", "/camera/depth"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "4 people in them (nobody was measured in depth, because depth is 4" in said
    assert "is its unit right (--depth-scale)?" in said
    humans = [message.humans[0] for _, message in read(tmp_path / "out")["/humans"]]
    assert {human.distance_source for human in humans} == {CAMERA_INFO}
    command[2] = str(tmp_path / "scaled")
    assert main([*command, "--depth-scale", "0.25"]) == 0
    humans = [message.humans[0] for _, message in read(tmp_path / "scaled")["/humans"]]
    assert {human.distance_source for human in humans} == {DEPTH}
    assert 1.9 < humans[0].joints[2] < 2.1


def test_without_the_option_depth_images_are_left_alone(write_bag, read, tmp_path):
    bag, out = write_bag(depths=((0.0, 1.6, SIZE),) * 4), tmp_path / "out"
    assert main(["bag", str(bag), str(out)]) == 0
    humans = [message.humans[0] for _, message in read(out)["/humans"]]
    assert {human.distance_source for human in humans} == {CAMERA_INFO}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--depth-topic", "/depth"],
            "/camera/depth, /camera/image_raw; --depth-topic '/depth' is not one",
        ),
        (["--depth-tolerance", "-1"], "--depth-tolerance must lie between 0 and 1 s, got -1"),
        (["--depth-tolerance", "nan"], "--depth-tolerance must lie between 0 and 1 s, got nan"),
        (["--depth-scale", "0"], "--depth-scale must lie between 0.0001 and 10000, got 0"),
        (["--depth-scale", "nan"], "--depth-scale must lie between 0.0001 and 10000, got nan"),
    ],
)
def test_what_cannot_be_done_is_one_line(write_bag, tmp_path, capsys, options, said):
    bag, out = write_bag(depths=((0.0, 2.0, SIZE),) * 4), tmp_path / "out"
    assert main(["bag", str(bag), str(out), *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith("icl-mesh: error: ")
    assert said in error
    assert not out.exists()
