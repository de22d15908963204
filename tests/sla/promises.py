"""A ledger whose promises are watched: leads routed at noon, touches with the moment at which they can be read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from tests.route.conftest import CRM, PINNED, World, simple

from clearlane import ledger, sla
from clearlane.ledger import Batch
from clearlane.policy.model import ObjectMapping, Policy
from clearlane.sla import Swept

MINUTE = timedelta(minutes=1)
OBJECTS = {**CRM.objects, "outcomes": ObjectMapping("outcomes", "outcomes.csv", {})}


def watched(**options: Any) -> Policy:
    """Ana, Ben and Cyd take turns, mia manages them; the CRM tells touches. `options` change sla.yaml."""
    told = simple(objects=OBJECTS)
    sales = replace(told.teams.teams["sales"], manager="mia", queue_owner="quin")
    staff = replace(told.teams, teams={"sales": sales})
    return replace(told, teams=staff, sla=replace(told.sla, **options))


_STAGES = """
update sla_clock set warn_at = started_at + (due_at - started_at) * 0.5,
    reassign_at = started_at + (due_at - started_at) * 1.5
where kind = 'assignment' and warn_at is null
"""


class Watch(World):
    """`World`, with touches and runs of the watch."""

    def route(self, of: Policy, batch: Batch) -> Mapping[str, int]:
        done = super().route(of, batch)
        with self.engine.begin() as connection:
            connection.execute(sa.text(_STAGES))
        return done

    def touched(
        self, lead: UUID, at: datetime, rep: str | None = None, kind: str = "first_touch", **more: Any
    ) -> None:
        """An outcome that the ledger knows from now on."""
        bound = {
            "lead": lead,
            "at": at,
            "rep": rep,
            "kind": kind,
            "reason": more.get("reason"),
            "seq": more.get("seq"),
        }
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "with noted as (insert into touch_due (lead_id) values (:lead))"
                    "insert into outcome (outcome_id, source, lead_external_id, lead_id, kind, occurred_at,"
                    " rep_id, reason, seq) select gen_random_uuid(), 'crm', external_id, lead_id, :kind, :at,"
                    " :rep, :reason, :seq from lead where lead_id = :lead"
                ),
                bound,
            )

    def arrives(
        self, lead: UUID, batch: Batch | None, state: str = "consumed", at: datetime | None = None
    ) -> int:
        """An inbox row of an outcome of the lead, first seen by that run."""
        with self.engine.begin() as connection:
            return int(
                connection.execute(
                    sa.text(
                        "insert into inbox (source, object, record_key, payload, record, state, first_batch, batch_id,"
                        " source_time) select 'crm', 'outcomes', gen_random_uuid(), '{}',"
                        " jsonb_build_object('lead_id', external_id), :state, :batch, :batch, :at from lead"
                        " where lead_id = :lead returning seq"
                    ),
                    {"lead": lead, "batch": batch and batch.batch_id, "state": state, "at": at},
                ).scalar_one()
            )

    def read(self, until: datetime) -> None:
        """The source was read up to a moment."""
        with self.engine.begin() as connection:
            connection.execute(
                sa.text(
                    "insert into source_state (source, object, watermark) values ('crm', 'outcomes', :at)"
                    " on conflict (source, object) do update set watermark = :at"
                ),
                {"at": until},
            )

    def run_of(
        self, at: datetime, run_type: str = "scheduled", dag: str = "sla_watch", mode: str = "auto"
    ) -> Batch:
        with self.engine.begin() as connection:
            return ledger.open_batch(
                connection,
                dag_id=dag,
                run_id=f"{run_type}__{at.isoformat()}__{next(self.numbers)}",
                run_type=run_type,
                mode=mode,
                dry_run=False,
                window=(at - 5 * MINUTE, at),
                as_of=at,
                sources=("crm",),
                policy=PINNED,
                code_version="0.1.0",
            )

    def sweep(self, of: Policy, batch: Batch) -> Swept:
        with self.engine.begin() as connection:
            return sla.sweep(connection, of, batch)

    def watch(self, of: Policy, at: datetime, *, read: bool = True, **run: Any) -> Swept:
        """A run of the watch: the source read up to its moment, the sweep, routing."""
        batch = self.run_of(at, **run)
        if read:
            self.read(at)
        swept = self.sweep(of, batch)
        if batch.takes_unclaimed:
            self.route(of, batch)
        with self.engine.begin() as connection:
            ledger.close_batch(connection, batch.batch_id)
        return swept

    def events(self, *columns: str, lead: UUID | None = None) -> list[tuple[Any, ...]]:
        """The log, in the order in which things fell due."""
        listed = ", ".join(columns or ("kind", "detail ->> 'clock'", "rep_id"))
        where = "where e.lead_id = :lead" if lead else ""
        rows = self.rows(
            f"select row_to_json(x) as told from sla_event e cross join lateral (select {listed}) x {where}"
            " order by e.occurred_at, e.event_id",
            **({"lead": lead} if lead else {}),
        )
        return [tuple(row["told"].values()) for row in rows]

    def owner(self, lead: UUID) -> str | None:
        return self.place(lead)[2]


def kinds(events: Sequence[tuple[Any, ...]]) -> Mapping[str, int]:
    found: dict[str, int] = {}
    for event in events:
        found[event[0]] = found.get(event[0], 0) + 1
    return found
