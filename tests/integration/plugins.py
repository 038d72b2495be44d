"""Extensions with credential sources, written into a folder of extensions as if they had been installed."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from tests.harness.az import Az

#: A plug-in that gives the content of a file beside it. It records each import and each request.
GIVES = """
import json, os
FOLDER = os.path.dirname(__file__)

def record(line):
    with open(os.path.join(FOLDER, "record"), "a") as file:
        file.write(line + chr(10))

record("imported")

class Source:
    def __init__(self, arguments):
        self.arguments = arguments

    def fetch(self, request):
        record(" ".join([request.client_id, request.tenant, *request.scopes, json.dumps(self.arguments)]))
        with open(os.path.join(FOLDER, "answer")) as file:
            return json.load(file)

SOURCES = {"vault": Source}
"""


@dataclass(frozen=True)
class Installed:
    """An extension in a folder of extensions."""

    folder: Path

    @property
    def package(self) -> Path:
        """The folder of its Python package."""
        return self.folder / f"azext_{self.folder.name}"

    @property
    def record(self) -> list[str]:
        """What the plug-in has recorded."""
        file = self.package / "record"
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []

    def gives(self, answer: object) -> None:
        """Let the plug-in give another answer from now on."""
        (self.package / "answer").write_text(json.dumps(answer), encoding="utf-8")

    def becomes(self, code: str) -> None:
        """Replace the code of the plug-in."""
        (self.package / "login_plugin.py").write_text(code, encoding="utf-8")


def with_extensions_folder(az: Az) -> Az:
    """Return `az` with a folder of extensions of its own, in which ours is installed."""
    assert az.extension_dir is not None
    folder = az.config_dir.parent / f"{az.config_dir.name}-extensions"
    folder.mkdir()
    (folder / "login").symlink_to(az.extension_dir / "login")
    return replace(az, extension_dir=folder)


def install_plugin(az: Az, code: str = GIVES, *, name: str = "corp", module: object = None) -> Installed:
    """Install an extension beside ours, in the folder of `with_extensions_folder`.

    :param module: the value in its metadata; None for that of its module.
    """
    assert az.extension_dir is not None
    made = Installed(az.extension_dir / name)
    made.package.mkdir(parents=True)
    (made.package / "__init__.py").write_text("COMMAND_LOADER_CLS = None\n", encoding="utf-8")
    metadata = {"azext.login.plugin": f"azext_{name}.login_plugin" if module is None else module}
    (made.package / "azext_metadata.json").write_text(json.dumps(metadata), encoding="utf-8")
    info = made.folder / f"{name}-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0.0\n", encoding="utf-8")
    made.becomes(code)
    return made
