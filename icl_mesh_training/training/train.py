"""Run a training: data, network, Lightning's loop, checkpoints, weights file."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Any

import lightning
import torch
import yaml
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from safetensors.torch import load_file

from icl_mesh.body import BodyModel
from icl_mesh.io.atomic import write_atomically
from icl_mesh.network import (
    IclMeshNetwork,
    build_network,
    load_imagenet_mobilenet,
    load_movenet,
)
from icl_mesh.network.mobilenet import MobileNetV2, Trunk
from icl_mesh.weights import load_weights
from icl_mesh_training.data.augmentation import AugmentationConfig
from icl_mesh_training.data.loading import SampleSource, make_loader
from icl_mesh_training.training.averaging import moving_average
from icl_mesh_training.training.checkpoints import (
    CHECKPOINT,
    RECIPE,
    LastCheckpoint,
    WholeCheckpoints,
    check_goes_on,
    read_checkpoint,
    remove_remains,
)
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.export import export_network
from icl_mesh_training.training.lightning_messages import hide_needless
from icl_mesh_training.training.module import TrainingModule, left_out
from icl_mesh_training.training.resuming import changed_entries, check_resumable
from icl_mesh_training.training.schedule import Schedule
from icl_mesh_training.training.sources import mix, open_source
from icl_mesh_training.training.widening import widen_smpl_branch


def train(config: TrainingConfig) -> Path:
    """Train, resuming from the output folder's last checkpoint; returns the weights' path.

    A finished run is not changed; a message says so. A run without projector (for the ablation)
    exports no weights; its checkpoint's path is returned. Works as one process of torchrun.
    Raises TrainingStoppedError if the run cannot continue.
    """
    lightning.seed_everything(config.seed, workers=True, verbose=False)
    processes = world_size()
    source = mix(config.sources, open_data(config), config.seed)
    schedule = Schedule.of(config, len(source), processes)
    output = Path(config.output)
    output.mkdir(parents=True, exist_ok=True)
    network, body = make_network(config), BodyModel.load(config.body)
    config = dataclasses.replace(config, smpl_width=network.smpl_width)  # a start may be wider
    module = TrainingModule(network, body, config, schedule, output)
    checkpoint = output / CHECKPOINT
    done = steps_done(checkpoint)
    weights = output / "weights.safetensors" if config.projector else checkpoint
    if done >= schedule.steps and weights.is_file():
        print(
            f"{output}: finished before, at step {done}: nothing is trained; ask for more steps, "
            f"or name another folder"
        )
        return weights
    if done:
        check_goes_on(checkpoint, module.state_dict())
    trainer = make_trainer(config, schedule, output, done)
    if trainer.is_global_zero:
        remove_remains(checkpoint)
        if done:
            changed = changed_entries(output / RECIPE, config)
            check_resumable(output, changed)
            news = f"; of its recipe these are new: {', '.join(changed)}" if changed else ""
            print(f"{output}: goes on from step {done}{news}")
        if note := left_out(config):
            print(f"{output}: {note}")
        recipe = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False)
        write_atomically(output / RECIPE, recipe.encode())
    loader = make_loader(
        source,
        batch_size=config.batch_size,
        seed=config.seed,
        start=done * config.accumulate * config.batch_size * processes,
        workers=config.workers,
        rank=trainer.global_rank,
        processes=processes,
    )
    trainer.fit(module, loader, ckpt_path=checkpoint if done else None, weights_only=True)
    if trainer.is_global_zero and config.projector:
        name = re.sub(r"[^\w.+-]", "_", output.resolve().name)
        export_network(network, config, weights, name=name, steps=trainer.global_step)
    trainer.save_checkpoint(checkpoint, weights_only=False)  # with the optimiser, to resume from
    return weights


def open_data(config: TrainingConfig) -> list[SampleSource]:
    """The recipe's sources, each with its labels read."""
    augmentation = AugmentationConfig(**config.augmentation)
    return [
        open_source(entry, config.input_size, augmentation, config.seed, config.body)
        for entry in config.sources
    ]


def steps_done(checkpoint: Path) -> int:
    """Steps of the run so far, 0 without a checkpoint."""
    if not checkpoint.is_file():
        return 0
    return int(read_checkpoint(checkpoint)["global_step"])


