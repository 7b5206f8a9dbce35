"""scripts/setup: the distribution whose wheels it installs."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = """
fail() { echo "$*" >&2; exit 1; }
. scripts/lib/ros.sh
wheels_distro "$1"
"""


def ask(record: Path, distro: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", ASK, "bash", str(record)],
        cwd=ROOT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin"} | ({"ROS_DISTRO": distro} if distro else {}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("recorded", "distro", "wheels"),
    [
        ("", "", "jazzy"),
        ("", "kilted", "kilted"),
        ("wheels kilted", "", "kilted"),
        ("wheels kilted", "jazzy", "jazzy"),
        ("sourced /opt/ros/kilted", "", "jazzy"),
    ],
)
def test_the_wheels_are_the_requested_or_available_ones(tmp_path, recorded, distro, wheels):
    record = tmp_path / "record"
    if recorded:
        record.write_text(f"{recorded}\n/somewhere 3.11\n")
    assert ask(record, distro).stdout == f"{wheels}\n"


def test_a_distribution_without_wheels_is_refused_by_name(tmp_path):
    answer = ask(tmp_path / "record", "humble")
    assert answer.returncode == 1
    assert answer.stderr == (
        "ROS_DISTRO is humble, which is not sourced, and its wheels are not known here (known: "
        "jazzy kilted): source its setup.bash, or set ROS_DISTRO to one of these\n"
    )


@pytest.mark.parametrize("distro", ["jazzy", "kilted"])
def test_every_wheel_of_a_distribution_is_pinned_in_its_file(distro):
    lines = (ROOT / "requirements" / f"ros_{distro}.txt").read_text().splitlines()
    wheels = [line for line in lines if line.startswith("ros-")]
    assert f"ros-{distro}-rclpy" in {line.split("==")[0] for line in wheels}
    assert [line for line in wheels if not re.fullmatch(r"ros-[a-z0-9-]+==[0-9.]+", line)] == []
    constraints = (ROOT / "requirements" / "constraints.txt").read_text()
    assert "\nros-" not in constraints  # they would apply to the other distribution too
