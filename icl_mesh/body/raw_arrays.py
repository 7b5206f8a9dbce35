"""Arrays from the bytes of a file: type, shape and length are checked before numpy is called.

Only plain numbers and texts: a type is made from its name, never from a pickle's state, which can
contain pointers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from icl_mesh.body.pickle_records import refuse, shown

Array = npt.NDArray[Any]

#: Most entries read from a file, references expanded; a whole SMPL-X file has fewer.
MOST_ENTRIES = 1 << 26
_NUMBERS = re.compile(r"[<>=|]?(b1|[iu][1248]|f[248]|c8|c16)")
_TEXTS = re.compile(r"[<>=|]?[SU][1-9][0-9]{0,3}")
_MOST_DIMENSIONS = 32


def plain_type(name: object, order: object = "=") -> np.dtype[Any]:
    """A numeric or text type by its name, such as ``f8`` or ``<U5``, in a byte order."""
    if not isinstance(name, str) or not (_NUMBERS.fullmatch(name) or _TEXTS.fullmatch(name)):
        refuse(f"an array is of type {shown(name)}, not of plain numbers")
    if order not in ("<", ">", "=", "|"):
        refuse(f"an array's byte order is {shown(order)}")
    dtype: np.dtype[Any] = np.dtype(name)
    return dtype if order in ("=", "|") else dtype.newbyteorder(order)


def checked_shape(shape: object) -> tuple[int, ...]:
    """A shape of at most 32 dimensions, none negative, with at most MOST_ENTRIES entries."""
    if not isinstance(shape, (tuple, list)) or len(shape) > _MOST_DIMENSIONS:
        refuse(f"an array's shape is {shown(shape)}")
    for size in shape:
        if not isinstance(size, (int, np.integer)) or not 0 <= size <= MOST_ENTRIES:
            refuse(f"an array's shape has {shown(size)} in it")
    found = tuple(int(size) for size in shape)
    if math.prod(found) > MOST_ENTRIES:
        refuse(f"an array has shape {found}, more than the {MOST_ENTRIES} entries that are read")
    return found


def from_bytes(
    raw: bytes | bytearray, dtype: np.dtype[Any], shape: object, *, fortran: bool = False
) -> Array:
    """The array [shape] of these bytes, as a copy. All bytes must be used."""
    sizes = checked_shape(shape)
    needed = math.prod(sizes) * dtype.itemsize
    if len(raw) != needed:
        refuse(
            f"an array of shape {sizes} and type {dtype} needs {needed} bytes and has {len(raw)}"
        )
    if dtype.kind == "b":  # numpy's bool must be 0 or 1
        flags = np.frombuffer(raw, np.uint8) != 0
        return flags.reshape(sizes, order="F" if fortran else "C")
    if dtype.kind == "U":
        letters = np.frombuffer(raw, np.dtype("u4").newbyteorder(dtype.byteorder))
        if letters.size and letters.max() > 0x10FFFF:
            refuse("an array of text holds what is no text")
    return np.frombuffer(raw, dtype).reshape(sizes, order="F" if fortran else "C").copy()


def strided(flat: Array, offset: object, shape: object, strides: object) -> Array:
    """The array of a tensor in its flat storage; offset and strides in entries."""
    sizes = checked_shape(shape)
    steps = strides if isinstance(strides, Sequence) else ()
    numbers = (offset, *steps)
    if len(steps) != len(sizes) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        refuse(f"a tensor of shape {sizes} has strides {shown(strides)}")
    if 0 in sizes:
        return np.zeros(sizes, flat.dtype)
    last = int(offset) + sum((n - 1) * step for n, step in zip(sizes, steps, strict=True))  # type: ignore[call-overload]
    if last >= len(flat):
        refuse(f"a tensor of shape {sizes} reaches entry {last} of {len(flat)} that are there")
    return np.lib.stride_tricks.as_strided(
        flat[offset:],
        sizes,
        tuple(step * flat.itemsize for step in steps),
    ).copy()
