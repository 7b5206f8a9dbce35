"""ONNX Runtime: the network on the CPU, or on CUDA (package onnxruntime-gpu)."""

from __future__ import annotations

import numpy as np
import torch

from icl_mesh.engine.onnx_model import INPUT
from icl_mesh.network import NetworkMaps


class OnnxRuntimeEngine:
    """Runs an ONNX model in float32, with as many threads as torch has."""

    name = "onnxruntime:f32"

    def __init__(self, model: bytes, device: torch.device) -> None:
        """Raises ValueError where this build of onnxruntime has no such device, or cannot read
        the model."""
        import onnxruntime

        self.device = device
        provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise ValueError(
                f"this onnxruntime {onnxruntime.__version__} has no {provider}: install "
                f"onnxruntime-gpu in its place, or use device cpu or engine torch"
            )
        settings: dict[str, object] = {}
        if device.type == "cuda":
            settings = {"device_id": device.index or 0, "use_tf32": 0}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors; it warns about every constant it folds
        options.intra_op_num_threads = torch.get_num_threads()
        # Threads that spin while they wait would take the cores from the robot's other nodes.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=[(provider, settings)]
            )
        except Exception as error:  # its own types derive from Exception alone
            raise ValueError(
                f"onnxruntime {onnxruntime.__version__} cannot run the network on {device}: {error}"
            ) from error
        if self._session.get_providers()[0] != provider:  # it falls back with a printed warning
            raise ValueError(
                f"onnxruntime could not start {provider} on {device}: its CUDA libraries or the "
                f"driver do not fit; use device cpu or engine torch"
            )

    def __call__(self, images: torch.Tensor) -> NetworkMaps:
        if self.device.type == "cuda":
            return self._on_cuda(images)
        arrays = self._session.run(None, {INPUT: np.ascontiguousarray(images.numpy())})
        return NetworkMaps(*(torch.from_numpy(array) for array in arrays))

    def _on_cuda(self, images: torch.Tensor) -> NetworkMaps:
        """Without a copy to the host: torch's memory is bound as input and output."""
        binding = self._session.io_binding()
        index = self.device.index or 0
        images = images.float().contiguous()
        binding.bind_input(INPUT, "cuda", index, np.float32, images.shape, images.data_ptr())
        maps = []
        for output in self._session.get_outputs():
            shape = (len(images), *output.shape[1:])
            values = torch.empty(shape, dtype=torch.float32, device=self.device)
            binding.bind_output(output.name, "cuda", index, np.float32, shape, values.data_ptr())
            maps.append(values)
        # ONNX Runtime has a stream of its own.
        torch.cuda.current_stream(self.device).synchronize()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return NetworkMaps(*maps)
