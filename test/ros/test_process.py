"""A process of a node imports only the modules that it uses, and says which ones are missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Modules of training, rendering and the engines that were not chosen.
HEAVY = [
    "icl_mesh_training",
    "lightning",
    "torchvision",
    "tensorboard",
    "matplotlib",
    "PIL",
    "moderngl",
    "trimesh",
    "fast_simplification",
    "pycocotools",
    "webdataset",
    "rosbags",
    "sklearn",
    "onnx",
    "onnxruntime",
    "torch._dynamo",
    "sympy",
]

CODE = """
import sys
import icl_mesh_ros.nodes.mesh_node
from icl_mesh_ros.pipeline.model_store import ModelStore

model = ModelStore().load("default", "default", "cpu", "torch")
print([name for name in sys.argv[1:] if name in sys.modules])
"""


def test_a_node_with_its_model_loads_no_training_drawing_nor_other_engines() -> None:
    command = [sys.executable, "-c", CODE, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("node", ["mesh_node", "mesh_nodes", "camera_node"])
def test_a_node_without_kernels_says_how_they_are_built(without_kernels, node: str) -> None:
    done = without_kernels(f"from icl_mesh_ros.nodes.start import start; start('{node}')")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith(f"{node}: the compiled kernels of icl_mesh do not load")
    assert "build them in a checkout of icl_mesh_ros with scripts/setup" in done.stderr
