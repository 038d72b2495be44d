"""Faults on demand: which requests fail, how, and how often."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field

#: What an infrastructure in front of a service likes to answer instead of JSON.
HTML_BODY = "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body><h1>Oops</h1></body></html>"
#: JSON cut off in the middle.
MALFORMED_BODY = '{"value": [{"id": "/subscriptions/'


@dataclass(frozen=True)
class Fault:
    """How to fail. `status` 0 means: answer as usual (after `hang` seconds). `drop` closes the connection."""

    status: int = 500
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    hang: float = 0.0


@dataclass
class _Rule:
    path: re.Pattern[str]
    fault: Fault
    left: int | None
    probability: float
    random: random.Random
    method: str | None


class Faults:
    """The rules in force; the first one that matches decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []

    def add(
        self,
        fault: Fault,
        path: str = ".*",
        count: int | None = 1,
        probability: float = 1.0,
        seed: int = 0,
        method: str | None = None,
    ) -> None:
        """Fail requests whose path, or path?query, has a match of the regular expression `path`.

        `count` None means until cleared; `probability` picks a fraction with a generator seeded by `seed`.
        """
        with self._lock:
            self._rules.append(_Rule(re.compile(path), fault, count, probability, random.Random(seed), method))

    def pick(self, method: str, path: str, query: str) -> Fault | None:
        """The fault for a request, if any; counts it."""
        if not self._rules:
            return None
        with self._lock:
            for rule in self._rules:
                if rule.left == 0 or (rule.method and rule.method != method):
                    continue
                if not (rule.path.search(path) or rule.path.search(f"{path}?{query}")):
                    continue
                if rule.probability < 1.0 and rule.random.random() >= rule.probability:
                    continue
                if rule.left is not None:
                    rule.left -= 1
                return rule.fault
        return None

    def clear(self) -> None:
        """No faults any more."""
        with self._lock:
            self._rules.clear()
