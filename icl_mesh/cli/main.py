"""The command `icl-mesh`: people from photos and bags without ROS."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import icl_mesh
from icl_mesh.cli.bag import add_command as add_bag_command
from icl_mesh.io.wording import MESSAGE, shown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Returns its exit code: 0 success, 1 some images failed, 2 nothing could be done.
    """
    parser = build_parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except (ValueError, OSError, ImportError) as error:
        print(f"icl-mesh: error: {shown(error, MESSAGE)}", file=sys.stderr)
        return 2


def build_parser() -> argparse.ArgumentParser:
    """The command line; see `icl-mesh --help`."""
    parser = argparse.ArgumentParser(prog="icl-mesh", description=icl_mesh.__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"icl-mesh {icl_mesh.__version__}")
    commands = parser.add_subparsers(title="commands", required=True)
    _add_predict(commands)
    add_bag_command(commands, _add_model_options, _threshold)
    info = commands.add_parser(
        "info",
        help="print versions, device, engine, weights, second stage and body that would be used",
    )
    info.set_defaults(run=_info)
    _add_model_options(info)
    _add_export(commands)
    return parser


def _add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    predict = commands.add_parser(
        "predict",
        help="find the people of an image or of all images of a folder",
        description="Find people and write, for every image, an overlay (NAME_overlay.png), the "
        "people as arrays (NAME.npz) and their meshes (NAME.glb). Exit code 1: some images "
        "failed; 2: nothing could be done.",
    )
    predict.set_defaults(run=_predict)
    predict.add_argument("input", type=Path, help="an image, or a folder of images")
    predict.add_argument("--out", type=Path, required=True, help="output folder; created if new")
    _add_model_options(predict)
    predict.add_argument(
        "--threshold",
        type=_threshold,
        help="least score of a person, above 0 and at most 1 (default: the weights' own)",
    )
    camera = predict.add_argument_group(
        "camera", "either a field of view or the intrinsics of the images, in pixels"
    )
    camera.add_argument(
        "--fov-deg",
        type=float,
        default=None,
        help="assumed field of view across the longer side, degrees (default 60)",
    )
    camera.add_argument("--fx", type=float, help="focal length; gives metric distances")
    camera.add_argument("--fy", type=float, help="vertical focal length (default: fx)")
    camera.add_argument("--cx", type=float, help="principal point (default: image centre)")
    camera.add_argument("--cy", type=float, help="principal point (default: image centre)")
    output = predict.add_argument_group("output")
    output.add_argument("--no-overlay", action="store_true", help="write no overlay (no OpenGL)")
    output.add_argument("--no-npz", action="store_true", help="write no .npz")
    output.add_argument("--no-glb", action="store_true", help="write no meshes")
    output.add_argument("--json", action="store_true", help="write NAME.json too")


def _add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    export = commands.add_parser(
        "export",
        help="write the network as ONNX and check every engine against PyTorch",
        description="Write the network as ONNX, for machines that cannot convert it themselves, "
        "and print for every installed engine how its people, their joints and positions differ "
        "from those of PyTorch in float32. Exit code 1: an engine in f32 differs by more than "
        "rounding; 2: nothing could be done.",
    )
    export.set_defaults(run=_export)
    _add_model_options(export, with_engine=False)
    export.add_argument(
        "--out",
        type=Path,
        help="ONNX file NAME.onnx, with NAME.people.onnx for its second step and "
        "NAME.keypoints.onnx for the second stage; next to NAME.safetensors they replace the "
        "cached ones (default: only the cache folder)",
    )
    export.add_argument(
        "--images", type=Path, help="photos to check with, file or folder (default: rendered)"
    )
    export.add_argument("--json", type=Path, help="also write the results to this file")


def _add_model_options(parser: argparse.ArgumentParser, *, with_engine: bool = True) -> None:
    model = parser.add_argument_group("model")
    model.add_argument("--weights", default="default", help="a weights file (.safetensors)")
    model.add_argument(
        "--body", default="default", help="a licensed SMPL file (.pkl, .npz or .pth)"
    )
    model.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    if not with_engine:
        return
    model.add_argument(
        "--refine",
        choices=("all", "off"),
        default="all",
        help="whom the second stage refines, with a crop of each person (default all)",
    )
    model.add_argument(
        "--engine",
        default="auto",
        help="what runs the network: auto (the fastest installed one), torch, onnxruntime, "
        "openvino or tensorrt, with a precision where wanted, as in openvino:bf16 (default auto)",
    )


def _threshold(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in (0, 1], got {text!r}")
    return value


def _predict(options: argparse.Namespace) -> int:
    from icl_mesh.cli.predict import predict_files

    return predict_files(options)


def _info(options: argparse.Namespace) -> int:
    from icl_mesh.cli.info import print_info

    model = options.weights, options.body, options.device, options.engine
    return print_info(*model, refine=options.refine == "all")


def _export(options: argparse.Namespace) -> int:
    from icl_mesh.cli.export import export

    return export(
        options.weights,
        options.body,
        options.device,
        out=options.out,
        images=options.images,
        report=options.json,
    )
