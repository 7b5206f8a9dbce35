"""The command line with an untrained network."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import trimesh
from safetensors.torch import save_file

import icl_mesh
from icl_mesh.cli.main import main
from icl_mesh.cli.predict import output_names
from icl_mesh.engine import installed_engines
from icl_mesh.io.images import find_images, read_image
from icl_mesh.network import build_network
from icl_mesh.network.refinement import Refinement
from icl_mesh.people import People
from icl_mesh.weights import load_weights, save_weights


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Random weights that detect a person everywhere."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    network = build_network("mobilenet_v2", head_width=0.25)
    save_weights(path, network, {"input_size": 256, "body": "icl_default_body", "threshold": 0.05})
    return path


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    cv2.imwrite(str(path), image)
    return path


def predict(weights, source, out, *options):
    arguments = ["predict", str(source), "--out", str(out), "--weights", str(weights)]
    return main([*arguments, "--device", "cpu", *options])


def test_one_image(weights, photo, tmp_path, capsys) -> None:
    out = tmp_path / "new" / "folder"
    assert predict(weights, photo, out, "--no-overlay", "--json") == 0
    assert {item.name for item in out.iterdir()} == {"photo.npz", "photo.glb", "photo.json"}
    people = People.load_npz(out / "photo.npz")
    assert len(people) >= 1
    assert people.camera.focal_assumed
    assert people.camera.fx == pytest.approx(80 / np.tan(np.deg2rad(30)))
    assert people.vertices_m.shape[1] == people.body.vertex_count
    assert len(trimesh.load_scene(out / "photo.glb").geometry) == len(people)
    assert len(json.loads((out / "photo.json").read_text())["people"]) == len(people)
    text = capsys.readouterr().out
    assert re.search(rf"photo.jpg: {len(people)} people at .* m \(focal length assumed\)", text)


@pytest.mark.slow
def test_overlay_has_the_photos_size(weights, photo, tmp_path) -> None:
    pytest.importorskip("moderngl")
    from icl_mesh.rendering import Renderer, RenderingUnavailableError

    try:
        Renderer().release()
    except RenderingUnavailableError as error:
        pytest.skip(str(error))
    assert predict(weights, photo, tmp_path / "out", "--no-npz", "--no-glb") == 0
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["photo_overlay.png"]
    overlay, before = read_image(tmp_path / "out" / "photo_overlay.png"), read_image(photo)
    assert overlay.shape == before.shape
    assert (overlay != before).any()


def test_a_broken_image_is_named_and_the_others_are_processed(
    weights, photo, tmp_path, capsys
) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "empty.jpg").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not an image, not tried")
    photo.with_name("second.photo.png").write_bytes(
        cv2.imencode(".png", np.zeros((50, 40), np.uint8))[1].tobytes()
    )
    out = tmp_path / "out"
    assert predict(weights, tmp_path, out, "--no-overlay", "--no-glb") == 1
    assert {item.name for item in out.iterdir()} == {"photo.npz", "second.photo.npz"}
    streams = capsys.readouterr()
    for name in ("broken.png", "empty.jpg"):
        assert f"{tmp_path / name}: not an image that OpenCV can read" in streams.err
    assert f"2 of 4 images done, written to {out}" in streams.out


def test_nobody_gets_no_mesh_file(weights, photo, tmp_path, capsys) -> None:
    assert predict(weights, photo, tmp_path / "out", "--no-overlay", "--threshold", "0.999") == 0
    assert [item.name for item in (tmp_path / "out").iterdir()] == ["photo.npz"]
    assert "photo.jpg: nobody" in capsys.readouterr().out


def test_intrinsics(weights, photo, tmp_path) -> None:
    options = ("--fx", "150", "--fy", "151", "--cx", "70", "--no-overlay", "--no-glb")
    assert predict(weights, photo, tmp_path, *options) == 0
    camera = People.load_npz(tmp_path / "photo.npz").camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (150, 151, 70, 59.5)
    assert not camera.focal_assumed


@pytest.mark.slow
def test_intrinsics_are_for_one_image_size(weights, photo, tmp_path, capsys) -> None:
    cv2.imwrite(str(tmp_path / "zoom.png"), np.zeros((60, 80, 3), np.uint8))
    options = ("--fx", "150", "--no-overlay", "--no-glb")
    assert predict(weights, tmp_path, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'zoom.png'}: image is 80x60, but the intrinsics given are for" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--cx", "5"), "--cx needs --fx"),
        (("--fx", "500", "--fov-deg", "50"), "--fov-deg and --fx both say the focal length"),
        (("--fx", "-5"), "positive focal lengths, got fx=-5.0"),
        (("--fov-deg", "200"), r"fov_deg must lie in \[1, 179\], got 200"),
        (("--device", "tpu"), "device must be auto, cpu, cuda or cuda:N, got 'tpu'"),
        (("--engine", "onnx"), "engine must be auto or one of torch, .* got 'onnx'"),
        (("--weights", "/no/such/file"), "/no/such/file: no such weights file"),
        (("--body", "/no/such/file"), "/no/such/file"),
    ],
)
def test_wrong_options_stop_before_any_work(
    weights, photo, tmp_path, capsys, options, message
) -> None:
    assert predict(weights, photo, tmp_path / "out", "--no-overlay", *options) == 2
    error = capsys.readouterr().err
    assert error.startswith("icl-mesh: error: ")
    assert re.search(message, error)
    assert not (tmp_path / "out").exists()


def test_wrong_threshold_and_no_command_are_usage_errors(photo, tmp_path, capsys) -> None:
    for arguments in (["predict", str(photo), "--out", str(tmp_path), "--threshold", "2"], []):
        with pytest.raises(SystemExit, match="2"):
            main(arguments)
    assert "must lie in (0, 1], got '2'" in capsys.readouterr().err


def test_missing_and_empty_input(weights, tmp_path, capsys) -> None:
    assert predict(weights, tmp_path / "none", tmp_path, "--no-overlay") == 2
    assert f"{tmp_path / 'none'}: no such image or folder" in capsys.readouterr().err
    assert predict(weights, tmp_path, tmp_path, "--no-overlay") == 2
    assert f"{tmp_path}: no images here" in capsys.readouterr().err


def test_names_of_outputs_never_collide() -> None:
    paths = [Path("a/x.jpg"), Path("a/x.png"), Path("a/y.v2.png")]
    assert output_names(paths) == ["x_jpg", "x_png", "y.v2"]
    # The longer name of one is the stem of another; and some disks do not tell X from x.
    names = output_names([Path(name) for name in ("x.jpg", "x.png", "x_jpg.jpg", "x.jpg.png")])
    assert names == ["x.jpg_2", "x_png", "x_jpg", "x.jpg"]
    assert output_names([Path("A.jpg"), Path("a.png")]) == ["A_jpg", "a_png"]


@pytest.mark.slow
def test_every_image_has_its_own_results(weights, photo, tmp_path, capsys) -> None:
    for name in ("photo.png", "photo_jpg.bmp"):
        cv2.imwrite(str(tmp_path / name), cv2.imread(str(photo)))
    assert predict(weights, tmp_path, tmp_path / "out", "--no-overlay", "--no-glb") == 0
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert "3 of 3 images done" in capsys.readouterr().out


@pytest.mark.slow
def test_what_is_no_file_costs_only_itself(weights, photo, tmp_path, capsys) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "link.jpg").symlink_to("gone.jpg")
    assert predict(weights, tmp_path, tmp_path / "out", "--no-overlay", "--no-glb") == 1
    streams = capsys.readouterr()
    assert "1 of 4 images done" in streams.out
    for name, said in (
        ("pipe", "it is not a file"),
        ("folder", "it is a folder"),
        ("link", "it is a link to 'gone.jpg', which is not there"),
    ):
        assert f"{tmp_path / name}.jpg: {said}: replace or remove it" in streams.err


def test_an_overlay_never_overwrites_an_image(weights, photo, tmp_path, capsys) -> None:
    before = photo.with_name("photo_overlay.png")
    cv2.imwrite(str(before), np.zeros((8, 8, 3), np.uint8))
    data = before.read_bytes()
    assert predict(weights, tmp_path, tmp_path, "--no-npz") == 2
    assert f"{before} is among the images and would be overwritten" in capsys.readouterr().err
    assert before.read_bytes() == data


@pytest.mark.slow
def test_a_full_disk_leaves_no_cut_file(weights, photo, tmp_path, capsys, full_disk) -> None:
    out = tmp_path / "out"
    assert predict(weights, photo, out, "--no-overlay", "--json") == 1
    assert f"No space left on device: '{out / 'photo.npz'}'" in capsys.readouterr().err
    assert list(out.iterdir()) == []


@pytest.mark.slow
def test_names_and_metadata_of_others_stay_in_one_line(weights, photo, tmp_path, capsys) -> None:
    """Foreign weights: the file name and the metadata are printed on one line each."""
    state = {"x": torch.zeros(1)}
    bad = tmp_path / "bad\nname.safetensors"
    save_file(state, bad, {"format": "icl_mesh\n" + "9" * 5000})
    assert main(["predict", str(photo), "--out", str(tmp_path), "--weights", str(bad)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("icl-mesh: error: ")
    assert r"bad\nname.safetensors: " in error
    assert error.count("\n") == 1
    assert len(error) < 2000
    assert main(["info", "--weights", str(bad)]) == 1
    assert r"bad\nname.safetensors: " in capsys.readouterr().out
    broken = tmp_path / "folder" / "two\nlines.jpg"
    broken.parent.mkdir()
    broken.write_bytes(b"no picture")
    command = ["predict", str(broken.parent), "--out", str(tmp_path), "--weights", str(weights)]
    assert main(command) == 1
    assert r"two\nlines.jpg: " in capsys.readouterr().err


def test_images_are_found_by_suffix_in_order(tmp_path) -> None:
    for name in ("b.PNG", "a.jpeg", "c.txt", "d.jpg"):
        (tmp_path / name).touch()
    assert [path.name for path in find_images(tmp_path)] == ["a.jpeg", "b.PNG", "d.jpg"]


def test_images_are_read_as_rgb(tmp_path) -> None:
    path = tmp_path / "röt.png"
    red = np.zeros((4, 6, 3), np.uint8)
    red[..., 0] = 200
    path.write_bytes(cv2.imencode(".png", red[..., ::-1])[1].tobytes())
    np.testing.assert_array_equal(read_image(path), red)


def test_info(weights, capsys) -> None:
    assert main(["info", "--weights", str(weights), "--device", "cpu", "--engine", "torch"]) == 0
    text = capsys.readouterr().out
    rows = dict(re.findall(r"^ *([\w -]+): +(.*)$", text, flags=re.M))
    assert rows["icl_mesh"] == icl_mesh.__version__
    assert rows["torch"] == torch.__version__
    assert rows["device"].startswith("cpu (")
    assert rows["engine"] == "torch:f32"
    assert rows["engines installed"].split(", ") == list(installed_engines())
    assert rows["weights"] == str(weights)
    assert rows["architecture"] == "mobilenet_v2"
    assert rows["input_size"] == "256"
    assert re.match(r"mobilenet_v2-[0-9a-f]{12}$", rows["weights_version"])
    assert re.search(r"\d+ vertices, \d+ faces", rows["body"])


def test_info_names_the_second_stage(weights, tmp_path, capsys, monkeypatch) -> None:
    def second_stage(path: Path, *options: str, code: int = 0) -> str:
        command = ["info", "--weights", str(path), "--device", "cpu", "--engine", "torch"]
        assert main([*command, *options]) == code
        return re.search(r"^second stage: +(.*)$", capsys.readouterr().out, flags=re.M)[1]

    absent = "not in these weights: people are not refined"
    assert second_stage(weights) == second_stage(weights, "--refine", "off") == absent
    network, _ = load_weights(weights)
    network.refinement = Refinement()
    refining = tmp_path / "refining.safetensors"
    save_weights(refining, network, {"input_size": 256, "body": "icl_default_body"})
    assert re.fullmatch(
        r"movenet_thunder-[0-9a-f]{12} with torch:f32, \d+\.\d\d M parameters, "
        r"crops of 256 x 256 px",
        second_stage(refining),
    )
    assert second_stage(refining, "--refine", "off") == "off"
    lost = tmp_path / "lost.safetensors"
    monkeypatch.setattr("icl_mesh.keypoint_weights.default_keypoint_weights_path", lambda: lost)
    text = second_stage(refining, code=1)
    assert text.startswith(f"error: {lost}: no such file of keypoint weights")


def test_info_reports_what_is_missing_and_continues(tmp_path, capsys) -> None:
    assert main(["info", "--weights", str(tmp_path / "none"), "--device", "cpu"]) == 1
    text = capsys.readouterr().out
    assert re.search(r"^weights: +error: .*no such weights file", text, flags=re.M)
    assert re.search(r"^body: .*vertices", text, flags=re.M)


def test_version_is_the_ros_packages() -> None:
    manifest = Path(__file__).parents[3] / "package.xml"
    assert f"<version>{icl_mesh.__version__}</version>" in manifest.read_text()


@pytest.mark.slow
def test_as_a_module_in_its_own_process() -> None:
    command = [sys.executable, "-m", "icl_mesh", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"icl-mesh {icl_mesh.__version__}"
    command = [*command[:3], "info", "--device", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "icl-mesh: error: device must be auto, cpu, cuda or cuda:N, got 'x'"
    )


@pytest.mark.slow
def test_export_writes_onnx_and_checks_the_engines(
    weights, photo, tmp_path, capsys, monkeypatch
) -> None:
    onnx = pytest.importorskip("onnx")
    monkeypatch.setenv("ICL_MESH_CACHE", str(tmp_path / "cache"))
    out, report = tmp_path / "model.onnx", tmp_path / "report.json"
    arguments = ["export", "--weights", str(weights), "--device", "cpu", "--images", str(photo)]
    assert main([*arguments, "--out", str(out), "--json", str(report)]) == 0
    (images,) = onnx.load(out).graph.input
    shape = [d.dim_param or d.dim_value for d in images.type.tensor_type.shape.dim]
    assert shape == ["batch", 3, 256, 256]
    people = onnx.load(tmp_path / "model.people.onnx").graph
    channels = 48 + 2  # of this network's backbone, and its coordinates
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*people.input, *people.output)
    }
    assert shapes == {
        "features": ["people", 23, 23, channels],
        "center_hints": ["people", 65, 11, 11],
        "joint_hints": ["people", 88, 11, 11],
        "inside": ["people", 1, 11, 11],
        "smpl": ["people", 142],
    }
    second = onnx.load(tmp_path / "model.keypoints.onnx").graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*second.input, *second.output)
    }
    assert shapes["crops"] == ["people", 3, 256, 256]
    assert shapes["maps"][:2] == ["people", 86]
    rows = {row["engine"]: row for row in json.loads(report.read_text())["engines"]}
    assert {"torch:f32", "torch:bf16"} <= set(rows)
    assert rows["torch:f32"]["people"] > 0 and rows["torch:f32"]["joints_mm"] == [0, 0, 0]
    for engine, row in rows.items():
        if engine.endswith(":f32"):
            assert row["missing"] == row["added"] == 0 and row["joints_mm"][2] < 1
    text = capsys.readouterr().out
    assert f"Estimator.load uses them only as {weights.with_suffix('.onnx')}" in text
    assert main([*arguments, "--out", str(tmp_path / "model.pt")]) == 2
    assert "--out must name a file that ends in .onnx" in capsys.readouterr().err
