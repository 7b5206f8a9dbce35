"""Engines as users name them: "openvino", "torch:bf16", "auto"."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

#: Engine -> the Python packages it needs besides torch, and what installs them.
_PACKAGES: dict[str, tuple[tuple[str, ...], str]] = {
    "torch": ((), ""),
    "onnxruntime": (("onnxruntime", "onnx"), "pip install onnxruntime onnx"),
    "openvino": (("openvino", "onnx"), "pip install openvino onnx"),
    "tensorrt": (("tensorrt", "onnx"), "pip install tensorrt onnx"),
}
#: (engine, kind of device) -> precisions, the default first.
_PRECISIONS: dict[tuple[str, str], tuple[str, ...]] = {
    ("torch", "cpu"): ("f32", "bf16"),
    ("torch", "cuda"): ("f32", "bf16", "f16"),
    ("onnxruntime", "cpu"): ("f32",),
    ("onnxruntime", "cuda"): ("f32",),
    ("openvino", "cpu"): ("f32", "bf16"),
    ("tensorrt", "cuda"): ("f32", "f16"),
}
ENGINES = tuple(_PACKAGES)
PRECISIONS = ("f32", "bf16", "f16")


class EngineSpec(NamedTuple):
    """Which engine runs the network, in which precision of its arithmetic."""

    name: str  # one of ENGINES, or "auto"
    precision: str  # one of PRECISIONS

    def __str__(self) -> str:
        return f"{self.name}:{self.precision}"


def parse_engine(text: str) -> EngineSpec:
    """ "NAME" or "NAME:PRECISION" -> spec; without a precision it is f32.

    NAME: one of ENGINES, or "auto" for the fastest one that is installed. Only
    the text selects less than f32: it moves joints by millimetres (`icl-mesh export` measures it).
    Raises ValueError for other names.
    """
    name, _, precision = text.partition(":")
    spec = EngineSpec(name, precision or "f32")
    if name not in ("auto", *ENGINES) or spec.precision not in PRECISIONS or text.endswith(":"):
        raise ValueError(
            f"engine must be auto or one of {', '.join(ENGINES)}, where wanted with a precision "
            f"({', '.join(PRECISIONS)}) as in openvino:bf16; got {text!r}"
        )
    return spec


def is_installed(name: str) -> bool:
    """Whether all packages of an engine are installed; they are not imported."""
    return all(importlib.util.find_spec(package) is not None for package in _PACKAGES[name][0])


def installed_engines() -> tuple[str, ...]:
    """The names in ENGINES that are installed."""
    return tuple(name for name in ENGINES if is_installed(name))


def check_available(spec: EngineSpec, device_type: str) -> None:
    """Raise ValueError unless the engine (not "auto") is installed and has device and precision.

    device_type: "cpu" or "cuda".
    """
    if not is_installed(spec.name):
        packages, advice = _PACKAGES[spec.name]
        missing = [name for name in packages if importlib.util.find_spec(name) is None]
        here = ", ".join(installed_engines())
        raise ValueError(
            f"engine '{spec.name}' is not installed (missing: {', '.join(missing)}): {advice}, or "
            f"choose one that is here ({here})"
        )
    if (spec.name, device_type) not in _PRECISIONS:
        kinds = [kind for name, kind in _PRECISIONS if name == spec.name]
        raise ValueError(
            f"engine '{spec.name}' runs on {' and '.join(kinds)}, not on {device_type}: choose "
            f"another engine or device"
        )
    known = _PRECISIONS[spec.name, device_type]
    if spec.precision not in known:
        raise ValueError(
            f"engine '{spec.name}' on {device_type} has precision {' and '.join(known)}, not "
            f"{spec.precision}"
        )


def refuse_bf16(name: str) -> None:
    """Raise ValueError: this CPU has no bf16 arithmetic. Emulated, it takes many times as long as
    f32."""
    raise ValueError(
        f"engine {name}:bf16 needs a CPU with bf16 arithmetic (AVX512_BF16 or AMX), which this one "
        f"lacks: use {name}:f32"
    )


def candidates(precision: str, device_type: str) -> list[EngineSpec]:
    """The installed engines that have this precision on this kind of device."""
    return [
        EngineSpec(name, precision)
        for (name, kind), known in _PRECISIONS.items()
        if kind == device_type and precision in known and is_installed(name)
    ]
