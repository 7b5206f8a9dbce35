"""The way to new weights: fine-tune, export, ablation, figures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from icl_mesh.estimator import Estimator
from icl_mesh.network import build_network
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.cli.main import main

SMALL = ("batch_size=2", "warmup_steps=1", "precision=32-true", "workers=0", "log_steps=1")


@pytest.fixture(scope="module")
def small_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained weights of a small network."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = build_network("mobilenet_v2", head_width=0.125)
    about = {"input_size": 64, "body": "default", "name": "small", "threshold": 0.4}
    save_weights(path, network, about)
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: three pictures with two labelled people each, in COCO's layout."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(3):
        name = f"{number}.jpg"
        picture = rng.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / "images" / name), picture)
        images.append({"id": number, "file_name": name, "width": 160, "height": 120})
        for left in (10, 90):
            points = rng.uniform((left, 10), (left + 50, 110), (17, 2))
            keypoints = [v for x, y in points.tolist() for v in (x, y, 2)]
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 1,
                    "bbox": [left, 10, 50, 100],
                    "keypoints": keypoints,
                    "num_keypoints": 17,
                    "area": 2500,
                    "iscrowd": 0,
                }
            )
    text = json.dumps({"images": images, "annotations": annotations})
    (folder / "person_keypoints.json").write_text(text)
    return folder


def test_a_threshold_and_frames_by_command(
    small_weights: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands from end to end, with untrained weights, whose figures mean nothing."""
    weights = ["--weights", str(small_weights), "--device", "cpu"]
    arguments = ["threshold", "--photos", str(photos), *weights, "--folds", "3"]
    assert main([*arguments, "--precision", "0"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["weights"].startswith("small-")
    assert result["threshold"] == 0.05 and len(result["folds"]) == 3
    assert result["all"]["people"] == 6
    assert main([*arguments, "--precision", "0.99"]) == 1
    assert "no threshold reaches a precision of 0.99" in capsys.readouterr().err
    names = ["left_hip", "right_hip", "left_shoulder", "right_shoulder"]
    frame = {"file_name": "images/0.jpg", "width": 160, "height": 120, "focal_px": 150}
    corners = [[50, 80], [40, 80], [52, 40], [38, 40]]
    frame |= {"joints_px": corners, "joints_m": [[x / 100, y / 100, 3] for x, y in corners]}
    (photos / "frames.json").write_text(json.dumps({"joints": names, "frames": [frame]}))
    out = tmp_path / "report"
    assert main(["evaluate", "--frames", str(photos), *weights, "--out", str(out)]) == 0
    figures = json.loads((out / "results.json").read_text())["frames"]
    assert figures["people"] == 1 and figures["frames"][0]["file_name"] == "0.jpg"
    assert "frames, one by one" in (out / "results.md").read_text()


@pytest.mark.slow
def test_finetune_evaluate_export(
    small_weights: Path,
    photos: Path,
    scenes: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    arguments = ["finetune", "--weights", str(small_weights), "--coco", str(photos)]
    arguments += ["--scenes", str(scenes), "--out", str(run), "--steps", "2", "--set", *SMALL]
    assert main([*arguments, "--dry-run"]) == 0
    plan = capsys.readouterr().out
    assert "coco (split folder" in plan and "start: " in plan
    assert main(arguments) == 0
    trained, metadata = load_weights(run / "weights.safetensors")
    assert metadata["data"] == "coco 50%, scenes 50%; 2 steps of 2; from small weights"
    assert metadata["threshold"] == 0.4  # the start's
    assert metadata["weights_version"].startswith("run-")
    start = load_weights(small_weights)[0].state_dict()
    moved = {k: (v - start[k]).abs().max().item() for k, v in trained.state_dict().items()}
    changed = {name for name, distance in moved.items() if distance > 1e-6}  # averaging rounds
    assert any(name.startswith("smpl_branch") for name in changed)
    frozen = [n for n in changed if "running" in n or n.startswith("backbone.stem")]
    assert frozen == []
    assert list((run / "tensorboard").rglob("events.out.*"))

    report = tmp_path / "report"
    weights = ["--weights", str(run / "weights.safetensors"), "--device", "cpu"]
    assert main(["evaluate", *weights, "--photos", str(photos), "--out", str(report)]) == 0
    out = tmp_path / "mine.safetensors"
    extra = ["--metrics", str(report / "results.json"), "--threshold", "0.3", "--half"]
    assert main(["export", str(run), "--out", str(out), "--licence", "MIT", *extra]) == 0
    estimator = Estimator.load(out, device="cpu")
    assert estimator.threshold == 0.3
    assert estimator.metadata["licence"] == "MIT"
    assert estimator.metadata["metrics"]["photos"]["people"] == 6
    assert len(estimator.metadata["sha256"]) == 64
    assert estimator.weights_version.startswith("mine-")


@pytest.mark.slow
def test_export_refuses_what_fails_its_smoke_test(
    small_weights: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = tmp_path / "run", tmp_path / "mine.safetensors"
    arguments = ["finetune", "--weights", str(small_weights), "--scenes", str(scenes)]
    assert main([*arguments, "--out", str(run), "--steps", "1", "--set", *SMALL]) == 0
    checkpoint = run / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    state["state_dict"]["network.center_branch.3.bias"][:] = 30.0  # people in every cell
    torch.save(state, checkpoint)
    # Equal neighbours are all peaks, and unlike each other they are no duplicates.
    state["state_dict"]["network.smpl_branch.merge.2.weight"].normal_(std=3)
    torch.save(state, checkpoint)
    capsys.readouterr()
    assert main(["export", str(run), "--out", str(out)]) == 1
    assert "smoke test: they find" in capsys.readouterr().err
    state["state_dict"]["network.smpl_branch.merge.2.bias"][5] = torch.nan
    torch.save(state, checkpoint)
    assert main(["export", str(run), "--out", str(out)]) == 1
    assert "NaN or infinite values (smpl_branch.merge.2.bias)" in capsys.readouterr().err
    checkpoint.write_bytes(b"cut off")
    assert main(["export", str(run), "--out", str(out)]) == 1
    assert "last.ckpt: not a checkpoint of a training" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "none"), "--out", str(out)]) == 1
    assert not list(tmp_path.glob("*.safetensors"))
    assert not list(tmp_path.glob(".*"))


def test_finetune_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["finetune", "--out", str(tmp_path)]) == 1
    assert main(["finetune", "--out", str(tmp_path), "--coco", str(tmp_path)]) == 1
    errors = capsys.readouterr().err
    assert "give --coco, --scenes or both" in errors
    assert f"{tmp_path / 'person_keypoints.json'}: no such file" in errors


