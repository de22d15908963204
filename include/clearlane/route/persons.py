"""One person or two, as a person says: merged and parted at once, with owners, promises and writes, in one transaction.

Under the locks of identity and of routing, so that of two people at once one comes after the other. Scores follow with
the next run, which works on the records of which something was said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane import __version__, identity
from clearlane.identity import people, verdicts
from clearlane.identity.verdicts import Pair, Verdict
from clearlane.ledger import Batch, close_batch, keep_from_erasing, open_batch
from clearlane.policy.model import Policy
from clearlane.route import intake
from clearlane.route.merged import join_merged
from clearlane.route.overrules import DAG
from clearlane.route.routing import LOCK


class NotPossible(ValueError):
    """What was said of two records cannot be done; the text says why."""


@dataclass(frozen=True)
class Said:
    """The persons that the records are of now: SOURCE:ID of each, who survives first."""

    persons: tuple[tuple[str, ...], ...]
    records: tuple[UUID, ...]
    """all whom it concerns"""
    batch: Batch | None = None
    """that of the change; None: it was said before"""

    @property
    def news(self) -> bool:
        return self.batch is not None


@dataclass(frozen=True)
class Word:
    """Who says something of two records, why and when (UTC)."""

    by: str
    because: str
    at: datetime


def merge(connection: Connection, policy: Policy, word: Word, one: UUID, other: UUID) -> Said:
    """The two records are one person. NotPossible for one record, an erased one, or where somebody keeps them apart."""
    _begin(connection, [one, other])
    _refuse_contradiction(connection, (one, other))
    return _say(connection, policy, [(one, other)], "same", word)


def part(connection: Connection, policy: Policy, word: Word, one: UUID, other: UUID) -> Said:
    """The two records are two people, however alike: nobody is asked about them again."""
    _begin(connection, [one, other])
    return _say(connection, policy, [(one, other)], "apart", word)


def withdraw(connection: Connection, policy: Policy, word: Word, one: UUID, other: UUID) -> Said:
    """What was said of the two records counts no more: their keys say again whether they are one person."""
    _begin(connection, [one, other])
    return _say(connection, policy, [(one, other)], "withdraw", word)


def unmerge(connection: Connection, policy: Policy, word: Word, record: UUID) -> Said:
    """What a person merged this record with is parted from it; where nobody did, all others of its person are.

    NotPossible for a record that is merged with no other.
    """
    _begin(connection, [record])
    fellows = _records(connection, [record])
    if fellows == [record]:
        raise NotPossible(f"{_named(connection, [record])} is merged with no other record")
    said = [
        (one["lead_id"], one["other_id"])
        for one in verdicts.about(connection, [record])
        if one["verdict"] == "same"
    ]
    pairs = said or [(record, fellow) for fellow in fellows if fellow != record]
    return _say(connection, policy, pairs, "apart", word)


ACTS: Final[Mapping[str, Callable[..., Said]]] = {
    "merge": merge,
    "part": part,
    "withdraw": withdraw,
    "unmerge": unmerge,
}
"""what a person can say; each of (connection, policy, word, the records)"""


# --- under the locks --------------------------------------------------------------------------------


def _begin(connection: Connection, records: Iterable[UUID]) -> None:
    keep_from_erasing(connection)
    connection.execute(sa.text(identity.LOCK))
    connection.execute(sa.text("select pg_advisory_xact_lock(:key)"), {"key": LOCK})
    records = list(records)
    if len(set(records)) < len(records):
        raise NotPossible(f"{_named(connection, records[:1])} is one record: name another as well")
    erased = connection.execute(sa.text(_ERASED), {"records": records}).scalars().all()
    if erased:
        raise NotPossible(f"{_named(connection, erased)} was erased")


_ERASED: Final = """
select lead_id from place
where lead_id = any(cast(:records as uuid[])) and place = 'closed' and reason = 'erased'
"""


def _refuse_contradiction(connection: Connection, pair: Pair) -> None:
    one, other = (set(_records(connection, [record])) for record in pair)
    for said in verdicts.about(connection, sorted(one)):
        of = {said["lead_id"], said["other_id"]}
        if said["verdict"] == "apart" and of & one and of & other and of != set(pair):
            raise NotPossible(_contradiction(connection, said))


def _contradiction(connection: Connection, said: RowMapping) -> str:
    return (
        f"{_named(connection, [said['lead_id'], said['other_id']])} are two people, {said['by']} said on"
        f" {said['decided_at']:%Y-%m-%d} ({said['because']}): withdraw that first"
    )


def _say(connection: Connection, policy: Policy, pairs: Sequence[Pair], verdict: Verdict, word: Word) -> Said:
    news = [
        pair
        for pair in pairs
        if verdicts.say(connection, pair, verdict, by=word.by, because=word.because, at=word.at)
    ]
    records = sorted({record for pair in pairs for record in pair})
    if not news:
        return Said(_persons(connection, records), tuple(records))
    batch = _batch(connection, policy, verdict, word.at)
    concerned = people.regroup_known(connection, records, batch.batch_id, word.at, policy.sources.people)
    intake.begin(connection, policy, batch)
    join_merged(connection, batch, concerned)
    return Said(_persons(connection, records), tuple(concerned), batch)


_LAST: Final = "select max(verdict_id) from person_verdict"


def _batch(connection: Connection, policy: Policy, verdict: Verdict, at: datetime) -> Batch:
    """A batch of its own, ended at once: what is left to do the next run finds."""
    batch = open_batch(
        connection,
        dag_id=DAG,
        run_id=f"{verdict} by verdict {connection.execute(sa.text(_LAST)).scalar_one()}",
        run_type="manual",
        mode="live",
        dry_run=False,
        window=None,
        as_of=at,
        sources=(),
        policy=policy.hashes,
        code_version=__version__,
    )
    close_batch(connection, batch.batch_id)
    return batch


# --- names ------------------------------------------------------------------------------------------

_OF_PERSON: Final = """
select m.lead_id from lead m
where m.survivor_id in (select survivor_id from lead where lead_id = any(cast(:records as uuid[]))) order by m.lead_id
"""
_GROUPED: Final = """
select array_agg(m.source || ':' || m.external_id order by m.lead_id <> m.survivor_id, m.created_at, m.lead_id) as names
from lead m where m.survivor_id in (select survivor_id from lead where lead_id = any(cast(:records as uuid[])))
group by m.survivor_id order by 1
"""
_NAMES: Final = """
select string_agg(source || ':' || external_id, ' and ' order by source, external_id) from lead
where lead_id = any(cast(:records as uuid[]))
"""


def _records(connection: Connection, records: Sequence[UUID]) -> list[UUID]:
    """All records of the persons that these are of."""
    return list(connection.execute(sa.text(_OF_PERSON), {"records": list(records)}).scalars())


def _persons(connection: Connection, records: Sequence[UUID]) -> tuple[tuple[str, ...], ...]:
    rows = connection.execute(sa.text(_GROUPED), {"records": list(records)}).scalars()
    return tuple(tuple(names) for names in rows)


def _named(connection: Connection, records: Sequence[UUID]) -> str:
    return str(connection.execute(sa.text(_NAMES), {"records": list(records)}).scalar_one())
