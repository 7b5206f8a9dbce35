"""engine="auto": the fastest installed engine whose maps equal those of PyTorch in float32."""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import time
from collections.abc import Callable, Iterable
from importlib import metadata

import numpy as np
import numpy.typing as npt
import torch

from icl_mesh.engine.base import Engine
from icl_mesh.engine.cache import network_key, read_cached, write_cached
from icl_mesh.engine.onnx_file import EXPORT_VERSION
from icl_mesh.engine.spec import EngineSpec, candidates
from icl_mesh.network import IclMeshNetwork

_LOG = logging.getLogger(__name__)

#: Largest difference of a map's value from torch:f32, as a share of max(1, the map's largest
#: value). In f32 only the order of sums differs. For lower precisions, which users choose
#: explicitly, the limit only detects a broken engine (cost in mm: icl_mesh.cli.accuracy).
TOLERANCES = {"f32": 2e-3, "bf16": 0.25, "f16": 0.25}
_WARM_UPS, _RUNS = 2, 5
_MOST_RECORD_BYTES = 1 << 16
#: Cells where the second step is compared and timed, as shares of the map's last cell: corners,
#: edges and centre, more people than in most images.
_CELLS = ((0.0, 0.0), (1.0, 0.0), (0.3, 1.0), (0.5, 0.5), (0.7, 0.4))


def choose_engine(
    network: IclMeshNetwork,
    device: torch.device,
    precision: str,
    input_size: int,
    make: Callable[[EngineSpec], Engine],
) -> Engine:
    """The fastest engine for both steps of this network on this machine; the choice is cached.

    make: builds an engine. An engine that fails to build or differs from torch:f32 is left out,
    with a logged warning.
    """
    specs = candidates(precision, device.type)
    if not specs:
        raise ValueError(
            f"no engine has precision {precision} on {device.type}: choose another precision"
        )
    if len(specs) == 1:
        return make(specs[0])
    name = _record_name(network, device, input_size, specs)
    remembered = _remembered(name)
    if remembered in specs:
        try:
            return make(remembered)
        except Exception as error:  # each engine raises its own errors
            _LOG.warning("engine %s no longer works (%s): choosing again", remembered, error)
    images = _test_image(input_size).to(device)
    reference = make(EngineSpec("torch", "f32"))
    cells = _test_cells(input_size)
    expected = [values.clone() for values in answers(reference, images, cells)]
    good = {}
    for spec in specs:
        try:
            engine = make(spec)
            difference = map_difference(answers(engine, images, cells), expected)
        except Exception as error:
            _LOG.warning("engine %s is left out: %s", spec, error)
            continue
        if difference <= TOLERANCES[precision]:
            good[spec] = engine
        else:
            _LOG.warning(
                "engine %s is left out: its maps differ from torch:f32 by %.2g (at most %.2g)",
                spec,
                difference,
                TOLERANCES[precision],
            )
    if not good:
        return reference
    times = _median_ms(good, images, cells)
    best = min(times, key=times.__getitem__)
    record = {"engine": best.name, "precision": best.precision}
    write_cached(name, json.dumps({**record, "ms": {str(s): t for s, t in times.items()}}).encode())
    return good[best]


def answers(
    engine: Engine, images: torch.Tensor, cells: npt.NDArray[np.int64]
) -> tuple[torch.Tensor, ...]:
    """Both steps: maps of images [B, ...], and the SMPL branch at cells [N, 2] of the first."""
    maps = engine(images)
    return (*maps, engine.smpl_at(maps, np.zeros(len(cells), np.int64), cells))


def map_difference(maps: Iterable[torch.Tensor], expected: Iterable[torch.Tensor]) -> float:
    """Largest difference of any value, as a share of max(1, the largest value of its map).

    Infinite where a value is not finite.
    """
    shares = [
        (a - b).abs().max() / b.abs().max().clamp(min=1)
        for a, b in zip(maps, expected, strict=True)
    ]
    largest = float(torch.stack(shares).max())
    return largest if np.isfinite(largest) else float("inf")


def _test_image(size: int) -> torch.Tensor:
    """Reproducible noise of several scales, which excites filters of all sizes."""
    generator = torch.Generator().manual_seed(0)
    image = torch.zeros(1, 3, size, size)
    for cells in (4, 16, size):
        noise = torch.randn(1, 3, cells, cells, generator=generator)
        image += torch.nn.functional.interpolate(noise, size=(size, size), mode="nearest")
    return image.contiguous(memory_format=torch.channels_last)


def _test_cells(size: int) -> npt.NDArray[np.int64]:
    """Cells (x, y) of a map of this input size, [N, 2]."""
    return np.array(np.array(_CELLS) * (size // 8 - 1), np.int64)


def _median_ms(
    engines: dict[EngineSpec, Engine], images: torch.Tensor, cells: npt.NDArray[np.int64]
) -> dict[EngineSpec, float]:
    """Median time of both steps. Engines alternate, so that load affects all of them equally."""
    times: dict[EngineSpec, list[float]] = {spec: [] for spec in engines}
    for _ in range(_WARM_UPS + _RUNS):
        for spec, engine in engines.items():
            start = time.perf_counter()
            answers(engine, images, cells)
            if images.is_cuda:
                torch.cuda.synchronize(images.device)
            times[spec].append((time.perf_counter() - start) * 1e3)
    return {spec: float(np.median(values[_WARM_UPS:])) for spec, values in times.items()}


def _remembered(name: str) -> EngineSpec | None:
    data = read_cached(name, _MOST_RECORD_BYTES)
    if data is None:
        return None
    try:
        record = json.loads(data)
        return EngineSpec(str(record["engine"]), str(record["precision"]))
    except (ValueError, KeyError, TypeError, RecursionError):  # brackets in brackets
        return None


def _record_name(
    network: IclMeshNetwork, device: torch.device, input_size: int, specs: list[EngineSpec]
) -> str:
    """A name derived from everything that the choice depends on."""
    versions = [(spec.name, metadata.version(spec.name)) for spec in specs if _is_listed(spec.name)]
    machine = [platform.node(), platform.machine(), torch.get_num_threads()]
    if device.type == "cuda":
        machine.append(torch.cuda.get_device_name(device))
    facts = [network_key(network), input_size, str(device), specs, versions, machine]
    digest = hashlib.sha256(repr((EXPORT_VERSION, facts)).encode()).hexdigest()
    return f"engine-{digest[:32]}.json"


def _is_listed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:  # onnxruntime-gpu is another distribution
        return False
    return True
