"""Sources of a few hand-written files: the sources.yaml of tests that follow one or two leads through the river."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.companies import policy_for

Columns = Mapping[str, str]

LEADS: Columns = {
    "id": "Id", "created_at": "At", "updated_at": "At", "email": "Email", "company": "Company", "title": "Title",
    "country": "Country",
}  # fmt: skip


def files(folder: Path, **objects: Columns) -> dict[str, Any]:
    """A source since 2026 that reads `leads.csv` and so on from a folder, each with these columns."""
    return {
        "connector": "files", "address": str(folder), "live_from": "2026-01-01T00:00:00Z",
        "objects": {name: {"read": f"{name}.csv", "fields": columns} for name, columns in objects.items()},
    }  # fmt: skip


def policy_reading(more: Mapping[str, Any] | None = None, **sources: Mapping[str, Any]) -> dict[str, str]:
    """The texts of the default policy with these sources; `more` of sources.yaml."""
    said = {"schema": 1, "owner": "o", "approver": "a", "sources": sources, **(more or {})}
    return {**policy_for(Path()), "sources": json.dumps(said)}
