"""`.azure-context`: which file is found, and what counts as the name in it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from azext_login.profile.choosers import FILE_NAME
from azext_login.profile.context_file import find_context_file, read_context_file
from azext_login.profile.contexts import is_name
from tests.harness.other_user import NOBODY, public_directory, require_superuser


def _write(directory: Path, content: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / FILE_NAME).write_text(content, encoding="utf-8")


def _found(start: Path, home: Path) -> str | None:
    file = find_context_file(str(start), str(home))
    return None if file is None else file.name


def test_the_nearest_file_is_found_up_to_the_home_directory(tmp_path: Path) -> None:
    home = tmp_path / "home"
    deep = home / "a" / "b"
    deep.mkdir(parents=True)
    _write(tmp_path, "above")
    assert _found(deep, home) is None
    _write(home, "home")
    assert _found(deep, home) == "home"
    _write(home / "a", "near")
    assert _found(deep, home) == "near"


def test_outside_the_home_directory_the_search_ends_at_the_root(tmp_path: Path) -> None:
    _write(tmp_path, "above")
    (tmp_path / "work").mkdir()
    assert _found(tmp_path / "work", tmp_path / "home") == "above"
    assert _found(Path("/"), tmp_path / "home") is None


def test_an_invalid_file_hides_those_of_the_parents(tmp_path: Path) -> None:
    _write(tmp_path, "above")
    _write(tmp_path / "work", "two\nlines\n")
    file = find_context_file(str(tmp_path / "work"), str(tmp_path))
    assert file is not None
    assert (file.name, file.is_allowed({file.key: None})) == (None, False)
    assert file.problem


def test_a_removed_working_directory_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert find_context_file() is None
    monkeypatch.chdir(tmp_path)


def test_a_path_that_is_too_long_has_no_file(tmp_path: Path) -> None:
    _write(tmp_path, "above")
    assert _found(Path(f"{tmp_path}/{'x' * 300}"), tmp_path) == "above"


@given(st.text(max_size=70))
def test_only_the_name_of_a_context_counts(text: str) -> None:
    with public_directory() as folder:
        (folder / FILE_NAME).write_bytes(text.encode("utf-8", "surrogatepass"))
        file = read_context_file(str(folder))
        assert file is not None
        if file.name is None:
            assert file.problem
        else:
            assert is_name(file.name)
            assert file.name == text.removeprefix("\ufeff").strip()


def test_a_directory_that_may_not_be_searched_is_skipped() -> None:
    """The working directory may be one: a program that has changed its user since."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    require_superuser()
    with public_directory() as folder:
        _write(folder, "above")
        os.chown(folder / FILE_NAME, NOBODY, NOBODY)
        closed = folder / "closed"
        _write(closed, "closed")
        closed.chmod(0o700)
        assert _as_another_user(closed, folder) == "above"
        # What is there and may not be read is not skipped: it could be the file that counts.
        closed.chmod(0o711)
        (closed / FILE_NAME).chmod(0o600)
        assert _as_another_user(closed, folder) == "None: it cannot be read (Permission denied)"


def _as_another_user(start: Path, home: Path) -> str:
    """Return what a process of another user finds."""
    if sys.platform == "win32":
        pytest.skip("a POSIX system is needed")
    readable, writable = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            file = find_context_file(str(start), str(home))
            text = "nothing" if file is None else file.name or f"None: {file.problem}"
            os.write(writable, text.encode())
        finally:
            os._exit(0)
    os.close(writable)
    with os.fdopen(readable) as stream:
        text = stream.read()
    os.waitpid(process, 0)
    return text
