"""One ONNX file: written with facts about its network as metadata, and checked against them."""

from __future__ import annotations

import hashlib
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from icl_mesh.engine.cache import KeyedNetwork, network_key, read_cached, write_cached

#: Increase it when the export changes; cached files of other versions are regenerated.
EXPORT_VERSION = 2
OPSET = 17
KEY = "icl_mesh_network"
SIZE = "icl_mesh_input_size"
VERSION = "icl_mesh_export_version"
_DIGEST = "icl_mesh_sha256"


class Step(NamedTuple):
    """A module to export, its example inputs, and names.

    free: the name of the first axis of all inputs and outputs, which is dynamic.
    """

    module: nn.Module
    example: tuple[torch.Tensor, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    free: str


def found_or_made(
    path: Path | None, facts: dict[str, str], name: str, make: Callable[[], bytes]
) -> bytes:
    """The file at ``path`` if it exists, else the cached one of this name, else a new one.

    Raises ValueError for a file whose metadata are not these facts.
    """
    if path is not None and path.is_file():
        data = path.read_bytes()
        _check_same(path, data, facts)
        return data
    cached = read_cached(name)
    if cached is None:
        cached = make()
        write_cached(name, cached)
    return cached


def export_step(network: KeyedNetwork, step: Step, facts: dict[str, str]) -> bytes:
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
    facts = {KEY: network_key(network), VERSION: str(EXPORT_VERSION), **facts}
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
        KEY: "another network",
        VERSION: f"an export of version {found.get(VERSION, 1)}",
        SIZE: f"input size {found.get(SIZE)}",
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
    size = f" at input size {facts[SIZE]}" if SIZE in facts else ""
    return f"the weights beside it{size} in version {facts[VERSION]}"


def _onnx():  # type: ignore[no-untyped-def]  # a module
    try:
        import onnx
        import onnx.helper
    except ImportError as error:
        raise ImportError(
            f"ONNX models are written and checked with the package onnx: pip install onnx ({error})"
        ) from None
    return onnx
