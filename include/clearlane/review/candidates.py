"""Which policy a person means who names one: the one in force, a folder, or a stored version of a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane import policy as policies
from clearlane.policy.model import Policy

IN_FORCE = "in_force"
SHORTEST = 6
"""characters of a hash that name a version"""
_VERSION = "select name, hash from policy_file where starts_with(hash, :hash) order by stored_at limit 2"


def candidate(connection: Connection, named: str, at: datetime) -> tuple[str, Policy]:
    """What to call it, and the policy: `in_force` (at that moment), a folder, or the beginning of a hash.

    A stored version stands beside the other files in force at that moment. LookupError where nothing, or more
    than one version, is meant; policy.PolicyErrors of a folder.
    """
    present = policies.in_force(connection, at)
    if named == IN_FORCE:
        return f"what is in force on {at:%Y-%m-%d}", policies.stored(connection, present)
    if Path(named).is_dir():
        return named, policies.load(Path(named))
    file, found = _version(connection, named)
    return f"{file}.yaml {found[:12]}", policies.stored(connection, {**present, file: found})


def _version(connection: Connection, named: str) -> tuple[str, str]:
    rows = connection.execute(sa.text(_VERSION), {"hash": named}).all() if len(named) >= SHORTEST else []
    if len(rows) != 1:
        found = "several stored versions" if rows else "no folder and no stored version"
        raise LookupError(f"{named!r} is {found}; allowed: {IN_FORCE}, a folder, or the hash of one version")
    return rows[0].name, rows[0].hash
