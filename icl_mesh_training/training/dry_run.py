"""`icl-mesh-train train --dry-run`: read all inputs, make one step, print the plan."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import lightning
import numpy as np

from icl_mesh.body import BodyModel
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh_training.data.loading import Guarded, SampleSource, make_loader
from icl_mesh_training.training.checkpoints import CHECKPOINT
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.lightning_messages import hide_needless
from icl_mesh_training.training.module import TrainingModule, left_out
from icl_mesh_training.training.schedule import Schedule
from icl_mesh_training.training.sources import mix
from icl_mesh_training.training.train import make_network, open_data, steps_done, world_size

#: Samples read of each source, evenly spread.
PROBES = 12


def dry_run(config: TrainingConfig) -> str:
    """Make one step of a training and return its plan; writes nothing.

    Raises what the training would raise for missing or wrong files.
    """
    sources = open_data(config)
    lines = ["data"]
    total = sum(float(entry.get("probability", 1.0)) for entry in config.sources)
    for entry, source in zip(config.sources, sources, strict=True):
        share = float(entry.get("probability", 1.0)) / total
        details = {key: entry[key] for key in ("split", "root", "length") if key in entry}
        named = ", ".join(f"{key} {value}" for key, value in details.items())
        lines.append(f"  {entry['name']} ({named}): {share:.0%}")
        lines += [f"    {line}" for line in _probe(source)]
    source = mix(config.sources, sources, config.seed)
    schedule = Schedule.of(config, len(source), world_size())
    network = make_network(config)
    parameters = [(p.numel(), p.requires_grad) for p in network.parameters()]
    lines += [
        f"network: {config.architecture}, head_width {config.head_width}, input "
        f"{config.input_size} px; {sum(n for n, _ in parameters) / 1e6:.2f} M parameters, "
        f"{sum(n for n, free in parameters if free) / 1e6:.2f} M of them trained; "
        f"start: {config.start or config.movenet or config.imagenet or 'random'}",
        *([note] if (note := left_out(config)) else []),
        *_schedule_lines(config, schedule),
        *_one_step(config, source, schedule),
    ]
    done = steps_done(Path(config.output) / CHECKPOINT)
    lines.append(f"output: {config.output}, " + (f"resumes at step {done}" if done else "new"))
    return "\n".join(lines)


def _probe(source: SampleSource) -> Iterator[str]:
    """Counts of labels in a few samples of a source."""
    guarded = Guarded(source)
    spread = np.unique(np.linspace(0, len(source) - 1, PROBES).astype(int))
    items = [guarded[0, int(index)] for index in spread]
    labelled = sum(int(item.sample.joint_labelled.any(axis=1).sum()) for item in items)
    regions = sum(len(item.sample.betas) for item in items) - labelled
    labels = ", ".join(
        f"{name.removeprefix('has_')} {sum(getattr(i.sample, name).sum() for i in items)}"
        for name in ("has_pose", "has_shape", "has_joints_3d", "has_camera")
    )
    joints = sum(item.sample.joint_labelled.sum() for item in items)
    yield f"{len(source)} images; read {len(items)}: {labelled} people ({labels}), {joints} joints"
    if regions:
        yield f"{regions} regions of which nothing is known: masked"
    yield from (f"broken: {shown(text, MESSAGE)}" for item in items for text in item.broken)


def _schedule_lines(config: TrainingConfig, schedule: Schedule) -> Iterator[str]:
    effective = config.batch_size * config.accumulate * world_size()
    yield (
        f"steps: {schedule.steps} of {effective} images ({config.batch_size} x "
        f"{config.accumulate} accumulated x {world_size()} processes), "
        f"{schedule.steps / schedule.steps_per_epoch:.2f} passes"
    )
    points = [0, schedule.warmup_steps, *(schedule.milestones or ()), schedule.steps - 1]
    points = sorted({p for p in points if p < schedule.steps})
    rates = ", ".join(f"{config.learning_rate * schedule.rate(p):.2g} at {p}" for p in points)
    yield f"learning rate: {config.optimizer}, {config.schedule}: {rates}"


def _one_step(config: TrainingConfig, source: SampleSource, schedule: Schedule) -> Iterator[str]:
    hide_needless()
    lightning.seed_everything(config.seed, verbose=False)
    loader = make_loader(source, batch_size=config.batch_size, seed=config.seed)
    with tempfile.TemporaryDirectory() as folder:
        body = BodyModel.load(config.body)
        module = TrainingModule(make_network(config), body, config, schedule, Path(folder))
        trainer = lightning.Trainer(
            fast_dev_run=1,
            devices=1,
            precision=config.precision,  # type: ignore[arg-type]  # checked by Lightning
            gradient_clip_val=config.gradient_clip,
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, loader)
    yield f"one step on {trainer.strategy.root_device}, {config.precision}"
    for logged, value in sorted(trainer.callback_metrics.items()):
        name = logged.removeprefix("loss/")
        weight = module.objective.weights.get(name)
        yield f"  {name} {value:.4g}" + ("" if weight is None else f" x {weight:g}")
