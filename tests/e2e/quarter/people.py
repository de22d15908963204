"""Who comes in the simulated quarter, and what the reps do about it: drawn from a seed, never from the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, Final

from tests.e2e.quarter.crm import LAG, SYSTEMS

from clearlane.sample import words

MINUTE: Final = timedelta(minutes=1)
_TITLES: Final = ("VP Sales", "Head of Marketing", "Sales Manager", "CEO", "Analyst", "Assistant", "Engineer")
_COUNTRIES: Final = ("US", "US", "CA", "DE", "FR", "GB", "NL", "JP", "SG", "AU")
_INDUSTRIES: Final = ("software", "retail", "logistics")
_INTERESTS: Final = (
    ("demo_request",), ("pricing_page_view",) * 4, ("content_download", "webinar_attended"), ("page_view",), (),
)  # fmt: skip
_SILENT: Final = ("ben_sawyer", "jack_moran")
"""answer half of what they get"""


@dataclass(frozen=True)
class Arrival:
    """Somebody comes: a record of a system, what it does then, and when the system has it."""

    system: str
    lead: dict[str, Any]
    activities: tuple[tuple[datetime, dict[str, Any]], ...]
    at: datetime


@dataclass(frozen=True)
class Deed:
    """What a rep does with a lead: `kind` of an outcome, or `decline`; the system shows it at `shown`."""

    kind: str
    at: datetime
    shown: datetime
    rep: str
    system: str
    lead: str
    reason: str | None = None


def arrivals(seed: int, first: date, days: int, count: int) -> Iterator[Arrival]:
    """More of them on working days, and by day of the Atlantic; some ask again days later, some are known already."""
    rng = Random(seed)
    begin = datetime.combine(first, time(), UTC)
    for number in range(count):
        day = rng.choices(range(days), [1 if (first.weekday() + n) % 7 > 4 else 5 for n in range(days)])[0]
        at = begin + timedelta(days=day, seconds=min(max(rng.gauss(14, 4.5), 0), 23.9) * 3600)
        yield _arrival(rng, number, at.replace(microsecond=0))


def _arrival(rng: Random, number: int, at: datetime) -> Arrival:
    system = rng.choice(SYSTEMS)
    company = rng.randrange(max(number, 20) // 2 + 1)
    known = rng.random() < 0.03 and number > 10
    person = rng.randrange(number) if known else number
    lead = {
        "id": f"{system}-{number}", "created_at": at, "updated_at": at, "email": f"p{person}@firm{company}.example",
        "phone": None, "first_name": rng.choice(words.FIRST), "last_name": f"{rng.choice(words.LAST_HEADS)}{number}",
        "company": f"Firm {company} Works", "title": rng.choice(_TITLES), "country": rng.choice(_COUNTRIES),
        "employees": rng.choice((5, 30, 120, 400, 900, 3000)), "industry": rng.choice(_INDUSTRIES),
        "owner": None,
    }  # fmt: skip
    return Arrival(system, lead, tuple(_activities(rng, lead, at)), at + rng.random() * 2 * MINUTE)


def _activities(rng: Random, lead: dict[str, Any], at: datetime) -> Iterator[tuple[datetime, dict[str, Any]]]:
    moments = [(kind, at) for kind in rng.choice(_INTERESTS)]
    if rng.random() < 0.06:
        moments.append(("demo_request", at + timedelta(hours=rng.uniform(3, 100))))
    for number, (kind, when) in enumerate(moments):
        row = {"id": f"{lead['id']}-{number}", "lead_id": lead["id"], "type": kind, "occurred_at": when}
        yield when + rng.random() * 2 * MINUTE, row


def deeds(
    seed: int, system: str, lead: str, rep: str, seen: datetime, due: datetime | None
) -> Iterator[Deed]:
    """What the rep does who sees at a moment that the lead is theirs, and due then."""
    rng = Random(f"{seed}:{system}:{lead}:{rep}:{due or seen}")
    span = max((due or seen + timedelta(hours=8)) - seen, 4 * MINUTE)

    def deed(kind: str, share: float, reason: str | None = None) -> Deed:
        at = seen + share * span
        late = rng.choice((0, rng.random(), rng.random())) * LAG
        return Deed(kind, at, at + late, rep, system, lead, reason)

    odds = (3, 3, 1, 1, 8) if rep in _SILENT else (60, 14, 6, 10, 10)
    match rng.choices(("in time", "late", "at due", "declines", "silent"), odds)[0]:
        case "in time":
            yield deed("first_touch", rng.uniform(0.02, 0.99))
            if rng.random() < 0.5:
                yield deed("accepted", rng.uniform(0.02, 0.99))
        case "late":
            yield deed("first_touch", rng.uniform(1.01, 3.5))
        case "at due":
            yield deed("first_touch", 1)
        case "declines":
            reason = rng.choice(("wrong territory", "no capacity", "duplicate", "not interested"))
            yield deed("decline", rng.uniform(0.05, 1.2), reason)
    if rng.random() < 0.15:
        yield deed("meeting", rng.uniform(0.5, 6))
    if rng.random() < 0.4:
        for _ in range(rng.randrange(1, 4)):
            yield deed("first_touch", rng.uniform(1, 60) * timedelta(hours=1) / span)


def handed_on(
    seed: int, lead: str, rep: str, seen: datetime, colleagues: Sequence[str]
) -> tuple[datetime, str] | None:
    """When a person gives the lead to somebody else than the rep who has just seen it, and to whom."""
    rng = Random(f"{seed}:{lead}:{rep}:{seen}:handed on")
    if rng.random() < 0.25:
        return seen + rng.random() ** 3 * timedelta(hours=30), rng.choice(colleagues)
    return None


def outages(seed: int, first: date, days: int) -> dict[str, list[tuple[datetime, datetime]]]:
    """When a system does not answer, and when nothing runs here (`here`)."""
    rng = Random(f"{seed}:outages")
    begin = datetime.combine(first, time(), UTC)

    def some(count: float, longest: float) -> list[tuple[datetime, datetime]]:
        starts = [begin + timedelta(days=rng.random() * days) for _ in range(max(1, round(count * days / 7)))]
        return [(start, start + timedelta(hours=rng.uniform(0.2, longest))) for start in starts]

    return {"crm": some(3, 3), "web": some(2, 3), "here": some(1, 1)}


def within(spans: list[tuple[datetime, datetime]], at: datetime) -> bool:
    return any(begin <= at < end for begin, end in spans)
