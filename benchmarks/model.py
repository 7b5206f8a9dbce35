"""Loads the default model, or random weights of its architecture where its file is missing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from benchmarks.machine import ROOT
from icl_mesh.body import BodyModel
from icl_mesh.network import IclMeshNetwork, build_network
from icl_mesh.weights import default_weights_path, load_weights, save_weights

#: Training configuration of the default model: architecture, head width, input size.
DEFAULT_RECIPE = ROOT / "config" / "training" / "default_light.yaml"


@dataclass(frozen=True)
class Model:
    """A network with its body. random: the weights are untrained."""

    network: IclMeshNetwork
    body: BodyModel
    input_size: int
    weights_version: str
    random: bool
    threshold: float

    @property
    def name(self) -> str:
        """Architecture and head width."""
        return f"{self.network.architecture} (heads x{self.network.head_width:g})"

    def describe(self) -> dict[str, str]:
        """Facts for the report, by name."""
        millions = sum(p.numel() for p in self.network.parameters()) / 1e6
        weights = self.weights_version
        if self.random:
            weights += " (untrained: the default weights are missing; times do not depend on them)"
        return {
            "model": f"{self.name}, {millions:.2f} M parameters, input {self.input_size}",
            "weights": weights,
            "body": f"{self.body.name}, {self.body.vertex_count} vertices",
        }


def load_model(weights: str = "default") -> Model:
    """Load weights by path or "default"; random ones where the default file is missing.

    Times do not depend on the weights, because people are planted (planted.py).
    """
    body = BodyModel.load("default")
    if weights != "default" or default_weights_path().is_file():
        network, metadata = load_weights(weights)
        return _model(network, body, metadata, random=False)
    recipe = yaml.safe_load(DEFAULT_RECIPE.read_text(encoding="utf-8"))
    torch.manual_seed(0)
    network = build_network(recipe["architecture"], recipe["head_width"], recipe.get("smpl_width"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.safetensors"
        saved = {"input_size": recipe["input_size"], "body": body.name, "name": "random"}
        save_weights(path, network, saved)
        network, metadata = load_weights(path)
    return _model(network, body, metadata, random=True)


def _model(
    network: IclMeshNetwork, body: BodyModel, metadata: dict[str, Any], *, random: bool
) -> Model:
    return Model(
        network,
        body,
        metadata["input_size"],
        metadata["weights_version"],
        random,
        metadata["threshold"],
    )
