"""CONTRIBUTING.rst leads to files that exist, names targets that exist, and has the glossary that the tests check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.glossary import GLOSSARY

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")


def _rows(name: str) -> list[list[str]]:
    """Return the rows of the list-table between two comments, without its header."""
    table = TEXT.partition(f".. {name}-begin\n")[2].partition(f".. {name}-end\n")[0]
    rows = [re.split(r"\n {5}- ", row) for row in re.split(r"^ {3}\* - ", table, flags=re.MULTILINE)[2:]]
    return [[" ".join(cell.split()) for cell in row] for row in rows]


FACTS = _rows("facts")


def test_the_map_has_enough_facts() -> None:
    assert len(FACTS) >= 15
    assert len({fact for fact, _, _ in FACTS}) == len(FACTS)


@pytest.mark.parametrize("fact, file, phrase", FACTS, ids=[fact for fact, _, _ in FACTS])
def test_a_fact_is_where_the_map_leads(fact: str, file: str, phrase: str) -> None:
    text = (ROOT / file.strip("`")).read_text(encoding="utf-8")
    assert phrase.strip("`") in " ".join(text.split()), f"{fact}: {file} has no {phrase}"


def test_every_path_exists() -> None:
    paths = re.findall(r"``((?:azext_login|tests|docs|\.ci)/[\w./-]*)``", TEXT)
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z-]+)\b", TEXT))
    assert named <= targets


def test_the_glossary_is_the_one_that_the_tests_check() -> None:
    shown = [[cell.replace("``", "") for cell in row] for row in _rows("glossary")]
    assert shown == [[term.avoid, term.write] for term in GLOSSARY]
