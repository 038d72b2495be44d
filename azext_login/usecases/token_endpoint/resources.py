"""The resources that an endpoint gives tokens of, and how clients may spell them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# Endpoints of a cloud that are no resources: the sign-in service, web pages and documents.
_NO_RESOURCES = ("active_directory", "gallery", "portal", "vm_image_alias_doc")
# Suffixes of a cloud's services whose tokens are for the suffix itself.
_SUFFIXES = ("keyvault_dns", "mhsm_dns", "sql_server_hostname")
# Azure Storage has one resource in every cloud:
# https://learn.microsoft.com/azure/storage/blobs/authorize-access-azure-active-directory
_STORAGE = "https://storage.azure.com"


def resources_of(cloud: Any) -> list[str]:
    """Return the resources that a cloud of the host has tokens of, as far as its settings name them."""
    endpoints = (value for name, value in vars(cloud.endpoints).items() if name not in _NO_RESOURCES)
    suffixes = (vars(cloud.suffixes).get(name) for name in _SUFFIXES)
    named = [str(value) for value in endpoints if value]
    return [*named, *(f"https://{suffix.lstrip('.')}" for suffix in suffixes if suffix), _STORAGE]


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


def _key(resource: str) -> str:
    return resource.removesuffix("/").casefold()
