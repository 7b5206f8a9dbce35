"""Reads the official SMPL pickles without chumpy, and without running anything they hold."""

from __future__ import annotations

import io
import pickle
from collections.abc import Collection
from pathlib import Path
from typing import Any

from icl_mesh.body.pickle_arrays import Arrays, is_array_name
from icl_mesh.body.pickle_machine import read_plain
from icl_mesh.body.pickle_records import DAMAGE, shown
from icl_mesh.body.tensor_arrays import Storages


def read_smpl_pickle(path: Path, names: Collection[str] | None) -> dict[Any, Any]:
    """The named entries of the dictionary in a SMPL .pkl, chumpy's and scipy's arrays as numpy's.

    names None takes all entries: other files of arrays (data sets' labels) are read so too.

    Raises pickle.UnpicklingError for what no SMPL file needs, ValueError for no dictionary.
    """
    return dictionary(read_plain(io.BytesIO(path.read_bytes()), is_array_name), names)


def dictionary(
    content: object, names: Collection[str] | None, storages: Storages | None = None
) -> dict[Any, Any]:
    """Entries of what ``read_plain`` gave, with arrays in place of records; errors as above."""
    arrays = Arrays(storages)
    try:
        whole = content if isinstance(content, dict) else arrays.plain(content)
        if not isinstance(whole, dict):
            raise ValueError(f"it holds a {type(whole).__name__}, not a dictionary")
        if names is None:
            return arrays.plain(whole)
        chosen = {name: whole[name] for name in names if name in whole}
        return arrays.plain(chosen)
    except pickle.UnpicklingError:
        raise
    except DAMAGE as error:
        raise pickle.UnpicklingError(f"it is damaged ({shown(error)})") from None
