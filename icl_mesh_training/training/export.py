"""Export a training run to a weights file: metadata, smoke test, file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from icl_mesh.body import BodyModel
from icl_mesh.estimator import Estimator
from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh.weights import save_weights
from icl_mesh_training.data.files import read_json
from icl_mesh_training.training.checkpoints import CHECKPOINT, RECIPE, read_checkpoint
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.provenance import git_revision

#: Maximum number of people that a sound network finds in a plain grey image.
GHOSTS = 5


def export_network(
    network: IclMeshNetwork, config: TrainingConfig, path: Path, **metadata: Any
) -> None:
    """Write a network as a weights file; nothing is written if its smoke test fails.

    metadata: as of icl_mesh.weights.save_weights (name, threshold, metrics, ...), and `steps`,
    which goes into the description of the data. Raises ValueError if the smoke test fails.
    """
    steps = metadata.pop("steps", None)
    own = {
        "name": path.stem,
        "input_size": config.input_size,
        "body": BodyModel.load(
            config.body
        ).name,  # not its path: weights are used on other machines
        "data": describe_data(config, steps),
        "git_revision": git_revision(),
        "licence": config.licence,
    }
    if config.threshold is not None:
        own["threshold"] = config.threshold
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate = path.with_name(f".{path.stem}.candidate.safetensors")
    half = metadata.pop("half", False)
    try:
        save_weights(candidate, network, own | metadata, half=half)
        smoke_test(candidate, config.body)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)


def describe_data(config: TrainingConfig, steps: int | None = None) -> str:
    """One line on the training data, without paths."""
    total = sum(entry.get("probability", 1.0) for entry in config.sources)
    sources = ", ".join(
        f"{entry['name']} {entry.get('probability', 1.0) / total:.0%}" for entry in config.sources
    )
    start = f"; from {Path(config.start).stem} weights" if config.start else ""
    return (
        sources
        + (f"; {steps} steps of {config.batch_size * config.accumulate}" if steps else "")
        + ("" if config.train_smpl else "; SMPL branch not trained")
        + start
    )


def smoke_test(path: Path, body: str = "default") -> None:
    """Load a weights file as users do and run it on a grey and on a noisy image.

    Raises ValueError naming the fault: values that are not finite, or people in plain grey.
    """
    estimator = Estimator.load(path, body, device="cpu")
    bad = [
        name for name, value in estimator.network.state_dict().items() if not value.isfinite().all()
    ]
    if bad:
        raise ValueError(
            f"the weights failed their smoke test: {len(bad)} tensors hold NaN or infinite values "
            f"({', '.join(bad[:3])}); export an earlier checkpoint"
        )
    size = estimator.input_size
    noise = np.random.default_rng(0).integers(0, 256, (size, size * 3 // 4, 3), dtype=np.uint8)
    try:
        ghosts = len(estimator(np.full((size, size, 3), 127, np.uint8)))
        estimator(noise)
    except RuntimeError as error:
        raise ValueError(f"the weights failed their smoke test: {error}") from None
    if ghosts > GHOSTS:
        raise ValueError(
            f"the weights failed their smoke test: they find {ghosts} people in a plain grey "
            f"picture; train longer, or raise the threshold"
        )


def export_run(
    run: Path,
    path: Path,
    *,
    name: str | None = None,
    licence: str | None = None,
    threshold: float | None = None,
    metrics: Path | None = None,
    half: bool = False,
) -> None:
    """`icl-mesh-train export`: a run's last checkpoint (its averaged weights) as a weights file.

    run: the output folder of a training, with recipe.yaml and last.ckpt, or a checkpoint in one.
    metrics: JSON of `icl-mesh-train evaluate`. Raises FileNotFoundError or
    ValueError with the path.
    """
    checkpoint = run / CHECKPOINT if run.is_dir() else run
    recipe = checkpoint.parent / RECIPE
    for file in (checkpoint, recipe):
        if not file.is_file():
            raise FileNotFoundError(f"{file}: no such file; name the output folder of a training")
    config = TrainingConfig.load(recipe)
    if not config.projector:
        raise ValueError(
            f"{recipe}: trained without the projector, for an ablation; the estimator needs it"
        )
    chosen: dict[str, Any] = {"name": name, "licence": licence, "threshold": threshold}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    if metrics is not None:
        chosen["metrics"] = read_json(metrics, "the file of metrics")
        if not isinstance(chosen["metrics"], dict):
            raise ValueError(f"{metrics}: no results of `icl-mesh-train evaluate`: no mapping")
    network, steps = load_checkpoint(checkpoint, config)
    export_network(network, config, path, steps=steps, half=half, **chosen)


def load_checkpoint(checkpoint: Path, config: TrainingConfig) -> tuple[IclMeshNetwork, int]:
    """The averaged network of a checkpoint, in evaluation mode, and its steps."""
    state = read_checkpoint(checkpoint)
    tensors = {name.removeprefix("network."): value for name, value in state["state_dict"].items()}
    network = build_network(config.architecture, config.head_width, config.smpl_width)
    network.add_parts_of(tensors)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{checkpoint}: does not fit its recipe: {reason}") from None
    return network.eval(), int(state["global_step"])
