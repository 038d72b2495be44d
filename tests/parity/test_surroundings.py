"""What cases find around them exists, is the same for both sides, and lets nothing leave the machine."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.localcloud import LocalCloud
from tests.parity.cases import CASES
from tests.parity.cloudshell import CloudShellNetwork
from tests.parity.observe import claims_of
from tests.parity.states import STATES
from tests.parity.surroundings import MACHINES, Surroundings, changes_the_cloud
from tests.users import ALICE, BOB

TOKENS = "http://localhost:50342/oauth2/token"
DISCOVERY = "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration"


@pytest.fixture(scope="module")
def running() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module")
def surroundings(running: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    return Surroundings(running, tmp_path_factory.mktemp("surroundings"))


def session_in(environment: dict[str, str]) -> requests.Session:
    """Return what programs use that go by the environment, as the Azure CLI does."""
    session = requests.Session()
    session.trust_env = False
    session.proxies = {"http": environment["HTTP_PROXY"], "https": environment["HTTPS_PROXY"]}
    session.verify = environment["REQUESTS_CA_BUNDLE"]
    return session


def test_everything_that_a_case_or_a_state_names_can_be_filled_in(surroundings: Surroundings) -> None:
    for case in CASES:
        words = [word for step in case.steps() for word in step.args]
        filled = [surroundings.fill(word) for word in (*words, *case.files.values())]
        assert not any("<" in word and changes_the_cloud(word) for word in filled), case.id
        assert case.machine in ("", *MACHINES), case.id
    for name, state in STATES.items():
        assert surroundings.fill(state.line) is not None, name
        assert state.machine in ("", *MACHINES), name


def test_both_sides_get_the_same_credentials(surroundings: Surroundings) -> None:
    for place in ("<assertion>", "<assertion.expired>", "<text.own.pem>", "<file.own.pem>"):
        assert surroundings.fill(place) == surroundings.fill(place)
    kinds = ("", ".expired", ".stranger", ".audience", ".forged")
    assert len({surroundings.fill(f"<assertion{kind}>") for kind in kinds}) == len(kinds)


def test_credentials_are_made_once_however_many_ask_at_the_same_time(running: LocalCloud, tmp_path: Path) -> None:
    fresh = Surroundings(running, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        texts = set(pool.map(fresh.fill, ["<text.own.pem> <assertion>"] * 8))
    assert len(texts) == 1


def test_a_cloud_shell_gets_the_tokens_of_its_user(running: LocalCloud, tmp_path: Path) -> None:
    network = CloudShellNetwork(running.ca_bundle, tmp_path / "ca.pem")
    resource = {"resource": "https://management.localcloud.example/"}
    with (
        network.around(running.cloud_shell_environment(ALICE)) as one,
        network.around(running.cloud_shell_environment(BOB)) as other,
    ):
        for environment, user in ((one, ALICE), (other, BOB)):
            answer = session_in(environment).post(TOKENS, resource, headers={"Metadata": "true"}, timeout=60)
            assert claims_of(answer.json()["access_token"])["unique_name"] == user


def test_a_refusal_reaches_a_cloud_shell_as_it_is(running: LocalCloud, tmp_path: Path) -> None:
    with CloudShellNetwork(running.ca_bundle, tmp_path / "ca.pem").around(running.cloud_shell_environment()) as shell:
        answer = session_in(shell).post(TOKENS, {"resource": "x"}, timeout=60)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "MetadataHeaderMissing"


def test_a_cloud_shell_reaches_the_local_cloud_and_a_discovery_document(running: LocalCloud, tmp_path: Path) -> None:
    with CloudShellNetwork(running.ca_bundle, tmp_path / "ca.pem").around(running.cloud_shell_environment()) as shell:
        session = session_in(shell)
        assert session.get(f"{running.url}/metadata/endpoints?api-version=2022-09-01", timeout=60).ok
        assert session.get(DISCOVERY, timeout=60).json()["issuer"] == "https://login.microsoftonline.com/common/v2.0"


@pytest.mark.parametrize("url", ["https://management.azure.com/", "https://example.com/"])
def test_nothing_leaves_a_cloud_shell(url: str, running: LocalCloud, tmp_path: Path) -> None:
    with CloudShellNetwork(running.ca_bundle, tmp_path / "ca.pem").around(running.cloud_shell_environment()) as shell:
        with pytest.raises(requests.exceptions.ProxyError, match="403"):
            session_in(shell).get(url, timeout=60)
        refused = session_in(shell).post("http://example.com/oauth2/token", timeout=60)
        assert refused.status_code == 403
