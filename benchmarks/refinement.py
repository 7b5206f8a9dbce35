"""The second stage: time per refined person, over the first stage's maps, and results per second.

The keypoint network runs on real crops of noise around planted people: its time does not depend on
what they show.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from benchmarks.model import Model
from benchmarks.planted import planted_estimator
from benchmarks.report import Row, Section
from benchmarks.stages import noise_image
from benchmarks.timing import Case, Samples, Spread, Stopwatch, interleaved, timed, total
from icl_mesh.engine import Engine, create_engine
from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.keypoint_weights import load_keypoint_weights
from icl_mesh.network.refinement import Refinement
from icl_mesh.refinement import Budget

PRECISIONS = ("f32", "bf16")
WIDTH, HEIGHT = 640, 480
BUDGET_MS = 40.0
#: Name, people.
SETTINGS = (
    (NONE := "no second stage", 2),
    (OFF := "off", 2),
    (ALL := "all", 1),
    (ALL, 2),
    (BUDGET := f"budget of {BUDGET_MS:g} ms", 2),
)
#: Parts of the second stage, of which an image's times consist beside those of the first.
KEYPOINTS, EVIDENCE, FIT = "keypoint network", "crops, decoding, gate", "fit"
MAPS = "maps"

Key = tuple[str, str, int]


def measure_refinement(model: Model, repetitions: int) -> list[Section]:
    """Two tables of one run: one person's refinement by its parts; results per second."""
    network = copy.deepcopy(model.network)
    network.refinement = network.refinement or Refinement()
    refining = dataclasses.replace(model, network=network)
    keypoints, _ = load_keypoint_weights()
    cases: dict[Key, Case] = {}
    images = torch.zeros(1, 3, model.input_size, model.input_size)
    for engine in _engines(refining):
        cases[engine.name, MAPS, 0] = timed(functools.partial(engine, images), MAPS)
        for name, people in SETTINGS:
            second = None if name == NONE else keypoints
            estimator = planted_estimator(refining, model.input_size, people, engine, second)
            refine = Budget(BUDGET_MS) if name == BUDGET else name == ALL
            cases[engine.name, name, people] = refining_case(estimator, refine)
    measured = interleaved(cases, repetitions)
    return [_person_section(measured), _rate_section(measured)]


def _engines(model: Model) -> Iterator[Engine]:
    """The fastest installed engine of each precision that this CPU has."""
    for precision in PRECISIONS:
        with contextlib.suppress(ValueError):  # bf16 on a CPU without it
            yield create_engine(f"auto:{precision}", model.network, "cpu", model.input_size)


def refining_case(estimator: Estimator, refine: bool | Budget) -> Case:
    """Runs the estimator on noise of WIDTH x HEIGHT: its stages, the second one by its parts."""
    image, camera = noise_image(WIDTH, HEIGHT), Camera.assumed(WIDTH, HEIGHT)
    spent: dict[str, float] = {}

    def watched(call: Callable[..., Any], part: str) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            watch = Stopwatch()
            found = call(*arguments)
            watch.lap(part)
            spent[part] = spent.get(part, 0.0) + watch.times[part]
            return found

        return run

    if (stage := estimator.second_stage) is not None:
        observed: Any = stage
        observed.engine = watched(stage.engine, KEYPOINTS)
        observed = watched(stage, EVIDENCE)
        estimator.second_stage = observed

    def case() -> Mapping[str, float]:
        spent.update({KEYPOINTS: 0.0, EVIDENCE: 0.0})
        times: dict[str, float] = {}
        estimator(image, camera, times=times, refine=refine)
        fit = times.pop("refine") - spent[EVIDENCE]
        evidence = spent[EVIDENCE] - spent[KEYPOINTS]
        return {**times, KEYPOINTS: spent[KEYPOINTS], EVIDENCE: evidence, FIT: max(fit, 0.0)}

    return case


def _person_section(measured: Mapping[Key, Mapping[str, Samples]]) -> Section:
    rows = []
    for (engine, name, people), parts in measured.items():
        if (name, people) != (ALL, 1):
            continue
        own = {part: parts[part] for part in (EVIDENCE, KEYPOINTS, FIT)}
        values = {f"{part} (ms)": Spread.of(times) for part, times in own.items()}
        values["together (ms)"] = Spread.of(total(own))
        values["over the maps"] = Spread.of(total(own) / measured[engine, MAPS, 0][MAPS])
        rows.append(Row({"engine": engine}, values))
    note = (
        f"One planted person in an image of {WIDTH}x{HEIGHT}, on the CPU; maps: the first stage's "
        "network without its branch for people, in the same rounds."
    )
    return Section("refined_person", "What a refined person costs", note, rows)


def _rate_section(measured: Mapping[Key, Mapping[str, Samples]]) -> Section:
    rows = []
    for (engine, name, people), parts in measured.items():
        if name == MAPS:
            continue
        time = total(parts)
        values = {"time (ms)": Spread.of(time), "results/s": Spread.of(1e3 / time)}
        if people == SETTINGS[0][1]:
            values["over no second stage"] = Spread.of(time / total(measured[engine, NONE, people]))
        rows.append(Row({"engine": engine, "refine": name, "people": people}, values))
    note = (
        f"The estimator alone, images of {WIDTH}x{HEIGHT}, joints and boxes; with a budget one "
        "person is refined at least."
    )
    return Section("refine", "Results per second with the second stage", note, rows)
