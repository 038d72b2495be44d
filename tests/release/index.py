"""The index of extensions, from which `az extension add --name` takes the address and the hash of a wheel.

The format is the one that azure-cli reads in `azure.cli.core.extension._resolve` and `operations`, and that the index
of the official extensions has (https://github.com/Azure/azure-cli-extensions, `src/index.json`).
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from packaging.version import InvalidVersion, Version

from tests.release.build import digest_of
from tests.release.contents import Contents
from tests.release.errors import ReleaseRefusedError

NAME = "login"


def check_url(url: str) -> str:
    """Return the address of the folder that the release will be downloaded from, without a slash at the end.

    Raises:
        ReleaseRefusedError: it is not https (http is for this machine alone), or has more than a path.
    """
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    if is_safe and parts.hostname and not (parts.query or parts.fragment or parts.username):
        return url.rstrip("/")
    raise ReleaseRefusedError(
        f"'{url}' is not the address of a folder to download from. Run: make release URL=https://HOST/PATH"
    )


def read_index(path: Path | None, version: str) -> dict[str, Any]:
    """Return the index in the file, to which `version` will be added, or an empty one if there is no file.

    Raises:
        ReleaseRefusedError: it cannot be read, is not an index, or has the version.
    """
    if path is None:
        return {"extensions": {NAME: []}, "formatVersion": "1"}
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        versions = [Version(entry["metadata"]["version"]) for entry in index["extensions"].setdefault(NAME, [])]
    except OSError as problem:
        raise ReleaseRefusedError(f"{path} could not be read: {problem.strerror or problem}.") from None
    except (ValueError, LookupError, TypeError, AttributeError, InvalidVersion) as problem:
        raise ReleaseRefusedError(f"{path} is not an index of extensions: {problem}") from None
    if Version(version) in versions:
        raise ReleaseRefusedError(
            f"Version {version} exists: {path} has it. Raise VERSION in setup.py, and write an entry in HISTORY.rst."
        )
    return dict(index)


def with_release(index: dict[str, Any], wheel: Contents, url: str) -> str:
    """Return the text of an index with the wheel in it, sorted by version.

    url: the folder from which the wheel will be downloaded.
    """
    entry = {
        "downloadUrl": f"{url}/{wheel.path.name}",
        "filename": wheel.path.name,
        "metadata": metadata_of(wheel),
        "sha256Digest": digest_of(wheel.path),
    }
    entries = sorted([*index["extensions"][NAME], entry], key=lambda one: Version(one["metadata"]["version"]))
    changed = {**index, "extensions": {**index["extensions"], NAME: entries}}
    return json.dumps(changed, indent=4, sort_keys=True) + "\n"


def metadata_of(wheel: Contents) -> dict[str, Any]:
    """Return what the index says about a wheel: which azure-cli it needs, and its own metadata."""
    fields = wheel.metadata
    author = {"name": fields["Author"], "role": "author"}
    return {
        **wheel.extension,
        "classifiers": fields.get_all("Classifier", []),
        "extensions": {"python.details": {"contacts": [author], "document_names": {"description": "DESCRIPTION.rst"}}},
        "extras": [],
        "generator": wheel.generator,
        "license": fields["License-Expression"] or fields["License"],
        "metadata_version": fields["Metadata-Version"],
        "name": fields["Name"],
        "requires_python": fields["Requires-Python"],
        "run_requires": [{"requires": wheel.requires}],
        "summary": fields["Summary"],
        "version": fields["Version"],
    }


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
