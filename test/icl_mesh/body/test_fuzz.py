"""Mutations of valid body files of every kind: a body or one documented sentence, nothing else."""

from __future__ import annotations

import contextlib
import io
import pickle
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from icl_mesh.body.layout import PARENTS
from icl_mesh.body.smpl_file import load_smpl_file
from icl_mesh_training.data.files import read_pickle

MUTATIONS = 250  # of each kind
#: Numbers at which readers break.
EDGES = (b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8, b"\x01\0\0\0")
#: Opcodes that take names, refer to what was made, or are long.
OPCODES = b"()]}.0cRb\x81\x92\x93\x94hqjrpgQPaesut\x85\x86\x87\x8b\x8d\x8e\x96\x97\x90\x91\x82"


def arrays() -> dict[str, Any]:
    """A body of one vertex: with so few data, mutations hit the structure."""
    return {
        "v_template": np.zeros((1, 3), np.float32),
        "shapedirs": np.zeros((1, 3, 10), np.float16),
        "posedirs": np.zeros((1, 3, 207), np.float16),
        "J_regressor": np.ones((24, 1), np.float32),
        "weights": np.full((1, 24), 1 / 24, np.float32),
        "f": np.zeros((1, 3), np.uint32),
        "kintree_table": np.array((PARENTS, range(24))).astype(np.uint32),
    }


def pickled(protocol: int) -> bytes:
    forms = (scipy.sparse.csc_matrix, scipy.sparse.coo_array, scipy.sparse.csr_array)
    regressor = forms[protocol % 3](np.ones((24, 1)))
    objects = arrays()["f"].astype(object)
    return pickle.dumps(arrays() | {"J_regressor": regressor, "f": objects}, protocol)


def numpy_file(*, objects: bool) -> bytes:
    file = io.BytesIO()
    regressor = scipy.sparse.csc_matrix(np.ones((24, 1)))
    np.savez(file, **(arrays() | ({"J_regressor": regressor} if objects else {})))
    return file.getvalue()


def torch_file(*, new: bool) -> bytes:
    file = io.BytesIO()
    tensors = {name: torch.from_numpy(array) for name, array in arrays().items()}
    tensors["J_regressor"] = tensors["J_regressor"].to_sparse()
    torch.save(tensors, file, _use_new_zipfile_serialization=new)
    return file.getvalue()


KINDS: dict[str, Callable[[], bytes]] = {
    **{f"pickle {protocol}": lambda p=protocol: pickled(p) for protocol in range(6)},
    "npz": lambda: numpy_file(objects=False),
    "npz of objects": lambda: numpy_file(objects=True),
    "pth": lambda: torch_file(new=True),
    "pth before 1.6": lambda: torch_file(new=False),
}


def mutated(content: bytes, generator: np.random.Generator) -> bytes:
    """One to three changes: bits, bytes, numbers, opcodes; parts lost, doubled, moved, cut off."""
    made = bytearray(content)
    for _ in range(generator.integers(1, 4)):
        place = int(generator.integers(len(made))) if made else 0
        part = made[place : place + int(generator.integers(1, 40))]
        edge = EDGES[generator.integers(len(EDGES))]
        match generator.integers(9):
            case 0 if made:
                made[place] ^= 1 << int(generator.integers(8))
            case 1 if made:
                made[place] = int(generator.integers(256))
            case 2 | 3 if made:
                made[place] = OPCODES[generator.integers(len(OPCODES))]
            case 4:
                made[place : place + len(edge)] = edge
            case 5:
                made[place:place] = edge
            case 6:
                del made[place : place + len(part)]
            case 7:
                where = int(generator.integers(len(made) + 1))
                made[where:where] = part
            case _ if generator.random() < 0.2:
                del made[place:]
    return bytes(made)


def mutations(content: bytes, count: int, seed: int) -> Iterator[bytes]:
    """Of the file, and of the members of an archive with valid checksums."""
    generator = np.random.default_rng(seed)
    for number in range(count):
        if number % 2 == 0 or not zipfile.is_zipfile(io.BytesIO(content)):
            yield mutated(content, generator)
            continue
        made = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w") as new:
            members = old.namelist()
            # A pickle among arrays is mutated as often as all of them.
            pickles = [name for name in members if name.endswith("data.pkl")]
            chosen = pickles if pickles and generator.random() < 0.7 else members
            target = chosen[generator.integers(len(chosen))]
            for name in members:
                part = old.read(name)
                new.writestr(name, mutated(part, generator) if name == target else part)
        yield made.getvalue()


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
def test_mutated_bodies(tmp_path: Path, kind: str, count: int = MUTATIONS, seed: int = 0) -> None:
    content = KINDS[kind]()
    path = tmp_path / "body"
    path.write_bytes(content)
    load_smpl_file(path)
    refused = 0
    for made in mutations(content, count, seed):
        path.write_bytes(made)
        try:
            load_smpl_file(path)
        except ValueError as error:
            text = str(error)
            assert str(path) in text
            assert text.isprintable()
            assert len(text) < len(str(path)) + 500
            refused += 1
        if kind.startswith("pickle"):  # data sets' pickles: every entry is read
            with contextlib.suppress(ValueError):
                read_pickle(path, "the labels' file")
    assert refused > count / 3
