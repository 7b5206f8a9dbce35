"""`python -m benchmarks.tracking`: render sequences, track people, print Markdown tables.

Run it from the repository's root in the virtual environment. Rendering and the network take about
5 s of one core per sequence. --cache keeps the recordings; a stopped run resumes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.report import replace_between_markers
from benchmarks.tracking.plot import plot_run
from benchmarks.tracking.recording import Recording, record
from benchmarks.tracking.report import (
    BEGIN,
    END,
    identity_table,
    steadiness_table,
    story_table,
)
from benchmarks.tracking.scores import Matches, Run, follow, identity, match_frame, motion
from icl_mesh.estimator import Estimator
from icl_mesh.tracking.assignment import COLOR_WEIGHT, EMBEDDING_WEIGHT, Weights
from icl_mesh.tracking.tracker import Tracker
from icl_mesh_training.scenes.sequences import SequenceFormat
from icl_mesh_training.scenes.world.walks import STORIES

#: Cues of the compared trackers.
CUES = {
    "position alone": Weights(0, 0),
    "position, embedding": Weights(EMBEDDING_WEIGHT, 0),
    "position, colours": Weights(0, COLOR_WEIGHT),
    "position, embedding, colours": Weights(EMBEDDING_WEIGHT, COLOR_WEIGHT),
}
#: Compared time constants of the smoothing, s.
SMOOTHINGS = (0.1, 0.2, 0.4)


def main(arguments: list[str] | None = None) -> int:
    """Returns 2 for bad input, else 0."""
    options = _parser().parse_args(arguments)
    try:
        estimator = Estimator.load(options.weights, device=options.device)
        seeds = list(range(options.first_seed, options.first_seed + options.sequences))
        form = SequenceFormat(frames=options.frames)
        recordings = record(estimator, seeds, options.cache, form)
        text, runs = _results(recordings, estimator.weights_version, form)
        print(text)
        if options.plot is not None:
            names = list(CUES)
            shown = {n: runs[n][options.plot_sequence] for n in (names[0], names[-1])}
            plot_run(options.plot, shown)
        if options.markdown is not None:
            replace_between_markers(options.markdown, text, BEGIN, END)
    except (ValueError, OSError, IndexError) as error:
        print(f"benchmarks.tracking: {error}", file=sys.stderr)
        return 2
    return 0


def _results(
    recordings: list[Recording], weights: str, form: SequenceFormat
) -> tuple[str, dict[str, list[Run]]]:
    """The tables, and the runs by cues."""
    matches = [
        [match_frame(people, labels) for people, labels in zip(r.people, r.truth, strict=True)]
        for r in recordings
    ]
    runs = {name: _follow(recordings, matches, cues, 0.0) for name, cues in CUES.items()}
    identities = {name: identity(run) for name, run in runs.items()}
    stories = {
        story: {
            name: identity([run for run in rows if run.recording.story == story])
            for name, rows in runs.items()
        }
        for story in STORIES
        if any(r.story == story for r in recordings)
    }
    smoothed = {
        f"{still_s} s": motion(_follow(recordings, matches, Weights(), still_s))
        for still_s in SMOOTHINGS
    }
    some = next(iter(identities.values()))
    seeds = [r.seed for r in recordings]
    facts = (
        f"{len(recordings)} sequences (seeds {seeds[0]} to {seeds[-1]}) of {form.frames} frames, "
        f"{form.width}x{form.height} at {form.rate:g} Hz; weights {weights}. Of {some.people} "
        f"people in frames (a quarter visible or more) {some.recall:.1%} are found, "
        f"{some.precision:.1%} of those found are true. Someone out of sight is remembered for "
        f"{Tracker().max_age_s:g} s."
    )
    covered = next(iter(smoothed.values())).covered
    text = "\n\n".join(
        (
            facts,
            identity_table(identities),
            "IDF1 (id switches) by story:",
            story_table(stories),
            steadiness_table(smoothed),
            f"{covered:.1%} of the true positions lie within the 95 % ellipsoid of "
            "`position_covariance` around `position`.",
        )
    )
    return text, runs


def _follow(
    recordings: list[Recording], matches: list[list[Matches]], cues: Weights, still_s: float
) -> list[Run]:
    return [
        follow(recording, frames, Tracker(weights=cues, smoothing_s=still_s))
        for recording, frames in zip(recordings, matches, strict=True)
    ]


def _positive(text: str) -> int:
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking", description=__doc__)
    add = parser.add_argument
    add("--sequences", type=_positive, default=50, help="number of sequences (50)")
    add("--first-seed", type=int, default=0, help="seed of the first sequence (0)")
    add("--frames", type=_positive, default=40, help="of each sequence, at 10 Hz (40)")
    add("--cache", type=Path, default=Path("out/tracking"), help="folder of the recordings")
    add("--weights", default="default", help="weights file (default: the package's own)")
    add("--device", default="cpu", help="where the network runs (cpu)")
    add("--markdown", type=Path, help="put the tables between the marker lines of this document")
    add("--plot", type=Path, help="draw one sequence into this PNG")
    add("--plot-sequence", type=int, default=0, help="its index among those run (0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
