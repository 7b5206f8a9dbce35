"""Recipes, objective and the training loop, on scenes small enough for seconds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from icl_mesh.body import BodyModel
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.rotation import sixd_from_matrix
from icl_mesh.network import NetworkMaps, build_network, cell_from_square
from icl_mesh.weights import load_weights
from icl_mesh_training.cli.main import main
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import collate
from icl_mesh_training.data.scene_folder import SceneFolder, images_to_input
from icl_mesh_training.losses.objective import PAPER_WEIGHTS, Objective, ObjectiveConfig
from icl_mesh_training.losses.pose_prior import PosePrior
from icl_mesh_training.losses.targets import make_targets
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.module import TrainingModule
from icl_mesh_training.training.train import train

RECIPES = sorted((Path(__file__).parents[3] / "config" / "training").glob("*.yaml"))


def tiny(scenes: Path, output: Path, **changes: object) -> TrainingConfig:
    entries = {
        "scenes": str(scenes),
        "output": str(output),
        "head_width": 0.125,
        "input_size": 64,
        "batch_size": 4,
        "steps": 3,
        "workers": 0,
        "precision": "32-true",
        "neighbours": 1,
    }
    return TrainingConfig(**(entries | changes))  # type: ignore[arg-type]


def test_true_maps_have_no_parameter_loss(scenes: Path) -> None:
    folder = SceneFolder(scenes, 128, AugmentationConfig.none())
    batch = collate([folder[0, index] for index in range(len(folder))])
    targets = make_targets(batch, 16)
    people = batch.select(targets.kept)
    network, body = build_network("mobilenet_v2", head_width=0.125), BodyModel.load()
    maps = network(images_to_input(batch.images))
    smpl, camera = maps.smpl.detach().clone(), maps.camera.detach().clone()
    cells = cell_from_square(targets.center[targets.kept], 16)
    taken = set()
    for person, (image, (x, y)) in enumerate(zip(people.image_index, cells, strict=True)):
        taken.add((int(image), int(x), int(y)))
        six = sixd_from_matrix(people.rotations[person, :22]).flatten()
        smpl[image, :, y, x] = torch.cat((six, people.betas[person]))
        scale, tx, ty = people.weak_camera[person]
        camera[image, :, y, x] = torch.stack((scale.log() / torch.tensor(1.1).log(), tx, ty))
    assert len(taken) == len(people.betas) > 4  # no two people share a cell in these scenes
    maps = NetworkMaps(
        targets.center_heatmap, targets.joint_heatmaps, camera, maps[3], maps[4], smpl
    )
    _, terms = Objective(body, ObjectiveConfig())(network, maps, batch)
    for name in ("joints_3d", "joints_3d_aligned", "joints_2d", "camera", "shape"):
        assert terms[name].item() < 2e-3, name
    # Hands are not regressed: scenes may turn them, the loss must not count that.
    assert terms["pose"].item() < 2e-3


def test_every_weighted_term_reaches_the_network(scenes: Path) -> None:
    folder = SceneFolder(scenes, 64, AugmentationConfig.none())
    batch = collate([folder[0, index] for index in range(4)])
    network = build_network("mobilenet_v2", head_width=0.125)
    objective = Objective(BodyModel.load(), ObjectiveConfig({"camera": 100.0}))
    total, terms = objective(network, network(images_to_input(batch.images)), batch)
    assert set(terms) == set(PAPER_WEIGHTS)
    total.backward()
    missing = [name for name, p in network.named_parameters() if p.grad is None]
    assert missing == []


def test_people_without_3d_labels_get_only_2d(scenes: Path) -> None:
    folder = SceneFolder(scenes, 64, AugmentationConfig.none())
    batch = collate([folder[0, index] for index in range(4)])
    for name in ("has_pose", "has_shape", "has_joints_3d", "has_camera"):
        getattr(batch, name)[:] = False
    network = build_network("mobilenet_v2", head_width=0.125).eval()
    objective, maps = (
        Objective(BodyModel.load(), ObjectiveConfig()),
        network(images_to_input(batch.images)),
    )
    _, terms = objective(network, maps, batch)
    _, altered = objective(
        network,
        maps,
        replace(
            batch,
            rotations=torch.zeros_like(batch.rotations),
            betas=batch.betas + 5,
            joints_3d=batch.joints_3d + torch.rand_like(batch.joints_3d),
            weak_camera=torch.zeros_like(batch.weak_camera),
        ),
    )
    assert terms == altered
    for name in ("pose", "joints_3d", "joints_3d_aligned", "camera"):
        assert terms[name].item() == 0, name
    # Supplementary, Table 2: the others are always active; shape falls back to its prior.
    for name in ("joints_2d", "pose_prior", "shape", "center_heatmap", "joint_heatmap", "pull"):
        assert terms[name].item() > 0, name


@pytest.mark.slow
def test_training_resumes_and_its_weights_load(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(tiny(scenes, tmp_path, steps=2))
    assert tmp_path.name not in capsys.readouterr().out
    weights = train(tiny(scenes, tmp_path, steps=4))
    assert "goes on from step 2; of its recipe these are new: steps\n" in capsys.readouterr().out
    assert train(tiny(scenes, tmp_path, steps=4)) == weights
    assert "finished before, at step 4: nothing is trained" in capsys.readouterr().out
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert state["global_step"] == 4
    estimator = Estimator.load(weights)
    assert estimator.input_size == 64
    assert estimator.metadata["architecture"] == "mobilenet_v2"


@pytest.mark.slow
def test_weights_are_the_moving_average_of_the_steps(
    scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[dict[str, torch.Tensor]] = []

    def keep(module: TrainingModule, *_: object) -> None:
        steps.append({k: v.detach().clone() for k, v in module.network.named_parameters()})

    monkeypatch.setattr(TrainingModule, "on_train_batch_end", keep)
    weights = train(tiny(scenes, tmp_path, steps=3, warmup_steps=0, ema_decay=0.75))
    assert len(steps) == 3
    for name, value in load_weights(weights)[0].named_parameters():
        first, second, third = (step[name] for step in steps)
        average = 0.75 * (0.75 * first + 0.25 * second) + 0.25 * third
        torch.testing.assert_close(value, average, rtol=1e-4, atol=1e-6, msg=name)
    assert any((steps[2][name] - steps[0][name]).abs().max() > 1e-4 for name in steps[0])


def test_empty_images_train_the_maps(scenes: Path) -> None:
    folder = SceneFolder(scenes, 64, AugmentationConfig.none())
    batch = collate([folder[0, 0]])
    batch = batch.select(torch.zeros(len(batch.betas), dtype=torch.bool))
    network = build_network("mobilenet_v2", head_width=0.125).eval()
    objective = Objective(BodyModel.load(), ObjectiveConfig(neighbours=2))
    total, _ = objective(network, network(images_to_input(batch.images)), batch)
    total.backward()
    assert torch.isfinite(total)


def test_prior_prefers_a_standing_body_to_a_broken_one() -> None:
    prior = PosePrior.load()
    rest = torch.eye(3).expand(1, 24, 3, 3).clone()
    broken = rest.clone()
    broken[0, 4] = torch.tensor([[1.0, 0, 0], [0, -1, 0.0], [0, 0, -1]])  # knee turned by 180
    assert prior(rest) < 1 < prior(broken)


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes_are_valid(path: Path) -> None:
    TrainingConfig.load(path)


def test_a_wrong_recipe_lists_all_its_errors(tmp_path: Path) -> None:
    recipe = tmp_path / "wrong.yaml"
    recipe.write_text(
        "scenes: a\nepoch: 3\narchitecture: vgg\ninput_size: 100\nsteps: many\n"
        "weights: {pushy: 1.0}\ndata: [{name: h36n, root: x}, {name: coco, split: trane}, "
        "{name: generated, root: x}, {name: shards, root: x, augmentation: {person: 0.5}}]\n"
        "augmentation: {flip: 1.5, zoom: [2, 1], crop: often, roll_deg: 40}\n"
    )
    with pytest.raises(ValueError, match=r"wrong\.yaml") as error:
        TrainingConfig.load(recipe)
    text = str(error.value)
    for part in (
        *("'epoch'", "'output' is missing", "vgg", "100", "'steps'", "'pushy'"),
        *(
            "'data' 1: unknown data set 'h36n'; known are scenes, shards, generated, h36m",
            "'data' 2 (coco): 'root' is missing",
        ),
        *("coco has no split 'trane'", "'data' 3 (generated): unknown entry 'root'"),
        "'data' 4: 'person' in 'augmentation' must be two numbers above 0, the smaller first",
        *("'flip' in 'augmentation' must be a number in [0, 1], got 1.5", "'zoom' in", "'crop' in"),
    ):
        assert part in text


def test_commands_answer_bad_input_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", str(tmp_path / "none.yaml")]) == 1
    assert main(["evaluate"]) == 1
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 2
    assert "no such recipe" in errors[0]
    assert "nothing to evaluate on" in errors[1]
