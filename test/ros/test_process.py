"""A process of mesh_node imports only the modules that it uses."""

from __future__ import annotations

import subprocess
import sys

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