@pytest.mark.slow
def test_ablation_makes_table_and_curve(
    small_weights: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"scenes: {scenes}\noutput: unused\nhead_width: 0.125\ninput_size: 64\nsteps: 2\n"
        "batch_size: 2\nwarmup_steps: 0\nworkers: 0\nprecision: 32-true\nlog_steps: 1\n"
    )
    out = tmp_path / "ablation"
    arguments = ["ablation", str(recipe), "--out", str(out), "--benchmark", str(scenes)]
    variants = ["full", "without_projector", "without_contrastive"]
    assert main([*arguments, "--variants", *variants, "--limit", "2"]) == 0
    table = capsys.readouterr().out
    for row in ("| full |", "| w/o projector |", "| w/o contrastive loss |", "2 steps of 2"):
        assert row in table, row
    record = json.loads((out / "ablation.json").read_text())
    assert record["steps"] == dict.fromkeys(variants, 2)
    assert (out / "contrastive.png").stat().st_size > 5000
    start = load_weights(small_weights)[0].state_dict()["center_projector.0.weight"]
    states = {
        name: torch.load(out / name / "last.ckpt", weights_only=True)["current_model_state"]
        for name in variants
    }
    assert set(states["full"]) == {
        f"network.{key}" for key in load_weights(small_weights)[0].state_dict()
    }
    assert start.shape == states["full"]["network.center_projector.0.weight"].shape
    # Without a loss on it the projector stays where the common seed put it, save for weight decay.
    projector = {n: s["network.center_projector.0.weight"] for n, s in states.items()}
    torch.testing.assert_close(
        projector["without_projector"], projector["without_contrastive"], atol=1e-6, rtol=1e-4
    )
    assert (projector["full"] - projector["without_projector"]).abs().max() > 1e-4
    assert main([*arguments, "--variants", "fool"]) == 1
    assert "unknown variants ['fool']; known are full, " in capsys.readouterr().err


@pytest.mark.slow
def test_heatmap_figure(small_weights: Path, scenes: Path, tmp_path: Path) -> None:
    picture = tmp_path / "heatmaps.png"
    weights = ["--weights", str(small_weights)]
    assert main(["plot", "heatmaps", str(scenes), *weights, "--out", str(picture)]) == 0
    assert cv2.imread(str(picture)).shape[1] > 800
    assert main(["plot", "heatmaps", str(scenes), "--index", "99", "--out", str(picture)]) == 1


def test_curves_of_a_run_that_was_resumed(tmp_path: Path) -> None:
    from icl_mesh_training.evaluation.plots import read_history

    for start, values in ((0, [4, 3, 9]), (2, [2, 1])):
        folder = tmp_path / "log" / f"from_{start:06d}"
        folder.mkdir(parents=True)
        rows = [f"{start + n},{v},{v / 2}" for n, v in enumerate(values)]
        (folder / "metrics.csv").write_text("step,loss,loss/push\n" + "\n".join(rows) + "\n")
    history = read_history(tmp_path)
    assert history["step"].tolist() == [0, 1, 2, 3]
    assert history["loss/push"].tolist() == [2, 1.5, 1, 0.5]


@pytest.mark.slow
def test_a_data_set_is_judged_like_the_same_photos(small_weights: Path, photos: Path) -> None:
    from icl_mesh_training.data.catalogue import read_dataset
    from icl_mesh_training.evaluation.evaluate import evaluate_dataset, truth_of_record
    from icl_mesh_training.evaluation.truth import truth_of_coco

    annotations = read_dataset("coco", photos, "folder")
    labels = json.loads((photos / "person_keypoints.json").read_text())["annotations"]
    for index in range(3):
        expected = truth_of_coco([a for a in labels if a["image_id"] == index])
        truth = truth_of_record(annotations, annotations[index], 160, 120)
        np.testing.assert_array_equal(truth.demanded, expected.demanded)
        np.testing.assert_allclose(truth.box_px, expected.box_px)
        np.testing.assert_allclose(truth.keypoints, expected.keypoints, atol=1e-4)
        # COCO's left shoulder is SMPL's joint 16; SMPL's pelvis is the centre of the hips.
        np.testing.assert_allclose(truth.points_px[:, 16], expected.points_px[:, 5], atol=1e-4)
        hips = expected.points_px[:, 11:13].mean(axis=1)
        np.testing.assert_allclose(truth.points_px[:, 0], hips, atol=1e-4)
        assert not truth.labelled_3d.any()  # type: ignore[union-attr]
    result = evaluate_dataset(Estimator.load(small_weights, device="cpu"), "coco", photos, "folder")
    assert (result["images"], result["people"]) == (3, 6)
    assert "mpjpe_mm" not in result
