"""OpenVINO: the network on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.engine.host_patches import cut_on_host
from icl_mesh.engine.onnx_model import INPUT, PATCHES, SMPL, OnnxModels, maps_of
from icl_mesh.engine.signal_stack import same_signal_stack
from icl_mesh.network import InferenceMaps
from icl_mesh.network.branches import SMPL_CHANNELS

#: So many people at a time go through the second step: as many of the first as there are, then the
#: others. OpenVINO plans for fixed sizes, and would plan for a new one while an image waits. Four
#: people at once take a sixth less time than one by one: weights are read once.
CHUNKS = (4, 1)


class OpenVinoEngine:
    """Runs the ONNX models, with as many threads as torch has.

    precision: "f32" or "bf16". OpenVINO by itself takes bf16 on CPUs that have it; here it is
    what was asked for.
    """

    def __init__(self, models: OnnxModels, device: torch.device, precision: str) -> None:
        """Raises ValueError for bf16 on a CPU without it."""
        import openvino

        self.name = f"openvino:{precision}"
        self.device = device
        core = openvino.Core()
        with same_signal_stack():  # the CPU plug-in is loaded here
            abilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if precision == "bf16" and "BF16" not in abilities:
            raise ValueError(
                "engine openvino:bf16 needs a CPU with bf16 arithmetic (AVX512_BF16 or AMX), which "
                "this one lacks: use openvino:f32"
            )
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # Pinned threads wait for their core even where another one is idle.
            "ENABLE_CPU_PINNING": False,
        }

        def request(model: bytes, people: int | None = None) -> Any:
            read = core.read_model(model)
            if people is not None:
                fixed = {name: [people, *read.input(name).partial_shape[1:]] for name in PATCHES}
                read.reshape(fixed)
            return core.compile_model(read, "CPU", options).create_infer_request()

        self._maps = request(models.maps)
        self._people = {people: request(models.people, people) for people in CHUNKS}

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        pixels = np.ascontiguousarray(images.numpy())
        results = self._maps.infer({INPUT: pixels}, share_inputs=True, share_outputs=True)
        return maps_of([torch.from_numpy(results[name]) for name in InferenceMaps._fields])

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        smpl = np.empty((len(image), SMPL_CHANNELS), np.float32)
        done = 0
        for people, request in self._people.items():
            while len(image) - done >= people:
                now = slice(done, done + people)
                patches = cut_on_host(maps, image[now], cell[now])
                inputs = dict(zip(PATCHES, patches, strict=True))
                smpl[now] = request.infer(inputs, share_inputs=True, share_outputs=True)[SMPL]
                done += people
        return torch.from_numpy(smpl)
