"""The second stage's network in each engine: crops of people to their maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional

from icl_mesh.engine.onnx_model import CROPS, MAPS, keypoints_onnx
from icl_mesh.engine.spec import EngineSpec, check_available, parse_engine
from icl_mesh.engine.torch_engine import TorchNetwork
from icl_mesh.network.single_person import CROP_SIZE, SinglePersonKeypoints

Run = Callable[[torch.Tensor], torch.Tensor]

#: Numbers of people that are run at once. On a GPU each number needs a warm-up, so that others are
#: filled up to the next of these; on a CPU more than one at a time is no faster by person.
_TOGETHER = {"cuda": (1, 2, 4, 8), "cpu": (1,)}


class KeypointEngine:
    """Runs SinglePersonKeypoints in evaluation mode, without gradients, for any number of people.

    name: engine and precision, in the form of the option. device: of crops and maps.
    """

    def __init__(self, name: str, device: torch.device, run: Run) -> None:
        """run: crops [B, 3, S, S] -> maps [B, 86, S/4, S/4], float32, valid until its next call."""
        self.name, self.device, self._run = name, device, run
        self._together = _TOGETHER[device.type]
        if device.type == "cuda":
            for count in self._together:
                self(torch.zeros(count, 3, CROP_SIZE, CROP_SIZE, device=device))

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        """Crops [N, 3, 256, 256], RGB from 0 to 255, on any device -> maps [N, 86, 64, 64] on
        `device`, float32, of their own memory (network.single_person.KeypointMaps). N >= 0."""
        most, side = self._together[-1], CROP_SIZE // 4
        maps = torch.empty(len(crops), 86, side, side, device=self.device)
        for first in range(0, len(crops), most):
            part = crops[first : first + most].to(self.device)
            count = next(size for size in self._together if size >= len(part))
            filled = functional.pad(part, (0, 0) * 3 + (0, count - len(part)))
            maps[first : first + most] = self._run(filled)[: len(part)]
        return maps


def create_keypoint_engine(
    name: str,
    network: SinglePersonKeypoints,
    device: torch.device | str = "cpu",
    onnx_path: Path | None = None,
) -> KeypointEngine:
    """The named engine for a second stage: as a rule that of the first, Engine.name.

    onnx_path: the first step's file of `icl-mesh export`, with NAME.keypoints.onnx in the same
    folder; if that does not exist, the model is exported and cached.
    Raises ValueError as create_engine does, and for the name "auto".
    """
    spec, device = parse_engine(name), torch.device(device)
    if spec.name == "auto":
        raise ValueError(
            "the second stage's engine must be named, got 'auto': take that of the first stage"
        )
    check_available(spec, device.type)
    return KeypointEngine(str(spec), device, _run_of(spec, network, device, onnx_path))


def _run_of(
    spec: EngineSpec, network: SinglePersonKeypoints, device: torch.device, path: Path | None
) -> Run:
    if spec.name == "torch":
        return TorchNetwork(
            network, lambda moved, crops: moved(crops).float(), device, spec.precision
        )
    model = keypoints_onnx(network, path)
    if spec.name == "onnxruntime":
        from icl_mesh.engine.onnxruntime_engine import run_session, start_session

        session = start_session(model, device)
        return lambda crops: run_session(session, CROPS, crops, device)[0]
    if spec.name == "openvino":
        from icl_mesh.engine.openvino_engine import planner_for_one

        request = planner_for_one(spec.precision)(model)

        def infer(crops: torch.Tensor) -> torch.Tensor:
            found = request.infer({CROPS: crops.numpy()}, share_inputs=True, share_outputs=True)
            return torch.from_numpy(found[0])

        return infer
    from icl_mesh.engine.tensorrt_engine import Plan

    plan = Plan(model, device, spec.precision, (CROPS, (MAPS,)))
    return lambda crops: plan(crops)[0]
