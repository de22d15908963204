"""How each paid provider stands: the day's budget, its breaker, how old its answers are, what is still to be asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.enrich.asking import row_of
from clearlane.policy.model import Policy


@dataclass(frozen=True)
class Status:
    """Counts of requests are those of the day (UTC); ages those of answers that count now."""

    provider: str
    budget: int
    asked: int
    known: int
    unknown: int
    failed: int
    held_until: datetime | None
    because: str | None
    """why nobody asks until then"""
    failures: int
    """in a row"""
    error: str | None
    """what was said at the last failure"""
    failed_at: datetime | None
    open_asks: int
    """requests that are still to be sent"""
    oldest: datetime | None
    """since when the longest open one is"""
    answers: int
    answered: float | None
    """share of the answers that knew something"""
    median_age: timedelta | None
    stale: int
    """answers that are asked for again when their lead is worked on"""

    @property
    def left(self) -> int:
        return max(self.budget - self.asked, 0)

    @property
    def stopped(self) -> bool:
        """Whether nobody asks now, or it failed when it was asked last."""
        return self.held_until is not None or self.failures > 0


_STATUS: Final = sa.text(
    """
    select cast(:provider as text) as provider, coalesce(d.asked, 0) as asked, coalesce(d.known, 0) as known,
           coalesce(d.unknown, 0) as unknown, coalesce(d.failed, 0) as failed,
           case when s.held > :at then s.held end as held_until,
           case when s.held > :at then
               case when s.paused_until = s.held then 'it asked to be left alone' else 'it failed too often' end
           end as because,
           coalesce(s.failures, 0) as failures, s.error, s.failed_at, a.open_asks, a.oldest,
           e.answers, e.answered, e.median_age, e.stale
    from (
        select count(distinct asked_key) as open_asks, min(since) as oldest
        from enrichment_ask where provider = :provider and answered_at is null
    ) a
    cross join (
        select count(*) as answers, avg(cast(attributes <> '{}' as int)) as answered,
               percentile_cont(0.5) within group (order by :at - observed_at) as median_age,
               count(*) filter (where observed_at <= :at
                   - case when attributes = '{}' then cast(:unknown_age as interval)
                          else cast(:age as interval) end) as stale
        from (
            select distinct on (asked_key) asked_key, attributes, observed_at
            from enrichment where provider = :provider and asked_key is not null
            order by asked_key, observed_at desc
        ) newest
    ) e
    left join provider_day d on d.provider = :provider and d.day = :day
    left join (select *, greatest(paused_until, open_until) as held from push_state) s on s.source = :row
    """
)


def statuses(connection: Connection, policy: Policy, at: datetime) -> Sequence[Status]:
    """The paid providers of the policy, in its order."""
    return [
        _status(connection, one.name, one.budget, {"age": one.age, "unknown_age": one.unknown_age}, at)
        for one in policy.sources.enrichment.providers.values()
    ]


def _status(
    connection: Connection, provider: str, budget: int, ages: Mapping[str, timedelta], at: datetime
) -> Status:
    bound = {
        "provider": provider,
        "row": row_of(provider),
        "at": at,
        "day": at.astimezone(UTC).date(),
        **ages,
    }
    row = dict(connection.execute(_STATUS, bound).mappings().one())
    share = row.pop("answered")
    return Status(**row, budget=budget, answered=None if share is None else float(share))


def as_json(status: Status) -> Mapping[str, Any]:
    return {name: _plain(value) for name, value in asdict(status).items()}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return value / timedelta(days=1) if isinstance(value, timedelta) else value


def cells(status: Status) -> Sequence[str]:
    """A row of the table on the screen: provider, today, budget, breaker, open, answers, age, stale."""
    age = status.median_age
    return (
        status.provider,
        f"{status.known} known, {status.unknown} not, {status.failed} failed",
        f"{status.asked:,} of {status.budget:,}",
        _breaker(status),
        f"{status.open_asks:,}" + (f" since {status.oldest:%Y-%m-%d %H:%M}Z" if status.oldest else ""),
        f"{status.answers:,}" + ("" if status.answered is None else f", {status.answered:.0%} known"),
        "" if age is None else f"{age / timedelta(days=1):.0f} days",
        f"{status.stale:,}",
    )


HEADS: Final = (
    "provider",
    "answers today",
    "requests today",
    "breaker",
    "open",
    "answers",
    "median age",
    "stale",
)


def _breaker(status: Status) -> str:
    if status.held_until:
        return f"open until {status.held_until:%Y-%m-%d %H:%M}Z: {status.because}"
    return f"closed, {status.failures} failures in a row" if status.failures else "closed"


def notes(found: Sequence[Status]) -> Iterator[str]:
    """What somebody should know or do."""
    for one in found:
        if one.stopped and one.error:
            yield f"{one.provider}: {one.error}"
        if not one.left and one.open_asks:
            yield f"{one.provider}: the day's budget is spent, {one.open_asks:,} requests wait for tomorrow"
    if not found:
        yield "sources.yaml names no paid provider (docs/enrichment.md)"
