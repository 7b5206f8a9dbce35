"""Licensed SMPL files, replaced by a small random one in the official layout."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import roma
import scipy.sparse
import torch

from icl_mesh.body import BodyModel

V = 300
PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
# smplx picks extra joints by vertex; any vertex of the small mesh will do.
FINGERS = [
    f"{side}{name}" for side in "lr" for name in ("thumb", "index", "middle", "ring", "pinky")
]
FEET = [f"{side}{name}" for side in "LR" for name in ("BigToe", "SmallToe", "Heel")]
VERTEX_IDS = dict.fromkeys(["nose", "reye", "leye", "rear", "lear", *FINGERS, *FEET], 0)


def smpl_arrays(vertices: int = V, betas: int = 10) -> dict[str, Any]:
    generator = np.random.default_rng(0)
    regressor = generator.random((24, vertices)) * (generator.random((24, vertices)) < 0.05)
    weights = generator.random((vertices, 24)) ** 8
    tree = np.array((PARENTS, range(24)), dtype=np.int64)
    tree[0, 0] = 2**32 - 1  # as in the official files
    return {
        "v_template": generator.normal(size=(vertices, 3)),
        "shapedirs": 0.02 * generator.normal(size=(vertices, 3, betas)),
        "posedirs": 0.01 * generator.normal(size=(vertices, 3, 207)),
        "J_regressor": scipy.sparse.csc_matrix(regressor / regressor.sum(1, keepdims=True)),
        "weights": weights / weights.sum(1, keepdims=True),
        "f": generator.integers(0, vertices, (500, 3)).astype(np.uint32),
        "kintree_table": tree.astype(np.uint32),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def write_pickle(path: Path, arrays: dict[str, Any], protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(arrays, protocol=protocol))
    return path


@pytest.fixture
def poses() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    betas = torch.randn(6, 10, generator=generator)
    return betas, 0.8 * torch.randn(6, 24, 3, generator=generator)


def test_same_mesh_as_smplx(tmp_path: Path, poses: tuple[torch.Tensor, torch.Tensor]) -> None:
    smplx = pytest.importorskip("smplx", reason="smplx is an optional extra")
    path = write_pickle(tmp_path / "SMPL_NEUTRAL.pkl", smpl_arrays())
    reference = smplx.SMPL(str(path), vertex_ids=VERTEX_IDS, batch_size=6)
    betas, vectors = poses
    expected = reference(
        betas=betas,
        global_orient=vectors[:, 0],
        body_pose=vectors[:, 1:].reshape(6, 69),
    )
    torch.save(reference.state_dict(), tmp_path / "body.pth")
    for body in (
        BodyModel.load(path),
        BodyModel.load(tmp_path / "body.pth"),
        BodyModel.from_smplx(reference),
    ):
        mesh = body(betas, roma.rotvec_to_rotmat(vectors))
        assert (mesh.vertices - expected.vertices).abs().max() < 1e-5
        assert (mesh.joints - expected.joints[:, :24]).abs().max() < 1e-5
    assert body.parents == tuple(reference.parents.tolist())


def test_every_layout_gives_the_same_body(
    tmp_path: Path, poses: tuple[torch.Tensor, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = smpl_arrays()
    dense = {**arrays, "J_regressor": arrays["J_regressor"].toarray()}
    np.savez(tmp_path / "body.npz", **dense)
    paths = [tmp_path / "body.npz"]
    for protocol in (0, 2, 4):
        paths.append(write_pickle(tmp_path / f"csc{protocol}.pkl", arrays, protocol))
    paths.append(
        write_pickle(tmp_path / "csr.pkl", {**arrays, "J_regressor": arrays["J_regressor"].tocsr()})
    )

    # chumpy does not run on today's Python: its classes are stood in for while pickling.
    class Ch:
        def __init__(self, **state: object) -> None:
            self.__dict__.update(state)

    class Select(Ch):
        pass

    for name, kind in (("chumpy.ch", Ch), ("chumpy.reordering", Select)):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
        kind.__module__, kind.__qualname__ = name, kind.__name__
        setattr(module, kind.__name__, kind)
        monkeypatch.setitem(sys.modules, name, module)
    many = np.concatenate((arrays["shapedirs"], np.ones((V, 3, 2))), axis=2)
    chosen = np.arange(many.size).reshape(many.shape)[..., :10]
    chumpy = {
        **arrays,
        "v_template": Ch(x=arrays["v_template"]),
        "J": Ch(),  # a computed value, which is not used
        "shapedirs": Select(a=Ch(x=many), idxs=chosen.ravel(), preferred_shape=(V, 3, 10)),
    }
    paths.append(write_pickle(tmp_path / "chumpy.pkl", chumpy))

    betas, vectors = poses
    rotations = roma.rotvec_to_rotmat(vectors)
    meshes = [BodyModel.load(path)(betas, rotations).vertices for path in paths]
    assert len(meshes) == 6
    for path, mesh in zip(paths, meshes, strict=True):
        assert torch.allclose(mesh, meshes[0], atol=1e-5), path.name


def test_folder_with_official_name(tmp_path: Path) -> None:
    (tmp_path / "smpl").mkdir()
    name = "basicModel_neutral_lbs_10_207_0_v1.0.0"
    write_pickle(tmp_path / "smpl" / f"{name}.pkl", smpl_arrays(betas=300))
    body = BodyModel.load(tmp_path)
    assert body.name == name
    assert body.shape_directions.shape == (10, 3 * V)
    assert body.uv is None and body.part_labels is None


def test_face_points_of_smpls_mesh(tmp_path: Path) -> None:
    arrays = smpl_arrays(vertices=6890)
    arrays["posedirs"] = np.zeros((6890, 3, 207), np.float32)
    np.savez(tmp_path / "b.npz", **{**arrays, "J_regressor": arrays["J_regressor"].toarray()})
    body = BodyModel.load(tmp_path / "b.npz")
    points = body.keypoints(body.template, "coco17")
    # Ids as in smplx.vertex_ids: nose, left eye, right eye, left ear, right ear.
    assert torch.allclose(points[:5], body.template[[332, 2800, 6260, 583, 4071]])
    assert torch.allclose(points[9], body.joint_template[20], atol=1e-5)


class _Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_pickle_that_runs_code_is_refused(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    arrays = {**smpl_arrays(), "v_template": _Attack(proof)}
    path = write_pickle(tmp_path / "bad.pkl", arrays)
    with pytest.raises(ValueError, match=r"wants to load (__builtin__|builtins|pathlib)"):
        BodyModel.load(path)
    assert not proof.exists()
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(proof).encode() + b"'\ntR.")
    with pytest.raises(ValueError, match=r"wants to load (os|posix|nt)\.system"):
        BodyModel.load(path)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.zeros((V, 23))}, r"weights has shape \(300, 23\).*needs \(300, 24\)"),
        ({"posedirs": np.zeros((V, 3, 93))}, r"posedirs has shape \(300, 3, 93\).*\(300, 3, 207\)"),
        ({"shapedirs": np.zeros((V, 3, 4))}, r"shapedirs has shape \(300, 3, 4\).*\(300, 3, 10\)"),
        ({"v_template": np.zeros((V, 2))}, r"v_template has shape \(300, 2\)"),
        ({"J_regressor": np.zeros((55, V))}, r"J_regressor has shape \(55, 300\)"),
        ({"f": np.full((9, 3), V)}, r"f refers to vertex 300, but there are 300 vertices"),
        ({"kintree_table": np.zeros((2, 55))}, r"kintree_table has shape \(2, 55\)"),
        ({"v_template": np.full((V, 3), np.nan)}, r"v_template has entries that are not finite"),
        ({"weights": "none"}, r"array weights holds <U4, not numbers"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = write_pickle(tmp_path / "wrong.pkl", {**smpl_arrays(), **change})
    with pytest.raises(ValueError, match=message) as raised:
        BodyModel.load(path)
    assert str(path) in str(raised.value)


def test_missing_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such body file"):
        BodyModel.load(tmp_path / "none.pkl")
    with pytest.raises(FileNotFoundError, match="no SMPL model file under an official name"):
        BodyModel.load(tmp_path)
    partial = smpl_arrays()
    del partial["posedirs"]
    with pytest.raises(ValueError, match="array posedirs is missing"):
        BodyModel.load(write_pickle(tmp_path / "partial.pkl", partial))
    for name in ("noise.pkl", "noise.npz"):
        (tmp_path / name).write_bytes(b"not a model at all")
        with pytest.raises(ValueError, match="was not read as a SMPL model"):
            BodyModel.load(tmp_path / name)
    with pytest.raises(ValueError, match=r"dict is not a smplx\.SMPL object"):
        BodyModel.from_smplx({})
