"""The LightningModule of the training: network, objective, optimiser, schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from safetensors.torch import save

from icl_mesh.body import BodyModel
from icl_mesh.io.atomic import write_atomically
from icl_mesh.network import IclMeshNetwork
from icl_mesh_training.data.loading import BrokenSamples, LoadedBatch
from icl_mesh_training.data.scene_folder import images_to_input
from icl_mesh_training.errors import TrainingStoppedError
from icl_mesh_training.losses.objective import SMPL_TERMS, Objective, ObjectiveConfig
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.schedule import Schedule


class TrainingModule(lightning.LightningModule):
    """Trains `network` on batches of labelled people.

    The network's weights are the only state: body and prior are constants. output: folder for the
    list of broken samples and for batches whose loss is not finite.
    """

    def __init__(
        self,
        network: IclMeshNetwork,
        body: BodyModel,
        config: TrainingConfig,
        schedule: Schedule,
        output: Path,
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.schedule = schedule
        self.output = output
        # Of the starting weights, so that a resumed run uses the same scales.
        self._sizes = {
            name: parameter.detach().square().mean().sqrt().item()
            for name, parameter in network.named_parameters()
            if config.scale_backbone_rate and parameter.requires_grad and is_pretrained(name)
        }
        # In a list: not a submodule, so the body's constants are not in every checkpoint.
        self._objective = [Objective(body, objective_config(config))]
        self._broken: BrokenSamples | None = None

    @property
    def objective(self) -> Objective:
        """The loss terms."""
        return self._objective[0]

    def on_fit_start(self) -> None:
        self.objective.to(self.device)
        self._broken = BrokenSamples(self.output / f"broken_samples_{self.global_rank}.txt")

    def transfer_batch_to_device(
        self, batch: LoadedBatch, device: torch.device, dataloader_idx: int
    ) -> LoadedBatch:
        return LoadedBatch(batch.batch.to(device), batch.broken)

    def on_train_batch_start(self, batch: LoadedBatch, batch_index: int) -> None:
        # The random numbers of a step depend on its number only: resumed runs are reproducible.
        words = (self.config.seed, self.global_step, batch_index % self.config.accumulate)
        state = np.random.SeedSequence((*words, self.global_rank)).generate_state(1)
        torch.manual_seed(int(state[0]))
        if self.config.freeze_batch_norm:  # here: the loop resets training mode
            for module in self.network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()

    def training_step(self, loaded: LoadedBatch, batch_index: int) -> torch.Tensor:
        batch = loaded.batch
        if self._broken is not None:
            self._broken.count(loaded)
        maps = self.network(images_to_input(batch.images), smpl=self.config.train_smpl)
        # Rotations, projections and logarithms lose too much in bf16.
        with torch.autocast(self.device.type, enabled=False):
            total, terms = self.objective(self.network, maps, batch)
        if not torch.isfinite(total):
            self._stop(loaded, terms)
        several = self.trainer.world_size > 1
        size = len(batch.images)
        self.log("loss", total.detach(), prog_bar=True, sync_dist=several, batch_size=size)
        named = {f"loss/{name}": term for name, term in terms.items()}
        self.log_dict(named, sync_dist=several, batch_size=size)
        return total

    def _stop(self, loaded: LoadedBatch, terms: dict[str, torch.Tensor]) -> None:
        """Save the batch behind a loss that is not finite, and stop."""
        bad = [name for name, term in terms.items() if not torch.isfinite(term)]
        path = self.output / f"not_finite_{self.global_step:07d}_{self.global_rank}.safetensors"
        tensors = {name: value.cpu().contiguous() for name, value in vars(loaded.batch).items()}
        about = {"step": str(self.global_step), "terms": ", ".join(bad)}
        write_atomically(path, save(tensors, about))
        raise TrainingStoppedError(
            f"step {self.global_step}: the loss is not finite ({', '.join(bad)}); the batch is "
            f"in {path}. Labels that are wrong show there; otherwise lower learning_rate, or "
            f"train with precision=32-true from the last checkpoint"
        )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        config = self.config
        trunk: list[torch.nn.Parameter] = []
        heads: list[torch.nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                (trunk if is_pretrained(name) else heads).append(parameter)
        kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
        rate = config.learning_rate
        trunk_rate = config.backbone_learning_rate
        trunk_rate = rate if trunk_rate is None else trunk_rate
        groups: list[dict[str, Any]] = [{"params": heads, "lr": rate}]
        if config.scale_backbone_rate:
            groups += [self._scaled_group(name, trunk_rate) for name in self._sizes]
        else:
            groups.append({"params": trunk, "lr": trunk_rate})
        optimizer = kind(groups, weight_decay=config.weight_decay)
        decay = torch.optim.lr_scheduler.LambdaLR(optimizer, self.schedule.rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": decay, "interval": "step"}}

    def _scaled_group(self, name: str, rate: float) -> dict[str, Any]:
        """A tensor w trained as size * v, where the root mean square of v starts at 1.

        Adam changes every weight by about the rate per step, so a tensor of that magnitude would
        lose its pretraining after a few steps. The gradients of tensors of small weights are large
        and would dominate the clipped norm.
        """
        parameter, size = self.network.get_parameter(name), self._sizes[name]
        parameter.register_hook(lambda gradient: gradient * size)
        return {"params": [parameter], "lr": rate * size}


def is_pretrained(name: str) -> bool:
    """Whether a parameter belongs to the part of the backbone that published weights initialise."""
    return name.startswith("backbone.") and "decoder" not in name


def objective_config(config: TrainingConfig) -> ObjectiveConfig:
    """A recipe's loss terms and switches."""
    return ObjectiveConfig(config.weights, config.neighbours, config.projector, config.temperature)


def left_out(config: TrainingConfig) -> str:
    """One line on the loss terms that a recipe leaves out; empty if it trains the SMPL branch."""
    if config.train_smpl:
        return ""
    return (
        f"train_smpl is false: the SMPL branch is neither run nor changed; terms left out: "
        f"{', '.join(SMPL_TERMS)}"
    )
