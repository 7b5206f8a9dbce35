"""OpenVINO: the network on the CPU."""

from __future__ import annotations

import numpy as np
import torch

from icl_mesh.engine.onnx_model import INPUT
from icl_mesh.engine.signal_stack import same_signal_stack
from icl_mesh.network import NetworkMaps


class OpenVinoEngine:
    """Runs an ONNX model, with as many threads as torch has.

    precision: "f32" or "bf16". OpenVINO by itself takes bf16 on CPUs that have it; here it is
    what was asked for.
    """

    def __init__(self, model: bytes, device: torch.device, precision: str) -> None:
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
        self._compiled = core.compile_model(core.read_model(model), "CPU", options)
        self._request = self._compiled.create_infer_request()

    def __call__(self, images: torch.Tensor) -> NetworkMaps:
        pixels = np.ascontiguousarray(images.numpy())
        results = self._request.infer({INPUT: pixels}, share_inputs=True, share_outputs=True)
        return NetworkMaps(*(torch.from_numpy(results[name]) for name in NetworkMaps._fields))
