"""The public surface of the API as text: names, signatures, fields and members.

    python -m tests.unit.api.surface

writes it to surface.txt.
"""

from __future__ import annotations

import enum
import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from azext_login import api, testing
from azext_login.api import aio

FILE = Path(__file__).with_name("surface.txt")


def surface() -> str:
    """Return the surface, one line for each name."""
    return "".join(f"{line}\n" for module in (api, aio, testing) for line in _lines_of(module))


def _lines_of(module: ModuleType) -> Iterator[str]:
    for name in sorted(module.__all__):
        yield from _describe(f"{module.__name__}.{name}", getattr(module, name))


def _describe(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type) and issubclass(value, enum.Enum):
        yield f"{name}: enumeration"
        yield from (f"{name}.{member.name} = {member.value!r}" for member in value)
    elif isinstance(value, type):
        yield f"{name}{_constructor(value)}: {', '.join(base.__name__ for base in value.__bases__)}"
        if not issubclass(value, Exception):
            yield from _members(name, value)
    elif callable(value):
        yield f"{name}{inspect.signature(value)}"
    else:
        yield f"{name} = {value!r}"


def _constructor(kind: type) -> str:
    """Return the parameters of a record; nothing for errors, and for what only the API itself creates."""
    if issubclass(kind, Exception):
        return ""
    signature = inspect.signature(kind)
    return "" if any(each.startswith("_") for each in signature.parameters) else str(signature)


def _members(name: str, kind: type) -> Iterator[str]:
    for member, value in sorted(vars(kind).items()):
        if member.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"{name}.{member} -> {inspect.signature(value.fget).return_annotation}"  # type: ignore[arg-type]
        elif callable(value):  # a function, or a fixture
            yield f"{name}.{member}{inspect.signature(value)}"
        else:
            yield f"{name}.{member} = {value!r}"


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
