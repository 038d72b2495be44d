"""MSAL's cache of HTTP answers, reduced to those that are public and stay valid: discovery documents."""

from __future__ import annotations

import io
import json
import pickle
from typing import Any

from azext_login.errors import StoreError
from azext_login.system.directory import PrivateDirectory
from azext_login.system.files import read_bytes, remove_if_present, remove_leftovers, write_atomically
from azext_login.system.log import get_logger

logger = get_logger(__name__)

_FILE = "msal_http_cache.bin"

# MSAL's index of expiry times beside the answers (msal/individual_cache.py).
_INDEX = "_index_"

# The keys of which MSAL needs one in an OpenID configuration (msal/authority.py) or in an instance discovery answer.
_IN_DOCUMENTS = ("token_endpoint", "tenant_discovery_endpoint", "metadata")

# The header of a document that follows from another one (`auth.entra.documents`). MSAL keeps headers in lower case.
_MADE = "x-made-by-login"

_DISCOVERY = ("/.well-known/openid-configuration", "/discovery/instance")


class _Answers(dict[str, Any]):
    """The mapping that MSAL works on. It stores discovery documents only, and ignores failures.

    MSAL would also return a failure from here for five seconds (msal/throttled_http_client.py), so that a retry would
    not reach the service. A pause that a service demands is kept below MSAL (`system.http.session`). MSAL treats an
    answer that is in its index but not in the mapping as expired.
    """

    def __setitem__(self, key: str, value: Any) -> None:
        if key == _INDEX or _is_document(key, value):
            super().__setitem__(key, value)


class _Unpickler(pickle.Unpickler):
    """Reads MSAL's answers and nothing else.

    A pickle may name any function, which is then called. With `sudo az`, another user may have written the file.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) != ("msal.throttled_http_client", "NormalizedResponse"):
            raise pickle.UnpicklingError(f"{module}.{name} is not an answer")
        return super().find_class(module, name)


class HttpCache:
    """The host's msal_http_cache.bin.

    MSAL also stores refusals in it for a minute, overload answers for as long as the service demands, and user-realm
    answers, which contain user names. We neither read nor write those. So no command fails because an earlier one
    failed, and no user name is left after a sign-out.
    """

    def __init__(self, config_dir: PrivateDirectory, *, enabled: bool = True):
        """:param enabled: the host's switch `core.use_msal_http_cache`. False: the cache exists in memory only."""
        self._file = config_dir / _FILE
        self._enabled = enabled
        self._loaded: frozenset[str] = frozenset()
        self.answers: dict[str, Any] = _Answers()

    def load(self) -> dict[str, Any]:
        """Return the mapping for MSAL, with the stored discovery documents."""
        if self._enabled:
            self.answers = _Answers(_discovery_only(self._read()))
            self._loaded = frozenset(self.answers)
        return self.answers

    def save(self) -> None:
        """Add new discovery documents to the file. If it cannot be written, a later command sends a request instead."""
        # A copy: the thread of a request that timed out may still add an answer.
        new = _discovery_only(dict(self.answers))
        if not self._enabled or not frozenset(new) - self._loaded:
            return
        merged = _discovery_only(self._read())
        times = {**_times(merged), **_times(new)}
        merged.update(new)
        merged[_INDEX] = _index(times)
        try:
            write_atomically(self._file, pickle.dumps(merged))
        except StoreError as error:
            logger.debug("The HTTP cache was not saved: %s", error)

    def purge_names(self) -> None:
        """Remove the user names that the host's own commands have stored, and keep the discovery documents.

        :raises StoreError: the file cannot be written.
        """
        remove_leftovers(self._file)
        stored = self._read()
        kept = _discovery_only(stored)
        if set(kept) == set(stored):
            return
        if kept:
            write_atomically(self._file, pickle.dumps(kept))
        else:
            remove_if_present(self._file)

    def clear(self) -> None:
        """Delete the file."""
        remove_leftovers(self._file)
        remove_if_present(self._file)

    def _read(self) -> dict[str, Any]:
        try:
            content = _Unpickler(io.BytesIO(read_bytes(self._file))).load()
        except FileNotFoundError:
            return {}
        except Exception as error:  # noqa: BLE001  # unpickling another version's objects can raise anything
            logger.debug("The HTTP cache could not be read and is not used: %s", error)
            return {}
        return content if isinstance(content, dict) else {}


def _discovery_only(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the successful discovery answers with their expiry times."""
    kept = {key: value for key, value in answers.items() if key != _INDEX and _is_document(key, value)}
    if not kept:
        return {}
    times = _times(answers)
    kept = {key: value for key, value in kept.items() if key in times}
    return {**kept, _INDEX: _index({key: times[key] for key in kept})}


def _is_discovery(key: object) -> bool:
    # A key reads "GET <address> hash=<...> 2xx" (msal/throttled_http_client.py).
    return (
        isinstance(key, str)
        and key.startswith("GET ")
        and key.endswith("2xx")
        and any(path in key for path in _DISCOVERY)
    )


def _is_document(key: object, value: Any) -> bool:
    """Tell whether an answer is a discovery document. A proxy or a captive portal may answer with status 200, too.

    MSAL would use a stored answer for a day, even if it is not a document.
    """
    if not _is_discovery(key) or _MADE in (getattr(value, "headers", None) or ()):
        return False
    try:
        document = json.loads(value.text)
    except (AttributeError, TypeError, ValueError, RecursionError):
        return False
    return isinstance(document, dict) and any(name in document for name in _IN_DOCUMENTS)


def _times(answers: dict[str, Any]) -> dict[str, Any]:
    index = answers.get(_INDEX)
    if not (isinstance(index, tuple) and len(index) == 2 and isinstance(index[1], dict)):
        return {}
    return {key: pair for key, pair in index[1].items() if _are_times(pair)}


def _are_times(pair: object) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(isinstance(time, int | float) for time in pair)


def _index(times: dict[str, Any]) -> tuple[list[list[Any]], dict[str, Any]]:
    """Return MSAL's index: a heap of [expires_at, created_at, key], and the two times by key."""
    return sorted([expires, created, key] for key, (expires, created) in times.items()), times
