"""`python -m tests.pictures [NAME ...]`: draw all pictures, or those that are named, into docs/pictures."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.demo.setting import DemoError, say, setting
from tests.harness.environments import ROOT, SetUpError
from tests.pictures.film import film, path_of
from tests.pictures.scenes import SCENES


def main(names: list[str]) -> int:
    """Draw them. Return the exit code: 1 if a command failed, 2 if there is no picture of that name."""
    unknown = set(names) - {scene.name for scene in SCENES}
    if unknown:
        print(f"Choose from: {', '.join(scene.name for scene in SCENES)}", file=sys.stderr)
        return 2
    try:
        _draw(names)
    except (DemoError, SetUpError, AssertionError, RuntimeError) as problem:
        print(f"\nThe pictures could not be drawn: {problem}", file=sys.stderr)
        return 1
    return 0


def _draw(names: list[str]) -> None:
    with (
        setting() as (cloud, terminal),
        tempfile.TemporaryDirectory(prefix="login-pictures-", ignore_cleanup_errors=True) as temporary,
    ):
        say()
        for scene in SCENES:
            if names and scene.name not in names:
                continue
            folder = Path(temporary, scene.name)
            # Each scene begins signed out: what one leaves behind changes what the next one prints.
            az = replace(terminal.az, config_dir=folder / "azure")
            shutil.copytree(terminal.az.config_dir, az.config_dir)
            picture, path = film(scene, az, cloud, folder / "browser"), path_of(scene)
            changed = not path.exists() or path.read_text(encoding="utf-8") != picture
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(picture, encoding="utf-8", newline="\n")
            say(f"{path.relative_to(ROOT)} {'has changed' if changed else 'is unchanged'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
