"""Dense arrays from the stored parts of scipy's and torch's sparse matrices.

scipy itself is not used: its compiled code writes to unchecked positions, and its full check
accepts pointers that rise and end at 0.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from icl_mesh.body.pickle_records import refuse
from icl_mesh.body.raw_arrays import Array, checked_shape

#: A sparse matrix of few bytes can have any shape; a regressor of 127 joints has a million entries.
_MOST_ENTRIES = 1 << 24
SPARSE_FORMS = ("csc", "csr", "bsr", "coo", "dia", "lil", "dok")


def dense_of_scipy(form: str, state: Mapping[str, Any]) -> Array:
    """A matrix of scipy.sparse from its attributes; form: its class's first three letters."""
    shape = state.get("_shape", state.get("shape"))
    if form == "coo":
        positions = state["coords"] if "coords" in state else (state["row"], state["col"])
        return dense(form, shape, state["data"], positions)
    if form == "dia":
        return dense(form, shape, state["data"], (state["offsets"],))
    if form == "lil":
        lists = list(state["rows"])
        rows = np.repeat(np.arange(len(lists)), [len(row) for row in lists])
        columns, values = ([*itertools.chain(*part)] for part in (lists, state["data"]))
        return dense("coo", shape, np.array(values, float), (rows, np.array(columns, int)))
    if form == "dok":
        entries = state["_dict"]
        positions = np.array(list(entries), int).reshape(-1, 2).T
        return dense("coo", shape, np.array(list(entries.values()), float), tuple(positions))
    return dense(form, shape, state["data"], (state["indices"], state["indptr"]))


def dense(form: str, shape: object, data: object, positions: tuple[object, ...]) -> Array:
    """float64 [R, C] from values and positions in scipy's coo, csc, csr, bsr or dia format.

    positions: rows and columns (coo), offsets (dia), indices and pointers (others). Raises
    pickle.UnpicklingError, ValueError or IndexError where these do not fit the shape.
    """
    sizes = checked_shape(shape)
    if len(sizes) != 2 or math.prod(sizes) > _MOST_ENTRIES:
        refuse(f"a sparse matrix has shape {sizes}")
    values = _numbers(data, "fiub").astype(np.float64)
    parts = [_numbers(part, "iu").astype(np.int64).reshape(-1) for part in positions]
    if form == "coo":
        rows, columns = parts
    elif form == "dia":  # data [offsets, columns]
        columns = np.broadcast_to(np.arange(values.shape[1]), values.shape)
        rows = columns - parts[0][:, None]
        inside = (rows >= 0) & (rows < sizes[0]) & (columns < sizes[1])
        rows, columns, values = rows[inside], columns[inside], values[inside]
    else:
        major = _major(*parts)
        minor, values = parts[0][: len(major)], values[: len(major)]  # drops unused capacity
        rows, columns = (minor, major) if form == "csc" else (major, minor)
        if form == "bsr":  # data [entries, block's rows, block's columns]
            _, height, width = values.shape
            rows = rows[:, None, None] * height + np.arange(height)[:, None]
            columns = columns[:, None, None] * width + np.arange(width)
    return _scattered(sizes, rows, columns, values)


def _numbers(part: object, kinds: str) -> Array:
    if not isinstance(part, np.ndarray) or part.dtype.kind not in kinds:
        refuse("a sparse matrix has a part that is no array of numbers")
    return part


def _major(indices: Array, pointers: Array) -> Array:
    """The row (csc: column) of each entry, from the start of each row."""
    counts = np.diff(pointers)
    if pointers[0] != 0 or (counts < 0).any() or pointers[-1] > len(indices):
        refuse("a sparse matrix has pointers that do not fit its entries")
    return np.repeat(np.arange(len(counts)), counts)


def _scattered(sizes: tuple[int, ...], rows: Array, columns: Array, values: Array) -> Array:
    """Scatter entries into a dense array. Duplicates are summed, as in scipy."""
    for part, size in ((rows, sizes[0]), (columns, sizes[1])):
        if part.size and not (part.min() >= 0 and part.max() < size):
            refuse(f"a sparse matrix of shape {sizes} has entries outside of it")
    found = np.zeros(sizes)
    rows, columns = np.broadcast_arrays(rows, columns)
    if rows.shape != values.shape:
        refuse(f"a sparse matrix has {values.shape} values at {rows.shape} positions")
    np.add.at(found, (rows, columns), values)
    return found
