"""OpenVINO: the network on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.engine.host_patches import Floats, empty_patches, patch_cutter
from icl_mesh.engine.onnx_model import INPUT, PATCHES, SMPL, OnnxModels, maps_of
from icl_mesh.engine.signal_stack import same_signal_stack
from icl_mesh.engine.spec import refuse_bf16
from icl_mesh.network import InferenceMaps
from icl_mesh.network.constants import SMPL_CHANNELS


class OpenVinoEngine:
    """Runs the ONNX models, with torch's number of threads.

    precision: "f32" or "bf16". OpenVINO's own default is bf16 on CPUs that have it.
    """

    def __init__(self, models: OnnxModels, device: torch.device, precision: str) -> None:
        """Raises ValueError for bf16 on a CPU without it."""
        import openvino

        self.name = f"openvino:{precision}"
        self.device = device
        # Plans are for one image and one person. With a dynamic number, an image takes 5 to 9 %
        # longer, and each new number of people compiles a plan while the image waits. A plan for
        # two or four people is 6 % (f32) or 10 % (bf16) faster, but needs another 20 MB.
        plan = planner_for_one(precision)
        self._maps = plan(models.maps)
        self._person = plan(models.people)

        # OpenVINO reads and writes this memory in place.
        self._tensor = partial(openvino.Tensor, shared_memory=True)
        self._shapes = [tuple(self._maps.get_tensor(name).shape) for name in InferenceMaps._fields]
        self._outputs = self._rooms(1)
        self._found = _maps_in(self._outputs)
        self._bound: torch.Tensor | None = None  # the input that is bound as it is, if any
        self._patches = empty_patches(1, self._person.get_tensor("features").shape[3])
        for name, patch in zip(PATCHES, self._patches, strict=True):
            self._person.set_tensor(name, self._tensor(patch))
        self._smpl = np.empty((1, SMPL_CHANNELS), np.float32)
        self._person.set_tensor(SMPL, self._tensor(self._smpl))

    def _rooms(self, count: int) -> list[Floats]:
        """Memory for the maps of `count` images."""
        return [np.empty((count, *shape[1:]), np.float32) for shape in self._shapes]

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        if images is self._bound:  # an estimator reuses its input's memory
            self._maps.infer(share_outputs=True)
            return self._found
        pixels = np.ascontiguousarray(images.numpy())
        if len(self._outputs[0]) != len(pixels):
            self._outputs = self._rooms(len(pixels))
            self._found = _maps_in(self._outputs)
        for row in range(len(pixels)):
            here = slice(row, row + 1)
            self._maps.set_tensor(INPUT, self._tensor(pixels[here]))
            for name, output in zip(InferenceMaps._fields, self._outputs, strict=True):
                self._maps.set_tensor(name, self._tensor(output[here]))
            self._maps.infer(share_outputs=True)
        self._bound = images if len(pixels) == 1 and images.is_contiguous() else None
        return self._found

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        smpl = np.empty((len(image), SMPL_CHANNELS), np.float32)
        cut = patch_cutter(maps, image, cell, self._patches)
        for row in range(len(image)):
            cut(row, 1)
            self._person.infer(share_outputs=True)
            smpl[row] = self._smpl[0]
        return torch.from_numpy(smpl)


def planner_for_one(precision: str) -> Callable[[bytes], Any]:
    """Makes an inference request of a model for one image or person at a time, with as many threads
    as torch has. Raises ValueError for bf16 on a CPU without it."""
    import openvino

    core = openvino.Core()
    with same_signal_stack():  # the CPU plug-in is loaded here
        abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and "BF16" not in abilities:
        refuse_bf16("openvino")
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        # Pinned threads wait for their core even where another one is idle.
        "ENABLE_CPU_PINNING": False,
    }

    def request(model: bytes) -> Any:
        read = core.read_model(model)
        read.reshape({one.any_name: [1, *one.partial_shape[1:]] for one in read.inputs})
        return core.compile_model(read, "CPU", options).create_infer_request()

    return request


def _maps_in(outputs: list[Floats]) -> InferenceMaps:
    return maps_of([torch.from_numpy(output) for output in outputs])
