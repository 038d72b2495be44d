"""The code blocks of docs/tokens.rst and docs/prompts.rst, run as they are written there."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values

from tests.harness.az import Az
from tests.integration.documentation import bash, block, code, code_blocks, installed, run_program
from tests.integration.test_documented_contexts import CODE
from tests.integration.token_cache_files import claims_of
from tests.localcloud import NOTES_APP, LocalCloud, User
from tests.users import ALICE

_GET, _FRESH = "az account get-access-token", "az account get-access-token --min-validity 30m"
_EXPORT = 'eval "$(az account export-token --format bash)"'
_OWN_APPLICATION = 'az login --app-client-id "$APP_ID" --scope https://vault.azure.net/.default'

#: First lines of the blocks of commands that are tested here.
TESTED = {_GET, _FRESH, _OWN_APPLICATION, _EXPORT}


@pytest.fixture
def az(signed_in: Az) -> Az:
    """`az` with alice signed in, and with the programs that stand beside it on other machines."""
    return signed_in.with_env(PATH=f"{signed_in.host.bin}:/usr/bin:/bin", CURL_CA_BUNDLE=signed_in.ca_bundle)


def _run(az: Az, *command: str, stdin: str = "", **env: str) -> str:
    done = run_program(az, *command, stdin=stdin, **env)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# Tokens


def test_tokens_for_programs(az: Az) -> None:
    assert bash(az, block(_GET)).count("accessToken") == 3


def test_how_fresh_and_whose(az: Az, cloud: LocalCloud) -> None:
    lines = [f"{line} --query accessToken --output tsv" for line in block(_FRESH)]
    claims = [claims_of(token) for token in bash(az, lines).split()]
    assert [each["unique_name"].rpartition("#")[2] for each in claims] == [ALICE] * 4
    assert claims[0]["uti"] != claims[1]["uti"]
    assert claims[3]["tid"] == cloud.directory.tenant("fabrikam.example").id


def test_applications_of_ones_own(az: Az, cloud: LocalCloud, alice: User) -> None:
    cloud.admin.consent(NOTES_APP, ALICE)
    # A password in place of the browser.
    sign_in, *tokens = block(_OWN_APPLICATION)
    lines = [f"{sign_in} -u {ALICE} --password=@- > /dev/null", *tokens]
    output = bash(az, lines, env={"APP_ID": NOTES_APP}, stdin=alice.password)
    document, header = output.rsplit("\n", 2)[:2]
    assert claims_of(header)["appid"] == NOTES_APP
    assert claims_of(json.loads(document)["accessToken"])["appid"] == NOTES_APP


def test_forms_for_posix_shells(az: Az, cloud: LocalCloud) -> None:
    # `management.azure.com` is where the public cloud's Resource Manager is.
    lines = [line.replace("https://management.localcloud.example", cloud.url) for line in block(_EXPORT)]
    output = bash(az, [*lines, 'echo; echo "$AZURE_ACCESS_TOKEN"', "bash -c 'echo $AZURE_ACCESS_TOKEN_EXPIRES_ON'"])
    subscriptions, token, expires_on = output.rsplit("\n", 3)[:3]
    assert "Contoso Production" in {row["displayName"] for row in json.loads(subscriptions)["value"]}
    assert claims_of(token)["unique_name"] == ALICE
    # The moment in the cache: the server states seconds from now, and a second may begin in between.
    assert int(expires_on) == az.run("account", "get-access-token").json()["expires_on"]
    file = az.config_dir / ".env"
    assert file.stat().st_mode & 0o777 == 0o600
    assert dotenv_values(file)["AZURE_ACCESS_TOKEN"] == token


def test_the_form_for_fish(az: Az) -> None:
    fish = installed("fish")
    output = _run(az, fish, "--no-config", "-c", code("fish", "az account export-token") + "echo $AZURE_ACCESS_TOKEN")
    assert claims_of(output)["unique_name"] == ALICE


def test_the_form_for_powershell(az: Az) -> None:
    pwsh = installed("pwsh")
    program = code("powershell", "az account export-token") + "$env:AZURE_ACCESS_TOKEN"
    assert claims_of(_run(az, pwsh, "-NoProfile", "-Command", program))["unique_name"] == ALICE


# Prompts


_EVIL = "Evil \x1b]0;title\x07 $(echo no) `echo no` %n \\u é"
_HARMLESS = "Evil ]0;title $(echo no) `echo no` %n \\u é"


def _rename_active(az: Az, name: str, *, encoding: str = "utf-8") -> None:
    document = az.profile()
    for row in document["subscriptions"]:
        if row["isDefault"]:
            row["name"] = name
    az.profile_path.write_text(json.dumps(document), encoding=encoding)


def _bash_prompt(az: Az) -> str:
    program = code("bash", "azure_subscription()") + 'printf "%s" "${PS1@P}"'
    return _run(az, "bash", "--norc", "-c", program)


def _zsh_prompt(az: Az) -> str:
    program = code("zsh", "azure_subscription()") + 'print -rn -- "${(%%)PROMPT}"'
    return _run(az, installed("zsh"), "-f", "-c", program)


def _powershell_prompt(az: Az) -> str:
    return _run(az, installed("pwsh"), "-NoProfile", "-Command", code("powershell", "function prompt") + "prompt")


@pytest.mark.parametrize("prompt", [_bash_prompt, _zsh_prompt, _powershell_prompt], ids=["bash", "zsh", "PowerShell"])
def test_a_prompt_shows_the_active_subscription(az: Az, prompt: Any) -> None:
    if prompt is not _powershell_prompt:
        installed("jq")
    assert prompt(az).startswith("[Contoso Production] ")
    az.run("account", "set", "--subscription", "Entwicklung Zürich – 測試 ☃").ok()
    assert prompt(az).startswith("[Entwicklung Zürich – 測試 ☃] ")
    # With the byte order mark that the host writes, and a name that an attacker has chosen.
    _rename_active(az, _EVIL, encoding="utf-8-sig")
    assert prompt(az).startswith(f"[{_HARMLESS}] ")
    az.run("logout").ok()
    assert prompt(az).startswith("[] ")
    az.profile_path.unlink()
    assert prompt(az).startswith("[] ")


def test_a_prompt_that_reads_all_the_time_never_sees_half_a_file(az: Az) -> None:
    installed("jq")
    reader = subprocess.Popen(
        ["bash", "-c", "while sleep 0.01; do jq -e .installationId azureProfile.json >/dev/null || echo torn; done"],
        env=az.environment(),
        cwd=az.config_dir,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for name in ("Contoso Development", "Fabrikam Main") * 2:
            az.run("account", "set", "--subscription", name).ok()
    finally:
        reader.terminate()
        output, _ = reader.communicate(timeout=60)
    assert output == ""


def _all_keys(az: Az) -> dict[str, Any]:
    document = az.profile()
    (active,) = [row for row in document["subscriptions"] if row["isDefault"]]
    assert document["installationId"]
    return dict(active)


def test_the_keys_that_the_documentation_promises_are_there(az: Az) -> None:
    active = _all_keys(az)
    for key in ("id", "name", "state", "tenantId", "environmentName"):
        assert isinstance(active[key], str), key
    assert active["user"] == {"name": ALICE, "type": "user"}
    assert "secret" not in az.profile_path.read_text(encoding="utf-8").lower()
    assert not az.profile_path.read_bytes().startswith(b"\xef\xbb\xbf")


# https://starship.rs/config/#azure
_STARSHIP_VARIABLES = {"subscription", "username", "symbol", "style"}
# https://ohmyposh.dev/docs/segments/cloud/az#properties
_OH_MY_POSH_PROPERTIES = {
    *(".EnvironmentName", ".HomeTenantID", ".ID", ".IsDefault", ".Name", ".State"),
    *(".TenantID", ".TenantDisplayName", ".User.Name", ".Origin"),
}


def _words(template: str, begins: str) -> set[str]:
    cleaned = "".join(character if character.isalnum() or character in "$." else " " for character in template)
    return {word.removeprefix("$") for word in cleaned.replace("$", " $").split() if word.startswith(begins)}


def test_starship_s_configuration_is_one(az: Az, tmp_path: Path) -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 reads no TOML")
    text = code("toml", "[azure]")
    section = tomllib.loads(text)["azure"]
    assert section["disabled"] is False
    assert _words(section["format"], "$") <= _STARSHIP_VARIABLES
    if shutil.which("starship"):
        file = tmp_path / "starship.toml"
        file.write_text(text, encoding="utf-8")
        shown = _run(az, "starship", "module", "azure", STARSHIP_CONFIG=str(file))
        assert "Contoso Production" in shown
        assert ALICE in shown


_SEGMENT = '{\n  "type"'


def test_oh_my_posh_s_segment_is_one(az: Az, tmp_path: Path) -> None:
    segment = json.loads(code("json", _SEGMENT))
    assert segment["type"] == "az"
    assert _words(segment["template"], ".") <= _OH_MY_POSH_PROPERTIES
    if shutil.which("oh-my-posh"):
        theme = {"version": 3, "blocks": [{"type": "prompt", "alignment": "left", "segments": [segment]}]}
        file = tmp_path / "theme.omp.json"
        file.write_text(json.dumps(theme), encoding="utf-8")
        shown = _run(az, "oh-my-posh", "print", "primary", "--config", str(file))
        assert f"Contoso Production {ALICE} LocalCloud" in shown


def test_no_block_of_another_language_is_untested() -> None:
    tested: dict[str, Sequence[str]] = {
        "fish": ["az account export-token", *CODE["fish"]],
        "powershell": ["az account export-token", "function prompt", *CODE["powershell"]],
        "bash": ["azure_subscription()", *CODE["bash"]],
        "zsh": ["azure_subscription()", *CODE["zsh"]],
        "toml": ["[azure]"],
        # The first one is in the guide for authors, which has a test of its own.
        "json": ['{\n    "azext.', _SEGMENT],
    }
    for language, beginnings in tested.items():
        blocks = code_blocks(language)
        assert len(blocks) == len(beginnings)
        assert all(any(block.startswith(begins) for block in blocks) for begins in beginnings)
