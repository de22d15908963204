"""What is older than the policy keeps it: emptied, so that counts, ids, times, figures and decisions stay.

Rows go in chunks, each in its own transaction and by its key, so that a run may be stopped, come twice, or go on
beside the river: what another transaction holds is left to the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clearlane.ledger import keep_from_erasing
from clearlane.policy.model import Retention
from clearlane.privacy import erasing, tombstones
from clearlane.privacy.tombstones import Key, Secrets
from clearlane.quality import data_docs

CHUNK: Final = 5_000
DOCS: Final = "data_docs"
REPORTS: Final = "reports"
LEADS: Final = "leads"
GROUP: Final = 50
"""people who are erased in one transaction"""
MOST: Final = 500
"""people who are erased in one run"""
KeyOf = Callable[[Connection], Key]
REPORTING: Final = ("weight_review", "lead_replay")
"""the DAGs whose folders are reports"""


@dataclass(frozen=True)
class Kind:
    """Rows of one table: those that are too old, and what becomes of them.

    `name` is a field of Retention. `due` is a condition on the row x of `table`; it may name :before, the first
    moment that is kept. `acts` are statements over the rows whose `key` is in :keys.
    """

    name: str
    table: str
    key: str
    due: str
    acts: tuple[str, ...]


def befores(kept: Retention, as_of: datetime) -> Mapping[str, datetime]:
    """Kind -> the first moment (UTC) that is kept; what is kept for ever is not in it."""
    days = {one.name: getattr(kept, one.name) for one in fields(Retention)}
    return {name: as_of - timedelta(days=number) for name, number in days.items() if number is not None}


def run(
    engine: Engine,
    kept: Retention,
    as_of: datetime,
    *,
    key: KeyOf,
    secrets: Secrets | None = None,
    docs_dir: Path | None = None,
    dry_run: bool = False,
) -> dict[str, int]:
    """Prune what was too old at `as_of` (UTC); kind -> rows or folders. A dry run counts them and changes nothing.

    `key` is what tombstones of leads that were left alone are hashed with.
    """
    before = befores(kept, as_of)
    counts = {name: 0 for name in before if name != LEADS}
    for kind in KINDS:
        if kind.name in before:
            counts[kind.name] += (_counting if dry_run else prune)(engine, kind, before[kind.name])
    for name, pages in old_folders(engine, docs_dir, before).items() if docs_dir else ():
        counts[name] = len(pages) if dry_run else data_docs.remove(pages)
    if LEADS in before:
        alone = left_alone(engine, before[LEADS])
        places = [docs_dir] if docs_dir else []
        counts[LEADS] = len(alone) if dry_run else _forget(engine, alone, as_of, key, secrets, places)
    return counts


def _counting(engine: Engine, kind: Kind, before: datetime) -> int:
    with engine.connect() as connection:
        return int(connection.execute(sa.text(_counted(kind)), {"before": before}).scalar_one())


# --- rows -----------------------------------------------------------------------------------------------


def prune(engine: Engine, kind: Kind, before: datetime, size: int = CHUNK) -> int:
    """Prune the rows that are due, `size` in a transaction; how many."""
    done, after = 0, 0
    while keys := _pruned(engine, kind, {"before": before, "after": after, "size": size}):
        done, after = done + len(keys), keys[-1]
    return done


def _pruned(engine: Engine, kind: Kind, asked: Mapping[str, object]) -> list[int]:
    with engine.begin() as connection:
        keep_from_erasing(connection)
        keys = list(connection.execute(sa.text(_chosen(kind)), asked).scalars())
        for act in kind.acts if keys else ():
            connection.execute(sa.text(act), {"keys": keys})
        return keys


def _chosen(kind: Kind) -> str:
    return (
        f"select x.{kind.key} from {kind.table} x where x.{kind.key} > :after and ({kind.due})"
        f" order by x.{kind.key} limit :size for update of x skip locked"
    )


def _counted(kind: Kind) -> str:
    return f"select count(*) from {kind.table} x where {kind.due}"


_MINE: Final = "any(cast(:keys as bigint[]))"
# Whom a source no longer has is told by comparing it with the newest record of each lead that is still open.
_COMPARED: Final = """
    x.object = 'leads' and exists (
        select from lead l join place p on p.lead_id = l.survivor_id
        where (l.source, l.external_id) = (x.source, x.external_id) and p.place <> 'closed')
    and not exists (
        select from inbox n
        where (n.source, n.object, n.external_id) = (x.source, x.object, x.external_id) and n.record is not null
          and (coalesce(n.source_time, '-infinity'), n.seq) > (coalesce(x.source_time, '-infinity'), x.seq))
"""
# What is owed next is compared with the last owner and with the last score that a record was told.
_TOLD: Final = """
    select from outbox n
    where (n.source, n.object, n.external_id) = (x.source, x.object, x.external_id)
      and n.state = 'sent' and n.outbox_id > x.outbox_id
