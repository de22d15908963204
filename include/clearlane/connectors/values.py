"""Values of tables (Parquet, SQL) as JSON values, losing nothing, and what stands where in JSON values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any


def plain(value: Any) -> Any:
    """Moments and days as ISO 8601 (without a zone where they have none), bytes as hex, NaN as null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return None if math.isnan(value) else value if math.isfinite(value) else str(value)
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(inner) for inner in value]
    return str(value)


def at(body: Any, path: str) -> Any:
    """What stands at a dotted path of a JSON value (`paging.next.after`, `items.0.id`); None where nothing does."""
    for name in path.split(".") if path else ():
        if isinstance(body, Mapping):
            body = body.get(name)
        elif isinstance(body, list) and name.isdigit():
            body = body[int(name)] if int(name) < len(body) else None
        else:
            return None
    return body
