"""JSON that every parser accepts. Python also writes NaN, infinite numbers and halves of characters."""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Return a value as ASCII JSON (RFC 8259). What JSON does not have is replaced.

    A number that is not finite becomes null: RFC 8259 has no text for it, and Go and jq refuse Python's. A lone
    surrogate, half of a character, becomes U+FFFD: serde_json (Rust) refuses it.
    """
    try:
        text = json.dumps(value, indent=indent, allow_nan=False)
    except ValueError:
        value = _strict(value)
        text = json.dumps(value, indent=indent, allow_nan=False)
    # Surrogates are rare: most texts need no second look. A character outside the BMP consists of two of them.
    if "\\ud" in text and (strict := _strict(value)) != value:
        text = json.dumps(strict, indent=indent, allow_nan=False)
    return text


def _strict(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_strict(name): _strict(part) for name, part in value.items()}
    return [_strict(part) for part in value] if isinstance(value, list | tuple) else value
