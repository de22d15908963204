"""Which asks of paid providers a batch has: what is known and fresh is taken from earlier answers, the rest is open.

One request serves all who share what a provider is asked by. Asked is about the newest revision of each record, of
people who may be routed: not who must not be contacted, left, was closed, or came before its source went live.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.ledger import Batch
from clearlane.ledger.gone import deleted
from clearlane.policy.model import PaidProvider, Policy

MOST: Final = 2_000
"""keys of one provider that a run takes up: more than can be asked before any deadline"""
RAISED: Final = timedelta(days=1)
"""for so long who raised a hand comes first, and is asked about whenever it was created"""


@dataclass(frozen=True)
class Wanted:
    """One ask: its key, what may be sent, how often it was tried."""

    key: str
    known: Mapping[str, str] = field(repr=False)
    tries: int = 0


def prepare(connection: Connection, policy: Policy, batch: Batch, offline: Sequence[str]) -> None:
    """List the batch's asks in the temporary table `wanted`, and give answers that are there to who lacks them.

    One run at a time; what providers of this machine say has been kept before.
    """
    connection.execute(sa.text("select pg_advisory_xact_lock(hashtext('clearlane.enrich.ask'))"))
    for table in ("askable", "wanted"):
        connection.exec_driver_sql(f"drop table if exists pg_temp.{table}")
    connection.execute(sa.text(_ASKABLE), _bound(policy, batch, offline))
    connection.exec_driver_sql(_CREATE)
    for provider in policy.sources.enrichment.providers.values():
        connection.execute(_LIST, _of(provider))
    connection.exec_driver_sql("analyze wanted")
    connection.execute(_BRING)


def open_asks(connection: Connection, policy: Policy, batch: Batch) -> None:
    """Write the asks that are open after `prepare`, and drop those of the batch's people that are needed no more."""
    connection.execute(_DROP, {"batch_id": batch.batch_id})
    for provider in policy.sources.enrichment.providers.values():
        connection.execute(_OPEN, _of(provider) | {"as_of": batch.as_of})


def due(connection: Connection, provider: PaidProvider, needs: Sequence[str], at: datetime) -> list[Wanted]:
    """The batch's open asks of one provider: hand-raisers first, then the newest leads."""
    rows = connection.execute(_DUE, {"provider": provider.name, "at": at, "most": MOST}).all()
    names = dict.fromkeys((*provider.by, *needs))
    return [Wanted(row.asked_key, _told(row.facts, names), row.tries) for row in rows]


def _told(facts: Mapping[str, Any], names: Mapping[str, None]) -> dict[str, str]:
    return {name: str(facts[name]) for name in names if facts.get(name) not in (None, "")}


def _bound(policy: Policy, batch: Batch, offline: Sequence[str]) -> dict[str, Any]:
    live = {name: one.live_from.isoformat() for name, one in policy.sources.sources.items() if one.live_from}
    return {
        "batch_id": batch.batch_id, "as_of": batch.as_of, "offline": list(offline), "live_from": json.dumps(live),
        "raising": list(policy.scoring.hand_raise_types), "raised": RAISED,
    }  # fmt: skip


def _of(provider: PaidProvider) -> dict[str, Any]:
    ages = {name: age / timedelta(seconds=1) for name, age in provider.ages.items()}
    return {
        "provider": provider.name, "by": list(provider.by), "missing": list(provider.missing), "age": provider.age,
        "unknown_age": provider.unknown_age, "ages": json.dumps(ages),
    }  # fmt: skip


# What providers of this machine found counts where the record says nothing, the first of them first.
_ASKABLE: Final = f"""
create temporary table askable on commit drop as
with newest as (
    select distinct on (r.lead_id) l.survivor_id, l.source, l.created_at, r.revision_id, r.keys,
           jsonb_strip_nulls(r.attributes) as attributes
    from work w join lead l on l.survivor_id = w.lead_id join lead_revision r on r.lead_id = l.lead_id
    where w.batch_id = :batch_id and r.valid_from <= :as_of
    order by r.lead_id, r.valid_from desc, r.content_hash desc
), machine as (
    select n.revision_id,
           jsonb_object_agg(f.key, f.value order by array_position(cast(:offline as text[]), e.provider) desc) as facts
    from newest n join enrichment e using (revision_id) cross join lateral jsonb_each(e.attributes) f
    where e.provider = any(:offline) group by n.revision_id
), known as (
    select n.*, exists (
               select from activity a join lead m on m.lead_id = a.lead_id
               where m.survivor_id = n.survivor_id and a.type = any(:raising)
                 and a.occurred_at > :as_of - cast(:raised as interval) and a.occurred_at <= :as_of) as raised,
           coalesce(m.facts, '{{}}') || n.attributes || jsonb_strip_nulls(jsonb_build_object(
               'domain', coalesce(n.keys ->> 'domain', n.keys ->> 'mail_domain'))) as facts
    from newest n left join machine m using (revision_id)
)
select k.revision_id, k.created_at, k.raised, k.facts
from known k
where not {deleted("k.attributes")} and lower(k.facts ->> 'do_not_contact') is distinct from 'true'
  and not exists (select from place p where p.lead_id = k.survivor_id
                  and p.place in ('closed', 'redirected', 'disqualified'))
  and not exists (
      select from suppression s
      where s.scope = 'contact' and s.since <= :as_of
        and (s.kind = 'email' and s.value in (k.keys ->> 'email', k.keys ->> 'role_email')
             or s.kind = 'domain' and s.value in (split_part(k.keys ->> 'email', '@', 2), k.keys ->> 'mail_domain')))
  and (k.raised or k.created_at >= coalesce(
      cast(cast(:live_from as jsonb) ->> k.source as timestamptz), '-infinity'))
"""

