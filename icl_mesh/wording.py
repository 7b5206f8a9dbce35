"""Foreign strings in messages: what others wrote may be long, or hold what splits a line."""

from __future__ import annotations

import re

#: A name (an encoding, a frame, an entry of metadata) is cut to so many characters.
NAME = 60
#: A whole message is cut to so many.
MESSAGE = 1500
_VARIABLE = re.compile(r"'[^']*'|\d+(\.\d+)?")


def shown(value: object, most: int = NAME) -> str:
    """A value's text as one line of at most about `most` characters, for a message.

    What is not printable (line ends, control and direction characters, broken UTF-8) is written as
    Python's escapes have it. The middle of a long text is left out, and counted: its end may be
    what tells paths apart, or the way out of a whole message.
    """
    text = str(value)
    if (rest := len(text) - most) > 0:
        head = (most + 1) // 2
        left_out = f"...[{rest} characters]..."
        return _printable(text[:head]) + left_out + _printable(text[head + rest :])
    return _printable(text)


def kind_of(text: str) -> str:
    """What is the same in messages of one kind: all but numbers and what stands in quotes."""
    return _VARIABLE.sub("", text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
