"""The words that texts for users avoid, and what they use instead. CONTRIBUTING.rst shows the same list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """One row of the glossary.

    avoid, write: the two columns of the table in CONTRIBUTING.rst, without markup.
    patterns: regular expressions that find the words in a text, in any case. Without any, only the names in the code
    follow the row: the word has a good meaning in texts as well.
    """

    avoid: str
    write: str
    patterns: tuple[str, ...] = ()


_SECRET = r"(?:tokens?|certificates?|sessions?|assertions?|secrets?)"

GLOSSARY: tuple[Term, ...] = (
    Term(
        "person, people, somebody, nobody, whoever",
        "user, users, no user, a process, another process, the caller",
        (r"(?<!in )\bpersons?\b(?!\()", r"\bpeople\b(?!\.py)", r"\b(?:some|no)body\b", r"\bwhoever\b"),
    ),
    Term("proof (of an application)", "credential", (r"\bproofs?\b(?! key)", r"\bproves? (?:itself|who)\b")),
    Term(
        "a token, certificate or session ends",
        "it expires, it has expired",
        # At most six words between them, and no comma: "the token expires, and the command ends" is about a command.
        # "The token ends with ..." is about its last characters.
        (rf"\b{_SECRET}\b(?: [\w'-]+){{0,6}}? (?:ends|ended)\b(?! with\b)", rf"\b{_SECRET} end\b"),
    ),
    Term(
        "to live for N seconds (a token)",
        "to be valid for N seconds; lifetime",
        (r"\b(?:lives?|lived) (?:for|as long|that long|longer|at least)\b", r"\bto live\b", rf"\b{_SECRET} lives?\b"),
    ),
    Term("spare (token)", "stale token (still valid, but due for renewal)", (r"\bspares?\b",)),
    Term("to set or put aside (a damaged file)", "to quarantine; quarantined", (r"\baside\b(?! from\b)",)),
    Term(
        "in front, behind (rows of identities)",
        "active, shadowed",
        (r"\bin front\b", r"\b(?:stands?|stood|is|are|was|were|row|rows|identity|account) behind\b"),
    ),
    Term("errand", "token request, pending request", (r"\berrands?\b",)),
    Term("crew", "worker, workers", (r"\bcrews?\b",)),
    Term("heir", "the row that takes its place", (r"\bheirs?\b",)),
    Term(
        "machine (the identity)",
        'managed identity; "computer" or "host" for a computer',
        (r"\bmachine identit(?:y|ies)\b", r"(?<!managed )\bidentit(?:y|ies) of (?:the|this|a) machine\b"),
    ),
    Term("services (our client objects)", "clients"),
    Term("to mend", "to fix, to repair", (r"\bmend(?:s|ed|ing)?\b",)),
    Term(
        "says, said, to say, a word (of a program)",
        "reports, explains, states, prints; message",
        (r"\b(?:says?|said|saying)\b", r"\bwithout (?:a|another|a further) word\b", r"\ba word (?:about|of)\b"),
    ),
    Term("given up (a tenant)", "timed out; not asked again", (r"\bgiven up\b", r"\bgives up\b")),
    Term(
        "note, noted (to store)",
        "record, recorded, stored",
        (r"\bnoted\b", r"\ba note (?:of|for|about)\b", r"\b(?:leaves?|writes?|left) a note\b"),
    ),
    Term(
        'to have, to be had, is there, there is none, "is none"',
        'to obtain, available, missing, "is not a ..."',
        (
            r"\bto be had\b",
            r"\bthere (?:is|are|was|were) none\b",
            r"\b(?:is|are|was|were) none\b",
            r"\b(?:is|are|was|were) there\b(?! (?:a|an|any|another|more|no)\b)",
        ),
    ),
    Term(
        "asked for what, what stands in",
        "subject, verb, object",
        (r"\basked for what\b", r"\bwhat stands in\b", r"\bis asked for (?:what|whom)\b"),
    ),
    Term('"signs in in"', '"signs in with"', (r"\b(?:sign|log)(?:s|ed|ged|ing|ging)? in in\b",)),
    Term(
        "a command ends, ends in a traceback",
        "it exits, it fails with a traceback",
        (r"\bend(?:s|ed|ing)? (?:[\w-]+ ){0,4}?in (?:a|an) (?:traceback|error)\b", r"\bcommands? ends?\b(?! with\b)"),
    ),
    Term(
        "goes (is removed)",
        "is removed",
        (
            r"\bgoes (?:with (?:the|its)|when|away|too|as well)\b",
            r"\b(?:everything|it|row|token|secret) goes(?=[.,;]|$)",
        ),
    ),
    Term(
        "costs nothing of the others",
        "does not affect the others",
        (r"\bcosts? (?:nothing|none) of\b",),
    ),
    Term("knows nothing of", "does not know", (r"\bkn(?:ows?|ew) nothing (?:of|about)\b",)),
    Term("at home (a tenant)", "home tenant", (r"\bat home\b",)),
)


@dataclass(frozen=True)
class Use:
    """A use of a word that the glossary replaces."""

    term: Term
    found: str
    """The words themselves, with a few words around them."""

    def __str__(self) -> str:
        return f"{self.found!r}: instead of {self.term.avoid}, write {self.term.write}"


def uses_in(text: str) -> Iterator[Use]:
    """Yield every use of a replaced word in a text. Line breaks count as spaces."""
    flat = " ".join(text.split())
    for term in GLOSSARY:
        for pattern in term.patterns:
            for match in re.finditer(pattern, flat, flags=re.IGNORECASE):
                yield Use(term, flat[max(0, match.start() - 30) : match.end() + 30])
