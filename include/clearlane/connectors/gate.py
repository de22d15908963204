"""Whether a system may be written to, or asked, at this moment, and how fast: one row that all processes share.

A system that failed several times in a row is left alone for a while, longer each time; then one write is tried, and
with its success all go on. What a system asks to wait holds for everybody. Requests are spaced evenly, so that no span
of a rate's length begins more of them than the rate allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import Limits, Rate

LONGEST_REST: Final = timedelta(hours=1)
GLANCE: Final = timedelta(seconds=1)
"""after which somebody who waits for another's batch looks again"""


@dataclass(frozen=True)
class Go:
    """At most `size` records may be sent now; `probe`: one, to see whether the system is back."""

    size: int
    probe: bool = False


@dataclass(frozen=True)
class Hold:
    """Nothing may be sent before `until`."""

    until: datetime
    because: str


_ENSURE: Final = sa.text("insert into push_state (source) values (:source) on conflict (source) do nothing")
_READ: Final = sa.text("select * from push_state where source = :source for update")


def held_state(connection: Connection, source: str) -> Mapping[str, Any]:
    """The row of the system, which nobody else changes before this transaction ends."""
    connection.execute(_ENSURE, {"source": source})
    return dict(connection.execute(_READ, {"source": source}).mappings().one())


def verdict(state: Mapping[str, Any], limits: Limits, in_flight: int, at: datetime) -> Go | Hold:
    """What the system's row, and so many batches in flight, allow at the moment."""
    for name, because in (("paused_until", "it asked to be left alone"), ("open_until", "it failed")):
        if state[name] is not None and state[name] > at:
            return Hold(state[name], because)
    if in_flight >= limits.concurrent:
        return Hold(at + GLANCE, "as many batches as may be are in flight")
    probe = state["failures"] >= limits.failures
    return Go(1 if probe else limits.batch, probe)


# --- what became of a request -----------------------------------------------------------------------

_PROBING: Final = sa.text("update push_state set open_until = :until where source = :source")
_WELL: Final = sa.text(
    "update push_state set failures = 0, open_until = null where source = :source and failures > 0"
)
_FAILED: Final = sa.text(
    """
    insert into push_state (source, failures, error, failed_at) values (:source, 1, :error, :at)
    on conflict (source) do update set failures = push_state.failures + 1, error = :error, failed_at = :at
    returning failures
    """
)
_STOP: Final = sa.text(
    """
    insert into push_state (source, failures, error, failed_at, open_until)
    values (:source, :failures, :error, :at, :until)
    on conflict (source) do update set failures = greatest(push_state.failures + 1, :failures), error = :error,
        failed_at = :at, open_until = :until
    """
)
_PAUSE: Final = sa.text(
    "update push_state set paused_until = greatest(paused_until, :until) where source = :source"
)


def probing(connection: Connection, source: str, limits: Limits, at: datetime) -> None:
    """Keep the others away while one write is tried."""
    connection.execute(_PROBING, {"source": source, "until": at + limits.rest})


def well(connection: Connection, source: str) -> None:
    """The system answered as it should: all may go on."""
    connection.execute(_WELL, {"source": source})


def failed(connection: Connection, source: str, limits: Limits, at: datetime, error: str | None) -> None:
    """The system failed as a whole; from the last failure that policy allows on it is left alone."""
    failures = connection.execute(_FAILED, {"source": source, "error": error, "at": at}).scalar_one()
    if failures >= limits.failures:
        until = at + rest(limits, failures)
        connection.execute(_PROBING, {"source": source, "until": until})


def stop(connection: Connection, source: str, limits: Limits, at: datetime, error: str) -> None:
    """The system cannot be used before a person has acted: it is left alone for long, then tried once."""
    bound = {"source": source, "at": at, "until": at + LONGEST_REST, "error": error}
    connection.execute(_STOP, bound | {"failures": limits.failures})


def rest(limits: Limits, failures: int) -> timedelta:
    """How long a system is left alone after so many failures in a row: twice as long after each."""
    longer: timedelta = limits.rest * 2.0 ** min(failures - limits.failures, 32)
    return min(longer, max(LONGEST_REST, limits.rest))


def pause(connection: Connection, source: str, at: datetime, seconds: float) -> None:
    """The system asked to be left alone for so long."""
    connection.execute(_PAUSE, {"source": source, "until": at + timedelta(seconds=seconds)})


# --- pace -------------------------------------------------------------------------------------------

_RESERVE: Final = sa.text(
    """
    update push_state set next_request_at = greatest(coalesce(next_request_at, :at), :at) + :spacing
    where source = :source and coalesce(next_request_at, :at) <= :latest
    returning next_request_at - :spacing
    """
)


def reserved(
    connection: Connection, source: str, rate: Rate, at: datetime, latest: datetime
) -> datetime | None:
    """The moment at which the next request may begin, which is then taken; None where that is after `latest`."""
    bound = {"source": source, "at": at, "spacing": rate.spacing, "latest": latest}
    found: datetime | None = connection.execute(_RESERVE, bound).scalar()
    return found
