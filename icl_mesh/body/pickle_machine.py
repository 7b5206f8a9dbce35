"""Takes a pickle apart into plain data. Nothing that it names is imported, built or called.

Python's unpickler is no help against hostile files, whatever ``find_class`` allows: it calls what
it is handed, its memo grows to any index that a file names, and it hashes keys of any depth.
"""

from __future__ import annotations

import codecs
import io
import pickle
import warnings
from collections.abc import Callable
from typing import Any

from icl_mesh.body.pickle_opcodes import steps, unknown
from icl_mesh.body.pickle_records import (
    DAMAGE,
    STORAGE,
    Name,
    Record,
    call,
    key,
    pairs,
    refuse,
    shown,
)

#: More steps than this take minutes; a SMPL file has hundreds, one of lists millions.
MOST_STEPS = 20_000_000


def read_plain(
    stream: io.BytesIO,
    allowed: Callable[[Name], bool],
    references: list[tuple[Any, ...]] | None = None,
) -> Any:
    """The content of a pickle (protocols 0 to 5) as lists, dictionaries, numbers and Records.

    allowed: whether a file may name this class or function. references: takes the persistent ids,
    which become Records of ``STORAGE``; without it they are refused. The stream stands behind the
    pickle afterwards.

    Raises pickle.UnpicklingError for a name that is not allowed and for every kind of damage.
    """
    try:
        with warnings.catch_warnings():  # of escapes in texts that Python will not know one day
            warnings.simplefilter("ignore", DeprecationWarning)
            return _Machine(stream, allowed, references).run()
    except DAMAGE as error:
        raise pickle.UnpicklingError(f"it is damaged ({shown(error)})") from None


class _Machine:
    """pickle's stack machine; each method ``op_...`` is the opcode of that name."""

    def __init__(
        self,
        stream: io.BytesIO,
        allowed: Callable[[Name], bool],
        references: list[tuple[Any, ...]] | None,
    ) -> None:
        self.stream = stream
        self.allowed = allowed
        self.references = references
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stack under each mark
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        read = self.stream.read
        for _ in range(MOST_STEPS):
            code = read(1)
            if code == b".":
                return self.take(1)[0]
            if code not in _STEPS:
                refuse(unknown(code))
            argument, step = _STEPS[code]
            step(self, argument(self.stream) if argument is not None else None)
        refuse(f"it has more than {MOST_STEPS} steps, which no SMPL file needs")

    def op_string(self, _: object) -> None:
        """Python 2's bytes, in quotes and with escapes."""
        line = self.stream.readline()
        text = line.strip()
        if line[-1:] != b"\n" or len(text) < 2 or text[:1] != text[-1:] or text[:1] not in b"'\"":
            refuse("it is damaged (a text without its quotes)")
        self.stack.append(codecs.escape_decode(text[1:-1])[0].decode("latin1"))

    def take(self, count: int) -> list[Any]:
        """The topmost ``count`` values, off the stack."""
        if len(self.stack) < count:
            refuse("it is damaged (its stack is empty)")
        taken = self.stack[-count:]
        del self.stack[-count:]
        return taken

    def take_marked(self) -> list[Any]:
        """All values above the last mark, off the stack with their mark."""
        if not self.below:
            refuse("it is damaged (a mark is missing)")
        taken, self.stack = self.stack, self.below.pop()
        return taken

    def op_proto(self, version: int) -> None:
        if version > pickle.HIGHEST_PROTOCOL:
            refuse(f"it says pickle protocol {version}, but {pickle.HIGHEST_PROTOCOL} is the last")

    def op_mark(self, _: object) -> None:
        self.below.append(self.stack)
        self.stack = []

    def op_pop_mark(self, _: object) -> None:
        self.take_marked()

    def op_pop(self, _: object) -> None:
        if self.stack:
            self.stack.pop()
        else:
            self.take_marked()

    def op_dup(self, _: object) -> None:
        self.stack.append(self.stack[-1])

    def op_put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    op_binput = op_long_binput = op_put

    def op_memoize(self, _: object) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def op_get(self, index: int) -> None:
        if index not in self.memo:
            refuse(f"it is damaged (it has no object {index}, which it refers to)")
        self.stack.append(self.memo[index])

    op_binget = op_long_binget = op_get

    def op_frame(self, _: object) -> None:
        """Frames tell readers how much to read ahead; this one has the whole file."""

    op_readonly_buffer = op_frame

    def op_tuple(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(tuple(items))

    def op_list(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(items)

    def op_dict(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(pairs(items))

    def op_frozenset(self, _: object) -> None:
        items = self.take_marked()
        self.stack.append(frozenset(map(key, items)))

    def op_append(self, _: object) -> None:
        self.extend(self.take(1))

    def op_appends(self, _: object) -> None:
        self.extend(self.take_marked())

    def extend(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            refuse("it is damaged (it appends to what is no list)")
        self.stack[-1].extend(items)

    def op_additems(self, _: object) -> None:
        items = self.take_marked()
        if not isinstance(self.stack[-1], set):
            refuse("it is damaged (it adds to what is no set)")
        self.stack[-1].update(map(key, items))

    def op_setitem(self, _: object) -> None:
        self.set_items(self.take(2))

    def op_setitems(self, _: object) -> None:
        self.set_items(self.take_marked())

    def set_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], dict):
            refuse("it is damaged (it sets entries of what is no dictionary)")
        self.stack[-1].update(pairs(items))

    def op_global(self, names: str) -> None:
        self.stack.append(self.named(*names.split(" ", 1)))

    def op_stack_global(self, _: object) -> None:
        self.stack.append(self.named(*self.take(2)))

    def named(self, module: object, name: object) -> Name:
        if not (isinstance(module, str) and isinstance(name, str)):
            refuse("it is damaged (a class without a name)")
        found = Name(module, name)
        if not self.allowed(found):
            refuse(f"it wants to load {shown(found)}, which no SMPL file needs")
        return found

    def op_inst(self, names: str) -> None:
        arguments = tuple(self.take_marked())
        self.stack.append(call(self.named(*names.split(" ", 1)), arguments))

    def op_obj(self, _: object) -> None:
        kind, *arguments = self.take_marked()
        self.stack.append(call(kind, tuple(arguments)))

    def op_reduce(self, _: object) -> None:
        self.stack.append(call(*self.take(2)))

    op_newobj = op_reduce

    def op_newobj_ex(self, _: object) -> None:
        kind, arguments, _named = self.take(3)
        self.stack.append(call(kind, arguments))

    def op_build(self, _: object) -> None:
        (state,) = self.take(1)
        if isinstance(self.stack[-1], Record):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):  # an OrderedDict's attributes are no data
            refuse("it is damaged (a state for what is no object)")

    def op_binpersid(self, _: object) -> None:
        (reference,) = self.take(1)
        if self.references is None or not isinstance(reference, tuple):
            refuse("it refers to data outside of it, which no SMPL file does")
        self.references.append(reference)
        self.stack.append(Record(STORAGE, reference))


_STEPS = {code: (argument, step) for code, argument, step in steps(_Machine)}
