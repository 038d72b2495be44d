"""Contexts for tests, stored with the extension's own code: a context, an allowed directory, two clouds to be in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from azext_login.profile.choosers import FILE_NAME
from azext_login.profile.contexts import context_of, with_context
from azext_login.profile.model import account_of
from azext_login.profile.state import ProfileState
from azext_login.profile.store import ProfileStore
from azext_login.system.directory import PrivateDirectory
from tests.harness.az import Az
from tests.harness.stage import CLOUD_NAME

if TYPE_CHECKING:
    from tests.localcloud import LocalCloud

CONTEXT = "AZURE_LOGIN_CONTEXT"
#: What the CLI calls the second cloud.
OTHER_CLOUD = "OtherCloud"


def profile_store(az: Az) -> ProfileStore:
    """Return the store of the config directory of `az`."""
    return ProfileStore(PrivateDirectory(az.config_dir))


def stored_state(az: Az) -> ProfileState:
    """Return what azureProfile.json holds."""
    return ProfileState.of(az.profile())


def add_context(az: Az, name: str, username: str, subscription: str, *, cloud: str = CLOUD_NAME) -> None:
    """Store a context for a subscription, given by its name, that a user is signed in to."""
    with profile_store(az).change() as state:
        row = next(
            row
            for row in state.all_rows()
            if row["environmentName"] == cloud and row["name"] == subscription and account_of(row).name == username
        )
        state.contexts = with_context(state.contexts, context_of(name, row), replaces=name)


def allow(az: Az, directory: Path, name: str) -> None:
    """Let the file of a directory choose a context."""
    with profile_store(az).change() as state:
        state.allowed[os.path.realpath(directory)] = name


def pin(az: Az, directory: Path, name: str) -> Path:
    """Write the file of a directory, allow it, and return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / FILE_NAME
    file.write_text(f"{name}\n", encoding="utf-8")
    allow(az, directory, name)
    return file


def register_other_cloud(az: Az, cloud: LocalCloud, other: LocalCloud, bundle: Path) -> Az:
    """Let `az`, which knows `cloud`, know a second one too, and return an `az` that trusts both.

    bundle: a file to write the certificates of both to.
    """
    bundle.write_bytes(Path(cloud.ca_bundle).read_bytes() + Path(other.ca_bundle).read_bytes())
    both = az.with_env(REQUESTS_CA_BUNDLE=bundle)
    both.run("cloud", "register", "-n", OTHER_CLOUD, "--endpoint-resource-manager", other.url).ok()
    return both
