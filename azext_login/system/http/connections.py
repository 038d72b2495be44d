"""Connections that are established before the first request needs them."""

from __future__ import annotations

from contextlib import suppress

import requests

from azext_login.system.http.session import TIMEOUT


def connect(session: requests.Session, url: str) -> None:
    """Establish a connection to the host of an address, with TLS, and leave it to the session's next request.

    Nothing is sent. A connection that cannot be established is not reported: the request that needs it will fail. Does
    nothing where a proxy stands between.
    """
    with suppress(Exception):
        request = session.prepare_request(requests.Request("GET", url))
        settings = session.merge_environment_settings(request.url, {}, None, session.verify, None)
        if requests.utils.select_proxy(str(request.url), settings["proxies"]):
            return
        adapter = session.get_adapter(str(request.url))
        pool = adapter.get_connection_with_tls_context(request, settings["verify"], cert=settings["cert"])  # type: ignore[attr-defined]  # of HTTPAdapter
        connection = pool._get_conn()
        try:
            connection.timeout = TIMEOUT[0]
            if getattr(connection, "sock", None) is None:
                connection.connect()
        except BaseException:
            # The pool would take a connection without a socket for one that can be used.
            connection.close()
            connection = None
            raise
        finally:
            pool._put_conn(connection)
