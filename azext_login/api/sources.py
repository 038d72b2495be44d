"""What a plug-in offers: credential sources, as the module that `azext.login.plugin` names has them in `SOURCES`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from azext_login.auth.sources.credential_source import SourceRequest


class CredentialSource(Protocol):
    """Something that gives the credential of a service principal, and gives it again when it has expired.

    `az` makes a new source for each credential, and asks it once, in a thread of its own, with a deadline: 30 seconds,
    or 5 minutes if it may ask the user. It is immutable. Its arguments are stored: none may be a secret.
    """

    def fetch(self, request: SourceRequest) -> Mapping[str, object]:
        """Return a credential that is valid now: the members of a JSON object.

        * `version`: 1;
        * `kind`: "assertion", "secret", "certificate" or "token";
        * `assertion` (a federated token: a JSON Web Token), `secret` (a client secret), `certificate` (the text of a
          PEM file with the certificate and its private key) or `access_token`, after the kind: a text;
        * `expires_on`: POSIX time in seconds. An access token needs it. The other kinds may leave it out.

        Other members are ignored. Nothing may be written to standard output.

        :param request: whose credential is needed, and what for.
        :raises SignInError: there is no credential. The message and the next step are shown as they are. Of any other
            exception, the type and the message are shown.
        """
        ...


class SourceFactory(Protocol):
    """What `SOURCES` has under the name of a source, for example a class."""

    def __call__(self, arguments: Mapping[str, str], /) -> CredentialSource:
        """Return the source.

        It raises an exception whose message names an argument that is unknown, missing or wrong: `az` checks none.

        :param arguments: of `--source-arg KEY=VALUE`, all of them texts.
        """
        ...
