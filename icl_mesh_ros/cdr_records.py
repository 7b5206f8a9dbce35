"""A sequence of equally long messages as CDR bytes, filled column by column instead of object by
object (OMG CDR, version 1: every number is aligned to its own size)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

#: Alignment counts from behind the encapsulation header.
_ENCAPSULATION = 4
_SEQUENCE = "sequence<"
#: Types of fields: how many numbers of which type.
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
    """CDR bytes of a message whose last field is a sequence of messages of this kind.

    head: the message with an empty sequence, as rclpy serialises it. columns: by field of `kind`,
    its numbers [count, ...]; sequences are of one length for all. Padding is zero.
    Raises ValueError for a column of another size than its field.
    """
    if count == 0:
        return head
    fields = kind.get_fields_and_field_types()
    lengths = {
        name: columns[name][0].size for name, text in fields.items() if text.startswith(_SEQUENCE)
    }
    at = len(head) - _ENCAPSULATION
    pieces = [head[:-4], np.array(count, np.uint32).tobytes()]
    # The place where the first one starts decides its padding; all others start where one has
    # ended, which is the same place to alignment once numbers of 8 bytes have been aligned.
    for rows in (slice(0, 1), slice(1, count)):
        records = np.zeros(rows.stop - rows.start, _layout(kind, at % 8, tuple(lengths.items())))
        for name, length in lengths.items():
            records[_length(name)] = length
        for name in records.dtype.names or ():
            if name in columns:
                records[name] = _flat(name, columns[name][rows], records.dtype[name])
        pieces.append(records.tobytes())
        at += records.itemsize
    return b"".join(pieces)


def _length(name: str) -> str:
    """What the dtype calls the length that CDR writes before a sequence."""
    return f"length of {name}"


def _flat(name: str, values: npt.NDArray[Any], wanted: np.dtype[Any]) -> npt.NDArray[Any]:
    """Values [M, ...] -> [M, *shape of the field]."""
    size = int(np.prod(wanted.shape, dtype=np.int64))
    if int(np.prod(values.shape[1:], dtype=np.int64)) != size:
        raise ValueError(f"{name} has {size} numbers per message, not {list(values.shape[1:])}")
    return values.reshape(len(values), *wanted.shape)


@functools.lru_cache(maxsize=16)
def _layout(kind: Any, phase: int, lengths: tuple[tuple[str, int], ...]) -> np.dtype[Any]:
    """A message that starts `phase` bytes behind a multiple of 8, with sequences so long."""
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
    return np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": at - phase}
    )
