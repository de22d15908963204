"""A ledger with leads that are scored and wait for routing, without the stages before it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, Engine
from sqlalchemy.dialects.postgresql import insert
from tests.route.firms import MONDAY_NOON, SLA, policy, rep, routing, rule, team, teams, to

from clearlane import ledger, route
from clearlane.ledger import Batch, ids, models
from clearlane.policy.model import ObjectMapping, Policy, Source, Sources

CRM = Source("crm", "files", "nowhere", {"leads": ObjectMapping("leads", "leads.csv", {})})
PINNED = {"scoring": "a" * 64, "routing": "b" * 64, "teams": "c" * 64}
BANDS = ("hot", "warm", "cool", "cold")


def banded(of: Policy) -> Policy:
    """The policy with the four bands and the source `crm`."""
    from clearlane.policy.model import Band

    bands = tuple(Band(name, entry, entry - 5) for name, entry in zip(BANDS, (75, 50, 25, 0), strict=True))
    known = of.sources if of.sources.sources else Sources({"crm": CRM}, {})
    return replace(of, scoring=replace(of.scoring, bands=bands), sources=known)


def simple(**source: Any) -> Policy:
    """Ana, Ben and Cyd take turns; cold leads are nurtured."""
    staff = teams([rep("ana"), rep("ben"), rep("cyd")], team("sales", "ana", "ben", "cyd"))
    rules = (rule("cold", "band = 'cold'", to("nurture")), rule("rest", "true", to("team", "sales")))
    sources = Sources({"crm": replace(CRM, **source)}, {})
    return banded(policy(routing(*rules), staff, sources=sources, sla=SLA))


@dataclass
class World:
    """Writes what the stages before routing leave, and reads what routing left."""

    engine: Engine
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def batch(self, *, mode: str = "live", as_of: datetime = MONDAY_NOON) -> Batch:
        with self.engine.begin() as connection:
            return ledger.open_batch(
                connection,
                dag_id="lead_flow",
                run_id=f"manual__{next(self.numbers)}",
                run_type="manual",
                mode=mode,
                dry_run=False,
                window=None,
                as_of=as_of,
                sources=("crm",),
                policy=PINNED,
                code_version="0.1.0",
            )

    def leads(self, count: int, **options: Any) -> list[UUID]:
        return [self.lead(f"L{next(self.numbers)}", **options) for _ in range(count)]

    def lead(
        self,
        name: str,
        *,
        created_at: datetime = MONDAY_NOON - timedelta(hours=1),
        company: str | None = None,
        account: UUID | None = None,
        **attributes: Any,
    ) -> UUID:
        """A lead that identity just placed: waiting."""
        lead = ids.lead_id("crm", name)
        with self.engine.begin() as connection:
            _insert(
                connection,
                models.lead,
                lead_id=lead,
                source="crm",
                external_id=name,
                created_at=created_at,
                survivor_id=lead,
                account_id=account,
                company_key=company,
            )
            _insert(
                connection,
                models.place,
                lead_id=lead,
                place="waiting",
                reason="new",
                because="new",
                since=created_at,
            )
        self.known(lead, at=created_at, account=account, **attributes)
        return lead

    def known(
        self, lead: UUID, *, at: datetime, account: UUID | None = None, kind: str = "sales", **attributes: Any
    ) -> None:
        """A new revision and profile of the lead."""
        with self.engine.begin() as connection:
            seq = connection.execute(
                sa.text(
                    "insert into inbox (source, object, record_key, payload, state)"
                    " values ('crm', 'leads', :key, '{}', 'consumed') returning seq"
                ),
                {"key": f"{lead}:{next(self.numbers)}"},
            ).scalar_one()
            revision = _insert(
                connection,
                models.lead_revision,
                lead_id=lead,
                valid_from=at,
                content_hash=str(seq),
                attributes=attributes,
                seq=seq,
            )
            _insert(
                connection,
                models.lead_profile,
                lead_id=lead,
                valid_from=at,
                content_hash=str(seq),
                attributes=attributes,
                provenance={},
                kind=kind,
                revision_id=revision,
                account_id=account,
            )

    def score(self, batch: Batch, lead: UUID, *, score: int = 60, band: str = "warm", **values: Any) -> None:
        """Put the lead into the batch's work, scored as of its moment."""
        with self.engine.begin() as connection:
            _insert(connection, models.work, batch_id=batch.batch_id, lead_id=lead, reason="revision")
            profile = connection.execute(
                sa.text("select max(profile_id) from lead_profile where lead_id = :lead"), {"lead": lead}
            ).scalar_one()
            row = {
                "lead_id": lead, "as_of": batch.as_of, "policy_hash": PINNED["scoring"], "profile_id": profile,
                "model": "default", "score": score, "total": float(score), "fit": float(score), "engagement": 0.0,
                "negative": 0.0, "band": band, "grade": "B2", "stage": "mql", "contributions": {}, **values,
            }  # fmt: skip
            _insert(connection, models.score, **row)

    def asks(self, lead: UUID, at: datetime) -> UUID:
        """A hand-raise of the lead."""
        inquiry = ids.named("activity", str(lead), str(next(self.numbers)))
        with self.engine.begin() as connection:
            _insert(
                connection,
                models.inquiry,
                inquiry_id=inquiry,
                lead_id=lead,
                type="demo_request",
                arrived_at=at,
            )
        return inquiry

    def route(self, of: Policy, batch: Batch) -> Mapping[str, int]:
        with self.engine.begin() as connection:
            return route.run(connection, of, batch)

    def run(
        self,
        of: Policy,
        leads: Sequence[UUID],
        *,
        mode: str = "live",
        as_of: datetime = MONDAY_NOON,
        **score: Any,
    ) -> Batch:
        """One run over these leads, scored alike."""
        batch = self.batch(mode=mode, as_of=as_of)
        for lead in leads:
            self.score(batch, lead, **score)
        self.route(of, batch)
        return batch

    def forget(self) -> None:
        """Take back all that routing ever decided."""
        with self.engine.begin() as connection:
            for table in ("sla_owed", "sla_clock", "place", "turn", "assignment", "decision"):
                connection.execute(sa.text(f"delete from {table}"))

    def rows(self, statement: str, **bound: Any) -> list[dict[str, Any]]:
        with self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(sa.text(statement), bound).mappings()]

    def place(self, lead: UUID) -> tuple[str, str, str | None]:
        row = self.rows("select place, reason, rep_id from place where lead_id = :lead", lead=lead)[0]
        return row["place"], row["reason"], row["rep_id"]

    def count(self, table: str) -> int:
        return int(self.rows(f"select count(*) n from {table}")[0]["n"])


def _insert(connection: Connection, table: sa.Table, **values: Any) -> Any:
    done = connection.execute(insert(table).values(values).on_conflict_do_nothing())
    return done.inserted_primary_key[0] if done.inserted_primary_key else None


@pytest.fixture
def world(ledger_url: str):
    engine = ledger.connect(ledger_url)
    yield World(engine)
    engine.dispose()
