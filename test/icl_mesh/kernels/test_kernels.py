"""The binding of the compiled kernels: refused arguments, failed loading, all CPU levels."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_cases import Case, all_cases

from icl_mesh import kernels
from icl_mesh.kernels import levels

CASES = all_cases(kernels.compiled)
#: Levels of this CPU that were built: the compiler may not support all.
BUILT = [
    level
    for level in levels.supported_levels()
    if importlib.util.find_spec(f"icl_mesh.kernels._{level}")
]


def call(case: Case, **changed: object) -> None:
    case.call(**case.arguments | changed)


def arrays() -> list[tuple[str, str]]:
    return [
        (name, argument)
        for name, case in CASES.items()
        for argument, value in case.arguments.items()
        if isinstance(value, np.ndarray)
    ]


def wrong_arrays(good: np.ndarray) -> dict[str, np.ndarray]:
    other = np.float32 if good.dtype == np.float64 else np.float64
    axis = max(good.ndim - 2, 0)
    apart = (slice(None),) * axis + (slice(None, None, 2),)
    return {
        "type": good.astype(other),
        "byte order": good.astype(good.dtype.newbyteorder()) if good.itemsize > 1 else good[None],
        "sign": good.astype(np.int8),
        "dimensions": good[None],
        "stride": np.repeat(good, 2, axis=axis)[apart],
        "last stride": np.repeat(good, 2, axis=-1)[..., ::2],
    }


def test_the_stub_and_the_cases_know_every_kernel() -> None:
    """_compiled.pyi is written by hand. Every function with array arguments has a case."""
    stub = ast.parse(Path(levels.__file__).with_name("_compiled.pyi").read_text("utf-8"))
    defined = {node.name: node for node in stub.body if hasattr(node, "name")}
    public = {name for name in dir(kernels.compiled) if not name.startswith("_")}
    assert public == {*defined, "LANES"}
    for name, node in defined.items():
        methods = [one for one in ast.walk(node) if isinstance(one, ast.FunctionDef)]
        takes_arrays = "Float" in ast.unparse(node) or "UInt8" in ast.unparse(node)
        assert not takes_arrays or any(case.startswith(name) for case in CASES), name
        if isinstance(node, ast.ClassDef):
            found = {one for one in dir(getattr(kernels.compiled, name)) if not one.startswith("_")}
            assert found == {one.name for one in methods if not one.name.startswith("_")}


@pytest.mark.parametrize(("name", "argument"), arrays())
def test_wrong_arrays_are_named(name: str, argument: str) -> None:
    case = CASES[name]
    good = case.arguments[argument]
    call(case)
    for what, wrong in wrong_arrays(good).items():
        if "stride" in what and argument in case.any_strides:
            call(case, **{argument: wrong})
            continue
        with pytest.raises((TypeError, ValueError), match=rf"\b{argument} must "):
            call(case, **{argument: wrong})
    if argument in case.outputs:
        fixed = good.copy()
        fixed.flags.writeable = False
        with pytest.raises(TypeError, match=rf"\b{argument} must .*writable.*read-only"):
            call(case, **{argument: fixed})


@pytest.mark.parametrize(("name", "argument"), arrays())
def test_arrays_of_other_lengths_are_named(name: str, argument: str) -> None:
    """An array with a missing row is refused. (If it alone determines the count, the error names
    another array.)"""
    case = CASES[name]
    shorter = case.arguments[argument][:-1]
    free = {("Lens", "radii"), ("letterbox", "image"), ("marker_points", "vertices")}
    free |= {("marker_points", "corners"), ("ColorPlan", "grid"), ("ColorPlan()", "image")}
    free |= {("Surface", "index"), ("Reader.keep", "rows")}
    if (name, argument) in free and name != "Lens":
        call(case, **{argument: shorter})
        return
    with pytest.raises((TypeError, ValueError), match=r"\b\w+ must "):
        call(case, **{argument: shorter})


def test_what_is_no_array_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"letterbox: tones must be an array float32 \[3, 3\].*list"
    ):
        call(CASES["letterbox"], tones=[[1.0]])
    with pytest.raises(TypeError, match="letterbox: left must be an int; got str"):
        call(CASES["letterbox"], left="0")
    with pytest.raises(TypeError, match=r"Surface.place: reader must be a Reader; got int"):
        call(CASES["Surface.place"], reader=3)
    arguments = dict(CASES["marker_points"].arguments)
    del arguments["points"]
    with pytest.raises(TypeError, match="marker_points: points is missing"):
        kernels.marker_points(**arguments)


@pytest.mark.parametrize(
    ("name", "argument", "value", "message"),
    [
        ("search_heatmaps", "image", -1, "image must lie in a batch of 2, got -1"),
        ("search_heatmaps", "image", 2, "image must lie in a batch of 2, got 2"),
        ("PatchCutter", "image", 2, "image must lie in a batch of 2, got 2"),
        ("ColorPlan", "pairs", 24, "pairs must be joints"),
        ("Body", "parents", 23, "parents must come before their children"),
        ("Body", "keypoint_bone", 24, "keypoint_bone must be joints"),
        ("Surface", "index", 10**6, "index must be vertices"),
        ("Surface", "weight_joint", 24, "weight_joint must be joints"),
        ("Surface", "pose_start", 10**6, "pose_start must rise"),
    ],
)
def test_indices_that_there_are_not(name: str, argument: str, value: int, message: str) -> None:
    wrong = CASES[name].arguments[argument].copy()
    wrong.reshape(-1)[1] = value
    with pytest.raises(ValueError, match=message):
        call(CASES[name], **{argument: wrong})


def test_steps_of_a_reader_keep_their_order() -> None:
    reader = kernels.Reader(**CASES["Reader"].arguments)
    with pytest.raises(ValueError, match="set_view comes first"):
        reader.find(0.5)
    reader.set_view(**CASES["Reader.set_view"].arguments)
    with pytest.raises(ValueError, match="read_from comes first"):
        reader.find(0.5)
    reader.read_from(**CASES["Reader.read_from"].arguments)
    with pytest.raises(ValueError, match="read_features comes first"):
        reader.find(0.5)
    with pytest.raises(ValueError, match="fit comes first"):
        reader.place()


def test_a_readers_memory_outlives_it() -> None:
    views = kernels.Reader(**CASES["Reader"].arguments).views()
    assert views["score"].shape == (64,) and (views["score"] == 0).all()
    views["score"][:] = 1


@pytest.mark.parametrize("level", BUILT)
def test_all_levels_give_the_same(level: str) -> None:
    mine, others = all_cases(levels.load_level("baseline")), all_cases(levels.load_level(level))
    for name, case in mine.items():
        call(case)
        call(others[name])
        for output, tolerance in case.outputs.items():
            np.testing.assert_allclose(
                others[name].arguments[output], case.arguments[output], rtol=1e-6, atol=tolerance,
                err_msg=f"{name}: {output}",
            )  # fmt: skip


# --- loading ---


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("level", BUILT)
def test_a_level_can_be_asked_for(level: str) -> None:
    code = "from icl_mesh import kernels; print(kernels.LEVEL, kernels.LANES)"
    lanes = {"v4": 16, "v3": 8, "baseline": 4}[level]
    done = python(code, ICL_MESH_KERNELS=level)
    assert done.stdout.split() == [level, str(lanes)], done.stderr


def test_a_level_that_the_cpu_does_not_run_is_refused() -> None:
    done = python("import icl_mesh.kernels", ICL_MESH_KERNELS="v9")
    assert "ImportError: ICL_MESH_KERNELS=v9: this CPU runs the levels " in done.stderr


def test_the_best_level_is_taken() -> None:
    assert (os.environ.get("ICL_MESH_KERNELS") or BUILT[0]) == kernels.LEVEL


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "status", "start"),
    [
        ("icl_mesh", ["info"], 2, "icl-mesh: error: "),
        ("icl_mesh_training", ["export", "a.ckpt", "--out", "b"], 1, "icl-mesh-train: "),
    ],
)
def test_kernels_that_do_not_load_say_how_they_are_built(
    without_kernels, module: str, arguments: list[str], status: int, start: str
) -> None:
    """A package without its compiled modules: one sentence of the command."""
    done = without_kernels(
        f"import sys; from {module}.cli.main import main; sys.exit(main({arguments}))"
    )
    assert done.returncode == status
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"{start}the compiled kernels of icl_mesh do not load")
    assert "build them in a checkout of icl_mesh_ros with scripts/setup, or install it anew" in (
        done.stderr
    )
