"""What the ledger says around the cases, on a few hand-written rows of a real ledger."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pandas as pd
import pytest
import sqlalchemy as sa
from tests.review.funnels import HORIZON, SINCE, UNTIL

from clearlane import policy as policies
from clearlane.review.cases import Cases
from clearlane.review.judgement import Circumstances, circumstances

pytestmark = pytest.mark.ledger

DEFAULT = Path(__file__).resolve().parents[3] / "include" / "policy"
ANA, BEN = (UUID(int=n) for n in (1, 2))
DAY = timedelta(days=1)
DECIDED = SINCE + 10 * DAY


@pytest.fixture
def around(undecided: sa.Connection) -> Circumstances:
    """Ana saw an ad, a webinar, and a page after her opportunity; Ben did nothing and was taken over by a person."""
    undecided.execute(
        sa.text("set local session_replication_role = replica")
    )  # rows without all they refer to
    for lead in (ANA, BEN):
        _add(undecided, "lead", lead_id=lead, survivor_id=lead, source="form", external_id=str(lead),
             created_at=DECIDED - DAY)  # fmt: skip
    _activity(undecided, 1, "ad_click", DECIDED - 9 * DAY, '{"campaign": "spring"}')
    _activity(undecided, 2, "webinar_attended", DECIDED + DAY, "{}")
    _activity(undecided, 3, "pricing_page_view", DECIDED + 30 * DAY, "{}")
    _outcome(undecided, 1, "opportunity", DECIDED + 5 * DAY, 100.0)
    _outcome(undecided, 2, "won", DECIDED + 40 * DAY, 80.0)
    _outcome(undecided, 3, "won", DECIDED + HORIZON + DAY, 999.0)
    for number, (lead, rule) in enumerate([(ANA, "hot_amer"), (BEN, "test_entry")], start=1):
        _add(undecided, "decision", decision_seq=number, lead_id=lead, batch_id=UUID(int=9), mode="live", as_of=DECIDED,
             profile_id=1, score_id=1, roster_id="r", policy="{}", code_version="1", rule=rule, place="owned",
             band="hot", eligible="{}", refused="{}", because="b")  # fmt: skip
    _add(
        undecided,
        "routing_event",
        lead_id=BEN,
        kind="override",
        occurred_at=DECIDED + DAY,
        because="b",
        detail="{}",
    )
    for number, met in ((1, DECIDED + DAY / 48), (2, None)):
        _add(undecided, "sla_clock", lead_id=ANA, decision_seq=number, kind="arrival", step=1, tier="hot",
             started_at=DECIDED, due_at=DECIDED + DAY / 24, met_at=met,
             breached_at=None if met else DECIDED + DAY / 12)  # fmt: skip
    return circumstances(undecided, policies.load(DEFAULT), _cases())


def _add(connection: sa.Connection, table: str, **values: object) -> None:
    named, bound = ", ".join(values), ", ".join(f":{name}" for name in values)
    connection.execute(sa.text(f"insert into {table} ({named}) values ({bound})"), values)


def _activity(connection: sa.Connection, n: int, kind: str, at: datetime, attributes: str) -> None:
    _add(connection, "activity", activity_id=UUID(int=n), source="form", lead_id=ANA, type=kind, occurred_at=at,
         attributes=attributes, seq=n, known_seq=1)  # fmt: skip


def _outcome(connection: sa.Connection, n: int, kind: str, at: datetime, amount: float) -> None:
    _add(connection, "outcome", outcome_id=UUID(int=n), source="form", lead_id=ANA, kind=kind, occurred_at=at,
         amount=amount)  # fmt: skip


def _cases() -> Cases:
    leads = pd.DataFrame(
        {"decided_at": pd.to_datetime([DECIDED] * 2), "team": ["sdr_amer", None]}, index=[str(ANA), str(BEN)]
    )
    return Cases(SINCE, UNTIL, UNTIL + HORIZON, HORIZON, leads, leads[[]], leads[[]], leads[[]])


def test_an_opportunity_is_the_first_and_worth_the_newest_amount_within_the_horizon(around: Circumstances):
    (row,) = around.opportunities.itertuples()
    assert (row.lead_id, row.at, row.amount) == (str(ANA), DECIDED + 5 * DAY, 80)


def test_touches_are_the_arrival_and_what_the_person_did(around: Circumstances):
    found = around.touches.sort_values("at")["channel"].tolist()
    assert found == ["spring", "form", "webinar_attended", "pricing_page_view"]


def test_the_practice_is_counted(around: Circumstances):
    practice = around.practice
    assert practice.in_time == (1, 2)
    assert practice.unchanged == (1, 2)
    assert practice.joined == (1, 2)


def test_desks_and_promises_are_those_of_the_policy(around: Circumstances):
    assert around.promises["hot"] == 5
    assert around.promises["cold"] is None
    assert set(around.desks.teams) == {"sdr_amer"}
    assert around.desks.teams["sdr_amer"].people > 0
    assert around.desks.takes >= around.desks.teams["sdr_amer"].takes
