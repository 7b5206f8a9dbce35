"""Runs two nodes over DDS, prints one line per frame and writes pictures."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from ament_index_python.packages import get_package_share_directory

from icl_mesh_ros.launching import dds

ROOT = Path(__file__).resolve().parent.parent


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--input",
        nargs="+",
        metavar="SOURCE",
        help="photos, a folder of photos, a video, or a webcam index; without it: a rendered clip",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "out" / "demo", help="output folder")
    parser.add_argument(
        "--rate", type=float, default=5.0, help="Hz; 0: the rate of the video or camera"
    )
    parser.add_argument(
        "--frames", type=int, default=100, help="number of images after which the demo ends"
    )
    parser.add_argument("--weights", default="default", help="default or a .safetensors file")
    parser.add_argument("--body", default="default", help="default or a licensed SMPL file")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda")
    parser.add_argument("--calibration", default="", help="camera calibration (YAML) of --input")
    parser.add_argument(
        "--assumed-fov-deg", type=float, default=60.0, help="field of view without a calibration"
    )
    return parser.parse_args()


def set_ros_environment() -> None:
    """Isolate DDS on this machine and enlarge its buffers. Variables of the user are kept."""
    profile = str(Path(get_package_share_directory("icl_mesh_ros"), "config", "fastdds.xml"))
    for name, value in {
        "ROS_DOMAIN_ID": str(1 + os.getpid() % 100),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }.items():
        os.environ.setdefault(name, value)
    if not dds.chosen_profile():
        os.environ.update(dict.fromkeys(dds.profile_variables(), profile))


def main() -> int:
    options = arguments()
    set_ros_environment()
    import rclpy  # after the environment is set

    from demo_lib.clip import open_input, render_clip
    from demo_lib.session import Session

    out: Path = options.out
    out.mkdir(parents=True, exist_ok=True)
    try:
        if options.input:
            clip = open_input(options.input, out / "input")
            clip.calibration = options.calibration
        else:
            clip = render_clip(out / "clip")
        rclpy.init()
        return Session(options, clip).run()
    except (RuntimeError, OSError, ValueError) as error:
        print(f"demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo interrupted", file=sys.stderr)
        return 130
    finally:
        rclpy.try_shutdown()


if __name__ == "__main__":
    raise SystemExit(main())
