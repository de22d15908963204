"""A ledger with decided leads, and sources that may be written to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.ledger import Batch, ids, open_batch

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TEAMS = """
schema: 1
owner: a
approver: b
hours: {office: {mon-fri: "09:00-17:00"}}
defaults: {hours: office}
reps:
  - {id: ada, name: Ada, email: ada@vendor.example, role: sdr, zone: UTC, known_as: {crm: [U1]}}
  - {id: bob, name: Bob, email: bob@vendor.example, role: sdr, zone: UTC}
teams:
  - {id: sdr, name: SDR, members: [ada, bob], queue: SDR queue}
"""
SOURCES = """
schema: 1
owner: a
approver: b
sources:
  crm: {connector: files, address: FOLDER, push: assignments, objects: {leads: {read: leads.csv, fields: {id: Id}}}}
  web: {connector: files, address: FOLDER, objects: {leads: {read: forms.csv, fields: {id: Id}}}}
"""


@dataclass(frozen=True)
class Desk:
    """Writes decisions as routing would."""

    engine: sa.Engine
    policy: policy.Policy

    def batch(self, run_id: str) -> Batch:
        with self.engine.begin() as connection:
            return open_batch(
                connection, dag_id="lead_flow", run_id=run_id, run_type="manual", mode="live", dry_run=False,
                window=None, as_of=NOON, sources=("crm",), policy={}, code_version="test",
            )  # fmt: skip

    def decide(
        self, batch: Batch, source: str, external_id: str, rep: str | None, place: str = "owned",
        team: str | None = "sdr", mode: str = "live",
    ) -> UUID:  # fmt: skip
        lead = ids.lead_id(source, external_id)
        values = {
            "lead": lead, "source": source, "external": external_id, "batch": batch.batch_id, "rep": rep,
            "place": place, "team": team, "mode": mode, "now": NOON, "due": datetime(2026, 3, 2, 12, 5, tzinfo=UTC),
            "key": f"{external_id}:{batch.run_id}",
        }  # fmt: skip
        with self.engine.begin() as connection:
            for statement in _STATEMENTS:
                connection.execute(sa.text(statement), values)
        return lead

    def scored(self, batch: Batch, source: str, external_id: str, **shown: Any) -> UUID:
        """A run scored the lead anew: it stands at what is given, in the batch's work."""
        lead = ids.lead_id(source, external_id)
        values = {
            "score": 80,
            "band": "hot",
            "grade": "A1",
            "stage": "mql",
            "place": "owned",
            "at": NOON,
        } | shown
        values |= {"lead": lead, "batch": batch.batch_id, "source": source, "external": external_id}
        values |= {"now": NOON, "key": f"{external_id}:{batch.run_id}"}
        with self.engine.begin() as connection:
            for statement in (*_STATEMENTS[:4], *_SCORED):
                connection.execute(sa.text(statement), values)
        return lead

    def outbox(self) -> list[sa.RowMapping]:
        with self.engine.connect() as connection:
            return list(connection.execute(sa.text("select * from outbox order by outbox_id")).mappings())


_STATEMENTS = (
    "insert into lead (lead_id, source, external_id, created_at, survivor_id)"
    " values (:lead, :source, :external, :now, :lead) on conflict do nothing",
    "insert into inbox (source, object, record_key, payload, state) values (:source, 'leads', :key, '{}', 'consumed')",
    "insert into lead_revision (lead_id, valid_from, content_hash, attributes, seq)"
    " values (:lead, :now, :key, '{}', (select max(seq) from inbox))",
    "insert into lead_profile (lead_id, valid_from, content_hash, attributes, provenance, kind, revision_id)"
    " values (:lead, :now, :key, '{}', '{}', 'sales', (select max(revision_id) from lead_revision))",
    "insert into score (lead_id, as_of, policy_hash, profile_id, model, score, total, fit, engagement, negative,"
    " band, grade, stage, contributions) values (:lead, :now, :key, (select max(profile_id) from lead_profile),"
    " 'default', 80, 80, 50, 30, 0, 'hot', 'A1', 'mql', '{}')",
    "insert into roster values ('r', '{}') on conflict do nothing",
    "insert into decision (decision_seq, lead_id, batch_id, mode, as_of, profile_id, score_id, roster_id, policy,"
    " code_version, rule, place, team, band, rep_id, because, tier, sla_due, refused)"
    " values (nextval('decision_seq'), :lead, :batch, :mode, :now,"
    " (select max(profile_id) from lead_profile), (select max(score_id) from score), 'r', '{}', 'test', 'hot',"
    " :place, :team, 'hot', :rep, 'Hot: an SDR calls now', 'hot', :due, '{}')",
)
_SCORED = (
    "insert into score (lead_id, as_of, policy_hash, profile_id, model, score, total, fit, engagement, negative,"
    " band, grade, stage, contributions) values (:lead, :at, :key, (select max(profile_id) from lead_profile),"
    " 'default', :score, :score, 50, 30, 0, :band, :grade, :stage, '{}')",
    "insert into standing (lead_id, as_of, score_id, score, total, fit, engagement, negative, band, band_since, grade,"
    " stage) values (:lead, :at, (select max(score_id) from score), :score, :score, 50, 30, 0, :band, :at, :grade,"
    " :stage) on conflict (lead_id) do update set (as_of, score_id, score, band, grade, stage)"
    " = (excluded.as_of, excluded.score_id, excluded.score, excluded.band, excluded.grade, excluded.stage)",
    "insert into place (lead_id, place, reason, because, since) values (:lead, :place, 'test', 'test', :now)"
    " on conflict (lead_id) do update set place = excluded.place",
    "insert into work (batch_id, lead_id, reason) values (:batch, :lead, 'activity') on conflict do nothing",
)


@pytest.fixture
def desk(ledger_engine: sa.Engine, tmp_path: Path) -> Desk:
    texts = {"teams": TEAMS, "sources": SOURCES.replace("FOLDER", json.dumps(str(tmp_path)))}
    return Desk(ledger_engine, policy.parse(texts))
