"""Converts a pickle's records of numpy, scipy, chumpy and torch to numpy arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from icl_mesh.body.pickle_records import INSTEAD, Name, Record, refuse, shown
from icl_mesh.body.raw_arrays import MOST_ENTRIES, checked_shape, from_bytes, plain_type
from icl_mesh.body.sparse_arrays import SPARSE_FORMS, dense_of_scipy
from icl_mesh.body.tensor_arrays import TORCH_NAMES, Storages, tensor

_NESTED = (list, tuple, dict, Record)
#: Deepest nesting of lists and records; numpy arrays have at most 32 dimensions.
_DEEPEST = 40
_CORES = ("numpy.core", "numpy._core")
_CLASSES = {
    *(Name("numpy", name) for name in ("ndarray", "matrix", "memmap")),
    *(Name(f"{core}.memmap", "memmap") for core in _CORES),
    *(Name(f"numpy.{module}defmatrix", "matrix") for module in ("core.", "matrixlib.")),
}
_SPARSE = {
    Name(f"scipy.sparse.{module}{form}", f"{form}_{kind}"): form
    for form in SPARSE_FORMS
    for kind in ("matrix", "array")
    for module in ("", "_")
}
_CHUMPY_PARTS = ("x", "a", "idxs", "preferred_shape")
#: Allowed names that are not arrays.
_OTHERS = {Name(m, n) for m in ("builtins", "__builtin__") for n in ("object", "dict")}


def is_array_name(name: Name) -> bool:
    """Whether files of arrays may use this name. All of chumpy: a Record runs no code."""
    known = (INSTEAD, _MAKERS, _CLASSES, _SPARSE, TORCH_NAMES, _OTHERS)
    return _is_chumpy(name) or any(name in names for names in known)


def _is_chumpy(name: Name) -> bool:
    return name.module.split(".")[0] == "chumpy"


class Arrays:
    """Converts the output of ``read_plain`` to plain values. Shared parts are converted once.

    storages: the data of torch's tensors, if any.
    """

    def __init__(self, storages: Storages | None = None) -> None:
        self.storages = storages
        self.made: dict[int, tuple[object, Any, int]] = {}  # the source, its value, its entries
        self.depth = 0
        self.entries = 0

    def plain(self, value: object) -> Any:
        """The value, with records replaced by arrays.

        Raises pickle.UnpicklingError for records that are not arrays, and for values that are
        deeper or larger (references expanded) than any SMPL file.
        """
        return self._plain(value)[0]

    def _plain(self, value: object) -> tuple[Any, int]:
        if not isinstance(value, _NESTED):
            return value, 1
        if id(value) not in self.made:
            self.depth += 1
            if self.depth > _DEEPEST:
                refuse(f"it is nested more than {_DEEPEST} deep, or holds itself")
            made, entries = self._make(value)
            self.depth -= 1
            _check_entries(entries)
            self.made[id(value)] = value, made, entries
        return self.made[id(value)][1:]

    def _make(
        self, value: list[Any] | tuple[Any, ...] | dict[Any, Any] | Record
    ) -> tuple[Any, int]:
        if isinstance(value, Record):
            made = self._record(value)
            entries = made.size if isinstance(made, np.ndarray) else 1
            self._count(entries)
            return made, entries
        items = value.values() if isinstance(value, dict) else value
        if isinstance(value, list) and not any(isinstance(part, _NESTED) for part in value):
            return value, 1 + len(value)  # fast path for lists of millions of numbers
        parts = [self._plain(part) for part in items]
        entries = 1 + sum(count for _, count in parts)
        values = [part for part, _ in parts]
        if isinstance(value, dict):
            return dict(zip(map(self.plain, value), values, strict=True)), entries
        return type(value)(values), entries

    def _count(self, entries: int) -> None:
        self.entries += entries
        _check_entries(self.entries)

    def _record(self, record: Record) -> Any:
        if record.kind in _SPARSE:
            return dense_of_scipy(_SPARSE[record.kind], self._attributes(record, None))
        if _is_chumpy(record.kind):
            return _chumpy(self._attributes(record, _CHUMPY_PARTS))
        if record.kind in _MAKERS:
            return _MAKERS[record.kind](self, record)
        if record.kind in TORCH_NAMES and self.storages is not None:
            return tensor(record, self.storages)
        refuse(f"it holds an object of {record.kind}, which is no array")

    def _attributes(self, record: Record, names: tuple[str, ...] | None) -> dict[Any, Any]:
        """The named attributes, None for all; chumpy objects have others that are not data."""
        state = record.state
        if isinstance(state, tuple) and len(state) == 2 and isinstance(state[0], dict):
            state = state[0]  # the other part belongs to __slots__
        if not isinstance(state, dict):
            refuse(f"it holds an object of {record.kind} without data")
        chosen = state if names is None else {name: state[name] for name in names if name in state}
        if not chosen:
            found = ", ".join(shown(name) for name in list(state)[:5])
            refuse(f"it holds a chumpy object without data (it has {found})")
        return {name: self.plain(part) for name, part in chosen.items()}

    def array(self, raw: object, dtype: object, shape: object, fortran: bool) -> Any:
        """An array from its bytes, or an object array from a list."""
        if isinstance(raw, str):  # Python 2's bytes
            raw = raw.encode("latin1")
        kind = _type(dtype)
        if kind is not None:
            if not isinstance(raw, (bytes, bytearray)):
                refuse(f"an array's data is a {type(raw).__name__}, not bytes")
            return from_bytes(raw, kind, shape, fortran=fortran)
        sizes = checked_shape(shape)
        if not isinstance(raw, list) or len(raw) != np.prod(sizes):
            refuse(f"an array of {sizes} objects has no list of so many")
        values, entries = self._plain(raw)
        self._count(entries)
        if not sizes:
            return values[0]
        if all(isinstance(value, (int, float, np.number)) for value in values):
            found = np.array(values)
        else:
            found = np.empty(len(values), object)
            for index, value in enumerate(values):
                found[index] = value
        return found.reshape(sizes, order="F" if fortran else "C")

    def _state_array(self, record: Record) -> Any:
        """``_reconstruct``: an empty array, whose state is (version, shape, type, order, data)."""
        if record.state is None:
            return np.empty(0)
        if not isinstance(record.state, tuple) or len(record.state) not in (4, 5):
            refuse("an array's state is not numpy's")
        shape, dtype, fortran, raw = record.state[-4:]
        return self.array(raw, dtype, shape, fortran=bool(fortran))

    def _buffer_array(self, record: Record) -> Any:
        """``_frombuffer`` of protocol 5: data, type, shape, order."""
        raw, dtype, shape, order = record.arguments
        return self.array(raw, dtype, shape, fortran=order == "F")

    def _scalar(self, record: Record) -> Any:
        dtype, raw = record.arguments
        return self.array(raw, dtype, (), fortran=False)[()]


def _check_entries(entries: int) -> None:
    if entries > MOST_ENTRIES:
        refuse(f"it has more than the {MOST_ENTRIES} entries that are read")


def _type(record: object) -> np.dtype[Any] | None:
    """The type of a numpy.dtype record, None for objects."""
    if not isinstance(record, Record) or record.kind != Name("numpy", "dtype"):
        refuse("an array has no type")
    name, *_ = record.arguments
    if name in ("O", "O8", "|O"):
        return None
    state = record.state if isinstance(record.state, tuple) else ()
    if any(part is not None for part in state[2:5]):
        refuse("an array is of a structured type, not of plain numbers")
    return plain_type(name, *state[1:2])


def _chumpy(parts: dict[Any, Any]) -> Any:
    """A chumpy array, or a selection of another array's entries."""
    if "x" in parts:
        return parts["x"]
    chosen = np.asarray(parts["a"]).ravel()[np.asarray(parts["idxs"]).astype(np.int64)]
    shape = parts.get("preferred_shape")
    return chosen if shape is None else chosen.reshape(checked_shape(shape))


_MAKERS: dict[Name, Callable[[Arrays, Record], Any]] = {
    **{Name(f"{core}.multiarray", "_reconstruct"): Arrays._state_array for core in _CORES},
    **{Name(f"{core}.numeric", "_frombuffer"): Arrays._buffer_array for core in _CORES},
    **{Name(f"{core}.multiarray", "scalar"): Arrays._scalar for core in _CORES},
    Name("numpy", "dtype"): lambda _, record: str(_type(record)),
}
