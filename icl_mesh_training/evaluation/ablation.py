"""`icl-mesh-train ablation`: compare variants of the contrastive loss, all else equal.

The supplementary's Table 3 (with and without the projector) and two more variants: without the
contrastive loss, and with a push of joints away from other people's centres.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from icl_mesh.body import BodyModel
from icl_mesh.estimator import Estimator
from icl_mesh.io.atomic import write_atomically
from icl_mesh_training.evaluation.evaluate import MIN_VISIBLE, evaluate_scenes
from icl_mesh_training.evaluation.plots import plot_contrastive
from icl_mesh_training.evaluation.report import table
from icl_mesh_training.losses.objective import PAPER_WEIGHTS
from icl_mesh_training.training.checkpoints import CHECKPOINT, RECIPE
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.export import load_checkpoint
from icl_mesh_training.training.provenance import git_revision
from icl_mesh_training.training.train import steps_done, train

#: Variant -> (recipe entries that it changes, loss weights that it changes).
VARIANTS: dict[str, tuple[dict[str, Any], dict[str, float]]] = {
    "full": ({}, {}),
    "without_projector": ({"projector": False}, {}),
    "without_contrastive": ({}, {"push": 0.0, "pull": 0.0}),
    "cross_person_push": ({}, {"cross_push": PAPER_WEIGHTS["push"]}),
}
TITLES = {
    "full": "full",
    "without_projector": "w/o projector",
    "without_contrastive": "w/o contrastive loss",
    "cross_person_push": "with cross-person push",
}


def run_ablation(
    config: TrainingConfig,
    output: Path,
    benchmark: Path,
    *,
    variants: Sequence[str] | None = None,
    limit: int | None = None,
    min_visible: float = MIN_VISIBLE,
) -> str:
    """Train and measure the variants; returns the table.

    config: the shared recipe, with seed, schedule and start. output: gets a folder per variant,
    ablation.json, ablation.md and contrastive.png. Finished variants are not trained again;
    stopped ones resume. benchmark: folder of scenes, of which the first `limit` are used.
    min_visible: see evaluate_scenes.
    Raises ValueError for an unknown variant.
    """
    chosen = list(variants or VARIANTS)
    unknown = [name for name in chosen if name not in VARIANTS]
    if unknown:
        raise ValueError(f"unknown variants {unknown}; known are {', '.join(VARIANTS)}")
    configs = {name: variant_config(config, name, output / name) for name in chosen}
    results: dict[str, dict[str, Any]] = {}
    for name, own in configs.items():
        train(own)
        results[name] = evaluate_scenes(load_variant(output / name), benchmark, limit, min_visible)
        _write(output, results, config)
    plot_contrastive({TITLES[name]: output / name for name in chosen}, output / "contrastive.png")
    return (output / "ablation.md").read_text(encoding="utf-8")


def variant_config(config: TrainingConfig, name: str, output: Path) -> TrainingConfig:
    """The recipe of one variant."""
    entries, losses = VARIANTS[name]
    return replace(config, output=str(output), weights=config.weights | losses, **entries)


def load_variant(run: Path) -> Estimator:
    """Estimator of a finished variant; without projector it compares the raw features."""
    config = TrainingConfig.load(run / RECIPE)
    network, _ = load_checkpoint(run / CHECKPOINT, config)
    if not config.projector:
        network.center_projector = network.joint_projector = nn.Identity()  # type: ignore[assignment]
    body = BodyModel.load(config.body)
    return Estimator(network, body, input_size=config.input_size, weights_version=run.name)


def _write(output: Path, results: dict[str, dict[str, Any]], config: TrainingConfig) -> None:
    """Write ablation.json and ablation.md of the finished variants."""
    steps = {name: steps_done(output / name / CHECKPOINT) for name in results}
    record = {
        "git_revision": git_revision(),
        "seed": config.seed,
        "steps": steps,
        "images_per_step": config.batch_size * config.accumulate,
        "results": results,
    }
    write_atomically(output / "ablation.json", (json.dumps(record, indent=2) + "\n").encode())
    rows = {TITLES[name]: result for name, result in results.items()}
    lines = [
        f"Seed {config.seed}, {', '.join(str(n) for n in sorted(set(steps.values())))} steps of "
        f"{record['images_per_step']} images each; "
        f"{next(iter(results.values()))['images']} scenes of the benchmark.",
        "",
        *table(rows, "variant"),
        "",
    ]
    write_atomically(output / "ablation.md", "\n".join(lines).encode())
