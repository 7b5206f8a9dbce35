"""Comments of the message definitions as `ros2 interface show` can print them."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEFINITIONS = sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")])


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_no_comment_repeats_what_stands_before_it(path: Path) -> None:
    """Without comments, ros2cli cuts a line at the first place of the comment's text: of
    `geometry_msgs/Point position # m` it leaves `ge`."""
    for line in path.read_text().splitlines():
        declaration, hash_sign, comment = line.partition("#")
        if declaration.strip() and hash_sign:
            assert comment.strip() not in declaration, line


def test_every_definition_was_looked_at() -> None:
    assert {path.name for path in DEFINITIONS} >= {"Human.msg", "HumanArray.msg", "UpdateModel.srv"}
