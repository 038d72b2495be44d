"""clouds.config: registered clouds stay, and nothing is written with which the host cannot start."""

from __future__ import annotations

import configparser
import multiprocessing
import stat
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from azext_login.errors import StoreError
from azext_login.profile.clouds import CloudConfig
from azext_login.system.directory import PrivateDirectory

CLOUDS, COPY = "clouds.config", "login_last_good_clouds.config"
REGISTERED = "[LocalCloud]\nendpoint_resource_manager = https://localhost:8443\nsubscription = 1\n\n"


def _read(folder: Path) -> configparser.ConfigParser:
    """Read the file as the host does; if that fails, every command fails with a traceback."""
    config = configparser.ConfigParser()
    config.read_string((folder / CLOUDS).read_text(encoding="utf-8"))
    # The clouds that the host knows have sections in every file, to which the defaults belong as well.
    for section in (config.default_section, *config.sections()):
        config.items(section)
    return config


def test_a_choice_is_stored_beside_the_registered_clouds(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("AzureCloud", "3")
    config = _read(tmp_path)
    assert dict(config["LocalCloud"]) == {"endpoint_resource_manager": "https://localhost:8443", "subscription": "2"}
    assert dict(config["AzureCloud"]) == {"subscription": "3"}


def test_a_choice_that_is_already_stored_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(f"# by hand\n{REGISTERED}", encoding="utf-8")
    before = (tmp_path / CLOUDS).stat()
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "1")
    after = (tmp_path / CLOUDS).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (tmp_path / COPY).read_text(encoding="utf-8").endswith(f"# by hand\n{REGISTERED}")


