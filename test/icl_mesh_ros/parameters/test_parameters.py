"""The table of parameters, and the file that documents it."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

from icl_mesh_ros.parameters.fields import fixed_while_configured
from icl_mesh_ros.parameters.mesh_node import MeshParameters

CONFIG = Path(__file__).resolve().parents[3] / "config" / "mesh_node.yaml"


def test_the_file_gives_every_parameter_its_default_and_a_comment():
    text = CONFIG.read_text(encoding="utf-8")
    given = yaml.safe_load(text)["/**/mesh_node"]["ros__parameters"]
    assert given == {spec.name: spec.default for spec in fields(MeshParameters)}
    assert MeshParameters(**given) == MeshParameters()
    comments = dict(re.findall(r"^ {4}(\w+): *[^#\n]*# (.+)$", text, re.MULTILINE))
    assert set(comments) == set(given)
    for spec in fields(MeshParameters):
        if (limits := spec.metadata["limits"]) is not None:
            low, high = limits
            assert f"{low:g} to {high:g}" in comments[spec.name], spec.name
        for choice in spec.metadata["choices"]:
            assert choice in comments[spec.name], spec.name


def test_every_parameter_has_a_description_and_says_when_it_can_change():
    for spec in fields(MeshParameters):
        text = spec.metadata["text"]
        assert len(text) > 10
        assert ("read at configure" in text) == spec.metadata["at_configure"]


def test_values_outside_are_refused_by_name():
    with pytest.raises(ValueError, match=r"detection_threshold must lie between 0 and 1, got 1\.5"):
        MeshParameters(detection_threshold=1.5)
    with pytest.raises(ValueError, match="max_rate must lie between 0 and 1000, got nan"):
        MeshParameters(max_rate=float("nan"))
    with pytest.raises(ValueError, match="image_transport must be one of raw, compressed, got 'x'"):
        MeshParameters(image_transport="x")


def test_changes_of_at_configure_parameters_are_found():
    old = MeshParameters()
    changed = replace(old, device="cuda", max_rate=3.0, body="other.npz")
    assert fixed_while_configured(old, changed) == ["body", "device"]
