"""Times of decoding and body for cameras with and without distortion."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from benchmarks.model import Model
from benchmarks.planted import MAX_PLANTED
from benchmarks.report import Row, Section
from benchmarks.stages import IMAGES, estimator_case
from benchmarks.timing import Spread, interleaved
from icl_mesh.geometry.camera import Camera
from icl_mesh.geometry.lens import Lens

#: Lenses by distortion model: of a webcam and of wide-angle cameras.
LENSES: Mapping[str, Lens | None] = {
    "none": None,
    "plumb_bob": Lens("plumb_bob", (0.1, -0.2, 0.001, -0.001, 0.05)),
    "rational_polynomial": Lens(
        "rational_polynomial", (0.3, -0.1, 0.001, -0.001, 0.02, 0.5, -0.1, 0.03)
    ),
    "equidistant": Lens("equidistant", (0.01, -0.02, 0.01, -0.002)),
}


def measure_lenses(model: Model, repetitions: int, people: int = MAX_PLANTED) -> Section:
    """Times of decoding, with placement, and body for each lens model."""
    image = IMAGES[0]
    plain = Camera.assumed(*image)
    cases = {
        name: estimator_case(
            *(model, model.input_size, image, people), dataclasses.replace(plain, lens=lens)
        )
        for name, lens in LENSES.items()
    }
    measured = interleaved(cases, repetitions)
    own = {name: times["decode"] + times["body"] for name, times in measured.items()}
    rows = [
        Row(
            {"lens": name},
            {
                "decode (ms)": Spread.of(measured[name]["decode"]),
                "body (ms)": Spread.of(measured[name]["body"]),
                "both, over those without a lens": Spread.of(time / own["none"]),
            },
        )
        for name, time in own.items()
    ]
    width, height = image
    note = (
        f"{people} people in {width}x{height} images of a camera with each of CameraInfo's "
        "distortion models: people are placed through the lens, joint by joint, and boxed in its "
        "image."
    )
    return Section("lenses", "What a lens costs", note, rows)