def world_size() -> int:
    """Number of processes of this training, by torchrun's environment; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def make_trainer(
    config: TrainingConfig, schedule: Schedule, output: Path, done: int
) -> lightning.Trainer:
    """Lightning's loop with this package's checkpoints, averages and logs.

    One process on one device; under torchrun as many as it starts, on as many machines.
    """
    hide_needless()
    processes = world_size()
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Without the projector its parameters have no gradients, for which DDP would wait.
    ddp = "ddp" if config.projector else "ddp_find_unused_parameters_true"
    several: dict[str, Any] = {"strategy": ddp} if processes > 1 else {}
    version = f"from_{done:06d}"
    return lightning.Trainer(
        max_steps=schedule.steps,
        max_epochs=-1,
        devices=local,
        num_nodes=processes // local,
        **several,
        use_distributed_sampler=False,  # EndlessSampler splits the data itself
        precision=config.precision,  # type: ignore[arg-type]  # checked by Lightning
        gradient_clip_val=config.gradient_clip,  # applied to unscaled gradients
        accumulate_grad_batches=config.accumulate,
        plugins=[WholeCheckpoints()],
        default_root_dir=output,
        logger=[
            CSVLogger(output, name="log", version=version),
            TensorBoardLogger(output, name="tensorboard", version=version),
        ],
        callbacks=[
            *([moving_average(config.ema_decay)] if config.ema_decay else []),
            LastCheckpoint(config, output),
            TQDMProgressBar(refresh_rate=20),
        ],
        log_every_n_steps=config.log_steps,
        enable_model_summary=False,
    )


def make_network(config: TrainingConfig) -> IclMeshNetwork:
    """The recipe's network with its starting weights."""
    if config.start is not None:
        network, _ = load_weights(config.start)
        if config.smpl_width is not None and config.smpl_width > network.smpl_width:
            network = widen_smpl_branch(network, config.smpl_width)
        network.train()
        found = network.architecture, network.head_width
        if found != (config.architecture, config.head_width):
            raise ValueError(
                f"start {config.start} is {found[0]} with head_width {found[1]}, the recipe says "
                f"{config.architecture} with {config.head_width}: make them agree"
            )
    else:
        network = build_network(config.architecture, config.head_width, config.smpl_width)
    backbone = network.backbone
    if config.imagenet is not None:
        if isinstance(backbone, MobileNetV2):
            load_imagenet_mobilenet(backbone, config.imagenet)
        else:
            load_trunk(backbone, Path(config.imagenet))
    if config.movenet is not None:
        load_movenet(backbone, config.movenet)
    if config.freeze_to_stride:
        if not isinstance(backbone, Trunk):
            raise ValueError(
                f"freeze_to_stride is for mobilenet_v2 and movenet, the recipe's architecture is "
                f"{network.architecture}; leave it out"
            )
        backbone.freeze_to_stride(config.freeze_to_stride)
    # Without gradients neither the optimiser's weight decay nor DDP touches the branch.
    network.smpl_branch.requires_grad_(config.train_smpl)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def load_trunk(backbone: torch.nn.Module, path: Path) -> None:
    """Copy a published state dict (.pth, .safetensors) into a backbone of the same names.

    Tensors of the file that the backbone lacks (the classifier) are ignored. Tensors of the
    backbone that the file lacks (the layers up to stride 4) keep their initial values. Raises
    FileNotFoundError, or ValueError for a file that fits less than 90 % of the backbone's tensors.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no ImageNet weights file at {path}")
    try:
        found: dict[str, Any] = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        found = found.get("state_dict", found)
        tensors = {k: v for k, v in found.items() if isinstance(v, torch.Tensor)}
    except Exception as error:  # torch names no errors of its own for damaged files
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise ValueError(f"{path} is not a state dict of plain tensors: {reason}") from None
    own = backbone.state_dict()
    fitting = {k: v for k, v in tensors.items() if k in own and own[k].shape == v.shape}
    if len(fitting) < 0.9 * len(own):
        raise ValueError(
            f"{path} fits {len(fitting)} of the backbone's {len(own)} tensors: another network's"
        )
    backbone.load_state_dict(fitting, strict=False)
