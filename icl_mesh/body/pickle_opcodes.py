"""pickle's opcodes: the reader of each argument, and the effect on a stack machine."""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from typing import Any

Step = Callable[[Any, Any], None]

#: Opcodes whose argument is the value itself.
_VALUES = frozenset(
    (
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    )
)
_MADE: dict[str, Callable[[], Any]] = {
    **{"NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False},
    **{"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple, "EMPTY_SET": set},
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def unknown(code: bytes) -> str:
    """Why this byte has no step; it is empty at the end of a file."""
    if not code:
        return "it ends before its end, so the file was cut short"
    for opcode in pickletools.opcodes:
        if opcode.code.encode("latin1") == code:
            return f"it uses opcode {opcode.name}, which no SMPL file needs"
    return f"it is damaged, or no pickle (byte {code[0]:#04x} is no opcode)"


def steps(machine: type) -> Iterator[tuple[bytes, Callable[[Any], Any] | None, Step]]:
    """Code, argument reader and effect of each supported opcode.

    machine: has ``stack``, ``take``, and a method ``op_...`` for each opcode not handled here.
    """
    for opcode in pickletools.opcodes:
        argument = None if opcode.arg is None else opcode.arg.reader
        step: Step | None = getattr(machine, f"op_{opcode.name.lower()}", None)
        if opcode.name == "STRING":
            argument = None  # pickletools reads ASCII only, arrays are binary
        elif opcode.name in _VALUES:
            step = _value
        elif opcode.name in _MADE:
            step = _push(_MADE[opcode.name])
        elif opcode.name in _TUPLES:
            step = _tuple_of(_TUPLES[opcode.name])
        if step is not None:
            yield opcode.code.encode("latin1"), argument, step


def _value(machine: Any, value: object) -> None:
    machine.stack.append(value)


def _push(make: Callable[[], Any]) -> Step:
    return lambda machine, _: machine.stack.append(make())


def _tuple_of(count: int) -> Step:
    return lambda machine, _: machine.stack.append(tuple(machine.take(count)))
