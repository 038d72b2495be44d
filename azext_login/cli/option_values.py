"""The values that options of ours take."""

from __future__ import annotations

AZURE_PIPELINES = "azure-pipelines"

TOKEN_SOURCES = ("github", AZURE_PIPELINES)
"""The services that `--federated-token-source` can ask for a federated token."""

TOKEN_FORMATS = ("exec-credential", "bash", "fish", "powershell", "dotenv", "header", "git")
"""What `account export-token` can write."""

# --resource-type -> name of the endpoint in the cloud's settings, as built in.
RESOURCE_TYPES = {
    "oss-rdbms": "ossrdbms_resource_id",
    "arm": "active_directory_resource_id",
    "aad-graph": "active_directory_graph_resource_id",
    "ms-graph": "microsoft_graph_resource_id",
    "batch": "batch_resource_id",
    "media": "media_resource_id",
    "data-lake": "active_directory_data_lake_resource_id",
}
