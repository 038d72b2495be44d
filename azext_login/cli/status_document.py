"""The JSON of `az account status`. docs/status.rst describes it: change both together."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from azext_login.profile.model import Account
from azext_login.system.text import format_time, printable
from azext_login.usecases.status.records import (
    AccountStatus,
    ActiveSubscription,
    Finding,
    StatusReport,
    StorageStatus,
    TenantStatus,
)


def document_of(report: StatusReport) -> dict[str, Any]:
    """Return a report as it is printed. What was not checked is null. It contains no secret and no token."""
    document: dict[str, Any] = _printable(_document(report))
    return document


def _printable(value: Any) -> Any:
    """Return a document without what a terminal obeys: the names of files and accounts come from outside."""
    if isinstance(value, dict):
        return {key: _printable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_printable(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def _document(report: StatusReport) -> dict[str, Any]:
    return {
        "status": report.outcome.word,
        "exitCode": int(report.outcome),
        "checkedAt": _time(report.checked_at),
        "offline": report.is_offline,
        "cloud": {
            "name": report.cloud.name,
            "authority": report.cloud.authority,
            "resourceManager": report.cloud.resource_manager,
        },
        "active": _active(report.active) if report.active else None,
        "accounts": [_account(account) for account in report.accounts],
        "builtInCommands": None
        if report.built_in is None
        else {
            "work": report.built_in.works,
            "everyCommand": report.built_in.setting,
            "message": report.built_in.message,
        },
        "storage": _storage(report.storage) if report.storage else None,
        "network": None
        if report.network is None
        else {
            "clockDifferenceSeconds": report.network.clock_difference,
            "proxy": report.network.proxy,
            "caBundle": report.network.ca_bundle,
            "verifyCertificates": report.network.verify_certificates,
        },
        "versions": dict(report.versions) or None,
        "findings": [_finding(finding) for finding in report.findings],
    }


def _time(timestamp: float) -> str:
    return format_time(timestamp, "%Y-%m-%dT%H:%M:%SZ", timezone.utc)


def _type_of(account: Account) -> str:
    return "managedIdentity" if account.is_managed_identity else account.kind


def _active(active: ActiveSubscription) -> dict[str, Any]:
    return {
        "account": active.account.label,
        "accountType": _type_of(active.account),
        "subscription": active.subscription,
        "subscriptionName": active.name,
        "tenant": active.tenant,
        "cloud": active.cloud,
        "reason": active.reason,
        "origin": active.origin,
        "context": active.context,
    }


def _account(status: AccountStatus) -> dict[str, Any]:
    return {
        "account": status.account.label,
        "accountType": _type_of(status.account),
        "cloud": status.cloud,
        "signIn": status.sign_in,
        "tenants": [_tenant(tenant) for tenant in status.tenants],
    }


def _tenant(status: TenantStatus) -> dict[str, Any]:
    return {
        "tenant": status.tenant,
        "tenantDomain": status.domain,
        "tokenSource": status.token_source,
        "cachedUntil": None if status.cached_until is None else _time(status.cached_until),
        "refresh": status.refresh.value,
        "status": None if status.outcome is None else status.outcome.word,
        "message": status.message,
        "command": status.command,
    }


def _storage(storage: StorageStatus) -> dict[str, Any]:
    return {
        "directory": storage.directory,
        "encrypted": storage.is_encrypted,
        "secretsIn": storage.secrets_in,
        "files": [
            {"name": file.name, "mode": file.mode, "owner": file.owner, "problem": file.problem}
            for file in storage.files
        ],
        "locks": [{"name": lock.name, "holder": lock.holder, "held": lock.is_held} for lock in storage.locks],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": "warning" if finding.is_warning else "error",
        "what": finding.what,
        "command": finding.command,
        "fixable": finding.is_fixable,
    }
