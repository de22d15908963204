"""A ledger that a small company has lived in for two weeks: leads touched in time, late and never, declined, won."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from tests.sla.promises import MINUTE, Watch, watched

from clearlane.policy.model import Span, Tier

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
WARM = Tier("warm", Span(60, "minutes"), Span(100, "minutes"), "rep", 0.5, 1.5, ("manager",))
HOT = Tier("hot", Span(30, "minutes"), Span(40, "minutes"), "always", 0.5, 4.0, ("manager",))
POLICY = watched()
POLICY = replace(POLICY, sla=replace(POLICY.sla, tiers={**POLICY.sla.tiers, "warm": WARM, "hot": HOT}))
HOURS = range(7, 20, 2)


class Lived(Watch):
    """`Watch`, by chance: who touches what when is drawn from the seed."""

    def live(self, days: int, seed: int) -> None:
        chance = random.Random(seed)
        for day in range(days):
            for hour in HOURS:
                at = MONDAY + timedelta(days=day, hours=hour, minutes=chance.randrange(60))
                lead = self.lead(f"L{day}-{hour}", created_at=at - chance.randrange(90) * MINUTE)
                band = chance.choice(("hot", "warm", "warm", "cold"))
                self.run(POLICY, [lead], as_of=at, band=band)
                self._becomes(chance, lead, at, band)
                self.watch(POLICY, at + timedelta(hours=1, minutes=30))
        self.watch(POLICY, MONDAY + timedelta(days=days + 1))

    def _becomes(self, chance: random.Random, lead: UUID, at: datetime, band: str) -> None:
        touched, owner = at + chance.randrange(1, 150) * MINUTE, self.owner(lead)
        if band != "cold":
            self._enters(lead, at)
        drawn = chance.random()
        if drawn < 0.2 or owner is None:
            return
        if drawn < 0.35:
            self._declines(lead, owner, at + 5 * MINUTE, chance.choice(("no answer", "Duplicate")))
            return
        if drawn < 0.4:
            self.touched(lead, at + 5 * MINUTE, kind="rejected", reason=" Bad data")
        self.touched(lead, touched)
        for step, kind in enumerate(("accepted", "sql", "won"), start=1):
            if chance.random() < 0.6:
                self.touched(lead, touched + step * timedelta(days=3), kind=kind)
        with self.engine.begin() as connection:
            connection.exec_driver_sql(
                "update outcome set amount = 1000 where kind = 'won' and amount is null"
            )

    def _enters(self, lead: UUID, at: datetime) -> None:
        self._write("insert into stage_entry (lead_id, stage, entered_at, because) values (:lead, 'mql', :at, 'score')",
                    lead=lead, at=at)  # fmt: skip

    def _declines(self, lead: UUID, rep: str, at: datetime, reason: str) -> None:
        self._write(
            "insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail) values"
            " (:lead, 'decline', :at, :rep, 'declined', jsonb_build_object('reason', cast(:reason as text)))",
            lead=lead, rep=rep, at=at, reason=reason,
        )  # fmt: skip

    def _write(self, statement: str, **bound: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(sa.text(statement), bound)
