"""Restoring a profile: whatever the file and its copy contain, no account that is signed in loses a row."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from azext_login.profile import subscriptions as rules
from azext_login.profile.model import Account, SubscriptionRow, account_of
from azext_login.profile.recovery import recover
from azext_login.profile.state import (
    OWN_KEY,
    SUBSCRIPTIONS,
    Document,
    ProfileState,
    RowKey,
    generation_of,
    key_of,
    slot_of,
    usable_rows,
)
from azext_login.profile.store import ProfileStore
from azext_login.profile.words import with_subscription
from azext_login.resource_manager.resources import Subscription
from azext_login.system.directory import PrivateDirectory
from azext_login.usecases.rows import row_of
from tests.users import ALICE, BOB, CAROL

CLOUDS = ("AzureCloud", "LocalCloud")
PROFILE, LAST_GOOD = "azureProfile.json", "login_last_good.json"

# Documents: what JSON can be at all, what looks like a profile, and what is one.

_scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False) | st.text(max_size=5)
_anything = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def _context(name: str) -> dict[str, Any]:
    # A user of whom nothing else is stored: contexts survive a sign-out.
    return {"name": name, "cloud": CLOUDS[0], "user": {"name": "erin"}, "tenant": "t-1", "subscription": "id-1"}


def _or_odd(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly what is usual, sometimes anything."""
    return st.one_of(usual, usual, usual, usual, _anything)


_odd_rows = st.fixed_dictionaries(
    {},
    optional={
        "id": _or_odd(st.sampled_from(["a", "A", "b", "c"])),
        "name": _or_odd(st.sampled_from(["Production", "Development"])),
        "state": _or_odd(st.just("Enabled")),
        "user": _or_odd(
            st.fixed_dictionaries(
                {}, optional={"name": _or_odd(st.sampled_from([ALICE, BOB])), "type": _or_odd(st.just("user"))}
            )
        ),
        "isDefault": _or_odd(st.booleans()),
        "tenantId": _or_odd(st.sampled_from(["t-1", "t-2"])),
        "environmentName": _or_odd(st.sampled_from(CLOUDS)),
        "x-note": _anything,
    },
)
_rows = st.builds(
    lambda number, user, tenant, cloud, default, note: {
        **row_of(Subscription(f"id-{number}", f"Subscription {number}", "Enabled", tenant), Account(user), cloud),
        "isDefault": default,
        "x-note": note,
    },
    st.integers(0, 3),
    st.sampled_from([ALICE, BOB, CAROL]),
    st.sampled_from(["t-1", "t-2"]),
    st.sampled_from(CLOUDS),
    st.booleans(),
    st.integers(),
)
_row_lists = _or_odd(st.lists(_or_odd(st.one_of(_rows, _rows, _odd_rows)), max_size=5))
_context_records = st.builds(
    lambda name, note: {**_context(name), "x-note": note}, st.sampled_from(["work", "Work", "..", "CON"]), _scalars
)
_own_keys = st.fixed_dictionaries(
    {},
    optional={
        "generation": _or_odd(st.integers(0, 5)),
        "otherIdentities": _row_lists,
        "previous": _or_odd(st.dictionaries(st.sampled_from(CLOUDS), _or_odd(st.lists(st.text(), max_size=5)))),
        "choices": _or_odd(st.dictionaries(st.text(max_size=5), _anything, max_size=2)),
        "contexts": _or_odd(st.lists(_or_odd(_context_records), max_size=3)),
        "allowedDirectories": _or_odd(st.dictionaries(st.text(max_size=5), _anything, max_size=2)),
        "later": _anything,
    },
)
_profiles = st.fixed_dictionaries(
    {},
    optional={
        "installationId": _or_odd(st.just("7d2b")),
        SUBSCRIPTIONS: _row_lists,
        OWN_KEY: _or_odd(_own_keys),
        "x-tool": _anything,
    },
)
_documents = st.one_of(_profiles, _profiles, _profiles, _anything)
_signed_in = st.sets(st.sampled_from([ALICE, BOB, CAROL]))


