"""What drivers and calibration tools call a lens, and how many coefficients they give it.

Names count without case, spaces, dashes and underscores. The number of coefficients tells which
member of Brown's family it is, as in OpenCV, whose function is the same with zeros for the others.
"""

from __future__ import annotations

import re

#: Brown's family: numbers of coefficients -> model.
_BROWN = {
    4: "plumb_bob",
    5: "plumb_bob",
    8: "rational_polynomial",
    12: "rational_polynomial",
}
_FISHEYE = {4: "equidistant"}
#: Name, but for case and separators -> model, by the number of coefficients.
_FAMILIES: dict[str, dict[int, str]] = {
    **dict.fromkeys(
        ("plumbbob", "radtan", "radialtangential", "pinholeradtan", "brown", "brownconrady")
        + ("rationalpolynomial", "rational", "thinprism", "opencv", "perspective"),
        _BROWN,
    ),
    **dict.fromkeys(
        ("equidistant", "equi", "pinholeequi", "fisheye", "opencvfisheye")
        + ("kannalabrandt", "kannalabrandt4", "kb", "kb4"),
        _FISHEYE,
    ),
}
#: Names of lenses that bend nothing, where their coefficients are zero too.
_STRAIGHT = {
    *("", "none", "nodistortion", "undistorted", "rectified", "pinhole", "rectilinear"),
    *("modifiedbrownconrady", "inversebrownconrady"),  # RealSense's, which are often all zero
}
_SHOWN = 40


def known_lens(name: str, coefficients: list[float]) -> tuple[str, list[float]]:
    """A calibration's model and coefficients -> a key of lens.LENS_MODELS and as many
    coefficients as it may have; none for a lens that bends nothing: "plumb_bob", [].

    A calibration that names no model means plumb_bob, as for ROS's own readers. Coefficients that
    are zero at the end may be left out, and too many. Where the number fits no model, it is left
    as it is, for Lens to refuse. Raises ValueError for a name that is not known.
    """
    plain = re.sub(r"[\s_\-]+", "", name.casefold())
    bends = any(coefficients)
    family = _FAMILIES.get(plain or "plumbbob")
    if family is None and not (plain in _STRAIGHT and not bends):
        raise ValueError(
            "lens model must be one of plumb_bob, rational_polynomial, equidistant, got "
            f"{name[:_SHOWN]!r}"
        )
    # As image_geometry has it, a lens whose coefficients are all zero bends nothing.
    if family is None or not bends:
        return "plumb_bob", []
    numbers = list(coefficients)
    while len(numbers) > min(family) and numbers[-1] == 0 and len(numbers) not in family:
        numbers.pop()
    named = "rational_polynomial" if plain.startswith("rational") else family[min(family)]
    return family.get(len(numbers), named), numbers