@pytest.mark.parametrize(
    "value", ["50%", "%", "%%", "%(endpoint_resource_manager)s", "%(nowhere)s", "https://x/%20y", "ü ☃", "a = b", "[c]"]
)
def test_a_value_with_characters_of_its_own_survives_a_choice(tmp_path: Path, value: str) -> None:
    (tmp_path / CLOUDS).write_text(f"{REGISTERED}[Other]\nnote = {value}\n", encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    config = configparser.RawConfigParser()
    config.read(tmp_path / CLOUDS, encoding="utf-8")
    assert config["Other"]["note"] == value
    assert config["LocalCloud"]["subscription"] == "2"


@pytest.mark.parametrize("value", ["%", "50%", "%(nowhere)s"])
def test_a_percent_sign_where_the_choice_was_is_replaced(tmp_path: Path, value: str) -> None:
    (tmp_path / CLOUDS).write_text(f"[LocalCloud]\nsubscription = {value}\n", encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    assert _read(tmp_path)["LocalCloud"]["subscription"] == "2"


@pytest.mark.parametrize(
    "content",
    [b"hello\n", b"[LocalCloud\n", b"[A]\n[A]\n", b"[A]\nb = 1\nb = 2\n", b"[A]\nnothing\n", b"\xff\xfe", bytes(20)],
)
def test_a_file_that_is_damaged_is_named_in_the_error_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / CLOUDS).write_bytes(content)
    with pytest.raises(StoreError, match=r"clouds\.config"):
        _patient(tmp_path).store_choice("LocalCloud", "2")
    assert (tmp_path / CLOUDS).read_bytes() == content
    assert not (tmp_path / COPY).exists(), "a damaged file is not what is restored later"


def test_a_file_that_the_host_removed_comes_back(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    whole = (tmp_path / CLOUDS).read_bytes()
    (tmp_path / CLOUDS).unlink()
    assert CloudConfig(PrivateDirectory(tmp_path)).restore_if_removed()
    assert (tmp_path / CLOUDS).read_bytes() == whole
    assert not CloudConfig(PrivateDirectory(tmp_path)).restore_if_removed()


@pytest.mark.parametrize(("gone", "left"), [(None, set()), ({"1"}, {"2"}), ({"3"}, {"1", "2"})])
def test_a_choice_goes_from_the_file_and_its_copies_and_nothing_else(
    tmp_path: Path, gone: set[str] | None, left: set[str]
) -> None:
    (tmp_path / CLOUDS).write_text(f"# by hand\n{REGISTERED}[Other]\nsubscription = 2\n", encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "1")
    (tmp_path / f"{CLOUDS}.damaged-1").write_bytes(b"\xff\nsubscription=1\nsubscription: 2")
    CloudConfig(PrivateDirectory(tmp_path)).forget(gone)
    config = _read(tmp_path)
    assert {config[name]["subscription"] for name in config.sections() if "subscription" in config[name]} == left
    assert config["LocalCloud"]["endpoint_resource_manager"] == "https://localhost:8443"
    whole = (tmp_path / CLOUDS).read_bytes()
    assert whole.startswith(b"# by hand\n")
    assert (tmp_path / COPY).read_bytes().endswith(whole)
    aside = (tmp_path / f"{CLOUDS}.damaged-1").read_bytes()
    assert aside.startswith(b"\xff\n")
    assert {number for number in ("1", "2") if number.encode() in aside} == left
    # It can still be brought back.
    (tmp_path / CLOUDS).unlink()
    assert CloudConfig(PrivateDirectory(tmp_path)).restore_if_removed()
    assert (tmp_path / CLOUDS).read_bytes() == whole


BOTH = f"{REGISTERED}[AzureCloud]\nsubscription = 3\n\n"


def _patient(folder: Path, *, meanwhile: str | None = None) -> CloudConfig:
    """Return one for which no time passes, and for which another process finishes writing while it waits."""

    def sleep(seconds: float) -> None:
        if meanwhile is not None:
            (folder / CLOUDS).write_text(meanwhile, encoding="utf-8")

    return CloudConfig(PrivateDirectory(folder), sleep=sleep)


@pytest.mark.parametrize("torn", ["", "[LocalCloud]\n", "[LocalCloud]\nendpoint_resource_m"])
def test_a_file_that_the_host_is_just_writing_is_read_when_it_is_whole(tmp_path: Path, torn: str) -> None:
    (tmp_path / CLOUDS).write_text(BOTH, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("AzureCloud", "3")
    (tmp_path / CLOUDS).write_text(torn, encoding="utf-8")
    whole = f"{BOTH}[Registered]\nendpoint_resource_manager = https://localhost:9443\n\n"
    _patient(tmp_path, meanwhile=whole).store_choice("AzureCloud", "4")
    assert (tmp_path / CLOUDS).read_text(encoding="utf-8") == whole.replace("= 3", "= 4")
    assert {path.name for path in tmp_path.glob("*clouds*")} == {CLOUDS, COPY, "login_clouds.lock"}


@pytest.mark.parametrize("ids", [None, {"3"}])
def test_a_choice_goes_from_a_file_that_the_host_is_just_writing_when_it_is_whole(
    tmp_path: Path, ids: set[str] | None
) -> None:
    (tmp_path / CLOUDS).write_text("[AzureCloud]\nsubscription = 3\n", encoding="utf-8")
    _patient(tmp_path, meanwhile=f"[AzureCloud]\nsubscription = 3\n\n{REGISTERED}").forget(ids)
    assert set(_read(tmp_path).sections()) == {"AzureCloud", "LocalCloud"}
    assert "subscription" not in _read(tmp_path)["AzureCloud"]


def test_a_file_that_the_host_is_just_writing_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    (tmp_path / "config").touch()
    (tmp_path / CLOUDS).write_text("", encoding="utf-8")
    # This process has found no clouds, so it still has to be told which one is active.
    assert _patient(tmp_path, meanwhile=BOTH).restore_if_removed() == "LocalCloud"
    assert (tmp_path / CLOUDS).read_text(encoding="utf-8") == BOTH


@pytest.mark.parametrize("emptied", ["", "# by hand\n"])
def test_a_file_that_a_killed_writer_emptied_comes_back_with_the_choice(tmp_path: Path, emptied: str) -> None:
    (tmp_path / CLOUDS).write_text(BOTH, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("AzureCloud", "3")
    (tmp_path / CLOUDS).write_text(emptied, encoding="utf-8")
    _patient(tmp_path).store_choice("AzureCloud", "4")
    assert (tmp_path / CLOUDS).read_text(encoding="utf-8") == BOTH.replace("= 3", "= 4")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.glob("*.damaged-*")] == [emptied] * bool(emptied)


@pytest.mark.parametrize(
    ("left", "is_kept"),
    [
        ("", True),  # or the file is empty because the last cloud was unregistered
        ("[LocalCloud]\n", True),
        ("[LocalCloud]\nendpoint_resource_manager = https://localhost:8443\n", False),
        ("[Other]\nendpoint_portal = https://x\n\n", False),  # as the host leaves it who unregisters a cloud
    ],
)
def test_what_only_the_copy_has_is_quarantined_unless_it_was_unregistered(
    tmp_path: Path, left: str, is_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "1")
    (tmp_path / CLOUDS).write_text(left, encoding="utf-8")
    _patient(tmp_path).store_choice("AzureCloud", "3")
    assert _read(tmp_path)["AzureCloud"]["subscription"] == "3"
    kept = list(tmp_path.glob(f"{COPY}.damaged-*"))
    assert [path.read_text(encoding="utf-8").endswith(REGISTERED) for path in kept] == [True] * is_kept
    assert all(path.name in caplog.text for path in kept)


def test_nothing_is_restored_where_nothing_was_kept(tmp_path: Path) -> None:
    assert not CloudConfig(PrivateDirectory(tmp_path)).restore_if_removed()
    assert not list(tmp_path.iterdir())


_lines = st.sampled_from(
    [
        "[LocalCloud]", "[Other]", "[DEFAULT]", "[LocalCloud", "subscription = 1", "subscription = 2", "note = 50%",
        "note = %(x)s", "endpoint_portal = https://x/%20", "endpoint_portal = %%", "nothing", "  indented", "# comment",
        "; comment", "\ufeff[LocalCloud]", "\x00", "", "a : b", "= c", "A = 1", "a = 2",
    ]
)  # fmt: skip
_texts = st.lists(_lines, max_size=6).map(lambda lines: "\n".join(lines).encode())


@settings(max_examples=200)
@given(_texts | st.binary(max_size=30))
def test_what_is_restored_is_what_the_host_can_start_with(copied: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / COPY).write_bytes(copied)
        if CloudConfig(PrivateDirectory(folder)).restore_if_removed():
            assert _read(folder).sections()
            assert copied.endswith((folder / CLOUDS).read_bytes())
        else:
            assert not (folder / CLOUDS).exists()


@settings(max_examples=200)
@given(_texts)
def test_a_choice_never_makes_a_good_file_a_bad_one(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / CLOUDS).write_bytes(content)
        try:
            _read(folder)
            was_good = True
        except (configparser.Error, UnicodeDecodeError):
            was_good = False
        try:
            _patient(folder).store_choice("LocalCloud", "3")
        except StoreError:
            assert not was_good
            assert (folder / CLOUDS).read_bytes() == content
            return
        if was_good:
            assert _read(folder)["LocalCloud"]["subscription"] == "3"


def test_processes_that_store_choices_at_once_lose_none(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_note_several, args=(str(tmp_path), number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    config = _read(tmp_path)
    assert set(config.sections()) == {"LocalCloud", *(f"Cloud{a}-{b}" for a in range(4) for b in range(10))}
    assert (tmp_path / COPY).read_bytes().endswith((tmp_path / CLOUDS).read_bytes())


def _note_several(folder: str, number: int) -> None:
    for count in range(10):
        CloudConfig(PrivateDirectory(Path(folder))).store_choice(f"Cloud{number}-{count}", str(count))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX file modes")
def test_both_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text(REGISTERED, encoding="utf-8")
    (tmp_path / CLOUDS).chmod(0o644)
    CloudConfig(PrivateDirectory(tmp_path)).store_choice("LocalCloud", "2")
    for name in (CLOUDS, COPY):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_the_error_about_a_damaged_file_quotes_a_part_of_a_long_line(tmp_path: Path) -> None:
    (tmp_path / CLOUDS).write_text("x" * 100_000, encoding="utf-8")
    with pytest.raises(StoreError, match="no section headers") as caught:
        CloudConfig(PrivateDirectory(tmp_path), sleep=lambda seconds: None).registered("LocalCloud")
    assert len(str(caught.value)) < 2000