@st.composite
def _good_documents(draw: st.DrawFn) -> Document:
    """A document that we have written: what a few sign-ins make of an empty one."""
    state = ProfileState()
    for rows in draw(st.lists(st.lists(_rows, max_size=4, unique_by=key_of), max_size=3)):
        rules.sign_in(state, [{**row, "isDefault": False} for row in rows])
    names = draw(st.lists(st.sampled_from(["work", "home", "x-1"]), unique=True))
    state.contexts, state.allowed = [_context(name) for name in names], dict.fromkeys(draw(st.sets(st.text())), "work")
    document: Document = {"installationId": "7d2b", "x-kept": draw(_scalars)}
    state.write_to(document, draw(st.integers(1, 5)))
    return copy.deepcopy(document)


def _names_of(rows: list[SubscriptionRow]) -> set[str]:
    return {account_of(row).name.casefold() for row in rows}


def _all_rows(document: object) -> list[SubscriptionRow]:
    return ProfileState.of(document).all_rows() if isinstance(document, dict) else []


def _keys(document: object) -> set[RowKey]:
    return {key_of(row) for row in _all_rows(document)}


def _assert_whole(document: Document) -> None:
    """What holds for everything that recovery returns."""
    assert json.loads(json.dumps(document)) == document
    rows = _all_rows(document)
    assert sum(bool(row.get("isDefault")) for row in rows) <= 1


# The decision


@given(_documents, _documents, _signed_in)
def test_recovery_makes_something_whole_of_any_two_documents(found: Any, good: Any, signed_in: set[str]) -> None:
    before = copy.deepcopy(good)
    recovered = recover(found, good if isinstance(good, dict) else {}, lambda row: account_of(row).name in signed_in)
    _assert_whole(recovered.document)
    assert good == before, "the copy that was given has not changed"


@given(_documents, _good_documents(), _signed_in)
def test_recovery_loses_no_row_of_an_account_that_is_signed_in(found: Any, good: Document, signed_in: set[str]) -> None:
    recovered = recover(found, good, lambda row: account_of(row).name in signed_in).document
    wanted = {key for key in _keys(found) | _keys(good) if key[1] in signed_in}
    assert wanted <= _keys(recovered)


@given(_documents, _good_documents(), _signed_in)
def test_recovery_restores_no_row_of_an_account_that_has_signed_out(
    found: Any, good: Document, signed_in: set[str]
) -> None:
    recovered = recover(found, good, lambda row: account_of(row).name in signed_in).document
    # A file from elsewhere keeps its rows; in one of ours, an account that is not in the last copy has signed out.
    is_ours = isinstance(found, dict) and generation_of(found) is not None
    assert _names_of(_all_rows(recovered)) <= signed_in | _names_of(_all_rows(good if is_ours else found))
    came_back = _keys(recovered) - _keys(found)
    assert {key[1] for key in came_back} <= signed_in


@given(_profiles, _good_documents())
def test_recovery_keeps_the_keys_of_other_tools(found: Document, good: Document) -> None:
    recovered = recover(found, good, lambda row: True).document
    for name in found.keys() - {SUBSCRIPTIONS, OWN_KEY}:
        assert recovered[name] == found[name]
    for name in good.keys() - found.keys() - {SUBSCRIPTIONS, OWN_KEY}:
        assert recovered[name] == good[name]
    notes = {key_of(row): row.get("x-note") for row in _all_rows(good)}
    notes.update({key_of(row): row.get("x-note") for row in reversed(_all_rows(found))})
    for row in _all_rows(recovered):
        assert row.get("x-note") == notes[key_of(row)] or key_of(row) in _repeated(found)


def _repeated(document: Document) -> set[RowKey]:
    keys = [key_of(row) for row in _all_rows(document)]
    return {key for key in keys if keys.count(key) > 1}


@given(_good_documents(), _good_documents())
def test_recovery_shows_built_in_code_one_row_for_each_subscription(found: Document, good: Document) -> None:
    rows = ProfileState.of(recover(found, good, lambda row: True).document).rows
    assert len({slot_of(row) for row in rows}) == len(rows)


@given(_good_documents())
def test_a_reset_file_comes_back_exactly_as_it_was(good: Document) -> None:
    recovered = recover({}, good, lambda row: True).document
    assert recovered == good


@pytest.mark.parametrize("signed_in", [set(), {ALICE}, {ALICE, BOB}], ids=["nobody", "one", "both"])
def test_shadowed_rows_of_an_emptied_file_are_not_restored_silently(signed_in: set[str]) -> None:
    state = ProfileState()
    for user in (ALICE, BOB):
        rules.sign_in(state, [row_of(Subscription("id-1", "Shared", "Enabled", "t-1"), Account(user), "LocalCloud")])
    good: Document = {}
    state.write_to(good, 1)
    assert [account_of(row).name for row in state.shadowed] == [ALICE]
    recovery = recover({**good, SUBSCRIPTIONS: []}, good, lambda row: account_of(row).name in signed_in)
    assert _names_of(_all_rows(recovery.document)) == signed_in & {ALICE}
    assert ("1 subscription(s)" in recovery.note and "`az account clear`" in recovery.note) == bool(signed_in)
    assert bool(recovery.note) == bool(signed_in)


