"""An `az` with a command that runs a piece of Python: `az probe`, of an extension that holds nothing else.

With it a test can ask a process of `az` about itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from tests.harness.az import Az
from tests.harness.hosts import Host
from tests.harness.launchers import Launcher

_EXTENSION = """
import os
exec(compile(os.environ["PROBE"], "<probe>", "exec"), {"__name__": "probe"})
raise SystemExit(0)
"""


def make_probe(folder: Path, host: Host, launcher: Launcher) -> Az:
    """Return an `az` whose only extension runs PROBE, a variable of the environment, as soon as it is loaded."""
    package = folder / "extensions" / "probe" / "azext_probe"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text(_EXTENSION, encoding="utf-8")
    metadata = package.parent / "probe-1.0.dist-info" / "METADATA"
    metadata.parent.mkdir(exist_ok=True)
    metadata.write_text("Metadata-Version: 2.1\nName: probe\nVersion: 1.0\n", encoding="utf-8")
    config = folder / "config"
    config.mkdir(exist_ok=True)
    index = {"version": host.version, "cloudProfile": "latest", "commandIndex": {"probe": ["azext_probe"]}}
    for name in ("commandIndex.json", "extensionIndex.json"):
        (config / name).write_text(json.dumps(index), encoding="utf-8")
    return Az(host, config, extension_dir=folder / "extensions", launcher=launcher)


def probing(az: Az, code: str, **env: str | os.PathLike[str] | None) -> Az:
    """Return the same `az` with a PROBE: `az probe` runs it."""
    return replace(az, env={**az.env, "PROBE": code, **env})
