"""clouds.config: the active subscription of each cloud, and restoring the file when the host removed it."""

from __future__ import annotations

import configparser
import io
import re
import time
from collections.abc import Callable, Collection
from functools import cached_property
from typing import TYPE_CHECKING

from azext_login.errors import StoreError
from azext_login.system.damaged_files import find_quarantined, quarantine_file
from azext_login.system.directory import Entry, PrivateDirectory
from azext_login.system.files import read_text, remove_leftovers, write_atomically
from azext_login.system.log import get_logger
from azext_login.system.text import shorten

if TYPE_CHECKING:
    from azext_login.system.file_lock import FileLock

logger = get_logger(__name__)

_FILE = "clouds.config"
_LAST_GOOD = "login_last_good_clouds.config"
_LOCK = "login_clouds.lock"
_SUBSCRIPTION = "subscription"

_LONGEST_REASON = 1000  # characters

_CHOICE = rf"(?im)^{_SUBSCRIPTION}[ \t]*[=:][ \t]*(.*?)[ \t]*$\n?"

# Seconds within which the host starts and runs this command, and the largest size in bytes of comments alone.
_JUST_NOW = 10.0
_LONGEST_COMMENTS = 4096

# The host truncates the file and writes it again without a lock, so a torn file may be complete a moment later.
_TORN_RETRIES = 10
_TORN_PAUSE = 0.05

# ConfigParser ends every section with this, so the host ends every file that has a section with it.
_END = "\n\n"

# The first line of the copy, a comment in the format of the file.
_ACTIVE = "# active: "


class CloudConfig:
    """The host's file of registered clouds.

    The host writes it in place. When it finds the file damaged, it deletes it, with every registered cloud.
    """

    def __init__(self, config_dir: PrivateDirectory, *, sleep: Callable[[float], None] = time.sleep):
        """:param sleep: waits for so many seconds, before a torn file is read again."""
        self._file = config_dir / _FILE
        self._last_good = config_dir / _LAST_GOOD
        self._lock_file = config_dir / _LOCK
        self._sleep = sleep

    @cached_property
    def _lock(self) -> FileLock:
        from azext_login.system.file_lock import FileLock  # readers take no lock

        return FileLock(self._lock_file)

    def store_choice(self, cloud: str, subscription_id: str) -> None:
        """Store the active subscription of a cloud, where the host looks it up when it switches clouds.

        :raises StoreError: the file cannot be read or written.
        """
        with self._lock:
            copy = self._read_copy()
            kept = copy.partition("\n")[2]
            text = self._read_settled(kept)
            if not text.endswith(_END) and text != kept:
                text = self._without_loss(text, kept, cloud)
            config = self._parse(text)
            if config.get(cloud, _SUBSCRIPTION, fallback=None) != subscription_id:
                if not config.has_section(cloud):
                    config.add_section(cloud)
                config.set(cloud, _SUBSCRIPTION, subscription_id)
                text = _text_of(config)
                self._write(self._file, text)
            try:
                self._keep(f"{_ACTIVE}{cloud}\n{text}", copy)
            except StoreError as error:
                logger.warning("%s %s itself is up to date.", error, _FILE)

    def _without_loss(self, text: str, kept: str, cloud: str) -> str:
        """Return the text to use in place of one that the host has not written completely.

        It is the copy if the file has no sections and the copy has the active cloud: the host never unregisters the
        active cloud, so the file was emptied. Otherwise the user may have edited the file. Then the text itself is
        used, and the copy is quarantined before it is replaced, if anything in it would be lost.
        """
        if not _is_sound(kept):
            return text
        missing = _registered(kept) - _registered(text)
        if not self._parse(text).sections() and self._parse(kept).has_section(cloud):
            if text:
                quarantine_file(self._file)
            self._write(self._file, kept)
            logger.warning("%s had been emptied by another process and was restored.", _FILE)
            return kept
        if missing:
            logger.warning(
                "%s has lost settings (%s). Its previous content was kept as %s.",
                _FILE, ", ".join(sorted({section for section, _ in missing})), quarantine_file(self._last_good).name,
            )  # fmt: skip
        return text

    def registered(self, cloud: str) -> dict[str, str]:
        """Return what the file has about a cloud: for a cloud that the host knows itself, hardly anything.

        :raises StoreError: the file cannot be read.
        """
        config = self._parse(_read_text(self._file))
        return dict(config[cloud]) if config.has_section(cloud) else {}

    def forget(self, subscription_ids: Collection[str] | None) -> None:
        """Remove these subscriptions (IDs in lower case), or all with None, from the file and its copies.

        :raises StoreError: a file cannot be read or written.
        """
        if not self._file.exists() and not self._last_good.exists():
            return
        with self._lock:
            for leftovers in (self._file, self._last_good):
                remove_leftovers(leftovers)
            self._read_settled(self._read_copy().partition("\n")[2])
            for file in (self._file, self._last_good, *self._quarantined_files()):
                text = _read_text(file)
                left = _without(text, subscription_ids)
                if left != text:
                    self._write(file, left)

    def _write(self, file: Entry, text: str) -> None:
        # Bytes that are not UTF-8 stay as they were (`_read_text`).
        content = text.encode("utf-8", "surrogateescape")
        write_atomically(file, content, locked=not self._lock.is_missing)

    def _quarantined_files(self) -> list[Entry]:
        return find_quarantined(self._file) + find_quarantined(self._last_good)

    def restore_if_removed(self) -> str | None:
        """Restore the file if the host removed it.

        :return: the cloud that was active in the last good copy, or None if nothing was restored. The host makes the
            public cloud active when it removes the file.
        """
        if not self._is_removed() or not self._last_good.exists():
            return None
        try:
            head, _, text = read_text(self._last_good).partition("\n")
            if not head.startswith(_ACTIVE) or not _is_sound(text):
                # With this file, the host would fail in every command.
                quarantine_file(self._last_good)
                return None
            with self._lock:
                self._read_settled(text)
                if self._is_removed():
                    if self._file.exists() and self._file.status().st_size:
                        quarantine_file(self._file)
                    self._write(self._file, text)
        except (OSError, UnicodeDecodeError, StoreError):
            return None
        return head.removeprefix(_ACTIVE)

    def _is_removed(self) -> bool:
        """Tell whether the file is missing, or was emptied by a process that was killed before it wrote the content.

        The file is also empty after the user has unregistered the last cloud, which cannot be the active one. So if the
        active cloud is missing, the host has just made the public cloud active, and has written that to `config`.
        """
        try:
            if self._file.resolved().status().st_size > _LONGEST_COMMENTS:
                return False
            config = configparser.RawConfigParser()
            config.read_string(read_text(self._file))
            if config.sections():
                return False
            return time.time() - self._file.with_name("config").resolved().status().st_mtime < _JUST_NOW
        except FileNotFoundError:
            return not self._file.exists()
        except (OSError, UnicodeDecodeError, configparser.Error):
            return False

    def _read_copy(self) -> str:
        try:
            return read_text(self._last_good)
        except (OSError, UnicodeDecodeError):
            return ""

    def _keep(self, text: str, copy: str) -> None:
        if text != copy and _is_sound(text):
            self._write(self._last_good, text)

    def _read_settled(self, kept: str) -> str:
        """Return the text of the file, once no process seems to be writing it; "" without a file.

        :param kept: a text that is known to be complete, even if it does not end as the host ends it.
        :raises StoreError: the file cannot be read.
        """
        text = _read_text(self._file)
        for _ in range(_TORN_RETRIES):
            if text.endswith(_END) or (text and text == kept) or not self._file.exists():
                break
            self._sleep(_TORN_PAUSE)
            text = _read_text(self._file)
        return text

    def _parse(self, text: str) -> configparser.RawConfigParser:
        # Raw: values of others are written back as they are, percent signs included.
        config = configparser.RawConfigParser()
        try:
            text.encode("utf-8")
            config.read_string(text)
        except (UnicodeEncodeError, configparser.Error) as error:
            # The error quotes a whole line of the file.
            reason = (
                "it is not UTF-8" if isinstance(error, UnicodeEncodeError) else shorten(str(error), _LONGEST_REASON)
            )
            raise StoreError(
                f"{self._file} cannot be read: {reason}.",
                "Correct the file, or remove it and register your clouds again with `az cloud register`.",
            ) from error
        return config


