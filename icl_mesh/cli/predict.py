"""Runs `icl-mesh predict`: image files to overlays, arrays and meshes."""

from __future__ import annotations

import argparse
import itertools
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from icl_mesh.estimator import Estimator
from icl_mesh.geometry.camera import Camera
from icl_mesh.io.atomic import write_atomically
from icl_mesh.io.images import find_images, read_image
from icl_mesh.io.wording import MESSAGE, shown
from icl_mesh.people import People

_OVERLAY = "_overlay.png"


def predict_files(options: argparse.Namespace) -> int:
    """Process the image files of the command line. Returns 1 if any of them failed, else 0."""
    paths = find_images(options.input)
    names = output_names(paths)
    if not options.no_overlay:
        _refuse_overwriting(options.out, paths, names)
    make_camera = camera_maker(options)
    draw_overlay = None if options.no_overlay else _overlay_function()
    estimator = Estimator.load(
        options.weights,
        options.body,
        options.device,
        options.engine,
        refine=options.refine == "all",
    )
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for path, name in tqdm(
        list(zip(paths, names, strict=True)), unit="image", disable=len(paths) == 1
    ):
        try:
            image = read_image(path)
            camera = make_camera(image.shape[1], image.shape[0])
            people = estimator(image, camera, vertices=True, threshold=options.threshold)
            _write(options, options.out / name, image, people, draw_overlay)
        except (ValueError, RuntimeError, OSError, MemoryError, cv2.error) as error:
            # One broken file must not stop the others.
            failed += 1
            text = str(error) or "out of memory"
            text = text if str(path) in text else f"{path}: {text}"
            tqdm.write(shown(text, MESSAGE), file=sys.stderr)
        else:
            tqdm.write(shown(summary(path, people), MESSAGE))
    if len(paths) > 1:
        print(f"{len(paths) - failed} of {len(paths)} images done, written to {options.out}")
    return 1 if failed else 0


def output_names(paths: list[Path]) -> list[str]:
    """Unique names of the outputs without suffix: the files' stems.

    Files with a common stem get "stem_suffix", or a longer name if that exists too.
    """
    # Some file systems are case-insensitive.
    count = Counter(path.stem.casefold() for path in paths)
    taken = {stem for stem, times in count.items() if times == 1}
    names = []
    for path in paths:
        name = path.stem
        if count[name.casefold()] > 1:
            longer = (f"{path.name}_{number}" for number in itertools.count(2))
            candidates = itertools.chain([f"{name}_{path.suffix[1:]}", path.name], longer)
            name = next(one for one in candidates if one.casefold() not in taken)
            taken.add(name.casefold())
        names.append(name)
    return names


def _refuse_overwriting(out: Path, paths: list[Path], names: list[str]) -> None:
    """Raise ValueError where an overlay would overwrite an input."""
    inputs = {path.resolve() for path in paths}
    for name in names:
        if (overlay := out / f"{name}{_OVERLAY}").resolve() in inputs:
            raise ValueError(
                f"{overlay} is among the images and would be overwritten: choose another --out"
            )


def camera_maker(options: argparse.Namespace) -> Callable[[int, int], Camera]:
    """(width, height) -> the camera of the command line's options.

    Raises ValueError for contradictory options. Intrinsics belong to one image size: a second
    size raises ValueError too.
    """
    given = [name for name in ("fx", "fy", "cx", "cy") if getattr(options, name) is not None]
    if not given:
        fov_deg = 60.0 if options.fov_deg is None else options.fov_deg
        Camera.assumed(1, 1, fov_deg)  # refuses a bad angle early
        return lambda width, height: Camera.assumed(width, height, fov_deg)
    if options.fx is None:
        raise ValueError(f"--{given[0]} needs --fx: a camera has a focal length in pixels")
    if options.fov_deg is not None:
        raise ValueError("--fov-deg and --fx both say the focal length: give one of them")
    sizes: set[tuple[int, int]] = set()

    def make_camera(width: int, height: int) -> Camera:
        first = next(iter(sizes), (width, height))
        if first != (width, height):
            raise ValueError(
                f"image is {width}x{height}, but the intrinsics given are for the first image's "
                f"{first[0]}x{first[1]}: give images of one camera"
            )
        sizes.add(first)
        fy = options.fx if options.fy is None else options.fy
        cx = (width - 1) / 2 if options.cx is None else options.cx
        cy = (height - 1) / 2 if options.cy is None else options.cy
        return Camera(options.fx, fy, cx, cy, width, height)

    make_camera(1, 1)
    sizes.clear()
    return make_camera


def summary(path: Path, people: People) -> str:
    """One line per image: the number of people, and their distances."""
    if len(people) == 0:
        return f"{path.name}: nobody"
    distances = ", ".join(f"{z:.1f} m" for z in people.position_m[:, 2])
    guess = " (focal length assumed)" if people.camera.focal_assumed else ""
    noun = "person" if len(people) == 1 else "people"
    return f"{path.name}: {len(people)} {noun} at {distances}{guess}"


DrawOverlay = Callable[[npt.NDArray[np.uint8], People], npt.NDArray[np.uint8]]


def _overlay_function() -> DrawOverlay:
    try:
        from icl_mesh.rendering import RenderingUnavailableError
        from icl_mesh.rendering.overlay import draw_overlay
    except ImportError as error:
        raise ImportError(
            f"overlays need moderngl ({error}): install icl_mesh_ros[overlay], or use --no-overlay"
        ) from error

    def draw(image: npt.NDArray[np.uint8], people: People) -> npt.NDArray[np.uint8]:
        try:
            return draw_overlay(image, people)
        except RenderingUnavailableError as error:  # every image would fail: stop at the first
            raise ImportError(f"{error}; or use --no-overlay") from error

    return draw


def _write(
    options: argparse.Namespace,
    stem: Path,
    image: npt.NDArray[np.uint8],
    people: People,
    draw_overlay: DrawOverlay | None,
) -> None:
    def named(ending: str) -> Path:
        return stem.with_name(stem.name + ending)  # with_suffix would cut a name at its last dot

    if draw_overlay is not None:
        overlay = cv2.cvtColor(draw_overlay(image, people), cv2.COLOR_RGB2BGR)
        png = cv2.imencode(".png", overlay)[1].tobytes()
        write_atomically(named(_OVERLAY), png, durable=False)
    if not options.no_npz:
        people.save_npz(named(".npz"))
    if options.json:
        people.save_json(named(".json"))
    if not options.no_glb and len(people) > 0:
        people.save_glb(named(".glb"))
