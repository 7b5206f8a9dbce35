"""ONNX Runtime: the network on the CPU, or on CUDA (package onnxruntime-gpu)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.engine.eager import EagerPeople
from icl_mesh.engine.host_patches import cut_on_host
from icl_mesh.engine.onnx_model import INPUT, PATCHES, OnnxModels, maps_of
from icl_mesh.network import IclMeshNetwork, InferenceMaps
from icl_mesh.network.constants import SMPL_CHANNELS


class OnnxRuntimeEngine:
    """Runs the ONNX models in float32, with torch's number of threads. On CUDA PyTorch runs the
    second step: ONNX Runtime would search algorithms for every new number of people.
    """

    name = "onnxruntime:f32"

    def __init__(self, models: OnnxModels, network: IclMeshNetwork, device: torch.device) -> None:
        """network: the source of the models. Raises ValueError if this build of onnxruntime lacks
        the device, or cannot read the models."""
        self.device = device
        self._session = start_session(models.maps, device)
        self._people: EagerPeople | _HostPeople = (
            EagerPeople(network, device)
            if device.type == "cuda"
            else _HostPeople(start_session(models.people, device))
        )

    def __call__(self, images: torch.Tensor) -> InferenceMaps:
        return maps_of(run_session(self._session, INPUT, images, self.device))

    def smpl_at(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        return self._people(maps, image, cell)


#: Largest number of people per run: ONNX Runtime keeps the memory of its largest run.
AT_ONCE = 8


class _HostPeople:
    """Engine.smpl_at on the CPU."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(
        self, maps: InferenceMaps, image: npt.NDArray[np.int64], cell: npt.NDArray[np.int64]
    ) -> torch.Tensor:
        smpl = np.empty((len(image), SMPL_CHANNELS), np.float32)
        for first in range(0, len(image), AT_ONCE):
            now = slice(first, first + AT_ONCE)
            patches = cut_on_host(maps, image[now], cell[now])
            inputs = dict(zip(PATCHES, patches, strict=True))
            smpl[now] = self._session.run(None, inputs)[0]
        return torch.from_numpy(smpl)


def run_session(
    session: Any, name: str, images: torch.Tensor, device: torch.device
) -> list[torch.Tensor]:
    """Outputs of a model with one input of this name, [B, ...] on the device, float32."""
    if device.type != "cuda":
        arrays = session.run(None, {name: np.ascontiguousarray(images.numpy())})
        return [torch.from_numpy(array) for array in arrays]
    # Without a copy to the host: torch's memory is bound as input and output.
    binding = session.io_binding()
    index = device.index or 0
    images = images.float().contiguous()
    binding.bind_input(name, "cuda", index, np.float32, images.shape, images.data_ptr())
    maps = []
    for output in session.get_outputs():
        shape = (len(images), *output.shape[1:])
        values = torch.empty(shape, dtype=torch.float32, device=device)
        binding.bind_output(output.name, "cuda", index, np.float32, shape, values.data_ptr())
        maps.append(values)
    # ONNX Runtime has a stream of its own.
    torch.cuda.current_stream(device).synchronize()
    session.run_with_iobinding(binding)
    binding.synchronize_outputs()
    return maps


def start_session(model: bytes, device: torch.device) -> Any:
    """A session of a model. Raises ValueError where this build of onnxruntime has no such device,
    or cannot read the model."""
    import onnxruntime

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
        session = onnxruntime.InferenceSession(model, options, providers=[(provider, settings)])
    except Exception as error:  # its own types derive from Exception alone
        raise ValueError(
            f"onnxruntime {onnxruntime.__version__} cannot run the network on {device}: {error}"
        ) from error
    if session.get_providers()[0] != provider:  # it falls back with a printed warning
        raise ValueError(
            f"onnxruntime could not start {provider} on {device}: its CUDA libraries or the "
            f"driver do not fit; use device cpu or engine torch"
        )
    return session
