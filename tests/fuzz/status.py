"""`az account status` over damaged files: it is run because something is damaged, so it has to report all of it."""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest import mock

from knack.config import CLIConfig

from azext_login import host_index
from azext_login.auth.storage import secret_file
from azext_login.cli.private_files import PRIVATE_FILES
from azext_login.cli.process_choice import choice_of_process
from azext_login.cli.status_document import document_of
from azext_login.cli.status_table import coloured, table_of
from azext_login.host import HostSettings
from azext_login.profile.choosers import FILE_NAME
from azext_login.profile.clouds import CloudConfig
from azext_login.profile.store import ProfileStore
from azext_login.usecases.session import Session
from azext_login.usecases.status import files
from azext_login.usecases.status.records import CHECKS
from azext_login.usecases.status.report import CheckOptions, check
from tests.fuzz.answers import HOST, OBJECT, TENANT
from tests.fuzz.files import CLOUD, profile, token_cache_content
from tests.fuzz.mutate import Mutator
from tests.fuzz.place import Place, Wire
from tests.fuzz.run import RefusedError, Target

_CONFIG = b"[core]\nencrypt_token_cache = false\n[login]\nevery_command = auto\ndirectory_contexts = on\n"
_PRINCIPALS = [{"client_id": OBJECT, "tenant": TENANT, "client_secret": "x"}]


def _samples() -> dict[str, bytes]:
    import azure.cli.core as core

    words = {word: [host_index.OWN_MODULE] for word in host_index.OWN_WORDS}
    index = {"version": core.__version__, "cloudProfile": "latest", "commandIndex": words}
    return {
        "azureProfile.json": json.dumps(profile()).encode(),
        "login_last_good.json": json.dumps({"generation": 3, "profile": profile()}).encode(),
        "msal_token_cache.json": json.dumps(token_cache_content()).encode(),
        "service_principal_entries.json": json.dumps(_PRINCIPALS).encode(),
        "extensionIndex.json": json.dumps(index).encode(),
        "config": _CONFIG,
        FILE_NAME: b"work\n",
    }


def _damaged(mutate: Mutator, name: str, sample: bytes) -> bytes:
    """Damage the bytes of a file, or the JSON in it."""
    if name.endswith(".json") and mutate.choose(0, 1):
        return mutate.json(json.loads(sample))
    return mutate.octets(sample)


def _status(mutate: Mutator, here: Place) -> object:
    """Damage one file or several, check everything, and print the report in both forms."""
    samples = here.once("samples", _samples)
    which = mutate.choose(None, *samples)
    for name, sample in samples.items():
        is_damaged = name == which or (which is not None and mutate.chance(6))
        path = here.folder / name
        path.write_bytes(_damaged(mutate, name, sample) if is_damaged else sample)
        path.chmod(0o600)
    with _host(here) as (cli_ctx, document):
        choice = choice_of_process(cli_ctx, document)
        session = Session(
            _settings(cli_ctx),
            here.config_dir,
            ProfileStore(here.config_dir, active_cloud=CLOUD, sleep=lambda seconds: None),
            CloudConfig(here.config_dir, sleep=lambda seconds: None),
            host_account=SimpleNamespace(data=document),
            choice=choice,
        )
        session.clients.__dict__["http"] = here.serve(lambda method, url: Wire(b"{}", 400))
        # A damaged list of subscriptions is restored by every command.
        before = _contents(here, "msal", "service", "config", FILE_NAME)
        only = mutate.choose(None, *CHECKS)
        report = check(session, cli_ctx, CheckOptions(private_files=PRIVATE_FILES, only=only, is_offline=True))
    # JSON so deep that it can just be read may be quarantined, by a reader that is called from deeper functions.
    assert before <= _contents(here)
    json.dumps(document_of(report)).encode("utf-8")
    table = table_of(report, width=mutate.choose(80, 60, 200), paint=coloured)
    table.encode("utf-8")
    if report.outcome:
        raise RefusedError
    return report


def _contents(here: Place, *beginnings: str) -> set[bytes]:
    """Return the contents of the files with these beginnings of their names; without any, of all files."""
    return {
        path.read_bytes() for path in here.folder.iterdir() if path.is_file() and path.name.startswith(beginnings or "")
    }


@contextmanager
def _host(here: Place) -> Iterator[tuple[Any, Any]]:
    """Yield the host's context, and the content of azureProfile.json as the host reads it."""
    from azure.cli.core import _session

    index, account = _session.Session(), _session.Session()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict("os.environ", {"AZURE_CONFIG_DIR": str(here.folder)}))
        stack.enter_context(mock.patch.object(_session, "EXTENSION_INDEX", index))
        stack.enter_context(mock.patch.object(files, "_TORN_PAUSE", 0.0))
        stack.enter_context(mock.patch.object(secret_file, "_TORN_PAUSE", 0.0))
        before = os.getcwd()
        stack.callback(os.chdir, before)
        os.chdir(here.folder)
        try:
            config = CLIConfig(config_dir=str(here.folder), config_env_var_prefix="AZURE")
            index.load(str(here.folder / "extensionIndex.json"))
            account.load(str(here.folder / "azureProfile.json"))
        except (OSError, ValueError, TypeError, RecursionError, AttributeError, configparser.Error) as error:
            # The host itself fails before it loads any extension.
            raise RefusedError from error
        cli_ctx = SimpleNamespace(
            cloud=SimpleNamespace(name=CLOUD, profile="latest"),
            config=config,
            invocation=SimpleNamespace(data={}),
            data={},
        )
        yield cli_ctx, account.data


def _settings(cli_ctx: Any) -> HostSettings:
    config = cli_ctx.config
    return HostSettings(
        cloud=CLOUD,
        authority=HOST,
        endpoints=SimpleNamespace(resource_manager="https://management.contoso.example"),
        resource_manager_audience="https://management.contoso.example",
        subscriptions_api_version="2022-12-01",
        # No keyring is opened.
        encryption_setting=lambda: config.getboolean("core", "encrypt_token_cache", fallback=False) and False,
        use_http_cache=False,
        may_use_broker=False,
        broker_switches=dict,
        instance_discovery=False,
        client_capabilities=(),
        verify_certificates=True,
        user_agent="fuzz/1",
        request_headers={},
        login_experience_v2=False,
        own_setting=lambda name: "",
    )


# bob has no token.
TARGETS = (Target("status", _status, 1, valid="refused"),)
