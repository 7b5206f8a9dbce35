"""scipy's and torch's sparse matrices made dense, from their parts as a file holds them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import sparse

from icl_mesh.body.pickle_records import refuse
from icl_mesh.body.raw_arrays import Array, checked_shape

#: A sparse matrix of few bytes can be of any size: a regressor of 127 joints has a million.
_MOST_ENTRIES = 1 << 24
_COMPRESSED = ("csc", "csr", "bsr")
SPARSE_FORMS = (*_COMPRESSED, "coo", "dia", "lil", "dok")


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
    """[shape] from values and positions in one of scipy's forms: coo, csc, csr, bsr, dia.

    Positions outside of the shape are refused: scipy writes there where nobody looks.
    """
    sizes = checked_shape(shape)
    if len(sizes) != 2 or math.prod(sizes) > _MOST_ENTRIES:
        refuse(f"a sparse matrix has shape {sizes}")
    for part, kinds in ((data, "fiub"), *((part, "iu") for part in positions)):
        if not isinstance(part, np.ndarray) or part.dtype.kind not in kinds:
            refuse("a sparse matrix has a part that is no array of numbers")
    parts = (data, *positions) if form in _COMPRESSED else (data, positions)
    if form == "dia":
        parts = (data, *positions)
    matrix = getattr(sparse, f"{form}_matrix")(parts, shape=sizes)
    if form in _COMPRESSED:
        matrix.check_format(full_check=True)
    return np.asarray(matrix.toarray())
