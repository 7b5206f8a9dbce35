"""The training step, as Lightning wants it: network, objective, optimiser, schedule."""

from __future__ import annotations

import math

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig

from icl_mesh.body import BodyModel
from icl_mesh.network import IclMeshNetwork
from icl_mesh_training.batch import Batch
from icl_mesh_training.config import TrainingConfig
from icl_mesh_training.dataset import images_to_input
from icl_mesh_training.objective import Objective, ObjectiveConfig


class TrainingModule(lightning.LightningModule):
    """Trains `network` on batches of labelled people.

    The networks's weights are the only state: the body and the prior are constants.
    """

    def __init__(self, network: IclMeshNetwork, body: BodyModel, config: TrainingConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        # In a list, so that the body's constants are not written into every checkpoint.
        self._objective = [Objective(body, ObjectiveConfig(config.weights, config.neighbours))]

    @property
    def objective(self) -> Objective:
        """The loss terms."""
        return self._objective[0]

    def on_fit_start(self) -> None:
        self.objective.to(self.device)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        return batch.to(device)

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        maps = self.network(images_to_input(batch.images))
        # Rotations, projections and logarithms lose too much in bf16.
        with torch.autocast(self.device.type, enabled=False):
            total, terms = self.objective(self.network, maps, batch)
        if not torch.isfinite(total):
            bad = [name for name, term in terms.items() if not torch.isfinite(term)]
            raise RuntimeError(
                f"step {self.global_step}: the loss is not finite ({', '.join(bad)})"
            )
        self.log("loss", total.detach(), prog_bar=True)
        self.log_dict({f"loss/{name}": term for name, term in terms.items()})
        return total

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        config = self.config
        trunk: list[torch.nn.Parameter] = []
        heads: list[torch.nn.Parameter] = []
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                from_imagenet = name.startswith("backbone.") and "decoder" not in name
                (trunk if from_imagenet else heads).append(parameter)
        optimizer = torch.optim.AdamW(
            [
                {"params": heads, "lr": config.learning_rate},
                {"params": trunk, "lr": config.backbone_learning_rate},
            ],
            weight_decay=config.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _rate(self, step: int) -> float:
        """Linear warm-up, then a cosine down to final_learning_rate of the start."""
        config = self.config
        if step < config.warmup_steps:
            return (step + 1) / config.warmup_steps
        done = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
        low = config.final_learning_rate
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
