"""Files of named arrays: pickles, numpy's .npz and .npy, torch's .pth; detected by content.

Object arrays are pickles inside .npy files; the same reader parses all pickles.
"""

from __future__ import annotations

import io
import math
import pickle
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np

from icl_mesh.body.pickle_arrays import Arrays, is_array_name
from icl_mesh.body.pickle_machine import read_plain
from icl_mesh.body.pickle_records import DAMAGE, shown
from icl_mesh.body.raw_arrays import checked_shape, from_bytes, plain_type
from icl_mesh.body.smpl_pickle import dictionary
from icl_mesh.body.tensor_arrays import TYPES, Storages

#: The largest array of a SMPL-X file has 120 MB; a zip can promise any size.
_MOST_BYTES = 1 << 30
_TORCH_MAGIC = 0x1950A86A20F9469CFC6C
#: Errors of zipfile and of numpy's header parser for damage, besides UnpicklingError and DAMAGE.
_ZIP_DAMAGE = (
    *(*DAMAGE, OSError, zipfile.BadZipFile, zlib.error, struct.error, SyntaxError),
    *(NotImplementedError, RuntimeError, tokenize.TokenError),
)


def read_arrays(content: bytes, names: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    """The named entries of a file's content, and the names of all its entries.

    Raises pickle.UnpicklingError for damage, and for objects that are not arrays.
    """
    try:
        if content.startswith(b"PK\x03\x04"):
            return _from_zip(content, names)
        if content.startswith(np.lib.format.MAGIC_PREFIX):
            found = _npy(content)
            whole = found if isinstance(found, dict) else {}
            return {name: whole[name] for name in names if name in whole}, list(map(str, whole))
        return _from_pickle(content, names)
    except pickle.UnpicklingError:
        raise
    except _ZIP_DAMAGE as error:
        raise pickle.UnpicklingError(f"it is damaged ({shown(error)})") from None


def _from_pickle(content: bytes, names: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    stream = io.BytesIO(content)
    whole = read_plain(stream, is_array_name)
    storages = None
    if whole == _TORCH_MAGIC:  # torch before 1.6: magic, version, machine, content, keys, data
        read_plain(stream, is_array_name)
        machine = read_plain(stream, is_array_name)
        references: list[tuple[Any, ...]] = []
        whole = read_plain(stream, is_array_name, references)
        order = "<" if machine["little_endian"] else ">"
        sizes = {
            reference[2]: plain_type(TYPES[reference[1].name]).itemsize for reference in references
        }
        storages = Storages(_data_behind(stream, sizes, order).__getitem__, order)
    return dictionary(whole, names, storages), _names(whole)


def _data_behind(stream: io.BytesIO, sizes: dict[str, int], order: str) -> dict[str, bytes]:
    """Storages by key, which follow the pickles of an old .pth; sizes: bytes per entry by key."""
    found = {}
    for key in read_plain(stream, is_array_name):
        (count,) = struct.unpack(f"{order}q", stream.read(8))
        found[key] = stream.read(max(count, 0) * sizes[key])
    return found


def _names(whole: object) -> list[str]:
    return list(map(str, whole)) if isinstance(whole, dict) else []


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise pickle.UnpicklingError("it is compressed in a way that neither numpy nor torch uses")
    if info.file_size > _MOST_BYTES:
        raise pickle.UnpicklingError(f"its part {shown(name)} has {info.file_size} bytes")
    return archive.read(info)


def _from_zip(content: bytes, names: Collection[str]) -> tuple[dict[str, Any], list[str]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.namelist()
        roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
        if roots:
            return _from_torch(archive, roots[0], names)
        found = [name.removesuffix(".npy") for name in members if name.endswith(".npy")]
        if not found:
            listed = ", ".join(shown(name) for name in members[:5])
            raise pickle.UnpicklingError(
                f"it is an archive ({listed}); unpack it and give the model file that is in it"
            )
        chosen = (name for name in names if name in found)
        return {name: _npy(_member(archive, f"{name}.npy")) for name in chosen}, found


def _from_torch(
    archive: zipfile.ZipFile, root: str, names: Collection[str]
) -> tuple[dict[str, Any], list[str]]:
    stream = io.BytesIO(_member(archive, f"{root}data.pkl"))
    whole = read_plain(stream, is_array_name, [])
    order = f"{root}byteorder"
    big = order in archive.namelist() and _member(archive, order) == b"big"
    storages = Storages(lambda key: _member(archive, f"{root}data/{key}"), ">" if big else "<")
    return dictionary(whole, names, storages), _names(whole)


def _npy(content: bytes) -> Any:
    """The array of a .npy; an object array of shape () becomes the object itself."""
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise pickle.UnpicklingError(f"its array has format version {version}, not 1.0 or 2.0")
    read = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        return Arrays().plain(read_plain(stream, is_array_name))
    kind = plain_type(dtype.str)
    # Like numpy, ignore bytes after the array.
    size = math.prod(checked_shape(shape)) * kind.itemsize
    return from_bytes(stream.read(size), kind, shape, fortran=fortran)
