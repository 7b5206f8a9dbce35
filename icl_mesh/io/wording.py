"""Foreign strings in messages: they may be long, or contain line breaks."""

from __future__ import annotations

import re

#: Longest name (encoding, frame, entry of metadata) in a message, characters.
NAME = 60
#: Longest message, characters.
MESSAGE = 1500
_VARIABLE = re.compile(r"'[^']*'|\d+(\.\d+)?")


def shown(value: object, most: int = NAME) -> str:
    """A value's text as one line of at most about `most` characters, for a message.

    Unprintable characters (line ends, control and direction characters, broken UTF-8) become
    Python's escapes. The centre of a long text is replaced by its length: the end may distinguish
    paths, or contain the remedy of a message.
    """
    text = str(value)
    if (rest := len(text) - most) > 0:
        head = (most + 1) // 2
        left_out = f"...[{rest} characters]..."
        return _printable(text[:head]) + left_out + _printable(text[head + rest :])
    return _printable(text)


def kind_of(text: str) -> str:
    """The common text of messages of one kind: without numbers and quoted strings."""
    return _VARIABLE.sub("", text)


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