@given(_good_documents())
def test_a_document_of_ours_loses_nothing_and_gives_no_note(good: Document) -> None:
    recovery = recover(copy.deepcopy(good), good, lambda row: True)
    assert (recovery.document, recovery.note) == (good, "")


# The store, on a disk


@contextmanager
def _directory(profile: object = ..., last_good: object = ...) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in ((PROFILE, profile), (LAST_GOOD, last_good)):
            if isinstance(content, bytes):
                Path(folder, name).write_bytes(content)
            elif content is not ...:
                Path(folder, name).write_text(json.dumps(content), encoding="utf-8")
        yield Path(folder)


def _as_copy(document: Any, generation: object = 1) -> Any:
    return {"generation": generation, "profile": document}


def _store(folder: Path, signed_in: set[str]) -> ProfileStore:
    """No process is writing the file, so a torn one stays torn however long the store waits."""
    return ProfileStore(
        PrivateDirectory(folder),
        has_credentials=lambda row: account_of(row).name in signed_in,
        sleep=lambda seconds: None,
    )


def _load(folder: Path) -> Any:
    path = folder / PROFILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


@settings(max_examples=60)
@given(_documents, st.one_of(_documents, _good_documents()), st.integers(0, 6), _signed_in)
def test_whatever_is_in_the_files_reading_works_and_reading_again_changes_nothing(
    profile: Any, copied: Any, generation: int, signed_in: set[str]
) -> None:
    with _directory(profile, _as_copy(copied, generation)) as folder:
        state = _store(folder, signed_in).read(_load(folder))
        once = _load(folder)
        again = _store(folder, signed_in).read(_load(folder))
        assert _load(folder) == once
        assert [key_of(row) for row in again.all_rows()] == [key_of(row) for row in state.all_rows()]
        assert {key for key in _keys(profile) if key[1] in signed_in} <= {key_of(row) for row in again.all_rows()}
        assert not list(folder.glob(".*")), "no temporary file is left"


@settings(max_examples=60)
@given(_documents, st.one_of(_documents, _good_documents()), st.integers(0, 6), _signed_in, _rows)
def test_whatever_is_in_the_files_a_sign_in_is_stored_and_everybody_stays(
    profile: Any, copied: Any, generation: int, signed_in: set[str], row: SubscriptionRow
) -> None:
    signed_in = signed_in | {account_of(row).name}
    with _directory(profile, _as_copy(copied, generation)) as folder:
        with _store(folder, signed_in).change() as state:
            rules.sign_in(state, [{**row, "isDefault": False}])
        written = _load(folder)
        _assert_whole(written)
        assert sum(bool(one.get("isDefault")) for one in _all_rows(written)) == 1
        assert {key for key in _keys(profile) if key[1] in signed_in} | {key_of(row)} <= _keys(written)


@settings(max_examples=40)
@given(_documents, _documents, st.integers(0, 6))
def test_whatever_is_in_the_files_clearing_leaves_no_name(profile: Any, copied: Any, generation: int) -> None:
    with _directory(profile, _as_copy(copied, generation)) as folder:
        _store(folder, {ALICE, BOB, CAROL}).clear()
        assert not list(folder.glob("*.damaged-*"))
        for name in (PROFILE, LAST_GOOD):
            text = (folder / name).read_text(encoding="utf-8")
            assert not [person for person in (ALICE, BOB, CAROL) if person in text], name


@settings(max_examples=60)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_bytes_of_any_kind_never_stop_a_change(profile: bytes, copied: bytes) -> None:
    row = row_of(Subscription("id-1", "One", "Enabled", "t-1"), Account(ALICE), "LocalCloud")
    with _directory(profile, copied) as folder:
        with _store(folder, {ALICE}).change() as state:
            rules.sign_in(state, [row])
        assert [one["id"] for one in usable_rows(_load(folder)[SUBSCRIPTIONS])] == ["id-1"]
        (folder / PROFILE).read_bytes().decode("ascii")


