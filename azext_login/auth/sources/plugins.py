"""Credential sources of other extensions (plug-ins).

An extension names a module of its own in its `azext_metadata.json`, under the key `azext.login.plugin`. The module has
`SOURCES`: a mapping of names to factories. A factory receives the arguments of --source-arg (a mapping of texts) and
returns an object with a method `fetch`. That receives a `SourceRequest` and returns a mapping as described in
`azext_login.auth.sources.answers`.

The metadata alone is read to find plug-ins. A module is imported only when one of its sources may be needed. A plug-in
is trusted code: nothing here protects against a hostile one. A broken one costs the command an error or a warning.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from azext_login.auth.input_files import refusal
from azext_login.auth.sources import nesting
from azext_login.auth.sources.answers import credential_in
from azext_login.auth.sources.credential_source import CredentialKind, SourceCredential, SourceRequest
from azext_login.errors import AccountError, ServiceUnreachableError, SignInError
from azext_login.system.guarded_streams import guarded_streams
from azext_login.system.http.waiting import wait_for
from azext_login.system.log import get_logger
from azext_login.system.text import printable, shorten, without_tokens
from azext_login.system.threads import BackgroundCall

if TYPE_CHECKING:
    import requests

logger = get_logger(__name__)

PLUGIN_KEY = "azext.login.plugin"
"""The key in an extension's metadata whose value is the name of its module."""

_SOURCES = "SOURCES"

# Seconds for a plug-in to answer, and to answer when it may ask the user.
_TIME_LIMIT = 30.0
_TIME_LIMIT_WITH_USER = 300.0

_SHOWN = 300  # characters

_ADVICE = "Report this to the authors of the extension. To see which version is installed, run:\naz extension list"

# The streams of the process are replaced while a plug-in runs.
_turn = threading.Lock()

Answer = TypeVar("Answer")
Factory = Callable[[Mapping[str, str]], Any]


@dataclass(frozen=True)
class Plugin:
    """An installed extension that has sources."""

    extension: str
    """The name of the extension."""
    folder: str
    """Where it is installed."""
    package: str
    """Its Python package, azext_*."""
    module: object
    """What its metadata has under PLUGIN_KEY."""

    @property
    def shown(self) -> str:
        """Return the plug-in for the beginning of a sentence."""
        return f"The plug-in of the extension '{printable(self.extension)}'"


class PluginError(Exception):
    """A plug-in is broken, or has failed. The text completes a sentence whose subject is the plug-in."""


def find_plugins() -> list[Plugin]:
    """Return the plug-ins of the installed extensions. Only their metadata is read."""
    from azure.cli.core.extension import get_extension_modname, get_extensions

    found = []
    for extension in get_extensions():
        try:
            metadata = type(extension).get_azext_metadata(extension.path) or {}
            if PLUGIN_KEY in metadata:
                package = get_extension_modname(ext_dir=extension.path)
                found.append(Plugin(extension.name, extension.path, package, metadata[PLUGIN_KEY]))
        except Exception as error:  # noqa: BLE001  # the host itself reports a damaged extension
            logger.debug("The metadata of the extension %s cannot be read: %r", extension.name, error)
    return sorted(found, key=lambda plugin: plugin.extension)


def find_source(name: str, arguments: Mapping[str, str], reserved: frozenset[str]) -> PluginSource | None:
    """Return the source of this name that a plug-in has; None if no plug-in has one. Imports all plug-ins.

    A plug-in that is broken costs a warning if another one has the source.

    :param reserved: the names of this extension's own sources, which a plug-in cannot have.
    :raises AccountError: several plug-ins have it.
    :raises SignInError: none has it, and one that might have it is broken.
    """
    having, broken = [], []
    for plugin in find_plugins():
        try:
            names = _guarded(partial(_sources_of, plugin), plugin, may_prompt=False)
        except PluginError as error:
            broken.append(f"{plugin.shown} {error}")
            continue
        taken = sorted(reserved.intersection(names))
        if taken:
            logger.warning("%s has a source with the built-in name '%s'. It is ignored.", plugin.shown, taken[0])
        if name in names:
            having.append(plugin)
    if broken and not having:
        raise refusal(f"The credential source '{printable(name)}' was not found. {' '.join(broken)}", _ADVICE)
    for message in broken:
        logger.warning("%s Its sources cannot be used.", message)
    if len(having) > 1:
        extensions = " and ".join(f"'{printable(plugin.extension)}'" for plugin in having)
        raise AccountError(
            f"The extensions {extensions} both have a credential source '{name}'. Neither was asked for a credential.",
            f"Remove one of them:\naz extension remove --name {having[-1].extension}",
        )
    return PluginSource(name, having[0].extension, tuple(arguments.items())) if having else None


