"""Whether a JSON body is what HubSpot's own client says it is: its generated models, read as a description.

There is no OpenAPI description of HubSpot to hold requests against; these models are generated from it.
"""

from __future__ import annotations

import re
from datetime import datetime
from types import ModuleType
from typing import Any

_PLAIN: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "bool": bool, "float": (int, float)}
_DIFFERS = {("PublicObjectSearchRequest", "sorts")}
"""The models say texts; "Search the CRM" in HubSpot's documentation sends objects, and so do we."""


def assert_is(package: ModuleType, kind: str, value: Any, where: str = "", *, nulls: bool = False) -> None:
    """`nulls`: values of maps may be null, as those of properties that are not set in HubSpot's answers."""
    inner = re.fullmatch(r"list\[(.+)\]", kind)
    if inner:
        assert isinstance(value, list), f"{where}: no list"
        for number, one in enumerate(value):
            assert_is(package, inner[1], one, f"{where}.{number}", nulls=nulls)
        return
    inner = re.fullmatch(r"dict\[str, (.+)\]", kind)
    if inner:
        assert isinstance(value, dict), f"{where}: no object"
        for name, one in value.items():
            if not (nulls and one is None):
                assert_is(package, inner[1], one, f"{where}.{name}", nulls=nulls)
        return
    if kind == "datetime":
        assert datetime.fromisoformat(value).tzinfo, f"{where}: no zone"
    elif kind in _PLAIN:
        assert isinstance(value, _PLAIN[kind]), f"{where}: {type(value).__name__}, expected {kind}"
    elif kind != "object":
        _assert_model(package, kind, value, where, nulls=nulls)


def _assert_model(package: ModuleType, kind: str, value: Any, where: str, *, nulls: bool) -> None:
    model = getattr(package, kind)
    assert isinstance(value, dict), f"{where}: {type(value).__name__}, expected {kind}"
    names = {theirs: ours for ours, theirs in model.attribute_map.items()}
    assert not set(value) - set(names), f"{where}: {kind} has no {set(value) - set(names)}"
    model(**{names[name]: one for name, one in value.items()})  # ValueError where a required one is missing
    for name, one in value.items():
        if (kind, name) not in _DIFFERS:
            assert_is(package, model.openapi_types[names[name]], one, f"{where}.{name}", nulls=nulls)
