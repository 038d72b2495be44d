"""The cloud of one command: it is in the host's context and configuration, and nothing of it stays there."""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from azext_login.host_cloud import stored_cloud_name, use_cloud


@pytest.fixture
def cli() -> Any:
    """The host's context, with AzureCloud stored."""
    from azure.cli.core import get_default_cli

    return get_default_cli()


def _names(cli: Any) -> tuple[str, str]:
    from azure.cli.core.cloud import get_active_cloud

    return cli.cloud.name, get_active_cloud(cli).name


def test_the_cloud_is_used_until_another_one_or_none_is(cli: Any) -> None:
    config = cli.config
    for name in ("AzureChinaCloud", "AzureUSGovernment", "AzureUSGovernment"):
        use_cloud(cli, name)
        assert _names(cli) == (name, name)
        assert stored_cloud_name(cli) == "AzureCloud"
    for stored in ("AzureCloud", None):
        use_cloud(cli, "AzureChinaCloud")
        use_cloud(cli, stored)
        assert _names(cli) == ("AzureCloud", "AzureCloud")
        assert cli.config is config


def test_a_cloud_that_is_not_registered_is_not_used(cli: Any) -> None:
    use_cloud(cli, "AzureChinaCloud")
    use_cloud(cli, "GoneCloud")
    assert _names(cli) == ("AzureCloud", "AzureCloud")


def test_what_is_set_in_a_copy_stays_there(cli: Any) -> None:
    """The host runs each command with a copy."""
    copied = copy.copy(cli)
    use_cloud(copied, "AzureChinaCloud")
    assert _names(cli) == ("AzureCloud", "AzureCloud")
    use_cloud(cli, "AzureUSGovernment")
    again = copy.copy(cli)
    use_cloud(again, None)
    assert (_names(again), _names(cli)) == (("AzureCloud",) * 2, ("AzureUSGovernment",) * 2)


def test_threads_that_are_in_one_cloud_never_see_another_one(cli: Any) -> None:
    start = threading.Barrier(8)

    def enter(_: int) -> set[tuple[str, str]]:
        start.wait()
        found = set()
        for _ in range(30):
            use_cloud(cli, "AzureChinaCloud")
            found.add((cli.cloud.name, cli.config.get("cloud", "name")))
        return found

    with ThreadPoolExecutor(8) as pool:
        assert set().union(*pool.map(enter, range(8))) == {("AzureChinaCloud", "AzureChinaCloud")}
    assert stored_cloud_name(cli) == "AzureCloud"
