"""Run a training: data, network, Lightning's loop, checkpoints, and the weights file at the end."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import timedelta
from pathlib import Path

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import EMAWeightAveraging, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader

from icl_mesh.body import BodyModel
from icl_mesh.network import IclMeshNetwork, build_network, load_imagenet_mobilenet
from icl_mesh.network.mobilenet import MobileNetV2
from icl_mesh.weights import load_weights, save_weights
from icl_mesh_training.augmentation import AugmentationConfig
from icl_mesh_training.batch import Batch, collate
from icl_mesh_training.config import TrainingConfig
from icl_mesh_training.dataset import EndlessSampler, SceneFolder
from icl_mesh_training.module import TrainingModule

CHECKPOINT = "last.ckpt"


def train(config: TrainingConfig) -> Path:
    """Train, resuming from the output folder's last checkpoint; returns the weights' path."""
    lightning.seed_everything(config.seed)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    recipe = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)
    (output / "recipe.yaml").write_text(recipe, encoding="utf-8")
    checkpoint = output / CHECKPOINT
    module = TrainingModule(make_network(config), BodyModel.load(config.body), config)
    done = 0
    if checkpoint.is_file():
        done = torch.load(checkpoint, map_location="cpu", weights_only=True)["global_step"]
    trainer = lightning.Trainer(
        max_steps=config.steps,
        max_epochs=-1,
        precision=config.precision,  # type: ignore[arg-type]  # checked by Lightning
        gradient_clip_val=config.gradient_clip,
        default_root_dir=output,
        logger=CSVLogger(output, name="log", version=f"from_{done:06d}"),
        callbacks=[
            EMAWeightAveraging(decay=config.ema_decay),
            ModelCheckpoint(
                dirpath=output,
                filename=CHECKPOINT.removesuffix(".ckpt"),
                train_time_interval=timedelta(minutes=config.checkpoint_minutes),
                enable_version_counter=False,
            ),
            TQDMProgressBar(refresh_rate=20),
        ],
        log_every_n_steps=20,
        enable_model_summary=False,
    )
    trainer.fit(
        module,
        make_loader(config, done),
        ckpt_path=checkpoint if done else None,
        weights_only=True,
    )
    weights = output / "weights.safetensors"
    export_weights(module.network, config, weights)
    trainer.save_checkpoint(checkpoint)
    return weights


def make_network(config: TrainingConfig) -> IclMeshNetwork:
    """The recipe's network with its starting weights."""
    if config.start is not None:
        network, _ = load_weights(config.start)
        network.train()
    else:
        network = build_network(config.architecture, config.head_width)
    backbone = network.backbone
    if isinstance(backbone, MobileNetV2):
        if config.start is None and config.imagenet is not None:
            load_imagenet_mobilenet(backbone, config.imagenet)
        if config.freeze_to_stride:
            backbone.freeze_to_stride(config.freeze_to_stride)
    elif config.freeze_to_stride or config.imagenet:
        raise ValueError(
            f"freeze_to_stride and imagenet are for mobilenet_v2, the recipe's architecture is "
            f"{network.architecture}; leave them out"
        )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def make_loader(config: TrainingConfig, steps_done: int) -> DataLoader[Batch]:
    """Endless batches, from where a run of steps_done steps left off."""
    scenes = SceneFolder(config.scenes, config.input_size, AugmentationConfig(), config.seed)
    sampler = EndlessSampler(len(scenes), config.seed, steps_done * config.batch_size)
    return DataLoader(
        scenes,  # type: ignore[arg-type]  # collate makes samples a Batch
        batch_size=config.batch_size,
        sampler=sampler,
        num_workers=config.workers,
        collate_fn=collate,
        drop_last=True,
        persistent_workers=config.workers > 0,
    )


def export_weights(network: IclMeshNetwork, config: TrainingConfig, path: Path) -> None:
    """The network as a weights file that the estimator loads, with how it was made."""
    save_weights(
        path,
        network,
        {
            "name": path.stem,
            "input_size": config.input_size,
            "body": BodyModel.load(config.body).name,  # not its path: files travel
            "data": "rendered scenes of the default body",
            "git_revision": git_revision(),
            "licence": "Apache-2.0",
        },
    )


def git_revision() -> str:
    """The checkout's commit, "unknown" outside a checkout; "+" marks uncommitted changes."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()
