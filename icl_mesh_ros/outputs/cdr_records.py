"""A sequence of messages of equal length as CDR bytes, filled column by column (no object per
message; see icl_mesh_ros.outputs.cdr)."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from icl_mesh_ros.outputs.cdr import ENCAPSULATION

_SEQUENCE = "sequence<"
#: Field type -> number type and count.
_TYPES: dict[str, tuple[str, int]] = {
    "uint8": ("u1", 1),
    "int32": ("i4", 1),
    "uint32": ("u4", 1),
    "float": ("f4", 1),
    "double": ("f8", 1),
    "geometry_msgs/Point": ("f8", 3),
    "geometry_msgs/Vector3": ("f8", 3),
    "geometry_msgs/Quaternion": ("f8", 4),
}


def with_records(
    head: bytes, kind: Any, columns: Mapping[str, npt.NDArray[Any]], count: int
) -> bytes:
    """CDR bytes of a message whose last field is a sequence of `kind` messages.

    head: the message with an empty sequence, as rclpy serialises it. columns: field name -> its
    numbers [count, ...]; a field without a column is zero. Each sequence field of `kind` needs a
    column, and has the same length in all messages. Padding is zero.
    Raises ValueError for a column of another size than its field.
    """
    if count == 0:
        return head
    lengths = tuple((name, columns[name][0].size) for name in _sequences(kind))
    at = len(head) - len(ENCAPSULATION)
    first = _layout(kind, at % 8, lengths)
    # Each later message starts where one ended, so all of them are aligned alike. The first is
    # filled with that layout too; only its padding before the first 8-byte number is replaced.
    layout = _layout(kind, (at + first.dtype.itemsize) % 8, lengths)
    records = np.zeros(count, layout.dtype)
    for name, length in lengths:
        records[_length(name)] = length
    for name, shape, size in layout.columns:
        if (values := columns.get(name)) is None:
            continue
        if values.size != count * size:
            raise ValueError(f"{name} has {size} numbers per message, not {list(values.shape[1:])}")
        records[name] = values.reshape(count, *shape)
    data = records.tobytes()
    same = min(first.aligned, layout.aligned)
    padding = bytes(first.aligned - same)
    number = np.array(count, np.uint32).tobytes()
    return b"".join((head[:-4], number, data[:same], padding, data[layout.aligned :]))


class _Layout(NamedTuple):
    """dtype: of a message. columns: name, shape and size of each field that holds numbers.
    aligned: offset of the first 8-byte number; fields before it have the same offset in every
    layout."""

    dtype: np.dtype[Any]
    columns: tuple[tuple[str, tuple[int, ...], int], ...]
    aligned: int


@functools.lru_cache(maxsize=16)
def _sequences(kind: Any) -> tuple[str, ...]:
    """The fields that are sequences."""
    fields = kind.get_fields_and_field_types()
    return tuple(name for name, text in fields.items() if text.startswith(_SEQUENCE))


def _length(name: str) -> str:
    """Name in the dtype of the length that precedes a sequence."""
    return f"length of {name}"


@functools.lru_cache(maxsize=16)
def _layout(kind: Any, phase: int, lengths: tuple[tuple[str, int], ...]) -> _Layout:
    """Layout of a message that starts `phase` bytes after a multiple of 8. lengths: of its
    sequences."""
    of = dict(lengths)
    names: list[str] = []
    formats: list[Any] = []
    offsets: list[int] = []
    at = phase

    def put(name: str, number: str, count: int) -> None:
        nonlocal at
        size = np.dtype(number).itemsize
        at += -at % size
        names.append(name)
        formats.append(number if count == 1 else (number, (count,)))
        offsets.append(at - phase)
        at += size * count

    for name, text in kind.get_fields_and_field_types().items():
        if name in of:
            put(_length(name), "u4", 1)
            if of[name]:
                put(name, _TYPES[text[len(_SEQUENCE) : -1]][0], of[name])
        else:
            array = re.fullmatch(r"(.+)\[(\d+)\]", text)
            number, count = _TYPES[array[1] if array else text]
            put(name, number, count * int(array[2]) if array else count)
    dtype = np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": at - phase}
    )
    wide = [
        offset
        for name, offset in zip(names, offsets, strict=True)
        if dtype[name].base.itemsize == 8
    ]
    columns = tuple(
        (name, dtype[name].shape, math.prod(dtype[name].shape))
        for name in names
        if name in kind.get_fields_and_field_types()
    )
    return _Layout(dtype, columns, min(wide, default=at - phase))
