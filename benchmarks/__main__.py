"""`python -m benchmarks`: measure, print a Markdown table, write JSON and plots.

Run it from the repository's root in the virtual environment; the node part also needs the built
workspace (`. scripts/env`) and is skipped, with the reason, without it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.workspace import local_dds, prefer_built_workspace, why_no_ros

prefer_built_workspace()  # before anything of icl_mesh is imported

import cv2  # noqa: E402
import torch  # noqa: E402

from benchmarks.compare import as_markdown, compare_runs, read_run  # noqa: E402
from benchmarks.engines import measure_engines  # noqa: E402
from benchmarks.lenses import measure_lenses  # noqa: E402
from benchmarks.losses import measure_losses  # noqa: E402
from benchmarks.machine import describe_machine, is_busy  # noqa: E402
from benchmarks.model import load_model  # noqa: E402
from benchmarks.plots import write_plots  # noqa: E402
from benchmarks.refinement import measure_refinement  # noqa: E402
from benchmarks.report import BEGIN, END, Report, Section, replace_between_markers  # noqa: E402
from benchmarks.stages import INPUT_SIZES, measure_stages  # noqa: E402
from benchmarks.targets import targets_section  # noqa: E402

if TYPE_CHECKING:
    from benchmarks.model import Model

PARTS = ("stages", "engines", "node", "process", "losses")
#: Python loops take seconds: repetitions of the losses are divided by this.
LOOPS_SHARE = 4
TABLES_HEAD = (
    "# All benchmark tables of one run\n\nWritten by `python -m benchmarks --tables FILE`. "
    "What each table means: [performance.md](../performance.md).\n\n"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the selected parts. Returns 1 for regressions against an earlier run, 2 for bad input,
    else 0."""
    options = _parser().parse_args(arguments)
    if options.quick:
        options.repetitions, options.sizes = 1, [128]
    if options.threads is not None:
        torch.set_num_threads(options.threads)
        cv2.setNumThreads(options.threads)
    start = time.monotonic()
    machine = describe_machine()
    if is_busy(os.getloadavg()[0]):
        machine["warning"] = "other programs were running: times and ratios are unreliable"
    try:
        earlier = None if options.compare is None else read_run(options.compare)
        model = load_model(options.weights)
        sections: list[Section] = []
        for part in options.only:
            print(f"measuring {part} ...", file=sys.stderr)
            sections += measure(part, model, options)
        sections.insert(0, targets_section(sections))
        seconds = time.monotonic() - start
        report = Report(machine, model.describe(), options.repetitions, sections, seconds)
        print(report.as_markdown())
        if options.json is not None:
            options.json.write_text(report.as_json() + "\n", encoding="utf-8")
        if options.markdown is not None:
            replace_between_markers(options.markdown, report.summary(), BEGIN, END)
        if options.tables is not None:
            options.tables.write_text(TABLES_HEAD + report.as_markdown(), encoding="utf-8")
        if options.plots is not None:
            write_plots(report, options.plots)
        if earlier is not None:
            now = json.loads(report.as_json())
            changes = compare_runs(earlier, now)
            print(as_markdown(changes, earlier, now))
            return 1 if any(change.is_regression for change in changes) else 0
    except (ValueError, OSError, ImportError) as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(part: str, model: Model, options: argparse.Namespace) -> list[Section]:
    """Measure one of PARTS. Returns its tables."""
    if part == "stages":
        stages = measure_stages(model, options.repetitions, options.sizes)
        lenses = measure_lenses(model, options.repetitions)
        return [*stages, *measure_refinement(model, options.repetitions), lenses]
    if part == "engines":
        return measure_engines(model, options.repetitions, options.images)
    if part == "losses":
        return [measure_losses(max(1, options.repetitions // LOOPS_SHARE))]
    reason = why_no_ros()
    if not reason:
        local_dds()
        try:
            if part == "process":
                from benchmarks.process import SECONDS_PER_RATE, measure_process

                return measure_process(model, 1.0 if options.quick else SECONDS_PER_RATE)
            from benchmarks.node import measure_node

            return [*measure_node(model, options.repetitions)]
        except (TimeoutError, ChildProcessError) as error:  # DDS fails on this machine
            reason = str(error)
    print(f"skipped: {reason}", file=sys.stderr)
    return [Section(part, f"Part {part}", skipped=reason)]


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def _input_size(text: str) -> int:
    if (value := int(text)) < 128 or value % 32:  # smaller inputs merge planted people
        raise argparse.ArgumentTypeError(f"must be a multiple of 32 from 128 on, got {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    add = parser.add_argument
    add("--only", nargs="+", choices=PARTS, default=PARTS, help="parts to run (all)")
    add("--repetitions", type=_positive, default=20, help="counted repetitions (20)")
    add(
        "--quick",
        action="store_true",
        help="one repetition, small: shows the tables, measures nothing",
    )
    add("--sizes", nargs="+", type=_input_size, default=INPUT_SIZES, help="input sizes, px")
    add("--weights", default="default", help="weights file (default: the package's own)")
    add("--threads", type=_positive, help="torch and OpenCV threads (default: theirs)")
    add("--images", type=Path, help="folder of photos for the engines' errors in mm")
    add("--json", type=Path, help="write all results to this file")
    add("--compare", type=Path, help="the JSON of an earlier run: exit status 1 for regressions")
    add("--plots", type=Path, help="folder for plots of the results")
    add("--markdown", type=Path, help="put the summary between the marker lines of this document")
    add("--tables", type=Path, help="write all tables to this document")
    return parser


if __name__ == "__main__":
    sys.exit(main())
