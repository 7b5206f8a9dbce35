"""The paper's recipe against its text, schedules by hand, switches that are off."""

from pathlib import Path

import lightning
import pytest
import torch
from lightning.pytorch.plugins.precision import MixedPrecision

from icl_mesh.body import BodyModel
from icl_mesh.network import build_network
from icl_mesh_training.data.catalogue import DATASETS
from icl_mesh_training.losses.objective import PAPER_WEIGHTS
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.module import TrainingModule, objective_config
from icl_mesh_training.training.recipes import find_recipe
from icl_mesh_training.training.schedule import Schedule


@pytest.mark.parametrize("name", ["paper_resnet50", "paper_hrnet_w32"])
def test_the_paper_recipe_is_the_papers(name: str) -> None:
    config = TrainingConfig.load(find_recipe(name))
    assert (config.optimizer, config.learning_rate, config.batch_size) == ("adam", 5e-5, 64)
    assert (config.schedule, config.decay_epochs, config.decay_factor) == ("step", [60, 80], 0.1)
    assert (config.gradient_clip, config.input_size, config.head_width) == (0.5, 512, 1.0)
    assert (config.ema_decay, config.weight_decay, config.warmup_steps) == (0, 0, 0)
    assert {e["name"]: e["probability"] for e in config.data} == {
        name: info.share for name, info in DATASETS.items() if info.share
    }
    crops = {e["name"]: e.get("augmentation", config.augmentation)["crop"] for e in config.data}
    three_d = ("h36m", "mpi_inf_3dhp", "muco")
    assert crops == {e["name"]: 0.4 if e["name"] in three_d else 0.1 for e in config.data}
    objective = objective_config(config)
    assert objective.weights == {} and objective.projector and objective.neighbours == 0
    assert all(PAPER_WEIGHTS[name] == 0 for name in ("camera", "cross_push", "infonce"))
    assert (PAPER_WEIGHTS["push"], PAPER_WEIGHTS["pull"]) == (50, 50)


def test_steps_and_decay_follow_the_epochs() -> None:
    config = TrainingConfig.load(find_recipe("paper_resnet50"), {"batch_size": 16})
    schedule = Schedule.of(config, images=6400, processes=4)
    assert schedule.steps_per_epoch == 100
    assert schedule.steps == 10_000
    rates = [schedule.rate(step) for step in (0, 5999, 6000, 7999, 8000, 9999)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_cosine_schedule_warms_up_and_ends_low() -> None:
    config = TrainingConfig.checked(
        {"output": "x", "scenes": "y", "steps": 110, "warmup_steps": 10}, "test"
    )
    schedule = Schedule.of(config, images=50, processes=1)
    rates = [schedule.rate(step) for step in (0, 9, 10, 60, 110)]
    assert rates == pytest.approx([0.1, 1, 1, 0.51, 0.02])


def test_an_unknown_recipe_names_those_that_there_are() -> None:
    with pytest.raises(FileNotFoundError, match=r"no recipe 'paper'; .*paper_resnet50"):
        find_recipe("paper")
    assert find_recipe(Path("config/training/x.yaml")).name == "x.yaml"


class OneWeight(lightning.LightningModule):
    """A loss whose gradient is 3."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
        return 3 * self.weight

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1.0)


def test_gradients_are_clipped_after_unscaling(tmp_path: Path) -> None:
    # With a scale of 1024 the scaled gradient is 3072: clipped before unscaling, the step would be
    # 0.5 / 1024 (a fault of the paper's public release).
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    module = OneWeight()
    trainer = lightning.Trainer(
        max_steps=1,
        accelerator="cpu",
        gradient_clip_val=0.5,
        plugins=[MixedPrecision("16-mixed", "cpu", scaler)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(1)))  # type: ignore[arg-type]
    assert module.weight.item() == pytest.approx(-0.5)


def test_pretrained_tensors_may_learn_by_their_own_size(tmp_path: Path) -> None:
    entries = {"scenes": "s", "output": "o", "learning_rate": 0.01, "backbone_learning_rate": 0.1}
    config = TrainingConfig.checked(entries | {"scale_backbone_rate": True}, "test")
    network = build_network("mobilenet_v2", head_width=0.125)
    network.backbone.freeze_to_stride(32)
    weight = network.backbone.b16.project.weight.requires_grad_(True)
    with torch.no_grad():
        weight.fill_(-0.02)
    schedule = Schedule.of(config, 100, 1)
    module = TrainingModule(network, BodyModel.load(), config, schedule, tmp_path)
    optimizer = module.configure_optimizers()["optimizer"]
    heads, trunk = optimizer.param_groups
    assert heads["initial_lr"] == pytest.approx(0.01)
    assert trunk["params"][0] is weight
    assert trunk["initial_lr"] == pytest.approx(0.1 * 0.02)


def test_only_one_entry_gives_the_first_weights() -> None:
    entries = {"scenes": "s", "output": "o", "movenet": "a.json", "start": "default"}
    with pytest.raises(ValueError, match="'movenet' and 'start' all give the first weights"):
        TrainingConfig.checked(entries | {"architecture": "movenet"}, "test")
    with pytest.raises(ValueError, match="starts the architecture movenet, not mobilenet_v2"):
        TrainingConfig.checked({"scenes": "s", "output": "o", "movenet": "a.json"}, "test")
