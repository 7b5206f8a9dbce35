"""Types of arguments and arguments that several subcommands of `icl-mesh-train` share."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def at_least(least: int) -> Callable[[str], int]:
    """An argument's type: whole numbers from least on."""

    def number(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, got {text}")
        return value

    number.__name__ = "whole number"  # argparse: "invalid whole number value: 'x'"
    return number


def share(text: str) -> float:
    """An argument's type: numbers in [0, 1]."""
    if not 0 <= (value := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"must be in [0, 1], got {text}")
    return value


share.__name__ = "number"


def add_min_visible(command: argparse.ArgumentParser) -> None:
    """Adds --min-visible to a subcommand that measures on scenes."""
    command.add_argument(
        "--min-visible",
        type=share,
        default=0.25,
        help="scenes: least visible share of people that must be found (0.25; 0.1 for the "
        "occlusion benchmark)",
    )
