"""Reads the official SMPL pickles without chumpy and without running code in them."""

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
    """The named entries of the dictionary in a SMPL .pkl; chumpy's and scipy's arrays as numpy's.

    names None reads all entries, for other files of arrays (labels of data sets).

    Raises pickle.UnpicklingError for objects that no SMPL file needs, ValueError for a file
    without a dictionary.
    """
    return dictionary(read_plain(io.BytesIO(path.read_bytes()), is_array_name), names)


def dictionary(
    content: object, names: Collection[str] | None, storages: Storages | None = None
) -> dict[Any, Any]:
    """Entries of the output of ``read_plain``, records replaced by arrays; errors as above."""
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