def _read_text(file: Entry) -> str:
    try:
        # A quarantined file may hold bytes that are not UTF-8, and they have to stay as they are.
        return read_text(file, errors="surrogateescape")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise StoreError(f"{file} could not be read: {error.strerror or error}.") from error


def _without(text: str, subscription_ids: Collection[str] | None) -> str:
    """Return a text, which may be damaged, without the lines that name one of these subscriptions (None: any)."""
    return re.sub(
        _CHOICE, lambda line: "" if subscription_ids is None or line[1].lower() in subscription_ids else line[0], text
    )


def _is_sound(text: str) -> bool:
    """Tell whether the host can read a text: it has sections, no duplicates, and values that interpolate."""
    config = configparser.ConfigParser()
    try:
        config.read_string(text)
        for section in config.sections():
            for option in config.options(section):
                if option != _SUBSCRIPTION:
                    config.get(section, option)
    except (configparser.Error, ValueError):
        return False
    return bool(config.sections()) and "\0" not in text


def _registered(text: str) -> set[tuple[str, str]]:
    """Return the sections of a text with each of their options, and with "" for the section itself.

    The active subscriptions are left out: losing one loses no setting.
    """
    config = configparser.RawConfigParser()
    try:
        config.read_string(text)
    except configparser.Error:
        return set()
    return {
        (section, option)
        for section in config.sections()
        for option in ("", *config.options(section))
        if option != _SUBSCRIPTION
    }


def _text_of(config: configparser.RawConfigParser) -> str:
    stream = io.StringIO()
    config.write(stream)
    return stream.getvalue()
