"""Every page is reachable, and every relative link and picture of the documentation leads to something."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = (
    *(ROOT / name for name in ("README.rst", "HISTORY.rst", "CONTRIBUTING.rst")),
    *sorted((ROOT / "docs").glob("*.rst")),
)

_LINK = re.compile(r"`[^`<]+<([^>`]+)>`_")
_PICTURE = re.compile(r"^ *\.\. (?:image|figure):: *(\S+)\n((?: +:.*\n)*)", flags=re.MULTILINE)
_SECTION = re.compile(r"^(\S.*)\n([=~-])\2+$", flags=re.MULTILINE)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _targets(page: Path) -> list[str]:
    return [target for target in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]


def _anchors(page: Path) -> set[str]:
    titles = [title for title, _ in _SECTION.findall(page.read_text(encoding="utf-8"))]
    return {re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_link_leads_to_a_page_and_a_section(page: Path) -> None:
    for target in _targets(page):
        file, _, anchor = target.partition("#")
        linked = (page.parent / file).resolve()
        assert linked.is_file(), target
        assert not anchor or anchor in _anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_picture_exists_and_is_described(page: Path) -> None:
    for file, options in _PICTURE.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / file).is_file(), file
        assert ":alt:" in options, f"{file} has no description"


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs" / "index.rst"
    assert set(_targets(index)) >= {page.name for page in index.parent.glob("*.rst") if page != index}


def test_the_readme_is_short_and_has_a_picture() -> None:
    text = (ROOT / "README.rst").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    assert _PICTURE.search(text)
