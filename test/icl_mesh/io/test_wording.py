"""Foreign strings in messages: one line, of a length that can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from icl_mesh.io.wording import MESSAGE, kind_of, shown


@pytest.mark.parametrize("plain", ["bgr8", "/camera/image raw", "Müller's Bild.jpg", "日本"])
def test_what_can_be_read_stays(plain: str) -> None:
    assert shown(plain) == plain
    assert shown(Path("/a") / plain) == str(Path("/a") / plain)


@pytest.mark.parametrize(
    ("foreign", "said"),
    [
        ("a\nb", r"a\nb"),
        ("a\r\x1b[31m\0", r"a\r\x1b[31m\x00"),
        ("\u202egpj", r"\u202egpj"),
        ("\u2028", r"\u2028"),
        ("\udcff", r"\udcff"),  # a file name that is no UTF-8
    ],
)
def test_line_breaks_and_direction_characters_are_escaped(foreign: str, said: str) -> None:
    assert shown(foreign) == said


def test_the_centre_of_a_long_text_is_replaced_by_its_length() -> None:
    long = "a" * 3000 + "b" * 2000
    assert shown(long, 20) == "aaaaaaaaaa...[4980 characters]...bbbbbbbbbb"
    assert shown(long, 21).startswith("a" * 11 + "...[4979 ")
    assert len(shown("\n" * 10**6, MESSAGE)) < 2 * MESSAGE + 40


def test_kinds_are_what_numbers_and_quoted_names_leave() -> None:
    one = "image on '/a' has 17 bytes, 0.5 s"
    assert kind_of(one) == kind_of("image on '/b' has 18 bytes, 12 s")
    assert kind_of(one) != kind_of("image on '/a' has 17 pixels, 0.5 s")
