"""Repair the exported CMake files of the ROS wheels, so that packages build against them.

The files name the Python of the build machine (``/opt/python/cp311-cp311/...``). The script
replaces it by the running Python; a second run changes nothing.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from pathlib import Path

INCLUDE = re.compile(r"/opt/python/cp3\d+-cp3\d+/include/python3\.\d+")
SITE_PACKAGES = re.compile(r"/opt/python/cp3\d+-cp3\d+/lib/python3\.\d+/site-packages")


def repair(text: str, include: str, site_packages: str) -> str:
    """A CMake file's text with the paths of the running Python."""
    text = INCLUDE.sub(lambda _: include, text)
    return SITE_PACKAGES.sub(lambda _: site_packages, text)


def main() -> int:
    paths = sysconfig.get_paths()
    repaired = 0
    for path in Path(sys.prefix, "share").rglob("*.cmake"):
        text = path.read_text(encoding="utf-8")
        fixed = repair(text, paths["include"], paths["purelib"])
        if fixed != text:
            path.write_text(fixed, encoding="utf-8")
            repaired += 1
    print(f"ROS wheels: {repaired} exported CMake files pointed at this Python")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
