"""The errors for a service for managed identities that does not exist here: nothing answers, or something else does."""

from __future__ import annotations

from azext_login.auth.managed_identity.sources import IdentitySource, SourceKind
from azext_login.errors import ServiceUnreachableError, UnexpectedAnswerError
from azext_login.system.text import capitalised

_KEPT = "Nothing that was stored before has changed."


def unreachable_error(source: IdentitySource, problem: str) -> ServiceUnreachableError:
    """Return the error for a service that did not answer.

    :param problem: a predicate without a full stop, for example "did not answer in time".
    """
    return ServiceUnreachableError(
        f"No managed identity was found. {capitalised(source.service)} at {source.place} {problem}. {source.reason} "
        f"{_KEPT}",
        _advise(source, " In a container on one, the network has to allow connections to 169.254.169.254."),
    )


def foreign_answer_error(source: IdentitySource, problem: str) -> UnexpectedAnswerError:
    """Return the error for an answer that the service does not give, so another program has probably answered.

    :param problem: a predicate without a full stop, for example "answered without a token and its lifetime".
    """
    return UnexpectedAnswerError(
        f"{capitalised(source.service)} at {source.place} {problem}. {likely_cause(source)} {source.reason} {_KEPT}",
        advise_on_foreign_answer(source),
    )


def likely_cause(source: IdentitySource) -> str:
    """Return a sentence about the program that probably answered."""
    if source.chosen_by:
        return "This process probably does not run on such a resource, and another program answers at this address."
    if source.kind is SourceKind.IMDS:
        return (
            "This computer is probably not in Azure, and a proxy or the metadata service of another cloud answers at "
            "this address."
        )
    return "Another program probably answers at this address."


def advise_on_foreign_answer(source: IdentitySource) -> str:
    """Return the ways out if another program has probably answered."""
    return _advise(source, " On one, requests to 169.254.169.254 have to bypass every proxy.")


def _advise(source: IdentitySource, advice_for_imds: str) -> str:
    if source.kind is SourceKind.CLOUD_SHELL:
        return f"If this is Cloud Shell, open a new one. {source.alternative}"
    advice = "Managed identities exist on Azure resources, and on servers that are connected with Azure Arc."
    if source.chosen_by:
        advice += f" If this process does not run on one: unset {' '.join(source.chosen_by)}."
    elif source.kind is SourceKind.IMDS:
        advice += advice_for_imds
    elif source.kind is SourceKind.ARC:
        advice += " Check its agent with `azcmagent show`."
    return f"{advice} {source.alternative}"
