"""Which IDs of applications the API takes, before anything is read or sent."""

from __future__ import annotations

import pytest

from azext_login import api
from azext_login.api import aio
from azext_login.api.arguments import own_application
from azext_login.auth.entra.azure_cli import AZURE_CLI_CLIENT_ID

GUID = "0aBc0000-0000-0000-0000-000000000001"


def test_an_id_counts_in_any_case_and_that_of_the_azure_cli_is_the_default() -> None:
    assert own_application(GUID) == GUID.lower()
    assert own_application(AZURE_CLI_CLIENT_ID.upper()) is None
    assert own_application(None) is None


@pytest.mark.parametrize("client_id", ["", " ", "notes", f"{{{GUID}}}", f"{GUID}\n"])
def test_anything_but_a_guid_is_refused_at_once(client_id: str) -> None:
    for call in (
        lambda: api.get_credential(None, client_id=client_id),
        lambda: aio.get_credential(None, client_id=client_id),
        lambda: api.get_token(None, client_id=client_id),
        lambda: api.sign_in(None, api.Browser(), client_id=client_id),
    ):
        with pytest.raises(ValueError, match="client_id"):
            call()
