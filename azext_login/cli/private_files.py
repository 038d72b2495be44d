"""The files of the config directory that are restricted to the user."""

from __future__ import annotations

PRIVATE_FILES = (
    "azureProfile.json", "clouds.config", "msal_token_cache", "msal_http_cache", "service_principal_entries",
    "login_profile", "login_clouds", "login_last_good", "login_msal_token_cache", "login_service_principal_entries",
    "login_requests", "login_certificates", "login_index", "login_runs", "login_contexts",
)  # fmt: skip
"""Prefixes of the files that name accounts or hold their secrets, quarantined copies included."""
