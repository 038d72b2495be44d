"""Texts for users keep to the glossary: the documentation, and every message, help text and page of the extension."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.glossary import GLOSSARY, uses_in

ROOT = Path(__file__).resolve().parents[1]

DOCUMENTS = (
    *(ROOT / name for name in ("README.rst", "HISTORY.rst", "CONTRIBUTING.rst")),
    *sorted((ROOT / "docs").glob("*.rst")),
    *sorted((ROOT / "tests").glob("*/*.rst")),
)
MODULES = sorted((ROOT / "azext_login").rglob("*.py"))

# The table of the glossary itself has the words.
_TABLE = re.compile(r"^\.\. glossary-begin$.*?^\.\. glossary-end$", flags=re.MULTILINE | re.DOTALL)


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every text of a module with a space in it, and its line. The values in an f-string are left out.

    A string that is a statement documents the code, and no user reads it.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "..." for part in node.values]
            yield node.lineno, "".join(str(part) for part in parts)
            values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            for value in values:
                yield from _texts(ast.Expression(value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
        else:
            yield from _texts(node)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_the_documentation_keeps_to_the_glossary(path: Path) -> None:
    text = _TABLE.sub("", path.read_text(encoding="utf-8"))
    paragraphs = re.split(r"\n\s*\n", text)
    assert [str(use) for paragraph in paragraphs for use in uses_in(paragraph)] == []


@pytest.mark.parametrize("path", MODULES, ids=_name)
def test_the_texts_of_the_extension_keep_to_the_glossary(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = [(line, text) for line, text in _texts(tree) if " " in text.strip()]
    found = [f"line {line}: {use}" for line, text in texts for use in uses_in(text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "Nobody signed in within 15 minutes.",
        "The person at the terminal",
        "A federated token ends after minutes.",
        "Commands work until the token of this sign-in ends.",
        "tokens that have ended",
        "The token would have to live for 20 seconds.",
        "It is not valid JSON and was set aside.",
        "The service says itself what is wrong.",
        "The row goes when real ones come.",
        "A damaged file ends every command in a traceback.",
        "Log in in a web browser.",
        "The default changes without a word.",
    ],
)
def test_a_replaced_word_is_found(text: str) -> None:
    assert list(uses_in(text))


@pytest.mark.parametrize(
    "text",
    [
        "The command ends with exit code 10.",
        "Proof Key for Code Exchange (PKCE)",
        "Ask your administrator in person.",
        "If the token expires, the watch ends.",
        "The virtual machine has a managed identity.",
        "the system-assigned managed identity of this machine",
        "Is there a proxy? There is one behind a firewall.",
        "The command goes to the built-in handler.",
        "Note: the lifetime of a token is the policy of the tenant.",
        "An endpoint for tokens of the tenant",
    ],
)
def test_a_word_with_another_meaning_is_no_finding(text: str) -> None:
    assert [str(use) for use in uses_in(text)] == []


def test_texts_are_found_wherever_a_module_has_them() -> None:
    module = '''
"""A module of nobody."""
TEXT = "one text"
class Record:
    field: int = 0
    """A field that somebody set."""
    def method(self, name):
        """A method for people."""
        print(f"two {name} and {'three words'!r} here", "four " "words")
'''
    assert [text for _, text in _texts(ast.parse(module))] == [
        "one text",
        "two ... and ... here",
        "three words",
        "four words",
    ]


def test_a_glossary_row_is_there_once() -> None:
    rows = [term.avoid for term in GLOSSARY]
    assert len(set(rows)) == len(rows)
