"""The Azure CLI as Entra ID knows it. Imports nothing, for commands that find their token in the cache."""

from __future__ import annotations

# The public client that the Azure CLI is registered as in every tenant (azure.cli.core.auth.constants).
AZURE_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

# Set by an orchestrator that runs commands for a person (azure.cli.core.auth.agentic_session). Requests of such a
# session are marked, and their tokens have cache keys of their own.
AGENT_SESSION_VARIABLE = "COPILOT_AGENT_SESSION_ID"
