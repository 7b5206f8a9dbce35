"""TensorRT: the network on an NVIDIA GPU. Written to its documentation; not yet run on a GPU."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.engine.cache import read_cached, write_cached
from icl_mesh.engine.eager import EagerPeople
from icl_mesh.engine.onnx_model import INPUT, OnnxModels, maps_of
from icl_mesh.network import IclMeshNetwork, InferenceMaps

#: Batch sizes of the plan: minimum, optimum, maximum.
BATCHES = (1, 1, 16)


class TensorRtEngine:
    """Runs a plan that TensorRT builds from the ONNX model of the first step.

    Building takes minutes, so the plan is cached. It fits one GPU type and one TensorRT version.
    PyTorch runs the second step, whose size changes with every image.

    precision: "f32" (without TF32) or "f16".
    """

    def __init__(
        self, models: OnnxModels, network: IclMeshNetwork, device: torch.device, precision: str
    ) -> None:
        """models: those of network. Raises ValueError for a model that TensorRT refuses."""
        self.name = f"tensorrt:{precision}"
        self.device = device
        kind = torch.float16 if precision == "f16" else torch.float32
        self._people = EagerPeople(network, device, kind)
        self._plan = Plan(models.maps, device, precision, (INPUT, InferenceMaps._fields))

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        return maps_of(self._plan(images))

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        return self._people(maps, image, cell)


class Plan:
    """A model with one input on one GPU, for 1 to BATCHES[2] images at a time."""

    def __init__(
        self,
        model: bytes,
        device: torch.device,
        precision: str,
        names: tuple[str, tuple[str, ...]],
    ) -> None:
        """names: the model's input and outputs. Raises ValueError for a model that TensorRT
        refuses."""
        import tensorrt

        self._device = device
        self._input, self._outputs = names
        logger = tensorrt.Logger(tensorrt.Logger.WARNING)
        gpu = torch.cuda.get_device_name(device)
        key = hashlib.sha256(model + f"{tensorrt.__version__} {gpu} {precision}".encode())
        name = f"{key.hexdigest()[:32]}.plan"
        with torch.cuda.device(device):
            plan = read_cached(name)
            self._runtime = tensorrt.Runtime(logger)  # must outlive what it deserialises
            engine = None
            if plan is not None:
                engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is None:
                plan = _build(tensorrt, logger, model, precision)
                engine = self._runtime.deserialize_cuda_engine(plan)
                write_cached(name, plan)
            if engine is None:
                raise ValueError(
                    f"TensorRT {tensorrt.__version__} cannot load the plan that it built for "
                    f"{gpu}: see its log, or use engine torch"
                )
            self._engine = engine
            self._context = engine.create_execution_context()
        if self._context is None:  # TensorRT logs the cause; here it is memory
            raise RuntimeError(f"TensorRT: out of memory on {device} for the network's activations")

    def __call__(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Images [B, ...] -> the outputs in the order of names, float32."""
        images = images.float().contiguous()
        self._context.set_input_shape(self._input, tuple(images.shape))
        self._context.set_tensor_address(self._input, images.data_ptr())
        maps = []
        for name in self._outputs:
            shape = tuple(self._context.get_tensor_shape(name))
            values = torch.empty(shape, dtype=torch.float32, device=self._device)
            self._context.set_tensor_address(name, values.data_ptr())
            maps.append(values)
        with torch.cuda.device(self._device):
            done = self._context.execute_async_v3(torch.cuda.current_stream().cuda_stream)
        if not done:
            raise RuntimeError(f"TensorRT could not run the network on {self._device}: see its log")
        return maps


def _build(tensorrt: Any, logger: Any, model: bytes, precision: str) -> bytes:
    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(model):
        reasons = "; ".join(str(parser.get_error(i)) for i in range(parser.num_errors))
        raise ValueError(f"TensorRT {tensorrt.__version__} cannot read the network: {reasons}")
    config = builder.create_builder_config()
    config.clear_flag(tensorrt.BuilderFlag.TF32)
    if precision == "f16":
        config.set_flag(tensorrt.BuilderFlag.FP16)
    profile = builder.create_optimization_profile()
    images = network.get_input(0)
    shape = tuple(images.shape)[1:]
    profile.set_shape(images.name, *((batch, *shape) for batch in BATCHES))
    config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ValueError(
            f"TensorRT {tensorrt.__version__} could not build the network for this GPU: use engine "
            f"torch"
        )
    return bytes(plan)
