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

        def request(read: Any) -> Any:
            return core.compile_model(read, "CPU", options).create_infer_request()

        self._maps = request(core.read_model(models.maps))
        # Planned for one person, and run for each: a plan for any number would be made anew for
        # each number when it comes, while an image waits; one for several at once takes its weights
        # again in memory (18 MB) and is but a few per cent faster.
        people = core.read_model(models.people)
        people.reshape({name: [1, *people.input(name).partial_shape[1:]] for name in PATCHES})
        self._person = request(people)

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        pixels = np.ascontiguousarray(images.numpy())
        results = self._maps.infer({INPUT: pixels}, share_inputs=True, share_outputs=True)
        return maps_of([torch.from_numpy(results[name]) for name in InferenceMaps._fields])

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        smpl = np.empty((len(image), SMPL_CHANNELS), np.float32)
        for row in range(len(image)):
            patch = cut_on_host(maps, image[row : row + 1], cell[row : row + 1])
            inputs = dict(zip(PATCHES, patch, strict=True))
            smpl[row] = self._person.infer(inputs, share_inputs=True, share_outputs=True)[SMPL][0]
        return torch.from_numpy(smpl)
