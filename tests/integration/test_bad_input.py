"""What goes wrong: one clear error each, no traceback, and everything that was stored before is still there."""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.harness.az import Az, Result
from tests.harness.browser_user import AddressTaker
from tests.harness.http_user import Answer, HttpUser, LastPage
from tests.localcloud import LocalCloud, User
from tests.users import ALICE, BOB, DAVE, NINA

NOBODY = "00000000-0000-0000-0000-000000000001"
PASSWORD = "no-such-password"


class Before:
    """What was stored when the test began."""

    def __init__(self, az: Az) -> None:
        self._az = az
        self._files = ("azureProfile.json", "msal_token_cache.json", "clouds.config")
        self._content = self._read()

    def _read(self) -> dict[str, bytes]:
        return {name: (self._az.config_dir / name).read_bytes() for name in self._files}

    def assert_is_still_there(self) -> None:
        """Fail the test unless subscriptions, accounts and the choice of subscription are what they were."""
        now = self._read()
        assert now["azureProfile.json"] == self._content["azureProfile.json"]
        assert now["clouds.config"] == self._content["clouds.config"]
        self._az.run("account", "get-access-token").ok()


@pytest.fixture
def before(signed_in: Az) -> Before:
    """Alice is signed in, and has to stay so."""
    return Before(signed_in)


