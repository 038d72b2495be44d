"""The sample extension, installed beside ours in a moment: without `az extension add`, which empties the index."""

from __future__ import annotations

import codecs
import json
import shutil
from dataclasses import replace

from tests.harness.az import Az
from tests.harness.wheel import SAMPLE


def with_sample_extension(az: Az) -> Az:
    """Return `az` with a folder of extensions of its own, and with both in the host's index under the word `sample`."""
    assert az.extension_dir is not None
    folder = az.config_dir.parent / f"{az.config_dir.name}-extensions"
    shutil.copytree(SAMPLE / "azext_sample", folder / "sample" / "azext_sample")
    info = folder / "sample" / "sample-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0.0\n", encoding="utf-8")
    (folder / "login").symlink_to(az.extension_dir / "login")
    index = az.config_dir / ("extensionIndex.json" if az.host.name == "newest" else "commandIndex.json")
    content = json.loads(index.read_text(encoding="utf-8-sig"))
    content["commandIndex"]["sample"] = ["azext_sample", "azext_login"]
    index.write_bytes(codecs.BOM_UTF8 + json.dumps(content).encode("ascii"))
    return replace(az, extension_dir=folder)
