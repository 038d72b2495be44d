"""Connections that are there before the first request."""

from __future__ import annotations

import pytest
import requests

from azext_login.system.http.connections import connect
from azext_login.system.http.session import build_session
from tests.localcloud import LocalCloud


def _session(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> requests.Session:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(cloud.ca_bundle))
    return build_session()


def _connections(session: requests.Session, url: str) -> int:
    """Return how many connections the session has established to a host."""
    adapter = session.get_adapter(url)
    settings = session.merge_environment_settings(url, {}, None, True, None)
    prepared = session.prepare_request(requests.Request("GET", url))
    pool = adapter.get_connection_with_tls_context(prepared, settings["verify"])  # type: ignore[attr-defined]
    return int(pool.num_connections)


def test_the_first_request_uses_it_and_nothing_is_sent_before(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _session(cloud, monkeypatch) as session:
        cloud.admin.clear_requests()
        assert connect(session, cloud.url)
        assert _connections(session, cloud.url) == 1
        assert not cloud.admin.requests()
        assert session.get(f"{cloud.url}/metadata/endpoints?api-version=2022-09-01").ok
        assert _connections(session, cloud.url) == 1


def test_two_requests_at_once_use_two(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    with _session(cloud, monkeypatch) as session:
        connect(session, cloud.url, count=2)
        connect(session, cloud.url, count=2)
        assert _connections(session, cloud.url) == 2


@pytest.mark.parametrize("url", ["https://localhost:1", "https://nowhere.invalid", "not an address", ""])
def test_a_host_that_cannot_be_reached_is_not_reported(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    with _session(cloud, monkeypatch) as session:
        connect(session, url)


def test_a_host_behind_a_proxy_is_left_alone(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", cloud.url)
    monkeypatch.setenv("NO_PROXY", "")
    with _session(cloud, monkeypatch) as session:
        connect(session, cloud.url)
        monkeypatch.delenv("HTTPS_PROXY")
        assert _connections(session, cloud.url) == 0


def test_only_the_certificates_that_requests_trust_are_trusted(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL reads SSL_CERT_FILE, and requests does not."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(cloud.ca_bundle))
    with build_session() as session:
        assert not connect(session, cloud.url)


def test_a_certificate_that_is_not_trusted_leaves_no_connection(
    cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with build_session() as session:
        connect(session, cloud.url)
        with pytest.raises(requests.exceptions.SSLError):
            session.get(cloud.url)
