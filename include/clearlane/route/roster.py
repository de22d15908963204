"""The roster a decision saw: teams, reps, calendars and absences, stored once per content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, time
from typing import Any

from clearlane.policy.model import Teams

_PERSONAL = frozenset({"name", "email", "aliases", "because"})
"""no decision depends on these"""
_LATER = frozenset({"hour", "suits", "stints", "first", "last", "cover"})
"""left out while empty: rosters stored before these were known keep their ids"""
_EMPTY: tuple[Any, ...] = (None, (), {})


def snapshot(teams: Teams) -> dict[str, Any]:
    """The roster as JSON: what picks depend on, without names, addresses and reasons of absence."""
    on_call = {"on_call": _plain(teams.on_call)} if teams.on_call else {}
    return {"reps": _plain(teams.reps), "teams": _plain(teams.teams), **on_call}


def roster_id(content: dict[str, Any]) -> str:
    """sha256 of the content, keys sorted."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {
            name: _plain(held) for name, held in _named(value) if name not in _LATER or held not in _EMPTY
        }
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return {str(key): _plain(item) for key, item in value.items()} if hasattr(value, "items") else value


def _named(value: Any) -> Iterator[tuple[str, Any]]:
    return ((f.name, getattr(value, f.name)) for f in fields(value) if f.name not in _PERSONAL)