@given(_documents, _good_documents(), _signed_in)
def test_recovery_loses_no_context_and_no_allowed_directory_of_the_copy(
    found: Any, good: Document, signed_in: set[str]
) -> None:
    """Unless the file is a later one of ours, whose contexts are not damaged."""
    recovered = ProfileState.of(recover(found, good, lambda row: account_of(row).name in signed_in).document)
    kept, before = ProfileState.of(good), found.get(OWN_KEY) if isinstance(found, dict) else None
    generation = generation_of(found) if isinstance(found, dict) else None
    is_later = generation is not None and generation >= (generation_of(good) or 0)
    names = {context["name"].lower() for context in recovered.contexts}
    if not is_later or (isinstance(before, dict) and not isinstance(before.get("contexts", []), list)):
        assert {context["name"].lower() for context in kept.contexts} <= names
    if not is_later or (isinstance(before, dict) and not isinstance(before.get("allowedDirectories", {}), dict)):
        assert kept.allowed.items() <= recovered.allowed.items()


@pytest.mark.parametrize("damage", [7, [7], [{"name": "work"}], [{**_context("work"), "user": "erin"}]])
def test_damaged_contexts_of_a_later_file_are_restored_beside_its_own(damage: Any) -> None:
    state = ProfileState(contexts=[_context("work")], allowed={"/project": "work"})
    good: Document = {}
    state.write_to(good, 1)
    found = copy.deepcopy(good)
    found[OWN_KEY] = {**found[OWN_KEY], "generation": 2}
    new = [_context("new")] if isinstance(damage, list) else []
    found[OWN_KEY]["contexts"] = [*new, *damage] if isinstance(damage, list) else damage
    recovered = ProfileState.of(recover(found, good, lambda row: True).document)
    assert recovered.contexts == [*new, _context("work")]
    assert recovered.allowed == {"/project": "work"}


def test_damaged_rows_of_a_later_file_do_not_bring_deleted_contexts_back() -> None:
    row = row_of(Subscription("id-1", "One", "Enabled", "t-1"), Account(ALICE), CLOUDS[0])
    good: Document = {}
    ProfileState(rows=[row], contexts=[_context("deleted")], allowed={"/project": "deleted"}).write_to(good, 1)
    found: Document = {}
    ProfileState(rows=[row], contexts=[_context("new")]).write_to(found, 2)
    found[SUBSCRIPTIONS] = [row, 7]
    recovered = ProfileState.of(recover(found, good, lambda row: True).document)
    assert ([context["name"] for context in recovered.contexts], recovered.allowed) == (["new"], {})


@settings(max_examples=60)
@given(_good_documents(), st.data())
def test_a_profile_torn_anywhere_comes_back_whole(good: Document, data: st.DataObject) -> None:
    with _directory() as folder:
        store = _store(folder, {ALICE, BOB, CAROL})
        with store.change(always_write=True) as state:
            rules.sign_in(state, _all_rows(good))
        whole = (folder / PROFILE).read_bytes()
        cut = data.draw(st.integers(0, len(whole) - 1))
        (folder / PROFILE).write_bytes(whole[:cut])
        with store.change():
            pass
        assert _keys(_load(folder)) == _keys(json.loads(whole))


# Two writers: one of ours, and one that writes an old snapshot back


