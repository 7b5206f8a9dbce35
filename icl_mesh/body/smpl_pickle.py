"""Reads the official SMPL pickles without chumpy, and without running anything they hold.

An unpickler that knows numpy arrays, scipy's sparse matrices and chumpy's objects (as plain data)
and refuses everything else.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse


class _Record:
    """Stands in for a pickled object of scipy or chumpy: keeps its state, runs none of its code."""

    state: dict[str, Any]

    def __new__(cls, *_arguments: object) -> _Record:
        record = super().__new__(cls)
        record.state = {}
        return record

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.state = state

    def dense(self) -> object:
        """chumpy: the array itself, or a selection of another array's entries."""
        state = self.state
        if "x" in state:
            return plain(state["x"])
        if "a" in state and "idxs" in state:
            chosen = np.asarray(plain(state["a"])).ravel()[np.asarray(state["idxs"]).astype(int)]
            shape = state.get("preferred_shape")
            return chosen if shape is None else chosen.reshape(shape)
        raise ValueError(f"a chumpy object without data (it holds {', '.join(map(str, state))})")


class _Sparse(_Record):
    """scipy.sparse: rebuilt from its index arrays."""

    kind: Callable[..., Any]

    def dense(self) -> object:
        state = self.state
        indices = (
            (state["row"], state["col"]) if "row" in state else (state["indices"], state["indptr"])
        )
        shape = state.get("_shape", state.get("shape"))
        if "row" in state:
            return sparse.coo_matrix((state["data"], indices), shape=shape).toarray()
        return type(self).kind((state["data"], *indices), shape=shape).toarray()


class _Csc(_Sparse):
    kind = sparse.csc_matrix


class _Csr(_Sparse):
    kind = sparse.csr_matrix


def _encode(text: str, encoding: str = "latin1", *_rest: object) -> bytes:
    """``_codecs.encode`` as Python 2's byte strings are pickled, Latin-1 only."""
    if encoding not in {"latin1", "latin-1"}:
        raise pickle.UnpicklingError(f"text encoding {encoding!r} is not allowed")
    return text.encode("latin1")


def _reconstructor(cls: object, *_arguments: object) -> _Record:
    """``copy_reg._reconstructor``: an empty stand-in, filled by its state."""
    if isinstance(cls, type) and issubclass(cls, _Record):
        return cls()
    raise pickle.UnpicklingError(f"it wants to build {cls!r}, which no SMPL file needs")


def _numpy_globals() -> dict[tuple[str, str], object]:
    """numpy's own reconstruction of arrays, scalars and types, under old and new module names."""
    from numpy._core import multiarray

    found: dict[tuple[str, str], object] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        found[module, "_reconstruct"] = multiarray._reconstruct
        found[module, "scalar"] = multiarray.scalar
    return found


_ALLOWED: dict[tuple[str, str], object] = {
    ("_codecs", "encode"): _encode,
    ("copyreg", "_reconstructor"): _reconstructor,
    ("copy_reg", "_reconstructor"): _reconstructor,
    ("builtins", "object"): object,
    ("__builtin__", "object"): object,
    ("collections", "OrderedDict"): OrderedDict,
    **_numpy_globals(),
}
_RECORDS: dict[tuple[str, str], type[_Record]] = {
    **{(f"scipy.sparse.{module}", "csc_matrix"): _Csc for module in ("csc", "_csc")},
    **{(f"scipy.sparse.{module}", "csr_matrix"): _Csr for module in ("csr", "_csr")},
    **{(f"scipy.sparse.{module}", "coo_matrix"): _Sparse for module in ("coo", "_coo")},
}


class _SmplUnpickler(pickle.Unpickler):
    """Builds arrays and plain containers only."""

    def find_class(self, module: str, name: str) -> Any:
        # A stand-in runs nothing, whatever the class: chumpy has one for each operation.
        if module.startswith("chumpy."):
            return _Record
        allowed = _RECORDS.get((module, name)) or _ALLOWED.get((module, name))
        if allowed is None:
            raise pickle.UnpicklingError(
                f"it wants to load {module}.{name}, which no SMPL file needs"
            )
        return allowed


def plain(value: object) -> object:
    """What a stand-in stands for; other values as they are."""
    return value.dense() if isinstance(value, _Record) else value


def read_smpl_pickle(path: Path, names: Collection[str] | None) -> dict[Any, Any]:
    """The named entries of the dictionary in a SMPL .pkl, chumpy's and scipy's arrays as numpy's.

    names None takes all entries: other files of arrays (data sets' labels) are read so too.

    Raises pickle.UnpicklingError for what no SMPL file needs, ValueError for no dictionary.
    """
    with path.open("rb") as stream:
        content = _SmplUnpickler(stream, encoding="latin1").load()
    if not isinstance(content, dict):
        raise ValueError(f"it holds a {type(content).__name__}, not a dictionary")
    chosen = content if names is None else [name for name in names if name in content]
    return {name: plain(content[name]) for name in chosen}
