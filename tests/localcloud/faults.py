"""Faults on demand: which requests fail, how, and how often."""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass, field

#: What a proxy before a service likes to answer instead of JSON.
HTML_BODY = "<!DOCTYPE html><html><head><title>Service Unavailable</title></head><body><h1>Oops</h1></body></html>"
#: JSON cut off in the middle.
MALFORMED_BODY = '{"value": [{"id": "/subscriptions/'


@dataclass(frozen=True)
class Fault:
    """How to fail. `status` 0 means: answer as usual (after `hang` seconds). `drop` closes the connection."""

    status: int = 500
    body: str | bytes = ""
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


@dataclass
class _Hanging:
    """The requests that have come and are not answered yet, and what ends their wait."""

    count: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)


class Faults:
    """The rules in force; the first one that matches decides."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        self._hanging = _Hanging()

    @property
    def hanging(self) -> int:
        """How many requests have come and wait for their fault."""
        return self._hanging.count

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

    def meet(self, method: str, path: str, query: str) -> Fault | None:
        """The fault for a request, if any, after its hang; counts it."""
        with self._lock:
            fault, hanging = self._pick(method, path, query), self._hanging
            if fault is None or not fault.hang:
                return fault
            hanging.count += 1
        hanging.is_over.wait(fault.hang)
        with self._lock:
            hanging.count -= 1
        return fault

    def _pick(self, method: str, path: str, query: str) -> Fault | None:
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
        """No faults any more. A request that hangs has its answer, or its failure, at once."""
        with self._lock:
            self._rules.clear()
            self._hanging.is_over.set()
            self._hanging = _Hanging()
