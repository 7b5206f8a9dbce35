"""Names and coefficients of lens models in drivers and calibration tools.

Case, spaces, dashes and underscores of names are ignored. As in OpenCV, the number of coefficients
selects the model of Brown's family; missing coefficients are zero.
"""

from __future__ import annotations

import re

from icl_mesh.io.wording import shown

#: Brown's family: numbers of coefficients -> model.
_BROWN = {
    4: "plumb_bob",
    5: "plumb_bob",
    8: "rational_polynomial",
    12: "rational_polynomial",
}
_FISHEYE = {4: "equidistant"}
#: Name without case and separators -> models by number of coefficients.
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
#: Names of lenses without distortion, if their coefficients are zero.
_STRAIGHT = {
    *("", "none", "nodistortion", "undistorted", "rectified", "pinhole", "rectilinear"),
    *("modifiedbrownconrady", "inversebrownconrady"),  # RealSense's, which are often all zero
}


def known_lens(name: str, coefficients: list[float]) -> tuple[str, list[float]]:
    """A calibration's model and coefficients -> a key of lens.LENS_MODELS and its coefficients.

    A lens without distortion is "plumb_bob", []. The default model is plumb_bob, as in ROS's own
    readers. Trailing zeros are dropped where the number of coefficients fits no model; if it still
    fits none, Lens refuses it. Raises ValueError for an unknown name.
    """
    plain = re.sub(r"[\s_\-]+", "", name.casefold())
    distorts = any(coefficients)
    family = _FAMILIES.get(plain or "plumbbob")
    if family is None and not (plain in _STRAIGHT and not distorts):
        raise ValueError(
            "lens model must be one of plumb_bob, rational_polynomial, equidistant, got "
            f"'{shown(name)}'"
        )
    # As in image_geometry, zero coefficients mean no distortion.
    if family is None or not distorts:
        return "plumb_bob", []
    numbers = list(coefficients)
    while len(numbers) > min(family) and numbers[-1] == 0 and len(numbers) not in family:
        numbers.pop()
    named = "rational_polynomial" if plain.startswith("rational") else family[min(family)]
    return family.get(len(numbers), named), numbers
