"""Each fault of the network and the services x each command: one error that names the cause, and no file changes.

By default a quarter of the pairs runs. LOGIN_FAULTS=all runs every pair.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.az import Az, Result
from tests.harness.hosts import Host
from tests.harness.stage import CloudStage
from tests.integration.broken_servers import TlsServers
from tests.integration.fast_time import write_fast_time
from tests.integration.fault_commands import COMMANDS, OFFLINE, Command, copies, prepare
from tests.integration.faults import FAULTS, Fault, Scene, Surroundings
from tests.integration.workloads import kept
from tests.localcloud import CI_SECRET, LocalCloud

_IS_WHOLE = os.environ.get("LOGIN_FAULTS") == "all"
_AT_ONCE = 4
_SECONDS = 60.0  # with four commands on two processors


def _pairs() -> Iterator[tuple[Fault, list[Command]]]:
    """Yield the faults, each with the commands that it hits: all of them, or a quarter."""
    for number, fault in enumerate(FAULTS):
        hit = [command for command in COMMANDS if fault.hits & command.asks]
        step = 1 if _IS_WHOLE else 4
        yield fault, hit[number % step :: step] or hit[:1]


@pytest.fixture(scope="module")
def fault_cloud() -> Iterator[LocalCloud]:
    """A cloud in which one fault at a time happens."""
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def scene(
    cloud_stage: CloudStage, newest: Host, fault_cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory
) -> Scene:
    folder = tmp_path_factory.mktemp("faults")
    az = cloud_stage.az(newest, folder / "azure", cloud=fault_cloud)
    given = prepare(az, fault_cloud, folder / "outside")
    write_fast_time(folder / "outside")
    return Scene(given, TlsServers(folder))


@pytest.fixture
def copy(scene: Scene, make_az: Callable[..., Az]) -> Iterator[Callable[[], Az]]:
    """Return a function that makes one more `az` in which the accounts are signed in."""
    made = copies(scene.given, make_az)
    yield lambda: next(made)
    scene.given.cloud.admin.clear_faults()


def _move(folder: Path, old: str, new: str) -> None:
    """Let the services be at another address. MSAL's cache has the host without its port."""
    old_host, new_host = (address.partition("//")[2].partition(":")[0] for address in (old, new))
    for path in folder.glob("*clouds.config"):
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    cache = folder / "msal_token_cache.json"
    cache.write_text(cache.read_text(encoding="utf-8").replace(old_host, new_host), encoding="utf-8")


def _move_resource_manager(folder: Path, new: str) -> None:
    for path in folder.glob("*clouds.config"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?m)^(endpoint_resource_manager = ).*$", rf"\g<1>{new}", text), encoding="utf-8")


def _stored(az: Az) -> dict[str, bytes]:
    """Return what is stored. Locks, and the failures that are recorded for other processes, are none of it."""
    files = {name: content for name, content in kept(az).items() if not name.endswith(".lock")}
    return {name: content for name, content in files.items() if not name.startswith("login_requests/")}


def _without_reports(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files without what `az account list --refresh` stores of its failures, and of new access tokens."""
    profile = json.loads(files["azureProfile.json"])
    del profile["azextLogin"]["generation"]
    profile["azextLogin"].pop("refreshFailures", None)
    own = {"azureProfile.json": json.dumps(profile).encode(), "login_last_good.json": b"", "msal_token_cache.json": b""}
    return {**files, **own}


def _problems(result: Result, fault: Fault, command: Command, changed: set[str]) -> Iterator[str]:
    shown = " ".join(result.stderr.split())
    try:
        exit_code = 0 if fault.is_tolerated else command.exit_code
        assert result.exit_code == exit_code, f"exit code {result.exit_code}"
        assert result.stderr.count("ERROR: ") == (exit_code == 1)
        result.assert_clean()
    except AssertionError as error:
        yield str(error)
    if not re.search(fault.named, shown):
        yield f"does not name '{fault.named}': {result}"
    if CI_SECRET in result.stdout + result.stderr or "s3cret" in result.stdout + result.stderr:
        yield f"shows a secret: {result}"
    if result.seconds > _SECONDS:
        yield f"took {result.seconds:.0f} s"
    if changed and not fault.is_tolerated:
        yield f"changed {', '.join(sorted(changed))}"


def _run(az: Az, scene: Scene, command: Command, fault: Fault, there: Surroundings) -> list[str]:
    if there.address:
        _move(az.config_dir, scene.given.cloud.url, there.address)
    if there.resource_manager:
        _move_resource_manager(az.config_dir, there.resource_manager)
    fast = {"PYTHONPATH": str(scene.given.outside)} if fault.is_slow else {}
    run = command.make(scene.given)
    before, look = _stored(az), _without_reports if command.exit_code == 0 else dict
    result = az.run(*run.words, input=run.input, env={**run.env, **there.env, **fast}, timeout=150)
    before, after = look(before), look(_stored(az))
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    return [f"{command.name}: {problem}" for problem in _problems(result, fault, command, changed)]


@pytest.mark.parametrize(("fault", "commands"), [pytest.param(*pair, id=pair[0].name) for pair in _pairs()])
def test_a_fault_is_one_error_that_names_the_cause_and_changes_no_file(
    scene: Scene, copy: Callable[[], Az], fault: Fault, commands: list[Command]
) -> None:
    azs = [copy() for _ in commands]
    with fault.cause(scene) as there, ThreadPoolExecutor(_AT_ONCE) as pool:
        runs = [pool.submit(_run, az, scene, command, fault, there) for az, command in zip(azs, commands, strict=True)]
        problems = [problem for run in runs for problem in run.result()]
    assert not problems, "\n\n".join(problems)


@pytest.mark.parametrize("words", OFFLINE, ids=" ".join)
def test_a_command_that_needs_no_network_works_without_one(
    scene: Scene, copy: Callable[[], Az], words: tuple[str, ...]
) -> None:
    az = copy()
    scene.given.cloud.admin.clear_requests()
    az.run(*words, env={"NO_PROXY": ""}).ok()
    assert not scene.given.cloud.admin.requests()


def test_the_table_has_the_size_that_it_promises() -> None:
    pairs = [(fault.name, command.name) for fault in FAULTS for command in COMMANDS if fault.hits & command.asks]
    assert len(set(pairs)) == len(pairs) >= 300
    assert len(FAULTS) >= 40
    chosen = list(_pairs())
    assert {fault.name for fault, commands in chosen if commands} == {fault.name for fault in FAULTS}
    assert {command.name for _, commands in chosen for command in commands} == {command.name for command in COMMANDS}
