"""A first stage without the SMPL branch: what it trains, what it leaves, how the second goes on."""

import csv
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from icl_mesh.body import BodyModel
from icl_mesh.network import build_network
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.cli.main import main
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.batch import collate
from icl_mesh_training.data.scene_folder import SceneFolder, images_to_input
from icl_mesh_training.losses.objective import PAPER_WEIGHTS, SMPL_TERMS, Objective, ObjectiveConfig
from icl_mesh_training.training.averaging import moving_average
from icl_mesh_training.training.checkpoints import read_checkpoint
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.recipes import find_recipe
from icl_mesh_training.training.resuming import changed_entries
from icl_mesh_training.training.train import train

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network whose batch norms have seen something."""
    torch.manual_seed(0)
    network = build_network("mobilenet_v2", head_width=0.125, smpl_width=0.25)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            module.num_batches_tracked.fill_(1237)
    path = tmp_path_factory.mktemp("start") / "start.safetensors"
    save_weights(path, network, {"input_size": 64, "body": "default", "name": "start"})
    return path


def stage(scenes: Path, output: Path, **changes: object) -> TrainingConfig:
    entries = {
        "scenes": str(scenes),
        "output": str(output),
        "head_width": 0.125,
        "input_size": 64,
        "batch_size": 4,
        "steps": 2,
        "warmup_steps": 0,
        "learning_rate": 0.01,
        "ema_decay": 0.9,
        "workers": 0,
        "precision": "32-true",
        "neighbours": 1,
        "log_steps": 1,
        "train_smpl": False,
        "weights": {"camera": 100.0, "pose": 240.0},  # pose: as in recipes that share weights
    }
    return TrainingConfig.checked(entries | changes, "test")


def test_without_the_branch_the_other_maps_and_terms_are_the_same(scenes: Path) -> None:
    folder = SceneFolder(scenes, 64, AugmentationConfig.none())
    batch = collate([folder[0, index] for index in range(4)])
    network = build_network("mobilenet_v2", head_width=0.125).eval()
    images = images_to_input(batch.images)
    whole, maps = network(images), network(images, smpl=False)
    assert maps.smpl.shape == (4, 0, 8, 8)
    for name, values in maps._asdict().items():
        if name != "smpl":
            assert torch.equal(values, getattr(whole, name)), name

    objective = Objective(BodyModel.load(), ObjectiveConfig({"camera": 100.0}, neighbours=2))
    torch.manual_seed(3)  # the same neighbours
    _, all_terms = objective(network, whole, batch)
    torch.manual_seed(3)
    total, terms = objective(network, maps, batch)
    assert set(terms) == set(PAPER_WEIGHTS) - set(SMPL_TERMS)
    assert terms == {name: all_terms[name] for name in terms}
    expected = sum(min(1000.0, term.item() * objective.weights[n]) for n, term in terms.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)
    # Everything else has a gradient: DDP waits for those that want one and get none.
    total.backward()
    missing = {name for name, p in network.named_parameters() if p.grad is None}
    assert missing == {n for n, _ in network.named_parameters() if n.startswith("smpl_branch.")}


@pytest.mark.slow
def test_first_stage_leaves_the_branch_and_the_second_goes_on(
    start: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps, poses = tmp_path / "maps", tmp_path / "poses"
    train(stage(scenes, maps, start=str(start)))
    assert "train_smpl is false: the SMPL branch is neither run" in capsys.readouterr().out
    weights = train(stage(scenes, maps, start=str(start), steps=4))
    said = capsys.readouterr().out
    assert "goes on from step 2; of its recipe these are new: steps\n" in said

    before, after = load_file(start), load_file(weights)
    checkpoint = read_checkpoint(maps / "last.ckpt")
    assert checkpoint["global_step"] == 4
    states = {"averaged": checkpoint["state_dict"], "last": checkpoint["current_model_state"]}
    branch = [name for name in before if name.startswith("smpl_branch.")]
    assert any("running_var" in name for name in branch)
    for name in branch:
        assert torch.equal(after[name], before[name]), name
        for kind, state in states.items():
            assert torch.equal(state[f"network.{name}"], before[name]), (kind, name)
    for part in (
        *("backbone.decoder.smooth.0.0", "backbone.b16.project", "center_branch.0"),
        *("joint_branch.3", "camera_branch.3", "center_instance_branch", "joint_projector.0"),
    ):
        changed = [n for n in before if n.startswith(part) and n.endswith("weight")]
        assert changed, part
        assert all((after[n] - before[n]).abs().max() > 1e-5 for n in changed), part

    (log,) = maps.glob("log/from_000002/metrics.csv")
    with log.open(encoding="utf-8") as file:
        columns = set(csv.DictReader(file).fieldnames or ())
    assert {"loss/camera", "loss/joint_heatmap", "loss/pull"} <= columns
    assert not columns & {f"loss/{name}" for name in SMPL_TERMS}

    exported = tmp_path / "mine.safetensors"
    assert main(["export", str(maps), "--out", str(exported)]) == 0
    assert all(torch.equal(load_file(exported)[name], before[name]) for name in branch)
    about = load_weights(exported)[1]["data"]
    assert about == "scenes 100%; 4 steps of 4; SMPL branch not trained; from start weights"

    with pytest.raises(ValueError, match=r"train_smpl cannot change within a run.*start=.*maps"):
        train(stage(scenes, maps, start=str(start), steps=5, train_smpl=True))
    second = load_file(train(stage(scenes, poses, start=str(weights), train_smpl=True)))
    assert [name for name in branch if torch.equal(second[name], after[name])] == []


def test_an_average_of_equal_weights_is_those_weights() -> None:
    average = moving_average(0.998)._kwargs["avg_fn"]
    values = torch.randn(10_000)
    counts = torch.arange(10_000)
    assert torch.equal(average(values, values, 1), values)
    assert torch.equal(average(counts, counts, 1).long(), counts)
    torch.testing.assert_close(average(torch.ones(1), torch.zeros(1), 1), torch.tensor([0.998]))


def test_a_run_older_than_an_entry_had_its_default(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    assert changed_entries(recipe, stage(tmp_path, tmp_path)) == []
    now = stage(tmp_path, tmp_path, train_smpl=True)
    entries = asdict(now)
    del entries["train_smpl"]
    recipe.write_text(yaml.safe_dump(entries | {"steps": 1, "gone": 3}))
    assert changed_entries(recipe, now) == ["steps"]
    assert changed_entries(recipe, stage(tmp_path, tmp_path)) == ["steps", "train_smpl"]


def test_train_smpl_is_yes_or_no(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'train_smpl' must be true or false, got 0"):
        stage(tmp_path, tmp_path, train_smpl=0)
    # Recipes share their weights; those of terms that a stage leaves out are without effect.
    assert stage(tmp_path, tmp_path).weights["pose"] == 240
    with pytest.raises(ValueError, match=r"unknown loss 'poze' in 'weights'"):
        stage(tmp_path, tmp_path, weights={"poze": 1.0})


def test_dry_run_says_what_a_stage_leaves_out(
    start: Path, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["finetune", "--weights", str(start), "--scenes", str(scenes), "--dry-run"]
    arguments += ["--out", str(tmp_path / "run"), "--set", "train_smpl=false", "batch_size=2"]
    assert main([*arguments, "precision=32-true", "workers=0"]) == 0
    plan = capsys.readouterr().out
    assert "train_smpl is false: the SMPL branch is neither run nor changed; terms" in plan
    _, step = plan.split("one step on")
    assert "camera" in step and "pull" in step
    assert not [name for name in SMPL_TERMS if f"  {name} " in step]


def test_the_second_imagenet_stage_takes_up_the_first() -> None:
    maps = TrainingConfig.load(find_recipe("imagenet_light_maps"))
    poses = TrainingConfig.load(find_recipe("imagenet_light"))
    assert (maps.train_smpl, poses.train_smpl) == (False, True)
    for name in ("architecture", "head_width", "smpl_width", "input_size", "neighbours"):
        assert getattr(maps, name) == getattr(poses, name), name
    for page in ("docs/training.md", "config/training/imagenet_light.yaml"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert f"start={maps.output}/weights.safetensors" in text, page
