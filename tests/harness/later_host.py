"""Gives an `az` modules of a later azure-cli in place of its own, through a sitecustomize module on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path

from tests.harness.az import Az

_SITE = """
import importlib.util, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name in {modules!r}:
            return importlib.util.spec_from_file_location(name, {modules!r}[name])

sys.meta_path.insert(0, Finder)
"""

PERSISTENCE = {"azure.cli.core.auth.persistence": Path(__file__).with_name("later_persistence.py")}


def later(az: Az, folder: Path, modules: dict[str, Path]) -> Az:
    """Return the same `az` on a host whose modules (name -> file) are those.

    :param folder: a directory of the test, for PYTHONPATH; what is there already stays in use.
    """
    folder.mkdir(exist_ok=True)
    paths = {name: str(path) for name, path in modules.items()}
    (folder / "sitecustomize.py").write_text(_SITE.format(modules=paths), encoding="utf-8")
    present = az.env.get("PYTHONPATH")
    return az.with_env(PYTHONPATH=f"{folder}:{present}" if present else str(folder))
