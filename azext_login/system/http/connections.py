"""Connections that are established before the first request needs them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import requests

from azext_login.system.http.session import TIMEOUT


def connect(session: requests.Session, url: str, *, count: int = 1) -> bool:
    """Establish connections to the host of an address, with TLS, and leave them to the session's next requests.

    Nothing is sent. A connection that cannot be established is not reported: the request that needs it will fail. Does
    nothing where a proxy stands between.

    :param count: how many requests will be sent at the same time.
    :return: whether they are established.
    """
    with suppress(Exception):
        request = session.prepare_request(requests.Request("GET", url))
        settings = session.merge_environment_settings(request.url, {}, None, session.verify, None)
        if requests.utils.select_proxy(str(request.url), settings["proxies"]):
            return False
        adapter = session.get_adapter(str(request.url))
        pool = adapter.get_connection_with_tls_context(request, settings["verify"], cert=settings["cert"])  # type: ignore[attr-defined]  # of HTTPAdapter
        # The file of CA certificates. requests sets it when it sends a request.
        adapter.cert_verify(pool, request.url, settings["verify"], settings["cert"])  # type: ignore[attr-defined]
        made = [_connected(connection) for connection in [pool._get_conn() for _ in range(count)]]
        for connection in made:
            pool._put_conn(connection)
        return None not in made
    return False


def _connected(connection: Any) -> Any:
    """Return a connection of urllib3 that is established; None, which makes the pool build a new one, if it fails."""
    try:
        connection.timeout = TIMEOUT[0]
        if getattr(connection, "sock", None) is None:
            connection.connect()
    except Exception:  # noqa: BLE001  # whatever it is, the request that needs the connection reports it
        connection.close()
        return None
    return connection
