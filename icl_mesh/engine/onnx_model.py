"""The network as two ONNX models, one per step of an engine, and checks of their files.

maps: images [B, 3, S, S] -> the fields of InferenceMaps, features channels-last. B is dynamic,
S = input_size is fixed, so that engines can plan.
people: patches around N cells (network.patches), features channels-last -> smpl [N, 142]. N is
dynamic.
"""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from icl_mesh.engine.cache import network_key, read_cached, write_cached
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.branches import CENTER_HINTS, JOINT_HINTS
from icl_mesh.network.patches import PATCH_CELLS, PATCH_FEATURES, Patches

#: Increase it when the export changes; cached files of other versions are regenerated.
EXPORT_VERSION = 2
OPSET = 17
INPUT = "images"
PATCHES = Patches._fields
SMPL = "smpl"
_KEY = "icl_mesh_network"
_SIZE = "icl_mesh_input_size"
_VERSION = "icl_mesh_export_version"
_DIGEST = "icl_mesh_sha256"


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


def export_onnx(network: IclMeshNetwork, input_size: int) -> OnnxModels:
    """The network (evaluation mode) as ONNX. Raises ImportError without the package onnx."""
    return OnnxModels(_export_maps(network, input_size), _export_people(network))


def onnx_of(network: IclMeshNetwork, input_size: int, path: Path | None = None) -> OnnxModels:
    """The network's ONNX models, each from its file if that exists, else from the cache, else new.

    path: the file of the first step; people_path gives the file of the second.

    Raises ValueError for files of other weights, of another input size, or of another version.
    """
    key = network_key(network)
    facts = {_KEY: key, _SIZE: str(input_size), _VERSION: str(EXPORT_VERSION)}
    people = {name: fact for name, fact in facts.items() if name != _SIZE}
    return OnnxModels(
        _found_or_made(
            path,
            facts,
            f"{key[:32]}-{input_size}-v{EXPORT_VERSION}.onnx",
            lambda: _export_maps(network, input_size),
        ),
        _found_or_made(
            path and people_path(path),
            people,
            f"{key[:32]}-people-v{EXPORT_VERSION}.onnx",
            lambda: _export_people(network),
        ),
    )


def _found_or_made(
    path: Path | None, facts: dict[str, str], name: str, make: Callable[[], bytes]
) -> bytes:
    if path is not None and path.is_file():
        data = path.read_bytes()
        _check_same(path, data, facts)
        return data
    cached = read_cached(name)
    if cached is None:
        cached = make()
        write_cached(name, cached)
    return cached


class _Step(NamedTuple):
    """A module to export, its example inputs, and names.

    free: the name of the first axis of all inputs and outputs, which is dynamic.
    """

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free: str


def _export_maps(network: IclMeshNetwork, input_size: int) -> bytes:
    images = torch.zeros(1, 3, input_size, input_size)
    step = _Step(_Maps(network), (images,), (INPUT,), InferenceMaps._fields, "batch")
    return _export(network, step, {_SIZE: str(input_size)})


def _export_people(network: IclMeshNetwork) -> bytes:
    channels = int(network.backbone.out_channels) + 2  # type: ignore[arg-type]  # + coordinates
    features = torch.zeros(1, PATCH_FEATURES, PATCH_FEATURES, channels)
    cells = [
        torch.ones(1, count, PATCH_CELLS, PATCH_CELLS) for count in (CENTER_HINTS, JOINT_HINTS, 1)
    ]
    patches = (features, *cells)
    return _export(network, _Step(_People(network), patches, PATCHES, (SMPL,), "people"), {})


def _export(network: IclMeshNetwork, step: _Step, facts: dict[str, str]) -> bytes:
    """A step of the network as ONNX, with facts about it as metadata."""
    onnx = _onnx()
    device = next(network.parameters()).device
    was_training = network.training
    step.module.eval()
    try:
        with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "network.onnx"
            # The tracing exporter is deprecated, but its successor needs ten times the time and
            # more packages. Its warnings concern checks of the input's shape.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                step.module,
                tuple(one.to(device) for one in step.example),
                file,
                dynamo=False,
                opset_version=OPSET,
                input_names=list(step.inputs),
                output_names=list(step.outputs),
                dynamic_axes={name: {0: step.free} for name in (*step.inputs, *step.outputs)},
            )
            model = onnx.load(file)
    finally:
        network.train(was_training)
    facts = {_KEY: network_key(network), _VERSION: str(EXPORT_VERSION), **facts}
    onnx.helper.set_model_props(model, facts)
    onnx.helper.set_model_props(model, {**facts, _DIGEST: _digest(model)})
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def _check_same(path: Path, data: bytes, facts: dict[str, str]) -> None:
    """Raise ValueError unless a file has these weights, input size, version and its checksum.

    Older files have no checksum.
    """
    onnx = _onnx()
    try:
        model = onnx.load_from_string(data)
        found = {entry.key: entry.value for entry in model.metadata_props}
    except Exception as error:  # protobuf's own error type differs between its versions
        raise ValueError(f"{path}: not an ONNX file, or broken ({error})") from None
    what = {
        _KEY: "another network",
        _VERSION: f"an export of version {found.get(_VERSION, 1)}",
        _SIZE: f"input size {found.get(_SIZE)}",
    }
    for name, fact in facts.items():
        if found.get(name) != fact:
            raise ValueError(
                f"{path} holds {what[name]}, not {_wanted(facts)}: write it again with `icl-mesh "
                f"export`, or remove it"
            )
    if found.get(_DIGEST) not in (None, _digest(model)):
        raise ValueError(
            f"{path}: damaged: it does not have the SHA-256 that its metadata name; write it again "
            f"with `icl-mesh export`, or remove it"
        )


def _digest(model: Any) -> str:
    """SHA-256 of an ONNX model without its checksum."""
    bare = type(model)()
    bare.CopyFrom(model)
    del bare.metadata_props[:]
    bare.metadata_props.extend(entry for entry in model.metadata_props if entry.key != _DIGEST)
    return hashlib.sha256(bare.SerializeToString(deterministic=True)).hexdigest()


def _wanted(facts: dict[str, str]) -> str:
    size = f" at input size {facts[_SIZE]}" if _SIZE in facts else ""
    return f"the weights beside it{size} in version {facts[_VERSION]}"


def _onnx():  # type: ignore[no-untyped-def]  # a module
    try:
        import onnx
        import onnx.helper
    except ImportError as error:
        raise ImportError(
            f"ONNX models are written and checked with the package onnx: pip install onnx ({error})"
        ) from None
    return onnx
