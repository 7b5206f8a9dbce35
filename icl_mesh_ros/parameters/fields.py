"""Dataclass fields as ROS parameters: declares them with descriptors, and checks values."""

from __future__ import annotations

import re
from dataclasses import Field, field, fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

Parameters = TypeVar("Parameters")


def parameter(
    default: Any,
    text: str,
    *,
    limits: tuple[float, float] | None = None,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    at_configure: bool = False,
    read_only: bool = False,
    dynamic_typing: bool = False,
) -> Any:
    """A dataclass field with the content of its parameter descriptor.

    text: the description. limits: smallest and largest value. pattern: regular expression for the
    whole text. at_configure: cannot change while the node is configured. read_only: fixed when the
    process starts. dynamic_typing: a value may have another type than the default. Other parameters
    can change at any time.
    """
    if at_configure:
        text += "; read at configure: clean up the node before setting it"
    return field(
        default=default,
        metadata={
            "text": text,
            "at_configure": at_configure,
            "limits": limits,
            "choices": choices,
            "pattern": pattern,
            "read_only": read_only,
            "dynamic_typing": dynamic_typing,
        },
    )


def check(parameters: Any) -> None:
    """Raises ValueError that names parameter, rule and value if the fields forbid a value."""
    for spec in fields(parameters):
        value = getattr(parameters, spec.name)
        choices, limits = spec.metadata["choices"], spec.metadata["limits"]
        if choices and value not in choices:
            raise ValueError(f"{spec.name} must be one of {', '.join(choices)}, got '{value}'")
        if (pattern := spec.metadata["pattern"]) and not re.fullmatch(pattern, value):
            raise ValueError(f"{spec.name} must match {pattern}, got '{value}'")
        if limits is not None and not limits[0] <= value <= limits[1]:
            raise ValueError(
                f"{spec.name} must lie between {limits[0]:g} and {limits[1]:g}, got {value:g}"
            )


def declare(node: Node, kind: type[Parameters]) -> Parameters:
    """Declare each field of the dataclass on the node, and read the values.

    Raises rclpy's ParameterException for a value of a wrong type or range.
    """
    specs: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
    return kind(
        **{
            spec.name: node.declare_parameter(spec.name, spec.default, _descriptor(spec)).value
            for spec in specs
        }
    )


def fixed_while_configured(old: Any, new: Any) -> list[str]:
    """Names of the at_configure parameters that differ."""
    return [
        spec.name
        for spec in fields(old)
        if spec.metadata["at_configure"] and getattr(old, spec.name) != getattr(new, spec.name)
    ]


def _descriptor(spec: Field[Any]) -> ParameterDescriptor:
    described = spec.metadata
    descriptor = ParameterDescriptor(
        description=described["text"],
        read_only=described["read_only"],
        dynamic_typing=described["dynamic_typing"],
    )
    if described["choices"]:
        descriptor.additional_constraints = "one of " + ", ".join(described["choices"])
    if described["pattern"]:
        descriptor.additional_constraints = "must match " + described["pattern"]
    if described["limits"] is None:
        return descriptor
    low, high = described["limits"]
    if isinstance(spec.default, float):
        descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    else:
        descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    return descriptor
