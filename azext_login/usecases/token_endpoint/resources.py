"""The resources that an endpoint gives tokens of, and how clients may spell them."""

from __future__ import annotations

from collections.abc import Iterable


class AllowedResources:
    """The resources that are allowed.

    Clients write a resource with or without a slash at its end, and the token is for what the client wrote: some
    services accept one spelling only. Other spellings of an allowed resource become the allowed one, so that a client
    cannot ask for any number of different tokens.
    """

    def __init__(self, resources: Iterable[str]) -> None:
        self._spellings = {_key(resource): resource.removesuffix("/") for resource in resources}

    def find(self, resource: str) -> str | None:
        """Return the resource that a client means; None if it is not allowed."""
        found = self._spellings.get(_key(resource))
        return None if found is None else found + "/" * resource.endswith("/")

    def __iter__(self) -> Iterable[str]:
        return iter(self._spellings.values())


def _key(resource: str) -> str:
    return resource.removesuffix("/").casefold()
