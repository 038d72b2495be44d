"""Which build system runs this job, and what its environment variables are called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

GITHUB_ADDRESS, GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
PIPELINES_ADDRESS, PIPELINES_TOKEN = "SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"

CONNECTION_VARIABLES = ("ARM_OIDC_AZURE_SERVICE_CONNECTION_ID", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID")
"""The variables with the ID of the service connection: the first that is set counts. The user sets the first one, as
for Terraform's azurerm provider and for azure-cli#33989. The tasks AzureCLI@2 and AzurePowerShell@5 set the second."""

BuildSystem = Literal["github", "azure-pipelines"]
"""The values of --federated-token-source."""


def running_build_system(environ: Mapping[str, str]) -> BuildSystem | None:
    """Return the build system that issues ID tokens to this job, in the order of azure-cli#33989; None without one.

    A job that may not request them is also recognised, so that the error can explain how to change that.
    """
    if value_of(GITHUB_ADDRESS, environ) and value_of(GITHUB_TOKEN, environ):
        return "github"
    if value_of(PIPELINES_ADDRESS, environ):
        return "azure-pipelines"
    return "github" if environ.get("GITHUB_ACTIONS") == "true" else None


def service_connection_in(environ: Mapping[str, str]) -> str | None:
    """Return the ID of the service connection that the environment names, if it does."""
    return next((value for name in CONNECTION_VARIABLES if (value := value_of(name, environ))), None)


def value_of(name: str, environ: Mapping[str, str]) -> str:
    """Return a variable without white space around it; '' if it is not set.

    Azure Pipelines leaves a reference, $(NAME), to a variable that does not exist as it is.
    """
    value = environ.get(name, "").strip()
    return "" if value.startswith("$(") else value
