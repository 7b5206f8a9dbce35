"""Hostile files: no code in them is run, and no memory outside them is read."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from icl_mesh.body.smpl_file import load_smpl_file
from icl_mesh.body.smpl_pickle import read_smpl_pickle
from icl_mesh_training.data.files import read_pickle


def dtype(name: bytes, *state: bytes) -> bytes:
    """numpy.dtype(name), its state set: version 3, byte order, and the rest."""
    return b"cnumpy\ndtype\n(X\x02\0\0\0" + name + b"tR(K\x03" + b"".join(state) + b"tb"


UNSIZED = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
FIELDS = b"NX\x01\0\0\0a\x85}X\x01\0\0\0acnumpy\ndtype\n(X\x02\0\0\0O8tRK\0\x86sK\x08K\x01"
LITTLE, NEITHER = b"X\x01\0\0\0<", b"X\x01\0\0\0|"
F8 = dtype(b"f8", LITTLE, UNSIZED, b"K\0")
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"


def array(shape: bytes, dtype: bytes = F8, data: bytes = b"C\x08" + bytes(8)) -> bytes:
    return ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb"


def entry(value: bytes) -> bytes:
    """A pickle of {"v_template": value}."""
    return b"\x80\x02}X\x0a\x00\x00\x00v_template" + value + b"s."


def compressed(**change: Any) -> bytes:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.__dict__.update(change)
    return pickle.dumps({"v_template": matrix}, 2)


def tensor(offset: int = 0, size: tuple[int, ...] = (9,), stride: tuple[int, ...] = (1,)) -> bytes:
    """A .pth of nine numbers whose tensor refers to memory outside its storage."""
    file = io.BytesIO()
    torch.save({"v_template": torch.zeros(9)}, file)

    class Reference:
        def __reduce__(self) -> Any:
            return torch._utils._rebuild_tensor_v2, (Storage(), offset, size, stride, False, {})

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, value: object) -> Any:
            if isinstance(value, Storage):
                return "storage", torch.FloatStorage, "0", "cpu", 10**12
            return None

    content = io.BytesIO()
    Pickler(content, 2).dump({"v_template": Reference()})
    made = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(made, "w") as new:
        for name in old.namelist():
            new.writestr(name, content.getvalue() if name.endswith("data.pkl") else old.read(name))
    return made.getvalue()


def npz(header: str, data: bytes = bytes(8), kind: int = zipfile.ZIP_STORED) -> bytes:
    made = io.BytesIO()
    text = header.encode("latin1") + b"\n"
    with zipfile.ZipFile(made, "w", kind) as archive:
        archive.writestr(
            "v_template.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data
        )
    return made.getvalue()


#: numpy's own types would make objects' pointers of an array's bytes, by these states.
STRUCTURED = dtype(b"V8", NEITHER, FIELDS, b"K\x3f")
OBJECT = dtype(b"O8", NEITHER, UNSIZED, b"K\x3f")
DISGUISED = dtype(b"f8", NEITHER, FIELDS, b"K\x3f")
SCALAR = b"cnumpy.core.multiarray\nscalar\n(" + OBJECT + b"C\x08AAAAAAAAtR"
HEADER = "{'descr': '%s', 'fortran_order': False, 'shape': (%d,)}"
LAUGHS = b"](" + b"K\x00" * 99 + b"e" + b"".join(
    b"q%c0](" % level + b"h%c" % level * 99 + b"e" for level in range(1, 9)
)  # fmt: skip
HOSTILE = {
    "pointers as a scalar": (entry(SCALAR), "no list"),
    "pointers in an array": (entry(array(b"K\x01\x85", OBJECT)), "no list of so many"),
    "pointers in a structure": (entry(array(b"K\x01\x85", STRUCTURED)), "of a structured type"),
    "a plain type's state": (entry(array(b"K\x01\x85", DISGUISED)), "of a structured type"),
    "type of times": (entry(array(b"K\x01\x85", dtype(b"M8", LITTLE))), "type M8, not of plain"),
    "negative shape": (entry(array(b"J\xff\xff\xff\xff\x85")), "shape has -1 in it"),
    "negative shapes": (entry(array(b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86")), "shape has -1"),
    "huge shape": (entry(array(b"\x8a\x08\0\0\0\0\0\0\0\x10\x85")), "has 1152921504606846976 in"),
    "overflowing shape": (entry(array(b"(" + b"J\0\0\0\x02" * 8 + b"t")), "more than the 67108864"),
    "short data": (entry(array(b"K\x02\x85")), "needs 16 bytes and has 8"),
    "shape is a text": (entry(array(b"X\x01\0\0\0a")), "shape is a"),
    "memo of any index": (entry(b"Nr\xff\xff\xff\xff"), None),
    "a gigabyte by LONG4": (entry(b"\x8b\0\0\0\x40"), "damaged"),
    "a gigabyte by BINUNICODE8": (entry(b"\x8d\0\0\0\x40\0\0\0\0"), "damaged"),
    "an exabyte by BINBYTES8": (entry(b"\x8e\xff\xff\xff\xff\xff\xff\xff\x7f"), "damaged"),
    "an exabyte by BYTEARRAY8": (entry(b"\x96\xff\xff\xff\xff\xff\xff\xff\x7f"), "damaged"),
    "bytes by a number": (entry(b"cbuiltins\nbytes\nJ\xff\0\0\0\x85R"), "bytes made of a int"),
    "a long number in digits": (entry(b"I" + b"9" * 9999 + b"\n"), "damaged"),
    "extension": (entry(b"\x82\x01"), "opcode EXT1"),
    "persistent id": (entry(b"Pid\n"), "opcode PERSID"),
    "binary persistent id": (entry(b"X\x01\0\0\0aQ"), "refers to data outside"),
    "buffer beside it": (entry(b"\x97"), "opcode NEXT_BUFFER"),
    "deep lists": (entry(b"]" * 5000 + b"a" * 4999), "more than 40 deep"),
    "deep key": (entry(b"}" + b")" + b"\x85" * 60000 + b"Ns"), "tuple as the key"),
    "deep keys of a set": (entry(b"\x8f()" + b"\x85" * 60000 + b"\x90"), "tuple as the key"),
    "list in itself": (entry(b"]q\0h\0a"), "holds itself"),
    "chumpy in itself": (entry(b"cchumpy.ch\nCh\n)\x81q\0}X\x01\0\0\0xh\0sb"), "holds itself"),
    "a billion laughs": (entry(LAUGHS), "more than the 67108864 entries"),
    "a call of what is made": (entry(b"K\x01)R"), "calls what has no name"),
    "instance": (entry(b"(ios\nsystem\n"), r"wants to load os\.system"),
    "by the stack": (entry(b"X\x02\0\0\0osX\x06\0\0\0system\x93)R"), r"wants to load os\.system"),
    "attribute of numpy": (entry(b"cnumpy\nload\n)R"), r"wants to load numpy\.load"),
    "a name of two lines": (entry(b"X\x03\0\0\0o\nsX\x01\0\0\0a\x93"), r"load o\\ns\.a"),
    "a state for a number": (entry(b"K\x01}b"), "state for what is no object"),
    "slots": (entry(b"cchumpy.ch\nCh\n)}\x92N}X\x01\0\0\0xK\x01s\x86b"), "without data"),
    "no stack": (b"\x80\x02R.", "stack is empty"),
    "no mark": (b"\x80\x02t.", "mark is missing"),
    "protocol of the future": (b"\x80\x09.", "protocol 9"),
    "sparse row outside": (compressed(indices=np.array([0, 1, 10**9])), "entries outside of it"),
    "sparse row before": (compressed(indices=np.array([0, 1, -7])), "entries outside of it"),
    "sparse pointers outside": (compressed(indptr=np.array([0, 1, 2, 99])), "pointers that do not"),
    "sparse pointers back": (compressed(indptr=np.array([0, 3, 1, 3])), "pointers that do not"),
    # scipy's full check passes these, and its compiled code follows them.
    "sparse pointers to nothing": (compressed(indptr=np.array([0, 10**9, 9, 0])), "pointers that"),
    "sparse of any size": (compressed(_shape=(10**6, 10**6)), "more than the 67108864"),
    "sparse of texts": (compressed(data=np.array(["a", "b", "c"])), "no array of numbers"),
    "tensor beyond its data": (tensor(size=(10**7,)), "reaches entry 9999999 of 9"),
    "tensor before its data": (tensor(offset=-4), "strides|damaged"),
    "tensor that strides out": (tensor(size=(9,), stride=(10**6,)), "reaches entry 8000000 of 9"),
    "tensor that strides back": (tensor(size=(9,), stride=(-1,)), "has strides"),
    "tensor of one number": (tensor(size=(10**6, 10**6), stride=(0, 0)), "more than the 67108864"),
    "npz of any size": (npz(HEADER % ("<f8", 10**10)), "shape has 10000000000"),
    "npz too short": (npz(HEADER % ("<f8", 3)), "needs 24 bytes and has 8"),
    "npz of objects": (npz(HEADER % ("|O", 1), b"cos\nsystem\n)R."), r"load os\.system"),
    "npz of a structure": (npz(HEADER.replace("'%s'", "[('a', '%s')]") % ("f8", 1)), "of type"),
    "npz of times": (npz(HEADER % ("<M8[s]", 1)), r"type <M8\[s\], not of plain numbers"),
    "npz with a deep header": (npz("(" * 5000), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_a_sentence(tmp_path: Path, name: str) -> None:
    content, message = HOSTILE[name]
    path = tmp_path / "b.pkl"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message or "is missing") as raised:
        load_smpl_file(path)
    text = str(raised.value)
    assert str(path) in text
    assert "\n" not in text
    assert len(text) < len(str(path)) + 300
    if content.startswith(b"\x80"):  # data sets' pickles go through the same reader
        if message is None:
            assert read_smpl_pickle(path, None) == {"v_template": None}
        else:
            with pytest.raises(ValueError, match=message):
                read_pickle(path, "the cameras' file")


def test_a_zip_that_swells_is_not_unpacked(tmp_path: Path) -> None:
    content = bytearray(npz(HEADER % ("<f8", 3), kind=zipfile.ZIP_DEFLATED))
    place = content.rindex(b"PK\x01\x02") + 24  # its size, in the directory
    content[place : place + 4] = struct.pack("<I", 3 << 30)
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"v_template\.npy has 3221225472 bytes"):
        load_smpl_file(tmp_path / "b.npz")
