"""Identifies files that are not SMPL models: one sentence for each kind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from icl_mesh.body.pickle_records import shown

_BEGINNINGS = (
    (b"version https://git-lfs", "it is a pointer of Git LFS; `git lfs pull` gets the file itself"),
    (b"\x1f\x8b", "it is compressed by gzip; unpack it first"),
    (b"Rar!", "it is a RAR archive; unpack it first"),
    (b"7z\xbc\xaf", "it is a 7z archive; unpack it first"),
    (b"\x89HDF", "it is a HDF5 file; give the .pkl or .npz for Python"),
    (b"MATLAB", "it is a MATLAB file; give the .pkl or .npz for Python"),
    (b"Kaydara FBX", "it is a FBX scene; give the .pkl or .npz for Python"),
    (b"ply\n", "it is a mesh (.ply), not a body model; give the .pkl or .npz for Python"),
)
#: Models that share SMPL's arrays, by the joints in their tree.
_MODELS = {
    5: "FLAME (a head of 5 joints)",
    16: "MANO (a hand of 16 joints)",
    52: "SMPL-H (52 joints)",
    55: "SMPL-X (55 joints)",
    75: "SUPR (75 joints)",
}
_STAR_POSE_DIRECTIONS = 93
#: Files that come with SMPL and its data sets, by names of arrays that only they have.
_COMPANIONS = (
    ({"poses", "trans"}, "a recorded motion, as in AMASS"),
    ({"pose", "shape", "cam"}, "the mean pose that regressors start from"),
    ({"state_dict"}, "a checkpoint of a network"),
)


def foreign_content(content: bytes) -> str | None:
    """The kind of an unreadable file by its bytes; None if unknown."""
    if not content:
        return "it is empty"
    for beginning, what in _BEGINNINGS:
        if content.startswith(beginning):
            return what
    if content[:512].lstrip()[:1] == b"<":
        return "it is a web page, such as the page for logging in; download the file itself"
    return _transfer_damage(content)


def _transfer_damage(content: bytes) -> str | None:
    """Signs that a program treated the bytes as text."""
    returns, ends, both = (content.count(mark) for mark in (b"\r", b"\n", b"\r\n"))
    transfer = "as after a transfer in text mode; copy it again in binary mode"
    if both == ends > 0:
        return f"every LF in it has become CR LF, {transfer}"
    # Among this many CR and LF, some would be adjacent by chance.
    if both == 0 and returns * ends > 20 * len(content):
        return f"every CR LF in it has become LF, {transfer}"
    if content.count(b"\xef\xbf\xbd") > max(2, len(content) // 1000):
        return f"bytes in it were replaced by the sign for unknown letters, {transfer}"
    return None


def foreign_model(stored: Mapping[str, Any], held: Collection[str]) -> str | None:
    """The other model or file that has these arrays; held: names of all arrays of the file."""
    tree = np.shape(stored["kintree_table"]) if "kintree_table" in stored else ()
    if tree and tree[-1] in _MODELS:
        return f"this is a model file of {_MODELS[tree[-1]]}"
    directions = np.shape(stored["posedirs"]) if "posedirs" in stored else ()
    if directions and directions[-1] == _STAR_POSE_DIRECTIONS:
        return "this is a model file of STAR, whose pose directions are not SMPL's"
    for names, what in _COMPANIONS:
        if names <= set(held):
            return f"this is {what}"
    if not stored and held:
        return f"this file holds {', '.join(shown(name, 20) for name in sorted(held)[:6])}"
    return None
