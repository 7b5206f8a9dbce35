"""The network by engine and precision: time, limit by arithmetic, and error in mm."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.model import Model
from benchmarks.planted import PlantedEngine, planted_cells, planted_maps
from benchmarks.report import Row, Section
from benchmarks.timing import Case, Samples, Spread, interleaved, timed
from icl_mesh.cli.accuracy import Accuracy, compare
from icl_mesh.engine import Engine, create_engine
from icl_mesh.engine.spec import candidates
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.io.images import find_images, read_images
from icl_mesh.network import IclMeshNetwork, build_network

BASELINE, BASELINE_SIZE = "resnet50", 512
EAGER = "eager torch"
PRECISIONS = ("f32", "bf16")
#: Channels and side (cells) of the 1 x 1 convolution whose rate is the machine's. oneDNN computes
#: it as one large matrix product; torch's matrix product is MKL's, which has less than half of
#: that rate on some CPUs.
CHANNELS, CELLS = 1024, 64
PRODUCT_GFLOP = 2e-9 * CHANNELS**2 * CELLS**2
PEOPLE = 8


class Setting(NamedTuple):
    """One case. network: "model" or BASELINE. engine: EAGER (whole maps), or an engine's name,
    whose second step is for PEOPLE people. whole: the estimator instead of the network alone."""

    network: str
    engine: str
    whole: bool = False


def measure_engines(
    model: Model, repetitions: int, images: Path | None = None, baseline_size: int = BASELINE_SIZE
) -> list[Section]:
    """Two tables of one run: time by engine with the limit by arithmetic, and each engine's error
    in mm on images (a folder; None renders people)."""
    torch.manual_seed(0)
    networks = {"model": model.network, BASELINE: build_network(BASELINE).eval()}
    sizes = {"model": model.input_size, BASELINE: baseline_size}
    gmac = {name: count_gmac(network, sizes[name], PEOPLE) for name, network in networks.items()}
    gmac[EAGER] = count_gmac(networks[BASELINE], baseline_size)
    names = [str(spec) for precision in PRECISIONS for spec in candidates(precision, "cpu")]
    cases: dict[Setting | str, Case] = {
        f"rate {precision}": timed(_product(precision), "time") for precision in PRECISIONS
    }
    with _own_cache():
        # Before any engine changes the memory layout of the weights.
        cases[Setting(BASELINE, EAGER)] = timed(
            _eager(build_network(BASELINE).eval(), baseline_size), "time"
        )
        engines: dict[Setting, Engine] = {}
        for name, network in networks.items():
            for engine in names:
                try:
                    engines[Setting(name, engine)] = create_engine(
                        engine, network, "cpu", sizes[name]
                    )
                except ValueError as error:  # a CPU without bf16
                    print(f"left out: {error}", file=sys.stderr)
        for setting, engine_ in engines.items():
            pixels = torch.randn(1, 3, sizes[setting.network], sizes[setting.network])
            cases[setting] = timed(_both_steps(engine_, pixels), "time")
            if setting.network == "model":
                cases[setting._replace(whole=True)] = timed(_estimator(model, engine_), "time")
        measured = interleaved(cases, repetitions)
        rates = {
            precision: PRODUCT_GFLOP / (measured[f"rate {precision}"]["time"] / 1e3)
            for precision in PRECISIONS
        }
        timings = _time_section(model, sizes, gmac, rates, measured)
        return [timings, _accuracy_section(model, engines, images)]


def count_gmac(network: IclMeshNetwork, size: int, people: int | None = None) -> float:
    """Multiply-accumulates of one image in units of 1e9, counted by PyTorch: of whole maps, or of
    an engine's two steps for ``people`` people."""
    images = torch.zeros(1, 3, size, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        if people is None:
            network(images)
        else:
            maps = network.inference_maps(images)
            cells = torch.from_numpy(planted_cells(size, people))
            network.smpl_at(maps, torch.zeros(people, dtype=torch.int64), cells)
    return counter.get_total_flops() / 2e9


@contextmanager
def _own_cache() -> Iterator[None]:
    """Use a temporary cache of converted networks."""
    before = os.environ.get("ICL_MESH_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["ICL_MESH_CACHE"] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ["ICL_MESH_CACHE"]
            else:
                os.environ["ICL_MESH_CACHE"] = before


def _product(precision: str) -> Callable[[], object]:
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[precision]
    maps = torch.randn(1, CHANNELS, CELLS, CELLS).to(kind, memory_format=torch.channels_last)
    weights = torch.randn(CHANNELS, CHANNELS, 1, 1).to(kind)

    def run() -> object:
        with torch.inference_mode():
            return torch.nn.functional.conv2d(maps, weights)

    return run


def _eager(network: IclMeshNetwork, size: int) -> Callable[[], object]:
    """A network in eager PyTorch: float32, default memory layout."""
    images = torch.randn(1, 3, size, size)

    def run() -> object:
        with torch.inference_mode():
            return network(images)

    return run


def _both_steps(engine: Engine, images: torch.Tensor) -> Callable[[], object]:
    """Both steps of the network for an image with PEOPLE people."""
    cells = planted_cells(images.shape[-1], PEOPLE)
    image = np.zeros(PEOPLE, np.int64)
    return lambda: engine.smpl_at(engine(images), image, cells)


def _estimator(model: Model, engine: Engine) -> Callable[[], object]:
    planted = PlantedEngine(engine, planted_maps(model.input_size, PEOPLE))
    estimator = Estimator(model.network, model.body, input_size=model.input_size, engine=planted)
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    camera = Camera.assumed(640, 480)
    return lambda: estimator(image, camera)


def _time_section(
    model: Model,
    sizes: Mapping[str, int],
    gmac: Mapping[str, float],
    rates: Mapping[str, Samples],
    measured: Mapping[Setting | str, Mapping[str, Samples]],
) -> Section:
    baseline = measured[Setting(BASELINE, EAGER)]["time"]
    rows = []
    for setting, parts in measured.items():
        if not isinstance(setting, Setting):
            continue
        time = parts["time"]
        name = model.name if setting.network == "model" else BASELINE
        eager = setting.engine == EAGER
        what = f"image to {PEOPLE} people" if setting.whole else f"network, {PEOPLE} people"
        case: dict[str, str | int] = {
            "network": name,
            "input": sizes[setting.network],
            "engine": setting.engine,
            "measured": "network, whole maps" if eager else what,
        }
        values = {
            "time (ms)": Spread.of(time),
            "eager resnet50 over this": Spread.of(baseline / time),
        }
        if not setting.whole:
            precision = "bf16" if setting.engine.endswith("bf16") else "f32"
            limit = 2 * gmac[EAGER if eager else setting.network] / rates[precision] * 1e3
            values["limit (ms)"] = Spread.of(limit)
            values["limit over this"] = Spread.of(limit / time)
        rows.append(Row(case, values))
    spread = {precision: Spread.of(rate) for precision, rate in rates.items()}
    note = (
        f"Batch 1, CPU. Engines run the network for {PEOPLE} people: maps, and the SMPL branch at "
        "their cells. Limit: the convolutions' multiply-adds of that "
        f"({gmac['model']:.2f} G for {model.name} at {sizes['model']}, {gmac[BASELINE]:.1f} G for "
        f"{BASELINE} at {sizes[BASELINE]}, whose whole maps take {gmac[EAGER]:.1f} G) at the "
        f"rate of torch's convolution of 1x1 with {CHANNELS} channels on {CELLS} x {CELLS} cells "
        "in the same rounds ("
        + ", ".join(f"{p}: {s.median:.0f} GFLOP/s" for p, s in spread.items())
        + "). Image to people: 640x480 image in memory, joints and boxes, people planted."
    )
    return Section("engines", "Engines", note, rows)


def _accuracy_section(
    model: Model, engines: Mapping[Setting, Engine], images: Path | None
) -> Section:
    key, title = "engine_accuracy", "What engines cost in millimetres"
    if model.random:
        return Section(key, title, skipped="the weights are untrained: there is nobody to find")
    try:
        pictures = list(_pictures(model, images))
    except (ImportError, RuntimeError) as error:
        return Section(key, title, skipped=f"people cannot be rendered here ({error})")
    reference = _finder(model, engines[Setting("model", "torch:f32")])
    rows = []
    for setting, engine in engines.items():
        if setting.network == "model":
            accuracy = compare(_finder(model, engine), reference, pictures)
            rows.append(Row({"engine": setting.engine}, _differences(accuracy)))
    shown = "rendered people" if images is None else "photos that are not part of the package"
    note = (
        f"{len(pictures)} images of {shown}, {accuracy.people} people, against torch:f32. Joints: "
        "mean distance of a person's joints from the pelvis; positions: distance of the pelvises. "
        "Median (10th to 90th percentile) over people. Users measure their own images with "
        "`icl-mesh export --images FOLDER`."
    )
    return Section(key, title, note, rows)


def _pictures(model: Model, images: Path | None) -> Iterator[npt.NDArray[np.uint8]]:
    if images is not None:
        yield from read_images(find_images(images))
        return
    from icl_mesh.cli.check_scenes import rendered_people

    yield from rendered_people(model.body)


def _finder(model: Model, engine: Engine) -> Estimator:
    return Estimator(
        model.network,
        model.body,
        input_size=model.input_size,
        threshold=model.threshold,
        engine=engine,
    )


def _differences(accuracy: Accuracy) -> dict[str, Spread]:
    def spread(values: npt.NDArray[np.float64]) -> Spread:
        return Spread.of(values if len(values) else [0.0])

    return {
        "people missing or added": Spread.of([accuracy.missing + accuracy.added]),
        "joints moved (mm)": spread(accuracy.joints_mm),
        "positions moved (mm)": spread(accuracy.positions_mm),
    }
