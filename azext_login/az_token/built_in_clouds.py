"""The addresses of the clouds that every supported azure-cli knows (azure.cli.core.cloud, `KNOWN_CLOUDS`).

A test compares them with the installed hosts.
"""

from __future__ import annotations

from collections.abc import Mapping

DEFAULT_CLOUD = "AzureCloud"

BUILT_IN_CLOUDS: Mapping[str, Mapping[str, str]] = {
    DEFAULT_CLOUD: {
        "active_directory": "https://login.microsoftonline.com",
        "active_directory_resource_id": "https://management.core.windows.net/",
        "active_directory_graph_resource_id": "https://graph.windows.net/",
        "active_directory_data_lake_resource_id": "https://datalake.azure.net/",
        "microsoft_graph_resource_id": "https://graph.microsoft.com/",
        "batch_resource_id": "https://batch.core.windows.net/",
        "media_resource_id": "https://rest.media.azure.net",
        "ossrdbms_resource_id": "https://ossrdbms-aad.database.windows.net",
    },
    "AzureChinaCloud": {
        "active_directory": "https://login.chinacloudapi.cn",
        "active_directory_resource_id": "https://management.core.chinacloudapi.cn/",
        "active_directory_graph_resource_id": "https://graph.chinacloudapi.cn/",
        "microsoft_graph_resource_id": "https://microsoftgraph.chinacloudapi.cn",
        "batch_resource_id": "https://batch.chinacloudapi.cn/",
        "media_resource_id": "https://rest.media.chinacloudapi.cn",
        "ossrdbms_resource_id": "https://ossrdbms-aad.database.chinacloudapi.cn",
    },
    "AzureUSGovernment": {
        "active_directory": "https://login.microsoftonline.us",
        "active_directory_resource_id": "https://management.core.usgovcloudapi.net/",
        "active_directory_graph_resource_id": "https://graph.microsoftazure.us/",
        "microsoft_graph_resource_id": "https://graph.microsoft.us/",
        "batch_resource_id": "https://batch.core.usgovcloudapi.net/",
        "media_resource_id": "https://rest.media.usgovcloudapi.net",
        "ossrdbms_resource_id": "https://ossrdbms-aad.database.usgovcloudapi.net",
    },
}
"""Name -> name of an endpoint -> address. The endpoints are those that a request for a token needs."""
