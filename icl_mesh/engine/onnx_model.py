"""The network as two ONNX models, one per step of an engine, and the second stage's network.

maps: images [B, 3, S, S] -> the fields of InferenceMaps, features channels-last. B is dynamic,
S = input_size is fixed, so that engines can plan.
people: patches around N cells (network.patches), features channels-last -> smpl [N, 142]. N is
dynamic.
keypoints: crops [N, 3, 256, 256] -> maps [N, 86, 64, 64] (network.single_person). N is dynamic.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from icl_mesh.engine.cache import network_key
from icl_mesh.engine.onnx_file import (
    EXPORT_VERSION,
    KEY,
    SIZE,
    VERSION,
    Step,
    export_step,
    found_or_made,
)
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.branches import CENTER_HINTS, JOINT_HINTS
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES, Patches
from icl_mesh.network.single_person import CROP_SIZE, SinglePersonKeypoints

INPUT = "images"
PATCHES = Patches._fields
SMPL = "smpl"
CROPS, MAPS = "crops", "maps"


class OnnxModels(NamedTuple):
    """Serialised ONNX models of both steps."""

    maps: bytes
    people: bytes


class _Maps(nn.Module):
    """The first step with a plain tuple as output, as ONNX needs.

    Features are channels-last: a patch is then a few long pieces of memory, and engines use that
    layout or a similar one internally.
    """

    def __init__(self, network: IclMeshNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *maps, features = self.network.inference_maps(images)
        return (*maps, features.permute(0, 2, 3, 1))


class _People(nn.Module):
    """The second step, from patches to bodies."""

    def __init__(self, network: IclMeshNetwork) -> None:
        super().__init__()
        self.branch = network.smpl_branch

    def forward(self, features: torch.Tensor, *cells: torch.Tensor) -> torch.Tensor:
        return self.branch.on_patches(features.permute(0, 3, 1, 2), *cells)


def maps_of(outputs: Sequence[torch.Tensor]) -> InferenceMaps:
    """The ordered outputs of the first step's model as maps, without a copy."""
    maps = InferenceMaps(*outputs)
    return maps._replace(features=maps.features.permute(0, 3, 1, 2))


def people_path(path: Path) -> Path:
    """NAME.onnx -> NAME.people.onnx, the path of the second step."""
    return path.with_suffix(".people.onnx")


def keypoints_path(path: Path) -> Path:
    """NAME.onnx -> NAME.keypoints.onnx, the path of the second stage."""
    return path.with_suffix(".keypoints.onnx")


def export_onnx(network: IclMeshNetwork, input_size: int) -> OnnxModels:
    """The network (evaluation mode) as ONNX. Raises ImportError without the package onnx."""
    return OnnxModels(_export_maps(network, input_size), _export_people(network))


def onnx_of(network: IclMeshNetwork, input_size: int, path: Path | None = None) -> OnnxModels:
    """The network's ONNX models, each from its file if that exists, else from the cache, else new.

    path: the file of the first step; people_path gives the file of the second.

    Raises ValueError for files of other weights, of another input size, or of another version.
    """
    key = network_key(network)
    facts = {KEY: key, SIZE: str(input_size), VERSION: str(EXPORT_VERSION)}
    people = {name: fact for name, fact in facts.items() if name != SIZE}
    return OnnxModels(
        found_or_made(
            path,
            facts,
            f"{key[:32]}-{input_size}-v{EXPORT_VERSION}.onnx",
            lambda: _export_maps(network, input_size),
        ),
        found_or_made(
            path and people_path(path),
            people,
            f"{key[:32]}-people-v{EXPORT_VERSION}.onnx",
            lambda: _export_people(network),
        ),
    )


def keypoints_onnx(network: SinglePersonKeypoints, path: Path | None = None) -> bytes:
    """The second stage's ONNX model, from its file if that exists, else from the cache, else new.

    path: the file of the first step; keypoints_path gives the file. Raises as onnx_of does.
    """
    key = network_key(network)
    crops = torch.zeros(1, 3, CROP_SIZE, CROP_SIZE)
    return found_or_made(
        path and keypoints_path(path),
        {KEY: key, VERSION: str(EXPORT_VERSION)},
        f"{key[:32]}-keypoints-v{EXPORT_VERSION}.onnx",
        lambda: export_step(network, Step(network, (crops,), (CROPS,), (MAPS,), "people"), {}),
    )


def _export_maps(network: IclMeshNetwork, input_size: int) -> bytes:
    images = torch.zeros(1, 3, input_size, input_size)
    step = Step(_Maps(network), (images,), (INPUT,), InferenceMaps._fields, "batch")
    return export_step(network, step, {SIZE: str(input_size)})


def _export_people(network: IclMeshNetwork) -> bytes:
    channels = int(network.backbone.out_channels) + 2  # type: ignore[arg-type]  # + coordinates
    features = torch.zeros(1, PATCH_FEATURES, PATCH_FEATURES, channels)
    cells = [
        torch.ones(1, count, PATCH_CELLS, PATCH_CELLS) for count in (CENTER_HINTS, JOINT_HINTS, 1)
    ]
    patches = (features, *cells)
    return export_step(network, Step(_People(network), patches, PATCHES, (SMPL,), "people"), {})
