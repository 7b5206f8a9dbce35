"""Times from image to people by stage, input size and number of people, against eager resnet50."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.model import Model
from benchmarks.planted import planted_estimator
from benchmarks.report import Row, Section
from benchmarks.timing import Case, Samples, Spread, interleaved, timed, total
from icl_mesh.engine.stage_clock import STAGES
from icl_mesh.geometry.camera import Camera
from icl_mesh.network import build_network

INPUT_SIZES = (256, 384, 512)
IMAGES = ((640, 480), (1920, 1080))
PEOPLE = (0, 1, 4, 8)
BASELINE_SIZE = 512


class Setting(NamedTuple):
    """One case. size: network input, px. image: (width, height), px. people: their number."""

    size: int
    image: tuple[int, int]
    people: int


def measure_stages(
    model: Model,
    repetitions: int,
    sizes: Sequence[int] = INPUT_SIZES,
    people: Sequence[int] = PEOPLE,
) -> list[Section]:
    """Three tables of one run: ratio to the baseline, times by stage, cost of a further person."""
    settings = [Setting(*s) for s in _product(sizes, IMAGES, people)]
    cases: dict[Setting | str, Case] = {s: estimator_case(model, *s) for s in settings}
    cases["baseline"] = timed(_eager_resnet50(), "network")
    measured = interleaved(cases, repetitions)
    baseline = total(measured.pop("baseline"))
    results = {setting: measured[setting] for setting in settings}
    return [
        _baseline_section(model, baseline, results),
        _stages_section(results),
        _people_section(results),
    ]


def _product(
    sizes: Sequence[int], images: Sequence[tuple[int, int]], people: Sequence[int]
) -> list[tuple[int, tuple[int, int], int]]:
    return [(size, image, count) for size in sizes for image in images for count in people]


def estimator_case(
    model: Model, size: int, image: tuple[int, int], people: int, camera: Camera | None = None
) -> Case:
    """Runs the estimator on the CPU and measures its stages. camera: None for an assumed one."""
    estimator = planted_estimator(model, size, people)
    width, height = image
    pixels = noise_image(width, height)
    camera = camera or Camera.assumed(width, height)
    if (found := len(estimator(pixels, camera))) != people:
        raise RuntimeError(f"{people} people were planted, {found} came out: nothing to measure")

    def case() -> Mapping[str, float]:
        times: dict[str, float] = {}
        estimator(pixels, camera, times=times)
        return times

    return case


def noise_image(width: int, height: int) -> npt.NDArray[np.uint8]:
    """RGB noise [height, width, 3]; times do not depend on the image."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _eager_resnet50() -> Callable[[], object]:
    """The paper's network in eager PyTorch: float32, default memory layout."""
    network = build_network("resnet50").eval()
    images = torch.randn(1, 3, BASELINE_SIZE, BASELINE_SIZE)

    def run() -> object:
        with torch.inference_mode():
            return network(images)

    return run


def _baseline_section(
    model: Model, baseline: Samples, results: Mapping[Setting, Mapping[str, Samples]]
) -> Section:
    """Rows: the baseline, then the model at each size (first image, largest number of people)."""

    def row(name: str, size: int, what: str, time: Samples) -> Row:
        case: dict[str, str | int] = {"network": name, "input": size, "measured": what}
        ratio = Spread.of(baseline / time)
        return Row(case, {"time (ms)": Spread.of(time), "resnet50 over this": ratio})

    rows = [row("resnet50, eager", BASELINE_SIZE, "network alone", baseline)]
    most = max(setting.people for setting in results)
    for setting, parts in results.items():
        if setting.image == IMAGES[0] and setting.people == most:
            size = setting.size
            rows.append(row(model.name, size, "network alone", parts["network"]))
            rows.append(row(model.name, size, f"image to {most} people", total(parts)))
    width, height = IMAGES[0]
    note = (
        f"The paper's network (resnet50, input {BASELINE_SIZE}, batch 1) in plain eager PyTorch, "
        f"float32, over the model of this run with engine auto, both on the CPU; images of "
        f"{width}x{height}. The model's own input size is {model.input_size}."
    )
    return Section("baseline", f"Against eager resnet50 at {BASELINE_SIZE}", note, rows)


def _stages_section(results: Mapping[Setting, Mapping[str, Samples]]) -> Section:
    rows = []
    for setting, parts in results.items():
        values = {f"{stage} (ms)": Spread.of(parts[stage]) for stage in STAGES}
        everything = total(parts)
        values["total (ms)"] = Spread.of(everything)
        values["network's share"] = Spread.of(parts["network"] / everything)
        rows.append(Row(_columns(setting), values))
    note = (
        "Estimator on the CPU, joints and boxes, no mesh returned. The network runs on noise; the "
        "people are planted in its maps, so their number does not depend on the weights; its SMPL "
        "branch runs for them and counts as network."
    )
    return Section("stages", "Image to people, by stage", note, rows)


def _people_section(results: Mapping[Setting, Mapping[str, Samples]]) -> Section:
    """Difference of network, decode and body between the largest and smallest number of people
    above 0, per person."""
    counts = sorted({setting.people for setting in results if setting.people > 0})
    key, title = "further_person", "What each further person costs"
    if len(counts) < 2:
        return Section(key, title, skipped="it takes two numbers of people above 0")
    fewest, most = counts[0], counts[-1]
    rows = []
    for setting, parts in results.items():
        if setting.people != most:
            continue
        few = results[setting._replace(people=fewest)]
        per_person = ("network", "decode", "body")
        change = sum(parts[stage] - few[stage] for stage in per_person) / (most - fewest)
        columns = _columns(setting)
        del columns["people"]
        values = {
            "per further person (ms)": Spread.of(change),
            f"of the total with {fewest}": Spread.of(change / total(few)),
        }
        rows.append(Row(columns, values))
    note = f"The network's SMPL branch, decoding and body, from {fewest} to {most} people."
    return Section(key, title, note, rows)


def _columns(setting: Setting) -> dict[str, str | int]:
    width, height = setting.image
    return {"input": setting.size, "image": f"{width}x{height}", "people": setting.people}
