"""Plots one sequence: true paths and tracks, over time and from above."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

from benchmarks.tracking.scores import Run
from icl_mesh.io.colors import person_color
from icl_mesh.tracking.tracker import TrackState
from icl_mesh_training.evaluation.evaluate import MIN_VISIBLE


def plot_run(path: Path, runs: dict[str, Run]) -> None:
    """Write a PNG with one column per tracker (name -> run of the same sequence).

    Upper row: sideways position over time. Lower row: view from above. Grey lines: true paths,
    dotted where less than MIN_VISIBLE of the person is visible. Dots: detections, in the colour of
    their id. Crosses: predicted (OCCLUDED) people.
    """
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        2, len(runs), figsize=(5 * len(runs), 7.5), squeeze=False, sharex="row", sharey="row"
    )
    for column, (name, run) in enumerate(runs.items()):
        rate = run.recording.rate
        joints = np.stack([labels.joints_m[:, 0] for labels in run.recording.truth])
        shown = np.stack([labels.visible_share for labels in run.recording.truth]) >= MIN_VISIBLE
        seconds = np.arange(len(joints)) / rate
        for panel, horizontal in ((0, None), (1, 0)):
            axis = axes[panel, column]
            for person in range(joints.shape[1]):
                across = seconds if horizontal is None else joints[:, person, 0]
                value = joints[:, person, 0 if panel == 0 else 2]
                axis.plot(across, value, color="0.75", linestyle=":", zorder=1)
                visible = np.where(shown[:, person], value, np.nan)
                axis.plot(across, visible, color="0.75", linewidth=3, zorder=1)
            _draw_tracks(axis, run, seconds, panel)
        axes[0, column].set(title=name, xlabel="time, s", ylabel="to the right, m")
        axes[1, column].set(xlabel="to the right, m", ylabel="forward, m")
    figure.tight_layout()
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _draw_tracks(axis: mpl.axes.Axes, run: Run, seconds: npt.NDArray, panel: int) -> None:
    rows = [
        (second, int(number), state, position)
        for second, tracks in zip(seconds, run.tracks, strict=True)
        for number, state, position in zip(
            np.asarray(tracks.people.track_id), tracks.state, tracks.position_m, strict=True
        )
    ]
    for number in sorted({row[1] for row in rows}):
        for occluded, marker in ((False, "o"), (True, "x")):
            own = [r for r in rows if r[1] == number]
            own = [r for r in own if (r[2] == TrackState.OCCLUDED) == occluded]
            if not own:
                continue
            points = np.array([r[3] for r in own])
            across = np.array([r[0] for r in own]) if panel == 0 else points[:, 0]
            axis.scatter(
                across,
                points[:, 0 if panel == 0 else 2],
                s=18,
                color=np.array(person_color(number)) / 255,
                marker=marker,
                label=None if occluded else f"id {number}",
                zorder=2,
            )
    if panel == 0:
        axis.legend(loc="best", fontsize="small")