@pytest.mark.parametrize(
    ("user", "password", "tenant", "says"),
    [
        pytest.param("nobody@contoso.example", PASSWORD, None, "nobody@contoso.example", id="unknown user"),
        pytest.param(ALICE, PASSWORD, None, "password", id="wrong password"),
        pytest.param(DAVE, None, None, "disabled", id="disabled account"),
        pytest.param(ALICE, None, NOBODY, NOBODY, id="unknown tenant by GUID"),
        pytest.param(ALICE, None, "nowhere.example", "nowhere.example", id="unknown domain"),
        pytest.param(BOB, None, "tailspin.example", BOB, id="not a guest"),
        pytest.param("nobody", PASSWORD, None, "nobody", id="a user name without a domain"),
    ],
)
def test_a_refused_sign_in_is_one_error_with_the_next_step(
    signed_in: Az,
    cloud: LocalCloud,
    before: Before,
    user: str,
    password: str | None,
    tenant: str | None,
    says: str,
) -> None:
    words = ["login", "-u", user, "-p", password or cloud.directory.user(user).password]
    error = signed_in.run(*words, *(["--tenant", tenant] if tenant else [])).failed().stderr
    assert says in error
    assert "az login" in error
    before.assert_is_still_there()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--identity", "-u", "somebody", "--tenant", "t", "--service-principal"],
        ["--use-device-code", "-u", ALICE, "-p", PASSWORD],
        ["--tenant", ""],
        ["--service-principal"],
        ["--skip-subscription-discovery"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_arguments_that_contradict_each_other_are_refused_before_anything_happens(
    signed_in: Az, before: Before, arguments: list[str]
) -> None:
    taker = AddressTaker(signed_in.config_dir / "browser")
    result = signed_in.run("login", *arguments, env={"BROWSER": taker.browser})
    assert result.exit_code in (1, 2), result
    result.failed(result.exit_code)
    before.assert_is_still_there()


def test_a_password_without_a_terminal_to_ask_for_it_is_an_error(signed_in: Az, before: Before) -> None:
    error = signed_in.run("login", "-u", ALICE).failed().stderr
    assert "--password" in error
    before.assert_is_still_there()


def test_claims_challenge_that_is_not_base64_is_an_error(signed_in: Az, before: Before) -> None:
    result = signed_in.run("login", "--claims-challenge", "{not base64}", "--use-device-code")
    assert "--claims-challenge" in result.failed(result.exit_code).stderr
    assert result.exit_code in (1, 2)
    before.assert_is_still_there()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--scope", "openid"], "scope"),
        (["--scope", "https://no-such-thing.example/.default"], "scope"),
        (["--resource", "https://no-such-thing.example"], "resource"),
        (["--tenant", NOBODY], NOBODY),
        (["--subscription", "No Such Subscription"], "No Such Subscription"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_token_that_cannot_be_had_is_one_error(
    signed_in: Az, before: Before, arguments: list[str], says: str
) -> None:
    result = signed_in.run("account", "get-access-token", *arguments)
    assert result.exit_code in (1, 2), result
    assert says in result.failed(result.exit_code).stderr
    before.assert_is_still_there()


@pytest.mark.parametrize("command", ["account show", "account get-access-token"])
def test_without_a_sign_in_the_error_names_az_login(az: Az, command: str) -> None:
    assert "az login" in az.run(*command.split()).failed().stderr


def test_a_subscription_that_does_not_exist_is_an_error_and_changes_nothing(signed_in: Az, before: Before) -> None:
    assert "No Such" in signed_in.run("account", "set", "-s", "No Such").failed().stderr
    before.assert_is_still_there()


@pytest.mark.parametrize(
    ("command", "environment", "said"),
    [
        ("account list --refresh", {"HTTPS_PROXY": "http://user:s3cret[@localhost:1", "NO_PROXY": ""}, "HTTPS_PROXY"),
        ("account list --refresh", {"HTTPS_PROXY": "http://u:s3cret@localhost:99999", "NO_PROXY": ""}, "HTTPS_PROXY"),
        ("account list --refresh", {"HTTPS_PROXY": "ftp://u:s3cret@localhost:1", "NO_PROXY": ""}, "HTTPS_PROXY"),
        ("account get-access-token --tenant \udcff", {}, "was not found"),
        ("account set -s \udcff", {}, "doesn't exist"),
        ("account list --tenant=", {}, "usage error"),
    ],
    ids=["a proxy", "its port", "its scheme", "a tenant", "a subscription", "no tenant"],
)
def test_a_value_that_makes_no_sense_is_one_error(
    signed_in: Az, command: str, environment: dict[str, str], said: str
) -> None:
    result = signed_in.run(*command.split(), env=environment)
    result.assert_clean()
    assert "s3cret" not in result.stderr
    assert "Logging error" not in result.stderr
    assert said in result.stderr


def test_a_switch_that_is_neither_on_nor_off_stops_no_command(signed_in: Az) -> None:
    switches = ("LOGIN_EXPERIENCE_V2", "INSTANCE_DISCOVERY", "USE_MSAL_HTTP_CACHE", "DISABLE_PROGRESS_BAR")
    for value in ("maybe", "%y"):
        odd = {f"AZURE_CORE_{name}": value for name in switches}
        signed_in.run("account", "list", "--refresh", env=odd).ok()


def test_a_user_name_that_cannot_exist_is_signed_out_like_any_other(signed_in: Az) -> None:
    result = signed_in.run("logout", "--username", "\udcff")
    assert result.exit_code == 0
    result.assert_clean()


@pytest.mark.parametrize("option", ["--username", "--tenant"])
def test_going_back_and_choosing_an_account_or_a_tenant_contradict_each_other(
    signed_in: Az, before: Before, option: str
) -> None:
    error = signed_in.run("account", "set", "--subscription", "-", option, "contoso.example").failed(2).stderr
    assert "--username" in error
    before.assert_is_still_there()


# The service itself
# ------------------------------------------------------------------------------------------


def password_sign_in(az: Az, alice: User) -> str:
    """Return the error of a sign-in that has to fail."""
    return az.run("login", "-u", alice.username, "-p", alice.password, timeout=90).failed().stderr


def point_at(az: Az, old: str, new: str) -> Az:
    """Make the CLI look for the cloud at another address."""
    clouds = az.config_dir / "clouds.config"
    clouds.write_text(clouds.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return az


@pytest.fixture
def plain_http_server() -> Iterator[int]:
    """A web server without TLS; its port."""

    class Silent(http.server.BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def test_an_authority_that_does_not_answer_is_one_error(
    make_az: Callable[..., Az], own_cloud: LocalCloud, alice: User
) -> None:
    az = make_az(cloud=own_cloud)
    address = own_cloud.url
    bundle = shutil.copy(own_cloud.ca_bundle, az.config_dir)
    own_cloud.stop()
    az = az.with_env(REQUESTS_CA_BUNDLE=bundle)
    assert address.partition("//")[2] in password_sign_in(az, alice)


def test_a_name_that_does_not_resolve_is_one_error(az: Az, cloud: LocalCloud, alice: User) -> None:
    # The proxy of the test environment would answer for it; without one, .invalid never resolves (RFC 6761).
    az = point_at(az, cloud.url, "https://login.invalid").with_env(HTTPS_PROXY=None, HTTP_PROXY=None)
    assert "login.invalid" in password_sign_in(az, alice)


def test_an_authority_without_tls_is_one_error(az: Az, cloud: LocalCloud, alice: User, plain_http_server: int) -> None:
    error = password_sign_in(point_at(az, cloud.url, f"https://localhost:{plain_http_server}"), alice)
    assert "TLS" in error or "SSL" in error


def test_a_certificate_that_is_not_trusted_is_one_error_that_names_the_setting(az: Az, alice: User) -> None:
    error = password_sign_in(az.with_env(REQUESTS_CA_BUNDLE=None), alice)
    assert "certificate" in error.lower()
    assert "REQUESTS_CA_BUNDLE" in error


def test_a_ca_bundle_that_is_not_there_is_one_error_that_names_the_setting(az: Az, alice: User) -> None:
    error = password_sign_in(az.with_env(REQUESTS_CA_BUNDLE="/no/such/bundle.pem"), alice)
    assert "REQUESTS_CA_BUNDLE" in error
    assert "/no/such/bundle.pem" in error


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_bundle_without_certificates_is_named_and_not_the_service(
    az: Az, alice: User, tmp_path: Path, content: str
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(content, encoding="ascii")
    error = password_sign_in(az.with_env(REQUESTS_CA_BUNDLE=bundle), alice)
    assert f"{bundle} (environment variable REQUESTS_CA_BUNDLE) contains no certificate" in error
    assert "could not be verified" not in error


@pytest.mark.parametrize("where", ["openid-configuration", "/oauth2/v2.0/token", "^/tenants", "^/subscriptions"])
@pytest.mark.parametrize("kind", ["html", "malformed"])
def test_an_answer_that_is_not_json_is_one_error(
    make_az: Callable[..., Az], own_cloud: LocalCloud, alice: User, where: str, kind: str
) -> None:
    own_cloud.admin.fail_next(path=where, count=None, kind=kind)
    password_sign_in(make_az(cloud=own_cloud), alice)


def test_a_failed_sign_in_leaves_no_token_behind(
    make_az: Callable[..., Az], own_cloud: LocalCloud, alice: User
) -> None:
    az = make_az(cloud=own_cloud)
    own_cloud.admin.fail_next(path="^/tenants", count=None, kind="html")
    password_sign_in(az, alice)
    own_cloud.admin.clear_faults()
    az.run("account", "get-access-token").failed()
    cache = az.config_dir / "msal_token_cache.json"
    assert not cache.exists() or not json.loads(cache.read_text(encoding="utf-8")).get("RefreshToken")


# The answer that comes back through the browser
# --------------------------------------------------------------


class SignInUnderway:
    """`az login` waiting for the browser, and the answer that the sign-in service has for it."""

    def __init__(self, az: Az, user: HttpUser, folder: Path, *args: str) -> None:
        self._az = az
        self._words = ("login", *args)
        taker = AddressTaker(folder)
        self._process = az.start(*self._words, env={"BROWSER": taker.browser})
        self.address = taker.address()
        self.page: LastPage = user.visit(self.address, deliver=False)

    @property
    def answer(self) -> Answer:
        """What the browser would send to `az`."""
        assert self.page.answer, self.page
        return self.page.answer

    def send(self, **changes: str) -> requests.Response:
        """Send the answer as the browser would, with some parameters changed."""
        data = {**self.answer.parameters, **changes}
        return requests.post(self.answer.url, data=data, timeout=60, proxies={"http": ""})

    def result(self) -> Result:
        """Wait for `az`."""
        return self._az.result(self._process, *self._words)

    def stop(self) -> None:
        """End `az` if it still waits."""
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def underway(
    az: Az, make_http_user: Callable[..., HttpUser], alice: User, tmp_path: Path
) -> Iterator[Callable[..., SignInUnderway]]:
    """Return a function that begins one more `az login`."""
    begun: list[SignInUnderway] = []

    def begin(*args: str) -> SignInUnderway:
        folder = tmp_path / f"browser{len(begun)}"
        begun.append(SignInUnderway(az, make_http_user(alice.username), folder, *args))
        return begun[-1]

    yield begin
    for sign_in in begun:
        sign_in.stop()


def test_a_wrong_state_is_turned_away_and_the_right_answer_still_signs_in(
    underway: Callable[..., SignInUnderway],
) -> None:
    sign_in = underway()
    assert sign_in.send(state="somebody-elses").status_code >= 400
    assert sign_in.send().ok
    sign_in.result().ok()


def test_a_code_that_was_used_before_is_refused(underway: Callable[..., SignInUnderway]) -> None:
    first, second = underway(), underway()
    used = first.answer.parameters["code"]
    first.send()
    first.result().ok()
    second.send(code=used)
    assert "az login" in second.result().failed().stderr


def test_a_code_of_another_sign_in_is_refused(underway: Callable[..., SignInUnderway]) -> None:
    # PKCE: the code is bound to the verifier of the process that asked for it.
    first, second = underway(), underway()
    second.send(code=first.answer.parameters["code"])
    second.result().failed()


def test_consent_that_is_denied_is_one_error(
    signed_in: Az, before: Before, make_http_user: Callable[..., HttpUser], tmp_path: Path
) -> None:
    nina = make_http_user(NINA)
    taker = AddressTaker(tmp_path / "browser")
    process = signed_in.start("login", env={"BROWSER": taker.browser})
    page = nina.visit(taker.address())
    error = signed_in.result(process, "login").failed().stderr
    assert "az login" in error
    assert "failed" in page.text.lower()
    before.assert_is_still_there()
