"""The log text of an error."""

from __future__ import annotations

from icl_mesh_ros.logging.failures import reason


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_an_expected_error_is_one_sentence_any_other_a_traceback():
    for kind in (ValueError, FileNotFoundError, ImportError):  # what to change, find or install
        assert reason(raised(kind("what to do"))) == "what to do"
    text = reason(raised(LookupError("nobody foresaw this")))
    assert text.startswith("Traceback")
    assert text.endswith("LookupError: nobody foresaw this")
