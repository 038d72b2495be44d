"""`/metadata/endpoints`: how a command line learns about a cloud from its Azure Resource Manager address.

Keys as azure-cli-core reads them (cloud.py, `_arm_to_cli_mapper`), for azure-cli 2.81 to 2.91. With api-version
2022-09-01 and later the answer is one object; 2019-05-01 and 2020-06-01 answer a list of clouds.
"""

from __future__ import annotations

from typing import Any

from tests.localcloud.scopes import ARM_AUDIENCES


def cloud_metadata(base_url: str) -> dict[str, Any]:
    """The description of this cloud. Names below .localcloud.example are identifiers, no client resolves them."""
    return {
        "name": "LocalCloud",
        "portal": f"{base_url}/",
        "authentication": {
            "loginEndpoint": base_url,
            "audiences": [*ARM_AUDIENCES],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": base_url,
        "graph": "https://aadgraph.localcloud.example/",
        "graphAudience": "https://aadgraph.localcloud.example/",
        "microsoftGraphResourceId": "https://graph.localcloud.example/",
        "gallery": "https://gallery.localcloud.example/",
        "media": "https://rest.media.localcloud.example",
        "batch": "https://batch.localcloud.example/",
        "sqlManagement": "https://sqlmanagement.localcloud.example/",
        "activeDirectoryDataLake": "https://datalake.localcloud.example/",
        "ossrdbmsResourceId": "https://ossrdbms-aad.localcloud.example",
        "logAnalyticsResourceId": "https://api.loganalytics.localcloud.example",
        "appInsightsResourceId": "https://api.applicationinsights.localcloud.example",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.localcloud.example/v2/track",
        "appServiceResourceId": "https://appservice.localcloud.example",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.localcloud.example",
        "attestationResourceId": "https://attest.localcloud.example",
        "vmImageAliasDoc": f"{base_url}/vm-image-aliases.json",
        "suffixes": {
            "acrLoginServer": "azurecr.localcloud.example",
            "attestationEndpoint": "attest.localcloud.example",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.localcloud.example",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.localcloud.example",
            "keyVaultDns": "vault.localcloud.example",
            "mariadbServerEndpoint": "mariadb.database.localcloud.example",
            "mhsmDns": "managedhsm.localcloud.example",
            "mysqlServerEndpoint": "mysql.database.localcloud.example",
            "postgresqlServerEndpoint": "postgres.database.localcloud.example",
            "sqlServerHostname": "database.localcloud.example",
            "storage": "core.localcloud.example",
            "storageSyncEndpointSuffix": "afs.localcloud.example",
            "synapseAnalytics": "dev.azuresynapse.localcloud.example",
        },
    }
