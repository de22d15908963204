"""A ledger by its business columns: what must be the same however a run was disturbed or records arrived.

Left out, because they number the order of recording or its wall-clock time and mean nothing to the business:
identities (`*_seq`, `seq`, `revision_id`, `profile_id`, `score_id`, `assignment_id`, `clock_id`, `outbox_id`)
and recording times (`recorded_at`, `received_at`, `delivered_at`, `opened_at`, `closed_at`, `owed_at`, `sent_at`,
`stored_at`, `published_at`). References through them are followed to what they name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

KNOWLEDGE: Mapping[str, str] = {
    "lead": "select lead_id, source, external_id, created_at, survivor_id, contact_id, account_id, account_rule,"
    " company_key from lead",
    "lead_revision": "select lead_id, valid_from, content_hash, attributes, keys from lead_revision",
    "lead_key": "select lead_id, kind, value, current from lead_key",
    "merge": "select loser_id, survivor_id, rule from merge where undone_at is null",
    "contact_revision": "select contact_id, valid_from, content_hash, attributes from contact_revision",
    "account_revision": "select account_id, valid_from, content_hash, attributes from account_revision",
    "opportunity_revision": "select opportunity_id, valid_from, content_hash, attributes from opportunity_revision",
    "activity": "select activity_id, lead_id, type, occurred_at, attributes from activity",
    "outcome": "select outcome_id, lead_id, kind, occurred_at, reason, amount from outcome",
    "owner": "select source, external_id, name, email, active from owner",
    "inquiry": "select inquiry_id, lead_id, type, arrived_at from inquiry",
    "enrichment": "select r.lead_id, r.valid_from, r.content_hash, e.provider, e.attributes, e.confidence"
    " from enrichment e join lead_revision r using (revision_id)",
}
LANDING: Mapping[str, str] = {
    "inbox": "select source, object, record_key, external_id, file, line, payload, record, state from inbox",
    "delivery": "select batch_id, source, object, received, duplicate from delivery",
    "quarantine": "select i.source, i.record_key, q.reasons, q.state, q.hand_raise"
    " from quarantine q join inbox i using (seq)",
    "quality_note": "select i.source, i.record_key, n.field, n.rule from quality_note n join inbox i using (seq)",
    "work": "select batch_id, lead_id, reason from work",
}
PROFILES: Mapping[str, str] = {
    "lead_profile": "select distinct on (lead_id, valid_from) lead_id, valid_from, attributes, provenance, kind,"
    " kind_rule, account_id from lead_profile order by lead_id, valid_from, profile_id desc",
}
SCORES: Mapping[str, str] = {
    "score": "select distinct on (lead_id, as_of, policy_hash) lead_id, as_of, policy_hash, model, score, total,"
    " fit, engagement, negative, band, grade, stage, disqualified, hand_raise, contributions"
    " from score order by lead_id, as_of, policy_hash, score_id desc",
    "stage_entry": "select lead_id, stage, cycle, entered_at, because from stage_entry",
    "signal": "select lead_id, fingerprint, signal.bucket, n, round(cast(value as numeric), 3) as value, first_at,"
    " last_at from signal join counting using (counting_id)",
    "standing": "select lead_id, as_of, score, total, band, band_since, grade, stage from standing",
}
ROUTING: Mapping[str, str] = {
    "decision": "select lead_id, batch_id, mode, as_of, rule, encode(terms, 'hex'), place, team, rotation, band,"
    " rep_id, runner_up, eligible, refused, because, tier, sla_due from decision",
    "turn": "select d.lead_id, t.rep_id, t.rotation, t.band, t.kind, t.weight, t.credit"
    " from turn t join decision d using (decision_seq)",
    "assignment": "select lead_id, rep_id, owner_external_id, team, by, because, started_at, ended_at from assignment",
    "place": "select lead_id, place, reason, because, team, rep_id, since from place",
    "sla_clock": "select lead_id, inquiry_id, kind, tier, rep_id, started_at, due_at, met_at from sla_clock",
    "outbox": "select source, object, external_id, lead_id, fields, state from outbox",
}
EVERYTHING: Mapping[str, str] = {**LANDING, **KNOWLEDGE, **PROFILES, **SCORES, **ROUTING}


def snapshot(engine: sa.Engine, queries: Mapping[str, str] = EVERYTHING) -> dict[str, list[str]]:
    """Table → its rows by business columns, as sorted text."""
    with engine.connect() as connection:
        return {name: _rows(connection, query) for name, query in queries.items()}


def _rows(connection: sa.Connection, query: str) -> list[str]:
    return sorted(connection.execute(sa.text(f"select to_jsonb(x)::text from ({query}) x")).scalars())


def differences(one: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Table → rows that only one of two snapshots holds; empty when the ledgers say the same."""
    apart = {name: sorted(set(one[name]) ^ set(other[name])) for name in one}
    sized = {name: len(one[name]) != len(other[name]) for name in one}
    return {name: rows[:6] for name, rows in apart.items() if rows or sized[name]}
