"""`python -m benchmarks`: measure, print a Markdown table, write JSON.

Run it from the repository's root in the virtual environment; the node part also needs the built
workspace (`. scripts/env`) and is skipped, with the reason, without it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.workspace import local_dds, prefer_built_workspace, why_no_ros

prefer_built_workspace()  # before anything of icl_mesh is imported

import cv2  # noqa: E402
import torch  # noqa: E402

from benchmarks.losses import measure_losses  # noqa: E402
from benchmarks.machine import describe_machine  # noqa: E402
from benchmarks.model import load_model  # noqa: E402
from benchmarks.report import Report, Section, replace_between_markers  # noqa: E402
from benchmarks.stages import INPUT_SIZES, measure_stages  # noqa: E402

if TYPE_CHECKING:
    from benchmarks.model import Model

PARTS = ("stages", "node", "losses")
#: The plain Python loops take seconds each: one repetition of theirs for so many of the others.
LOOPS_SHARE = 4


def main(arguments: list[str] | None = None) -> int:
    """Runs the parts asked for; 2 for options that do not fit, else 0."""
    options = _parser().parse_args(arguments)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    machine = describe_machine()
    try:
        model = load_model(options.weights)
        sections: list[Section] = []
        for part in options.only:
            print(f"measuring {part} ...", file=sys.stderr)
            sections += measure(part, model, options)
        report = Report(machine, model.describe(), options.repetitions, sections)
        print(report.as_markdown())
        if options.json is not None:
            options.json.write_text(report.as_json() + "\n", encoding="utf-8")
        if options.markdown is not None:
            replace_between_markers(options.markdown, report.as_markdown())
    except (ValueError, OSError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(part: str, model: Model, options: argparse.Namespace) -> list[Section]:
    """The tables of one of PARTS."""
    if part == "stages":
        return measure_stages(model, options.repetitions, options.sizes)
    if part == "losses":
        return [measure_losses(max(1, options.repetitions // LOOPS_SHARE))]
    reason = why_no_ros()
    if not reason:
        local_dds()
        from benchmarks.node import measure_node

        try:
            return [*measure_node(model, options.repetitions)]
        except (TimeoutError, ChildProcessError) as error:  # DDS does not work here
            reason = str(error)
    print(f"skipped: {reason}", file=sys.stderr)
    return [Section("node", "Node, per frame", skipped=reason)]


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def _input_size(text: str) -> int:
    if (value := int(text)) < 128 or value % 32:  # in less, planted people touch each other
        raise argparse.ArgumentTypeError(f"must be a multiple of 32 from 128 on, got {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (all)")
    add("--repetitions", type=_positive, default=20, help="turns that are counted (20)")
    add("--sizes", nargs="+", type=_input_size, default=INPUT_SIZES, help="input sizes, px")
    add("--weights", default="default", help="weights file (default: the package's own)")
    add("--threads", type=_positive, help="torch and OpenCV threads (default: theirs)")
    add("--json", type=Path, help="write all results there")
    add("--markdown", type=Path, help="put the table between the marker lines of this document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
