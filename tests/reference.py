"""docs/api-reference.rst, from the docstrings of the public modules.

    python -m tests.reference

writes the page. A test compares it.
"""

from __future__ import annotations

import ast
import enum
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from azext_login import api, testing
from azext_login.api import aio

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api-reference.rst"

MODULES = (api, aio, testing)

_HEAD = """\
API reference
=============

{intro}

`The guide <extension-authors.rst>`_ shows how an extension imports ``azext_login.api``. In the examples, ``cmd`` is the
first parameter of a command, and ``api`` is ``azext_login.api``. ``python -m tests.reference`` writes this page from
the docstrings of the code.

.. contents::
   :local:
   :depth: 2
"""

# What is indented after a line with two colons at its end.
_LITERAL = re.compile(r"(?<=::\n\n)((?:    .*(?:\n|\Z)|\n)+)")

_GROUPS = ("Functions", "Records and classes", "Enumerations", "Events", "Errors", "Others")


def page() -> str:
    """Return the whole page."""
    parts = [_HEAD.format(intro=f"Version {api.API_VERSION}.")]
    for module in MODULES:
        parts.append(_title(module.__name__, "-"))
        parts.append(_text(inspect.getdoc(module) or ""))
        groups: dict[str, list[str]] = {group: [] for group in _GROUPS}
        for name in sorted(module.__all__, key=str.lower):
            groups[_group_of(getattr(module, name))].append("\n".join(_describe(module, name)))
        parts += [entry for group in _GROUPS for entry in groups[group]]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def examples() -> Iterator[tuple[str, str]]:
    """Yield each example in the docstrings: the name of what it is about, and its code."""
    for module in MODULES:
        yield from _examples_in(module.__name__, inspect.getdoc(module) or "")
        for name in module.__all__:
            yield from _examples_in(f"{module.__name__}.{name}", inspect.getdoc(getattr(module, name)) or "")


def _examples_in(name: str, docstring: str) -> Iterator[tuple[str, str]]:
    for found in _LITERAL.finditer(docstring):
        yield name, inspect.cleandoc(found[1]) + "\n"


def _group_of(value: Any) -> str:
    if not isinstance(value, type):
        return "Functions" if inspect.isfunction(value) else "Others"
    if issubclass(value, Exception):
        return "Errors"
    if issubclass(value, enum.Enum):
        return "Enumerations"
    return "Events" if hasattr(value, "name") and value.__module__.endswith(".events") else "Records and classes"


def _describe(module: ModuleType, name: str) -> Iterator[str]:
    value = getattr(module, name)
    yield _title(name, "~")
    if inspect.isfunction(value):
        yield _code(_signature(name, value))
        yield _text(inspect.getdoc(value) or "")
    elif isinstance(value, type):
        yield from _describe_class(name, value)
    else:
        yield _text(_attribute_docs(module).get(name, ""))
        yield ""
        yield f"Value: ``{value!r}``\n" if isinstance(value, str) else _code(_plain(str(value)))


def _describe_class(name: str, kind: type) -> Iterator[str]:
    if issubclass(kind, Exception):
        yield f"An error: {', '.join(f'``{base.__name__}``' for base in kind.__mro__[1:] if _is_public_error(base))}.\n"
    elif not issubclass(kind, enum.Enum) and not any(each.startswith("_") for each in _parameters(kind)):
        yield _code(_signature(name, kind))
    yield _text(inspect.getdoc(kind) or "")
    yield ""
    if not issubclass(kind, Exception):
        yield from _members(kind)


def _is_public_error(base: type) -> bool:
    return base.__name__ in api.__all__ or base.__module__ == "azure.cli.core.azclierror"


def _members(kind: type) -> Iterator[str]:
    """Yield the fields, members, properties and methods as a list of definitions."""
    documented: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("azext_login."):
            documented |= _attribute_docs(base)
    for name, text in documented.items():
        if not name.startswith("_"):
            yield f"``{_member_label(kind, name)}``\n{_indented(_text(text))}"
    for name, value in sorted(vars(kind).items()):
        if name.startswith("_"):
            continue
        if isinstance(value, property):
            yield f"``{name}`` (property)\n{_indented(_text(inspect.getdoc(value) or ''))}"
        elif inspect.isfunction(value):
            yield f"``{_signature(name, value)}``\n{_indented(_text(inspect.getdoc(value) or ''))}"
        elif callable(value) and value.__doc__:  # a fixture
            yield f"``{name}`` (fixture)\n{_indented(_text(inspect.getdoc(value) or ''))}"


def _member_label(kind: type, name: str) -> str:
    value = getattr(kind, name, None)
    shown = value.value if isinstance(value, enum.Enum) else value
    return f"{name} = {shown!r}" if isinstance(shown, str) and shown else name


def _attribute_docs(owner: Any) -> dict[str, str]:
    """Return the docstrings that stand below assignments and annotations: Python itself does not keep them."""
    source = inspect.getsource(owner)
    body: list[ast.stmt] = ast.parse(source).body
    if isinstance(owner, type):
        (definition,) = body
        assert isinstance(definition, ast.ClassDef)
        body = definition.body
    found: dict[str, str] = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name):
            text = following.value if isinstance(following, ast.Expr) else None
            is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
            annotation = f"`{ast.unparse(statement.annotation)}`." if isinstance(statement, ast.AnnAssign) else ""
            found[target.id] = inspect.cleandoc(text.value) if is_text else annotation  # type: ignore[union-attr]
    return found


def _parameters(kind: type) -> list[str]:
    return list(inspect.signature(kind).parameters)


def _signature(name: str, value: Any) -> str:
    shown = _plain(str(inspect.signature(value))).replace("(self, ", "(").replace("(self)", "()")
    return f"{name}{shown}"


def _plain(text: str) -> str:
    """Return a signature without quotation marks around annotations, and without names of private modules."""
    text = re.sub(r"(?<=[:>] )'([^']*)'", r"\1", text)
    text = re.sub(r"<built-in function (\w+)>", r"\1.\1", text)
    return re.sub(r"\bazext_login\.[a-z_.]+\.(?=[A-Z])", "", text)


def _code(text: str) -> str:
    return f"::\n\n   {text}\n"


def _indented(text: str) -> str:
    return "".join(f"   {line}".rstrip() + "\n" for line in text.splitlines())


def _text(docstring: str) -> str:
    """Return a docstring as reStructuredText: names in backticks are code."""
    blocks = _LITERAL.split(docstring)
    return "".join(part if number % 2 else _inline(part) for number, part in enumerate(blocks)).rstrip() + "\n"


def _inline(text: str) -> str:
    return re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", text)


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.exit(0)