"""
_SET_ASIDE: Final = (
    f"delete from quarantine where seq = {_MINE}",
    f"delete from quality_note where seq = {_MINE}",
    tombstones.EMPTY,
)
KINDS: Final = (
    Kind(
        "payloads", "inbox", "seq",
        "x.state = 'consumed' and x.received_at < :before and (x.payload <> '{}' or x.record is not null)"
        f" and not ({_COMPARED})",
        (
            f"update inbox set payload = '{{}}', record = null where seq = {_MINE}",
            f"update quality_note set found = null where seq = {_MINE} and found is not null",
        ),
    ),
    Kind("dismissed", "quarantine", "seq", "x.state = 'dismissed' and x.since < :before", _SET_ASIDE),
    Kind("dismissed", "quarantine", "seq", "x.state = 'replayed' and x.since < :before", _SET_ASIDE[:1]),
    Kind("quarantine", "quarantine", "seq", "x.state = 'open' and x.since < :before", _SET_ASIDE),
    Kind(
        "mails", "mail", "mail_id",
        "x.state <> 'owed' and coalesce(x.sent_at, x.owed_at) < :before"
        " and (x.facts <> '{}' or x.error is not null)",
        (
            "update mail set facts = '{}', error = null, state = case state when 'dead' then 'dropped' else state end"
            f" where mail_id = {_MINE}",
        ),
    ),
    Kind(
        "writes", "outbox", "outbox_id",
        "x.state in ('sent', 'superseded', 'dropped') and coalesce(x.sent_at, x.owed_at) < :before"
        " and (x.fields <> '{}' or x.error is not null)"
        f" and (x.state <> 'sent' or (not x.fields ? 'owner' or exists ({_TOLD} and n.fields ? 'owner'))"
        f" and (x.score_id is null or exists ({_TOLD} and n.score_id is not null)))",
        (f"update outbox set fields = '{{}}', error = null where outbox_id = {_MINE}",),
    ),
    Kind(
        "dead_writes", "outbox", "outbox_id", "x.state = 'dead' and x.owed_at < :before",
        (
            "update outbox set fields = '{}', error = null, state = 'dropped',"
            f" note = concat_ws('; ', note, 'dropped: nobody tried it again') where outbox_id = {_MINE}",
        ),
    ),
    Kind(
        # A run's decisions go together: each was made with those before it in mind.
        "shadow", "decision", "decision_seq",
        "x.mode = 'shadow' and x.batch_id in (select batch_id from batch where opened_at < :before)"
        " and x.batch_id not in (select s.batch_id from place p join decision s using (decision_seq)"
        " where s.mode = 'shadow')",
        (f"delete from decision where decision_seq = {_MINE}",),
    ),
)  # fmt: skip


# --- folders --------------------------------------------------------------------------------------------


def old_folders(engine: Engine, docs_dir: Path, before: Mapping[str, datetime]) -> Mapping[str, list[Path]]:
    """Kind (`data_docs`, `reports`) -> folders of runs that are older than the kind's first kept moment."""
    told = {name: data_docs.old(docs_dir, before[name]) for name in (DOCS, REPORTS) if name in before}
    asked = {"ids": [data_docs.run_of(path) for paths in told.values() for path in paths]}
    with engine.connect() as connection:
        judged = set(connection.execute(_JUDGED, {**asked, "others": list(REPORTING)}).scalars())
    return {
        name: [path for path in paths if (data_docs.run_of(path) in judged) == (name == DOCS)]
        for name, paths in told.items()
    }


# --- people ---------------------------------------------------------------------------------------------


def left_alone(engine: Engine, before: datetime) -> list[str]:
    """Ids of people who were closed or disqualified before a moment and of whom nothing was heard since.

    The longest closed first. Whoever bought, or is a contact of the sources, is a customer's and stays.
    """
    with engine.connect() as connection:
        return list(connection.execute(_ALONE, {"before": before}).scalars())


def _forget(
    engine: Engine,
    alone: Sequence[str],
    as_of: datetime,
    key: KeyOf,
    secrets: Secrets | None,
    places: Sequence[Path],
) -> int:
    """Erase the first MOST of them; the rest goes next week. For each group the ledger is read once."""
    chosen = alone[:MOST]
    for group in (chosen[first : first + GROUP] for first in range(0, len(chosen), GROUP)):
        with engine.begin() as connection:
            erasing.erase(
                connection, *group, by="retention", because="nothing was heard for as long as leads are kept",
                at=as_of, key=key(connection), secrets=secrets, places=places, records_only=True,
            )  # fmt: skip
    return len(chosen)


_ALONE: Final = sa.text("""
select cast(l.lead_id as text) from lead l join place p using (lead_id)
where p.place in ('closed', 'disqualified') and p.reason not in ('merged', 'converted', 'erased') and p.since < :before
  and l.survivor_id = l.lead_id
  and not exists (
      select from lead m where m.survivor_id = l.lead_id and (
          m.contact_id is not null
          or exists (select from lead_revision r where r.lead_id = m.lead_id and r.valid_from >= :before)
          or exists (select from activity a where a.lead_id = m.lead_id and a.occurred_at >= :before)
          or exists (select from outcome o where o.lead_id = m.lead_id
                     and (o.occurred_at >= :before or o.kind = 'won'))))
order by p.since, 1
""")
_JUDGED: Final = sa.text("select batch_id from batch where batch_id = any(:ids) and dag_id <> all(:others)")
