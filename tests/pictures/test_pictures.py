"""docs/pictures shows what `az` prints today, and a picture loads nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.segment import Segment

from tests.harness.az import Az
from tests.localcloud import LocalCloud
from tests.pictures.camera import cells_of
from tests.pictures.film import film, path_of
from tests.pictures.scenes import SCENES, Scene
from tests.pictures.svg import svg_of

_SVG = "{http://www.w3.org/2000/svg}"
_each = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)


def _read(scene: Scene) -> str:
    return path_of(scene).read_text(encoding="utf-8")


def _texts(picture: str) -> list[str]:
    """Return the text of a picture, a line of it per line of the terminal, with one blank between its runs."""
    lines: dict[float, list[str]] = {}
    for element in ElementTree.fromstring(picture).iter(f"{_SVG}text"):
        lines.setdefault(float(element.attrib["y"]), []).append(element.text or "")
    return [" ".join(" ".join(parts).replace("\xa0", " ").split()) for parts in lines.values()]


@_each
def test_a_picture_shows_what_az_prints_today(
    scene: Scene, make_az: Callable[..., Az], own_cloud: LocalCloud, tmp_path: Path
) -> None:
    today, committed = film(scene, make_az(cloud=own_cloud), own_cloud, tmp_path / "browser"), _read(scene)
    advice = f"{path_of(scene).name} is out of date: run `make pictures`, look at it, and commit it"
    assert _texts(committed) == _texts(today), advice
    assert committed == today, advice


@_each
def test_a_picture_loads_nothing_and_refers_to_what_it_has(scene: Scene) -> None:
    picture = ElementTree.fromstring(_read(scene))
    elements = list(picture.iter())
    assert {element.tag.removeprefix(_SVG) for element in elements} <= {
        "circle", "clipPath", "defs", "desc", "g", "rect", "style", "svg", "text", "title"
    }  # fmt: skip
    attributes = [value for element in elements for value in element.attrib.values()]
    assert not [value for value in attributes if "://" in value]
    (style,) = (element.text or "" for element in picture.iter(f"{_SVG}style"))
    assert not re.search(r"@|url\(|://", style)
    ids = {element.attrib["id"] for element in elements if "id" in element.attrib}
    assert set(re.findall(r"url\(#([^)]*)\)", " ".join(attributes))) <= ids
    assert not [value for value in attributes if re.search(r"url\((?!#)", value)]


@_each
def test_a_picture_has_a_title_and_a_description_for_screen_readers(scene: Scene) -> None:
    picture = ElementTree.fromstring(_read(scene))
    assert picture.attrib["role"] == "img"
    texts = {element.attrib.get("id"): element.text or "" for element in picture}
    title, description = (texts[name] for name in picture.attrib["aria-labelledby"].split())
    assert title.startswith("az login")
    assert description == scene.description


@_each
def test_a_picture_shows_nothing_of_the_machine_that_it_was_drawn_on(scene: Scene) -> None:
    assert not re.search(r"/(?:home|root|tmp|usr|Users|work)/|https://(?:localhost|127\.)", _read(scene))


def test_there_is_no_picture_that_nothing_draws() -> None:
    assert {path.name for path in path_of(SCENES[0]).parent.iterdir()} == {path_of(scene).name for scene in SCENES}


def _positions(written: str) -> dict[str, tuple[float, float]]:
    picture = svg_of(_cells(written), name="test", title="az", description="Nothing.")
    texts = ElementTree.fromstring(picture).iter(f"{_SVG}text")
    return {text.text or "": (float(text.attrib.get("x", 0)), float(text.attrib["y"])) for text in texts}


def _cells(written: str) -> list[list[Segment]]:
    return cells_of(written, 10, 40, shows_cursor=False)


def test_columns_stay_aligned_after_wide_characters() -> None:
    positions = _positions("測試 one\r\nabcd one\r\n     two  three")
    # 12.2 units per column of the terminal
    assert positions["測"][0] == 0
    assert positions["試"][0] == pytest.approx(2 * 12.2)
    assert positions["\xa0one"][0] == pytest.approx(4 * 12.2)
    assert positions["two"][0] == pytest.approx(5 * 12.2)
    assert positions["three"][0] == pytest.approx(10 * 12.2)


def test_what_is_drawn_on_the_alternate_screen_hides_what_was_written_before() -> None:
    def texts(written: str) -> list[str]:
        return ["".join(segment.text for segment in line).rstrip() for line in _cells(written)]

    assert texts("before\x1b[?1049h\x1b[Hnow") == ["now"]
    assert texts("before\r\n\x1b[?1049hin between\x1b[?1049lafter")[0] == "before"


def test_colours_and_weights_are_those_of_the_terminal() -> None:
    (line,) = _cells("\x1b[1;33mbold\x1b[0m \x1b[38;2;1;2;3mexact\x1b[0m \x1b[7mreverse\x1b[0m")
    styles = {segment.text.strip(): segment.style for segment in line if segment.style}
    assert [str(styles[text]) for text in ("bold", "exact", "reverse")] == ["bold yellow", "#010203", "reverse"]
