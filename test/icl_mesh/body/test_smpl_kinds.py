"""Licensed SMPL files: kinds of arrays and files, damage, other models."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from icl_mesh.body import BodyModel
from icl_mesh.body.layout import PARENTS
from icl_mesh.body.smpl_file import find_smpl_file, load_smpl_file

V = 6


def tiny(**changes: Any) -> dict[str, Any]:
    """The arrays of a SMPL file of V vertices, float32; the regressor is dense."""
    generator = np.random.default_rng(3)
    regressor = generator.random((24, V))
    weights = generator.random((V, 24))
    return {
        "v_template": generator.normal(size=(V, 3)).astype(np.float32),
        "shapedirs": generator.normal(size=(V, 3, 10)).astype(np.float32),
        "posedirs": generator.normal(size=(V, 3, 207)).astype(np.float32),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": generator.integers(0, V, (8, 3)).astype(np.uint32),
        "kintree_table": np.array((PARENTS, range(24))).astype(np.uint32),
        "bs_style": "lbs",
        **changes,
    }


def write(path: Path, content: object, protocol: int = 4) -> Path:
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    return path


def assert_tiny(path: Path) -> None:
    """The file gives the very arrays of ``tiny``."""
    body, expected = load_smpl_file(path), tiny()
    np.testing.assert_array_equal(body.template, expected["v_template"])
    np.testing.assert_array_equal(body.shape_directions, expected["shapedirs"])
    np.testing.assert_array_equal(body.pose_directions, expected["posedirs"])
    np.testing.assert_array_equal(body.faces, expected["f"])
    np.testing.assert_allclose(body.skinning_weights, expected["weights"], rtol=1e-6)
    regressor = np.zeros((24, V))
    np.put_along_axis(regressor, body.joint_regressor.indices, body.joint_regressor.weights, axis=1)
    np.testing.assert_allclose(regressor, expected["J_regressor"], rtol=1e-6)
    BodyModel(body)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "kind",
    [f"{form}_{kind}" for form in ("csc", "csr", "coo", "bsr", "dia", "lil", "dok")
     for kind in ("matrix", "array")],
)  # fmt: skip
def test_every_sparse_regressor_in_every_protocol(tmp_path: Path, kind: str, protocol: int) -> None:
    regressor = getattr(scipy.sparse, kind)(tiny()["J_regressor"])
    assert_tiny(write(tmp_path / "b.pkl", tiny(J_regressor=regressor), protocol))


def test_coo_before_and_after_scipy_1_13(tmp_path: Path) -> None:
    new = scipy.sparse.coo_matrix(tiny()["J_regressor"])
    old = scipy.sparse.coo_matrix(tiny()["J_regressor"])
    state = dict(old.__dict__)
    state["row"], state["col"] = state.pop("coords")
    old.__dict__.clear()
    old.__dict__.update(state)
    for regressor in (old, new):
        assert_tiny(write(tmp_path / "b.pkl", tiny(J_regressor=regressor)))


def test_sparse_regressor_of_another_byte_order(tmp_path: Path) -> None:
    for form in ("csc", "csr", "coo"):
        regressor = getattr(scipy.sparse, f"{form}_matrix")(tiny()["J_regressor"])
        for name, part in vars(regressor).items():
            if isinstance(part, np.ndarray):
                setattr(regressor, name, part.astype(part.dtype.newbyteorder(">")))
        assert_tiny(write(tmp_path / "b.pkl", tiny(J_regressor=regressor)))


@pytest.mark.parametrize("protocol", range(6))
def test_other_kinds_of_arrays(tmp_path: Path, protocol: int) -> None:
    arrays = tiny()
    fortran = np.asfortranarray(arrays["posedirs"])
    swapped = arrays["shapedirs"].astype(">f8")
    strided = np.repeat(arrays["v_template"], 2, axis=0)[::2]
    objects = arrays["f"].astype(object)
    changed = tiny(
        posedirs=fortran, shapedirs=swapped, v_template=strided, f=objects,
        weights=np.matrix(arrays["weights"]), J_regressor=arrays["J_regressor"].tolist(),
    )  # fmt: skip
    assert_tiny(write(tmp_path / "b.pkl", changed, protocol))
    assert_tiny(write(tmp_path / "b.pkl", OrderedDict(changed), protocol))


@pytest.mark.parametrize("kind", ["u4", "i4", "i8", "f8"])
def test_faces_and_parents_of_any_type(tmp_path: Path, kind: str) -> None:
    tree = np.array((PARENTS, range(24)))
    tree = tree.astype(np.uint32).astype(kind) if kind != "i4" else tree.astype(kind)
    assert_tiny(write(tmp_path / "b.pkl", tiny(f=tiny()["f"].astype(kind), kintree_table=tree)))


def test_npz_of_any_name_with_objects(tmp_path: Path) -> None:
    sparse = scipy.sparse.csc_matrix(tiny()["J_regressor"])
    for name in ("b.npz", "b.NPZ", "b.pkl"):
        for regressor in (sparse, tiny()["J_regressor"].astype(object)):
            with (tmp_path / name).open("wb") as file:
                np.savez_compressed(file, **tiny(J_regressor=regressor, joint2num={"a": 1}))
            assert_tiny(tmp_path / name)
    np.save(tmp_path / "b.npy", np.array(tiny(J_regressor=sparse), dtype=object))
    assert_tiny(tmp_path / "b.npy")


def test_tensors(tmp_path: Path) -> None:
    def tensors(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
        arrays = {name: value for name, value in tiny().items() if name != "bs_style"}
        arrays["f"] = arrays["f"].astype(np.int64)
        return {name: torch.from_numpy(value) for name, value in arrays.items()} | changes

    path = tmp_path / "b.pth"
    regressor = tensors()["J_regressor"]
    turned = tensors()["posedirs"].permute(2, 0, 1).contiguous().permute(1, 2, 0)  # strides
    for new in (True, False):
        for changed in (
            {"weights": torch.nn.Parameter(tensors()["weights"]), "posedirs": turned},
            {"posedirs": tensors()["posedirs"].reshape(-1, 207).T},  # ROMP's
            {"J_regressor": regressor.to_sparse()},
            {"J_regressor": regressor.to_sparse_csr()},
            {"J_regressor": regressor.to_sparse_csc()},
        ):
            torch.save(tensors(**changed), path, _use_new_zipfile_serialization=new)
            assert_tiny(path)
    named = tensors()
    named["lbs_weights"], named["faces_tensor"] = named.pop("weights"), named.pop("f")
    named["parents"] = named.pop("kintree_table")[0].long()
    torch.save(OrderedDict(named), path)
    assert_tiny(path)
    torch.save({**tiny(), "v_template": torch.from_numpy(tiny()["v_template"])}, path)
    assert_tiny(path)
    half = tensors()["v_template"].bfloat16()
    torch.save(tensors(v_template=half), path)
    np.testing.assert_array_equal(load_smpl_file(path).template, half.float().numpy())
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(ValueError, match=r"wants to load torch\.nn\.modules\.linear\.Linear"):
        load_smpl_file(path)


def as_npz(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def as_pth(arrays: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    numbers = {name: np.asarray(arrays[name], "f4") for name in arrays if name != "bs_style"}
    torch.save({name: torch.from_numpy(array) for name, array in numbers.items()}, file)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [*(lambda arrays, p=p: pickle.dumps(arrays, p) for p in (0, 2, 4)), as_npz, as_pth],
)
def test_damage_of_a_transfer_in_text_mode(
    tmp_path: Path, content: Callable[[dict[str, Any]], bytes]
) -> None:
    path = tmp_path / "b.pkl"
    whole = content(tiny())
    path.write_bytes(whole.replace(b"\n", b"\r\n"))
    with pytest.raises(ValueError, match=r"LF in it has become CR LF, as after .* text mode"):
        load_smpl_file(path)
    path.write_bytes(whole.decode("utf8", "replace").encode())
    if path.read_bytes() != whole:  # protocol 0 is text
        with pytest.raises(ValueError, match="replaced by the sign for unknown letters"):
            load_smpl_file(path)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"not read as a SMPL model: it (is damaged|ends before)"):
        load_smpl_file(path)


def test_line_ends_lost(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((400000, 3))
    path = write(tmp_path / "b.pkl", tiny(v_template=noise), 2)
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    with pytest.raises(ValueError, match="every CR LF in it has become LF"):
        load_smpl_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html>", "web page.*download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"\x1f\x8b\x08" + b"\0" * 30, "compressed by gzip; unpack"),
        (b"7z\xbc\xaf\x27\x1c", "7z archive; unpack"),
        (b"\x89HDF\r\n\x1a\n", "HDF5 file; give the .pkl"),
        (b"Kaydara FBX Binary", "FBX scene"),
    ],
)
def test_other_files(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "b.pkl").write_bytes(content)
    with pytest.raises(ValueError, match=f"b.pkl was not read as a SMPL model: .*{message}"):
        load_smpl_file(tmp_path / "b.pkl")


def test_the_archive_as_downloaded(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "SMPL.zip", "w") as archive:
        archive.writestr("smpl/models/basicModel_f.pkl", b"x")
    with pytest.raises(ValueError, match=r"an archive \(smpl/models/basicModel_f.pkl\); unpack it"):
        load_smpl_file(tmp_path / "SMPL.zip")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (tiny(kintree_table=np.zeros((2, 16))), r"of MANO \(a hand of 16 joints\); kintree_table"),
        (tiny(kintree_table=np.zeros((2, 52))), "of SMPL-H "),
        (tiny(kintree_table=np.zeros((2, 55))), r"of SMPL-X \(55 joints\); kintree_table has"),
        (tiny(kintree_table=np.zeros((2, 5))), "of FLAME "),
        (tiny(posedirs=np.zeros((V, 3, 93))), r"of STAR, .*; .*posedirs has shape \(6, 3, 93\)"),
        ({"poses": np.zeros((4, 156)), "trans": np.zeros((4, 3))}, "a recorded motion, as in"),
        ({"pose": 1, "shape": 2, "cam": 3}, "the mean pose"),
        ({"x\ny": np.zeros(3)}, r"this file holds x\\ny; array v_template"),
        (tiny(f=np.full((9, 3), 0.5)), r"f refers to vertex 0\.5"),
        (tiny(f=np.full((9, 3), 2**32 - 1)), "f refers to vertex 4294967295, but there are 6"),
        (tiny(v_template=np.full((V, 3), 1e300)), "v_template has entries that are not finite"),
        (tiny(v_template=99.0 * np.arange(V * 3).reshape(V, 3)), "a body of 1485 m, .* metres"),
        (tiny(v_template=np.float64(1)), r"v_template has shape \(\), but needs 2 dimensions"),
        (tiny(shapedirs=None), "shapedirs holds object, not numbers"),
        (tiny(weights=["a", "b"]), "weights holds <U1, not numbers"),
        ([1, 2], "it holds a list, not a dictionary"),
    ],
)  # fmt: skip
def test_what_is_no_smpl_model_is_named(tmp_path: Path, arrays: object, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        load_smpl_file(write(tmp_path / "b.pkl", arrays))
    assert "\n" not in str(raised.value)


def test_official_names_in_any_case(tmp_path: Path) -> None:
    (tmp_path / "smpl").mkdir()
    path = write(tmp_path / "smpl" / "smpl_neutral.NPZ", tiny())
    assert find_smpl_file(tmp_path) == path
