"""Access lists of new files on Windows. pywin32 is a stand-in that records what is set."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from azext_login.auth.storage.decrypted_keys import DecryptedKeys
from azext_login.auth.storage.single_flight import SingleFlight
from azext_login.auth.storage.token_cache import TokenCache
from azext_login.system import directory
from azext_login.system.directory import PrivateDirectory
from azext_login.system.windows_access import is_in_profile, restrict_to_owner

_USER = "S-1-5-21-1-2-3-1001"
_EXPECTED = f"D:P(A;OICI;FA;;;{_USER})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"


@pytest.fixture
def restricted(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return path -> access list of everything that is restricted, in Microsoft's language for them."""
    found: dict[str, str] = {}

    def set_information(path: str, kind: int, what: int, owner: Any, group: Any, access: str, audit: Any) -> None:
        assert (kind, what, owner, group, audit) == (1, 0x4 | -0x80000000, None, None, None)
        found[path] = access

    security = SimpleNamespace(
        SE_FILE_OBJECT=1, TokenUser=1, SDDL_REVISION_1=1,
        DACL_SECURITY_INFORMATION=0x4, PROTECTED_DACL_SECURITY_INFORMATION=-0x80000000,
        OpenProcessToken=lambda process, access: (process, access),
        GetTokenInformation=lambda token, kind: (b"sid", 0),
        ConvertSidToStringSid=lambda sid: _USER,
        ConvertStringSecurityDescriptorToSecurityDescriptor=lambda text, revision: SimpleNamespace(
            GetSecurityDescriptorDacl=lambda: text
        ),
        SetNamedSecurityInfo=set_information,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "win32security", security)
    monkeypatch.setitem(sys.modules, "win32api", SimpleNamespace(GetCurrentProcess=lambda: 1))
    monkeypatch.setattr(directory, "has_access_lists", True)
    monkeypatch.setattr(directory, "HAS_DESCRIPTORS", False)
    return found


def _key(folder: PrivateDirectory) -> None:
    with DecryptedKeys(folder).keeping("client", "tenant", "PEM"):
        pass


def _request(folder: PrivateDirectory) -> None:
    with SingleFlight(folder, "key"):
        pass


def _tokens(folder: PrivateDirectory) -> None:
    TokenCache(folder, encrypt=False).commit({}, {"AccessToken": {"key": {"secret": "s"}}})


@pytest.mark.parametrize("act", [_key, _request, _tokens], ids=["key", "request", "tokens"])
@pytest.mark.parametrize("is_elsewhere", [True, False], ids=["elsewhere", "in the profile"])
def test_new_files_outside_the_profile_are_for_their_owner_alone(
    tmp_path: Path,
    restricted: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[PrivateDirectory], None],
    is_elsewhere: bool,
) -> None:
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "profile" if is_elsewhere else tmp_path))
    folder = tmp_path / "new" / "azure"
    act(PrivateDirectory(folder))
    assert set(restricted.values()) == ({_EXPECTED} if is_elsewhere else set())
    if is_elsewhere:
        left = {str(path) for path in folder.rglob("*")} | {str(folder), str(folder.parent)}
        # A file that replaces another one was restricted under its temporary name.
        assert {path for path in left if not path.endswith((".pem", ".json"))} <= set(restricted)
        assert len([path for path in restricted if path.endswith(".tmp")]) == (0 if act is _request else 1)


def test_without_pywin32_the_command_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "win32security", None)
    restrict_to_owner(tmp_path)


@pytest.mark.parametrize(
    "path, profile, expected",
    [("/u/me/.azure", "/u/me", True), ("/u/me2/.azure", "/u/me", False), ("/share", "/u/me", False), ("/u", "", False)],
)
def test_the_profile_of_the_user_is_recognised(path: str, profile: str, expected: bool) -> None:
    assert is_in_profile(Path(path), {"USERPROFILE": profile}) == expected