@dataclass(frozen=True)
class PluginSource:
    """A source of an extension, with its arguments."""

    name: str
    extension: str
    arguments: tuple[tuple[str, str], ...] = ()

    @property
    def gives(self) -> CredentialKind | None:
        """Return that each answer tells its kind."""
        return None

    def fetch(self, request: SourceRequest, *, http: requests.Session, environ: Mapping[str, str]) -> SourceCredential:
        """Let the plug-in give a credential. See `CredentialSource.fetch`."""
        plugin = next((each for each in find_plugins() if each.extension == self.extension), None)
        if plugin is None:
            raise refusal(
                f"The credential comes from the source '{self.name}' of the extension '{self.extension}', which is not "
                "installed.",
                f"Install the extension again:\naz extension add --name {self.extension}",
            )
        try:
            with _named_in_environment(self, plugin):
                return _guarded(lambda: self._ask(plugin, request), plugin, may_prompt=request.may_prompt)
        except PluginError as error:
            raise refusal(f"{plugin.shown} {error}", _ADVICE) from None

    def _ask(self, plugin: Plugin, request: SourceRequest) -> SourceCredential:
        factory = _sources_of(plugin).get(self.name)
        if factory is None:
            raise PluginError(f"no longer has a source '{self.name}'.")
        fetch = getattr(factory(dict(self.arguments)), "fetch", None)
        if not callable(fetch):
            raise PluginError(f"has a source '{self.name}' without a method 'fetch'.")
        answer = fetch(request)
        if not isinstance(answer, Mapping):
            raise PluginError("gave something other than a mapping as its answer.")
        return _credential_in(answer)

    def to_json(self) -> dict[str, Any]:
        """Return the source."""
        return {
            "type": "named",
            "name": self.name,
            "extension": self.extension,
            "arguments": dict(self.arguments),
        }


@contextlib.contextmanager
def _named_in_environment(source: PluginSource, plugin: Plugin) -> Iterator[None]:
    """Run a block in whose environment the source is named, for the programs that it starts.

    :raises SignInError: the environment names it already.
    """
    identity = f"{source.extension} {source.name} {source.arguments}"
    if nesting.is_asked(identity, os.environ):
        raise refusal(
            f"{plugin.shown} runs `az`, which needs a credential of the same plug-in.",
            "Let the plug-in run `az` with another config directory (AZURE_CONFIG_DIR), or without `az`.",
        )
    before = os.environ.get(nesting.VARIABLE)
    os.environ[nesting.VARIABLE] = nesting.naming(identity, os.environ)
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(nesting.VARIABLE, None)
        else:
            os.environ[nesting.VARIABLE] = before


def _credential_in(answer: Mapping[Any, Any]) -> SourceCredential:
    """Return the credential in an answer. The mapping can have code of the plug-in."""
    try:
        return credential_in(answer, tuple(CredentialKind))
    except ValueError as error:
        raise PluginError(str(error)) from None


def _sources_of(plugin: Plugin) -> dict[str, Factory]:
    """Import the module of a plug-in, and return its sources.

    :raises PluginError: it has no sources, or something else in their place.
    """
    module = plugin.module
    if not isinstance(module, str) or not f"{module}.".startswith(f"{plugin.package}."):
        raise PluginError(f"has metadata whose '{PLUGIN_KEY}' is not a module in {plugin.package}.")
    if plugin.folder not in sys.path:
        from azure.cli.core.extension.operations import add_extension_to_path

        add_extension_to_path(plugin.extension, plugin.folder)
    sources = getattr(importlib.import_module(module), _SOURCES, None)
    if not isinstance(sources, Mapping) or not sources:
        raise PluginError(f"has no mapping {_SOURCES} in its module {module}.")
    if not all(isinstance(name, str) and name and callable(factory) for name, factory in sources.items()):
        raise PluginError(f"has something other than names and factories in {_SOURCES}.")
    return dict(sources)


def _guarded(call: Callable[[], Answer], plugin: Plugin, *, may_prompt: bool) -> Answer:
    """Return what code of a plug-in returns: in a thread of its own, without the streams, and with a deadline.

    :raises PluginError: it has failed in any way, or has not answered in time.
    :raises SignInError: the plug-in itself has raised one of our errors.
    """
    limit = _TIME_LIMIT_WITH_USER if may_prompt else _TIME_LIMIT
    with _turn, guarded_streams(may_prompt=may_prompt) as printed:
        running = BackgroundCall(_outcome_of(call))
        try:
            outcome = wait_for(running, limit, service=plugin.shown)
        except ServiceUnreachableError:
            raise PluginError(f"did not answer within {limit:g} seconds.") from None
    if printed.anything:
        logger.warning("%s wrote to standard output. That was discarded.", plugin.shown)
    if isinstance(outcome, _Failure):
        raise outcome.error
    return outcome


@dataclass(frozen=True)
class _Failure:
    error: PluginError | SignInError


def _outcome_of(call: Callable[[], Answer]) -> Callable[[], Answer | _Failure]:
    """Return a call that raises nothing, whatever the code of the plug-in does."""

    def run() -> Answer | _Failure:
        try:
            return call()
        except (PluginError, SignInError) as error:
            return _Failure(error)
        except SystemExit:
            return _Failure(PluginError("called sys.exit."))
        except BaseException as error:  # noqa: BLE001  # of any kind: the command must not end with it
            logger.debug("The failure of a plug-in:\n%s", _trace(error))
            return _Failure(PluginError(_describe(error)))

    return run


def _trace(error: BaseException) -> str:
    """Return where an error arose, for the log: without tokens, which its text can have."""
    try:
        return without_tokens("".join(traceback.format_exception(error)))
    except Exception:  # noqa: BLE001  # it is as broken as the rest
        return type(error).__name__


def _describe(error: BaseException) -> str:
    try:
        text = printable(str(error))
    except Exception:  # noqa: BLE001  # it is as broken as the rest
        text = ""
    text = shorten(without_tokens(text), _SHOWN)
    return f"failed with {type(error).__name__}{f': {text}' if text else ''}."
