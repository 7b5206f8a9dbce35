"""`icl-mesh-train finetune`: train weights further on a user's photos or scenes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from icl_mesh.weights import load_weights
from icl_mesh_training.training.config import TrainingConfig
from icl_mesh_training.training.recipes import find_recipe


def finetune_config(
    output: Path,
    *,
    weights: str = "default",
    coco: Path | None = None,
    scenes: Path | None = None,
    recipe: str = "finetune",
    overrides: dict[str, Any] | None = None,
) -> TrainingConfig:
    """The recipe for a fine-tuning; architecture, width and input size are those of the weights.

    coco: folder of person_keypoints.json and images/, which have 2-D labels only. scenes: folder of
    rendered scenes, which keep the 3-D losses; each source gives half of the samples. Raises
    FileNotFoundError or ValueError.
    """
    if coco is None and scenes is None:
        raise ValueError("nothing to train on: give --coco, --scenes or both")
    data: list[dict[str, Any]] = []
    if coco is not None:
        if not (coco / "person_keypoints.json").is_file():
            raise FileNotFoundError(
                f"{coco / 'person_keypoints.json'}: no such file; --coco takes a folder with it "
                f"and images/"
            )
        data.append({"name": "coco", "split": "folder", "root": str(coco)})
    if scenes is not None:
        data.append({"name": "scenes", "root": str(scenes)})
    network, metadata = load_weights(weights)
    entries = {
        "output": str(output),
        "scenes": None,  # among data
        "data": data,
        "start": weights,
        "architecture": network.architecture,
        "head_width": network.head_width,
        "smpl_width": network.smpl_width,
        "input_size": metadata["input_size"],
        "threshold": metadata["threshold"],
    }
    return TrainingConfig.load(find_recipe(recipe), entries | (overrides or {}))
