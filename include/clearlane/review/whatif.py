"""What if another policy had been in force: history through two policies in shadow, and what differs.

Nothing is written to the ledger: no score, turn, assignment or clock, nothing to a source.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import duckdb
from sqlalchemy import Connection

from clearlane.policy.model import FILES, Policy
from clearlane.review import figures, history, responses, sides
from clearlane.review.eras import Era, always, in_force
from clearlane.review.figures import Figures

HORIZON_DAYS: Final = 90.0
TOP: Final = 25
PLAYED: Final = ("scoring", "routing", "teams", "sla")
"""The files that a what-if plays through; the others decide what is read and what is let in."""
IN_FORCE: Final = "the policy in force"


@dataclass(frozen=True)
class WhatIf:
    """A candidate against what was in force, or against another policy, over the runs of a span of time."""

    since: datetime
    until: datetime
    horizon_days: float
    known_until: datetime
    old: str
    new: str
    files: tuple[str, ...]
    """names of the files that differ and are played through"""
    not_played: tuple[str, ...]
    """names of the files that differ and are not"""
    versions: int
    """how many versions the old side had in this time"""
    figures: Figures


class NothingToCompare(LookupError):
    """There was no lead to decide in that time, or no policy in force."""


def whatif(
    connection: Connection,
    candidate: Policy,
    *,
    since: datetime,
    until: datetime,
    name: str = "the candidate",
    against: Policy | None = None,
    against_name: str = "another policy",
    horizon_days: float = HORIZON_DAYS,
    top: int = TOP,
) -> WhatIf:
    """Play the runs that ended after `since` and by `until` through both policies.

    Without `against` each lead meets the policy that was in force at its moment. Outcomes count within
    `horizon_days` of that moment; `top` leads are named. Raises NothingToCompare.
    """
    if since >= until:
        raise NothingToCompare(f"from {since.isoformat()} is not before to {until.isoformat()}")
    old = always(against, since) if against else _published(connection, since, until)
    eras = {"old": old, "new": always(candidate, since)}
    known_until = history.known_until(connection) or until
    with TemporaryDirectory(prefix="clearlane-") as folder, history.desk(Path(folder)) as desk:
        _play(connection, desk, Path(folder), eras, since, until)
        policies = {side: [era.policy for era in of_side] for side, of_side in eras.items()}
        figures.prepare(desk, policies, horizon_days)
        responses.measure(desk, policies["old"][-1], known_until)
        ripe_until = (known_until - timedelta(days=horizon_days)).isoformat()
        counted = figures.counted(
            desk,
            policies,
            days=max((until - since) / timedelta(days=1), 1e-9),
            ripe_until=f"cast('{ripe_until}' as timestamptz)",
            top=top,
        )
    files = _differing(eras["old"], candidate)
    return WhatIf(
        since=since,
        until=until,
        horizon_days=horizon_days,
        known_until=known_until,
        old=against_name if against else IN_FORCE,
        new=name,
        files=tuple(file for file in files if file in PLAYED),
        not_played=tuple(file for file in files if file not in PLAYED),
        versions=len(eras["old"]),
        figures=counted,
    )


def as_json(told: WhatIf) -> Mapping[str, Any]:
    """Plain values: moments as ISO 8601."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(told).items()
    }


def unchanged(told: WhatIf) -> bool:
    """Whether not one lead scores, stands or goes otherwise."""
    return told.figures.unchanged == told.figures.leads


def _published(connection: Connection, since: datetime, until: datetime) -> tuple[Era, ...]:
    eras = in_force(connection, since, until)
    if not eras[0].policy.hashes:
        raise NothingToCompare("no policy is in force: `clearlane policy publish` puts one in force")
    return eras


def _play(
    connection: Connection,
    desk: duckdb.DuckDBPyConnection,
    folder: Path,
    eras: Mapping[str, Sequence[Era]],
    since: datetime,
    until: datetime,
) -> None:
    policies = [era.policy for of_side in eras.values() for era in of_side]
    history.take(connection, desk, folder, policies, since, until)
    if not desk.execute("select count(*) from lead").fetchall()[0][0]:
        raise NothingToCompare(
            f"no lead was decided or scored after {since.isoformat()} and by {until.isoformat()}"
        )
    users = history.users(connection)
    for side, of_side in eras.items():
        sides.play(desk, side, of_side, until, users)


def _differing(old: Sequence[Era], new: Policy) -> tuple[str, ...]:
    return tuple(
        file for file in FILES if any(era.policy.hashes.get(file) != new.hashes.get(file) for era in old)
    )
