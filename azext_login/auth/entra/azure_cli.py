"""The Azure CLI's registration at Entra ID. Imports nothing, for commands that find their token in the cache."""

from __future__ import annotations

# The application ID of the Azure CLI, a public client in every tenant (azure.cli.core.auth.constants).
AZURE_CLI_CLIENT_ID = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"

# Set by an orchestrator that runs commands for a user (azure.cli.core.auth.agentic_session). The requests of such a
# session are marked, and their tokens have their own cache keys.
AGENT_SESSION_VARIABLE = "COPILOT_AGENT_SESSION_ID"