class TwoWriters(RuleBasedStateMachine):
    """Commands of ours beside a process of the host that reads the file once and writes it whenever it likes."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._signed_in: set[str] = set()
        self._expected: set[RowKey] = set()
        self._snapshot: Document = {}
        self._next = 0

    @initialize()
    def begin(self) -> None:
        # A copy from before our first write has no key of ours, and counts as a file from elsewhere: its rows stay.
        with self._store.change(always_write=True):
            pass
        self.the_host_reads()

    @property
    def _path(self) -> Path:
        return Path(self._folder.name, PROFILE)

    @property
    def _store(self) -> ProfileStore:
        return _store(Path(self._folder.name), self._signed_in)

    @rule(user=st.sampled_from([ALICE, BOB]), tenant=st.sampled_from(["t-1", "t-2"]), number=st.integers(0, 2))
    def we_sign_in(self, user: str, tenant: str, number: int) -> None:
        subscription = Subscription(f"id-{number}", f"Subscription {number}", "Enabled", tenant)
        row = row_of(subscription, Account(user), "LocalCloud")
        self._signed_in.add(user)
        with self._store.change() as state:
            rules.sign_in(state, [row])
        self._expected.add(key_of(row))

    @rule(user=st.sampled_from([ALICE, BOB, CAROL]))
    def we_sign_out(self, user: str) -> None:
        self._signed_in.discard(user)
        with self._store.change() as state:
            rules.remove_account(state, user)
        self._expected = {key for key in self._expected if key[1] != user}

    @rule(number=st.integers(0, 2))
    def we_choose(self, number: int) -> None:
        with self._store.change() as state:
            row = next(iter(with_subscription(state.rows, f"id-{number}")), None)
            if row is not None:
                rules.make_active(state, row)

    @rule()
    def the_host_reads(self) -> None:
        self._snapshot = json.loads(self._path.read_text(encoding="utf-8-sig")) if self._path.exists() else {}

    @rule()
    def the_host_writes_its_snapshot_back(self) -> None:
        self._path.write_text(json.dumps(self._snapshot), encoding="utf-8-sig")

    @rule()
    def the_host_adds_a_row_and_writes_its_snapshot_back(self) -> None:
        self._next += 1
        subscription = Subscription(f"of-the-host-{self._next}", "Added by the host", "Enabled", "t-9")
        row = row_of(subscription, Account(CAROL), "LocalCloud")
        self._signed_in.add(CAROL)
        rows = [old for old in self._snapshot.get(SUBSCRIPTIONS, []) if isinstance(old, dict)]
        self._snapshot = {**self._snapshot, SUBSCRIPTIONS: [*rows, row]}
        self._path.write_text(json.dumps(self._snapshot), encoding="utf-8-sig")
        # What the host writes is in no copy until we write. Before that, another write of the host may lose it,
        # which nothing of ours can prevent.
        with self._store.change(always_write=True):
            pass
        self._expected.add(key_of(row))

    @rule()
    def the_host_resets_the_file(self) -> None:
        self._path.write_text("{}", encoding="utf-8-sig")

    @rule()
    def the_host_is_killed_while_it_writes(self) -> None:
        if self._path.exists():
            whole = self._path.read_bytes()
            self._path.write_bytes(whole[: len(whole) // 2])

    @invariant()
    def no_row_is_lost_and_no_account_has_returned(self) -> None:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            known = {}
        state = self._store.read(known)
        keys = {key_of(row) for row in state.all_rows()}
        assert self._expected <= keys
        assert {key[1] for key in keys} <= self._signed_in
        assert sum(bool(row["isDefault"]) for row in state.all_rows()) <= 1

    def teardown(self) -> None:
        self._folder.cleanup()


TestTwoWriters = TwoWriters.TestCase
TestTwoWriters.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


# What built-in code would die of


@pytest.mark.parametrize(
    "name", ["Zürich ☃ 𝄞", "half a pair \ud800", "\x00\x1b[31m", "\ufeff", "\u2028", "a\\b\"c'"], ids=ascii
)
def test_what_we_write_is_plain_ascii_without_a_byte_order_mark(tmp_path: Path, name: str) -> None:
    row = row_of(Subscription("id-1", name, "Enabled", "t-1"), Account(ALICE), "LocalCloud")
    with ProfileStore(PrivateDirectory(tmp_path)).change() as state:
        rules.sign_in(state, [row])
    for written in (tmp_path / PROFILE, tmp_path / LAST_GOOD):
        text = written.read_bytes().decode("ascii")
        assert text.startswith("{")
        json.loads(text)
    # Half of a pair of surrogates is no character, and strict parsers refuse it.
    assert _load(tmp_path)[SUBSCRIPTIONS][0]["name"] == name.replace("\ud800", "\ufffd")


@settings(max_examples=60)
@given(_documents, _documents)
def test_what_we_write_is_what_the_host_can_start_with(profile: Any, copied: Any) -> None:
    """The host dies of what is no UTF-8 or no JSON; built-in commands, of rows that are no rows."""
    row = row_of(Subscription("id-1", "One", "Enabled", "t-1"), Account(ALICE), "LocalCloud")
    with _directory(profile, _as_copy(copied, 9)) as folder:
        with ProfileStore(PrivateDirectory(folder)).change() as state:
            rules.sign_in(state, [row])
        document = json.loads((folder / PROFILE).read_bytes().decode("ascii"))
        assert isinstance(document, dict)
        assert isinstance(generation_of(document), int)
        assert usable_rows(document[SUBSCRIPTIONS]) == document[SUBSCRIPTIONS]