_CREATE: Final = """
create temporary table wanted (
    revision_id bigint, provider text, asked_key text, facts jsonb, raised boolean, created_at timestamptz
) on commit drop
"""

_LIST: Final = sa.text(
    """
    insert into wanted
    select a.revision_id, cast(:provider as text), encode(sha256(convert_to(jsonb_build_array(
               cast(:provider as text),
               (select jsonb_agg(lower(a.facts ->> b.name) order by b.n)
                from unnest(cast(:by as text[])) with ordinality b(name, n)))::text, 'UTF8')), 'hex'),
           a.facts, a.raised, a.created_at
    from askable a
    where not exists (select from unnest(cast(:by as text[])) name where coalesce(a.facts ->> name, '') = '')
      and (cardinality(cast(:missing as text[])) = 0 or not a.facts ?& cast(:missing as text[]))
    """
)

# A stale answer counts too, until there is a new one.
_BRING: Final = sa.text(
    """
    with told as (
        insert into enrichment (revision_id, provider, turn, attributes, confidence, observed_at, asked_key)
        select w.revision_id, w.provider, coalesce(own.turn, 0) + 1, newest.attributes, newest.confidence,
               newest.observed_at, newest.asked_key
        from wanted w
        cross join lateral (
            select * from enrichment e where e.provider = w.provider and e.asked_key = w.asked_key
            order by e.observed_at desc, e.revision_id desc limit 1
        ) newest
        left join lateral (
            select turn, observed_at, asked_key from enrichment o
            where o.revision_id = w.revision_id and o.provider = w.provider order by turn desc limit 1
        ) own on true
        where own.turn is null or own.asked_key is distinct from w.asked_key or newest.observed_at > own.observed_at
        order by w.revision_id, w.provider
        on conflict do nothing
        returning revision_id, provider, turn, observed_at
    )
    update enrichment e set until = told.observed_at from told
    where (e.revision_id, e.provider, e.turn) = (told.revision_id, told.provider, told.turn - 1)
    """
)

_DROP: Final = sa.text(
    """
    delete from enrichment_ask where (revision_id, provider) in (
        select a.revision_id, a.provider
        from work w join lead l on l.survivor_id = w.lead_id join lead_revision r on r.lead_id = l.lead_id
        join enrichment_ask a on a.revision_id = r.revision_id
        where w.batch_id = :batch_id and a.answered_at is null
          and not exists (select from wanted n where (n.revision_id, n.provider, n.asked_key)
                          = (a.revision_id, a.provider, a.asked_key))
        order by a.revision_id, a.provider for update of a skip locked)
    """
)

_OPEN: Final = sa.text(
    """
    insert into enrichment_ask (revision_id, provider, asked_key, since, due_at)
    select w.revision_id, w.provider, w.asked_key, :as_of, :as_of
    from wanted w
    where w.provider = :provider and not exists (
        select from enrichment e
        where e.revision_id = w.revision_id and e.provider = w.provider and e.asked_key = w.asked_key
          and e.until is null
          and e.observed_at > :as_of - case when e.attributes = '{}' then cast(:unknown_age as interval)
              else least(cast(:age as interval), (
                  select make_interval(secs => min(cast(cast(:ages as jsonb) ->> name as double precision)))
                  from jsonb_object_keys(e.attributes) name)) end)
    order by w.revision_id
    on conflict do nothing
    """
)

_DUE: Final = sa.text(
    """
    select asked_key, facts, tries from (
        select distinct on (a.asked_key) a.asked_key, w.facts, a.tries, w.raised, w.created_at
        from enrichment_ask a join wanted w using (revision_id, provider, asked_key)
        where a.provider = :provider and a.answered_at is null and a.due_at <= :at
          and (a.claimed_until is null or a.claimed_until <= :at)
        order by a.asked_key, w.raised desc, w.created_at desc
    ) ask
    order by raised desc, created_at desc, asked_key limit :most
    """
)
