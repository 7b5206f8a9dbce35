"""torch's tensors as numpy's arrays, from the bytes of their storages.

``torch.load(weights_only=True)`` refuses files that mix tensors with numpy's or scipy's arrays. One
reader for all pickles checks lengths once, independent of torch's version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from icl_mesh.body.pickle_records import STORAGE, Name, Record, refuse, shown
from icl_mesh.body.raw_arrays import Array, plain_type, strided
from icl_mesh.body.sparse_arrays import dense

#: numpy types by names of torch's storages, or of its types for untyped storages.
TYPES = {
    **{"DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "BFloat16Storage": "u2"},
    **{"LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1"},
    **{"ByteStorage": "u1", "BoolStorage": "b1", "UntypedStorage": "u1"},
    **{"uint16": "u2", "uint32": "u4", "uint64": "u8"},
}
_REBUILD = "torch._utils"
TORCH_NAMES = {
    *(Name("torch", name) for name in (*TYPES, "Size", "device")),
    Name("torch.storage", "UntypedStorage"),
    Name("torch.serialization", "_get_layout"),
    *(
        Name(_REBUILD, f"_rebuild_{name}")
        for name in ("tensor", "tensor_v2", "tensor_v3", "parameter", "sparse_tensor")
    ),
}


@dataclass(frozen=True)
class Storages:
    """The data of a pickle's tensors: bytes by key, and their byte order."""

    read: Callable[[str], bytes]
    order: str = "<"


def tensor(record: object, storages: Storages) -> Array:
    """The dense array [...] of a tensor or parameter. Raises pickle.UnpicklingError."""
    if not isinstance(record, Record) or record.kind.module != _REBUILD:
        refuse("it holds an object of torch that is no tensor")
    name, arguments = record.kind.name, record.arguments
    if name == "_rebuild_parameter":
        return _single(arguments[0], storages)
    if name == "_rebuild_sparse_tensor":
        return _sparse(arguments, storages)
    return _single(record, storages)


def _single(record: object, storages: Storages) -> Array:
    """A tensor in one storage."""
    if not isinstance(record, Record) or not record.kind.name.startswith("_rebuild_tensor"):
        refuse("it holds a parameter that is no tensor")
    storage, offset, shape, strides, *rest = record.arguments
    if not isinstance(storage, Record) or storage.kind != STORAGE or len(storage.arguments) < 5:
        refuse("it holds a tensor without data")
    _, kind, key, _, _, *view = storage.arguments
    if any(part is not None for part in view):
        refuse("it holds a tensor in a part of a storage, as torch wrote before 0.4")
    if record.kind.name == "_rebuild_tensor_v3":
        kind = rest[2]
    if not isinstance(kind, Name) or kind.name not in TYPES:
        refuse(f"it holds a tensor of type {shown(kind)}")
    raw = storages.read(key)
    dtype = plain_type(TYPES[kind.name], storages.order)
    flat = np.frombuffer(raw, dtype, len(raw) // dtype.itemsize)
    found = strided(flat, offset, _sizes(shape), strides)
    if dtype.kind == "b":
        return np.asarray(found.view(np.uint8) != 0)
    if kind.name == "BFloat16Storage":  # the upper half of a float32
        return (found.astype(np.uint32) << 16).view(np.float32)
    return found


def _sizes(shape: object) -> object:
    if isinstance(shape, Record) and shape.kind == Name("torch", "Size"):
        return shape.arguments[0]
    return shape


def _sparse(arguments: tuple[Any, ...], storages: Storages) -> Array:
    """arguments: the layout, and its parts: indices (pointers and indices), values, shape."""
    layout, parts = arguments
    form = layout.arguments[0].removeprefix("torch.sparse_")
    if form == "coo":
        indices, values, shape, *_ = parts
        positions = tuple(tensor(indices, storages))
    elif form in ("csr", "csc"):
        pointers, indices, values, shape, *_ = parts
        positions = (tensor(indices, storages), tensor(pointers, storages))
    else:
        refuse(f"it holds a tensor of layout {shown(layout.arguments[0])}")
    return dense(form, _sizes(shape), tensor(values, storages), positions)
