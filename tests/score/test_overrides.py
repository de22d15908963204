"""Overrides: what a person said, in force from a moment to a moment, for the person and not the record."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection
from tests.score import ledger_rows as rows
from tests.score.models import NOW, ago, model

from clearlane.score import overrides

MODEL = model()
SAID: dict[str, Any] = {"by": "mo", "because": "met the board"}


@pytest.fixture
def ledger(ledger_engine: sa.Engine) -> Iterator[Connection]:
    with ledger_engine.begin() as connection:
        yield connection


def in_force(ledger: Connection, at: datetime, *leads: UUID) -> list[tuple[Any, ...]]:
    wanted = "(select unnest(cast(:leads as uuid[])) as lead_id)"
    query = f"select lead_id, score, band from ({overrides.in_force(wanted)}) as said order by lead_id"
    return [tuple(row) for row in ledger.execute(sa.text(query), {"leads": list(leads), "as_of": at})]


def put(ledger: Connection, lead_id: UUID, **changes: Any) -> int:
    return overrides.set_override(ledger, MODEL, lead_id, **{**SAID, "since": ago(days=2), **changes})


def due(ledger: Connection) -> list[tuple[Any, ...]]:
    query = "select lead_id, activity_id from signal_due order by lead_id"
    return [tuple(row) for row in ledger.execute(sa.text(query))]


def test_an_override_is_in_force_from_its_moment_until_its_end(ledger: Connection) -> None:
    ada, bo = rows.lead(ledger, "ada"), rows.lead(ledger, "bo")
    put(ledger, ada, score=80, since=ago(days=2), until=ago(days=1))
    assert in_force(ledger, ago(days=2.01), ada, bo) == []
    assert in_force(ledger, ago(days=2), ada, bo) == [(ada, 80, None)]
    assert in_force(ledger, ago(days=1), ada, bo) == []
    assert in_force(ledger, ago(days=2), bo) == []


def test_a_new_override_takes_the_place_of_the_one_before(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    put(ledger, ada, score=80, since=ago(days=3))
    put(ledger, ada, band="cold", since=ago(days=1), until=NOW)
    assert in_force(ledger, ago(days=2), ada) == [(ada, 80, None)]
    assert in_force(ledger, ago(hours=1), ada) == [(ada, None, "cold")]
    assert in_force(ledger, NOW, ada) == []


def test_an_override_is_taken_back_by_somebody_for_a_reason(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    number = put(ledger, ada, band="hot")
    ended = overrides.end_override(ledger, ada, by="kim", because="the board said no", at=ago(days=1))
    assert ended == number
    assert in_force(ledger, ago(days=1.5), ada) == [(ada, None, "hot")]
    assert in_force(ledger, NOW, ada) == []
    kept = ledger.execute(sa.text("select by, because, ended_by, ended_because from score_override")).one()
    assert tuple(kept) == ("mo", "met the board", "kim", "the board said no")
    with pytest.raises(overrides.NotAllowed, match="no override of this lead is in force"):
        overrides.end_override(ledger, ada, by="kim", because="again", at=NOW)


def test_an_override_follows_the_survivor_of_a_merge(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    twin = rows.lead(ledger, "twin", survivor="ada")
    put(ledger, twin, score=10)
    assert in_force(ledger, NOW, ada, twin) == [(ada, 10, None)]
    later = rows.lead(ledger, "later")
    put(ledger, later, score=99, since=ago(days=1))
    ledger.execute(
        sa.text("update lead set survivor_id = :ada where lead_id = :later"), {"ada": ada, "later": later}
    )
    assert in_force(ledger, NOW, ada) == [(ada, 99, None)]
    overrides.end_override(ledger, ada, **SAID, at=NOW)
    assert in_force(ledger, NOW, ada) == []


def test_setting_and_ending_queue_every_record_of_the_person(ledger: Connection) -> None:
    ada = rows.lead(ledger, "ada")
    twin = rows.lead(ledger, "twin", survivor="ada")
    rows.lead(ledger, "bo")
    put(ledger, twin, score=10)
    assert due(ledger) == sorted([(ada, None), (twin, None)])
    overrides.end_override(ledger, ada, **SAID, at=NOW)
    assert due(ledger) == sorted([(ada, None), (twin, None)] * 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"score": 101}, "--score: found 101, allowed: 0 to 100"),
        ({"score": -1}, "allowed: 0 to 100"),
        ({"band": "boiling"}, "--band: found 'boiling', allowed: hot, warm, cool, cold"),
        ({}, "give either --score or --band"),
        ({"score": 1, "band": "hot"}, "give either --score or --band"),
        ({"score": 1, "because": " "}, "--because is empty"),
        ({"score": 1, "by": ""}, "--by is empty"),
        ({"score": 1, "until": ago(days=2)}, "--until 2026-02-28 12:00 is not after"),
    ],
)
def test_what_is_not_allowed_is_refused_and_nothing_is_written(
    ledger: Connection, changes: dict[str, Any], sentence: str
) -> None:
    ada = rows.lead(ledger, "ada")
    with pytest.raises(overrides.NotAllowed, match=sentence):
        put(ledger, ada, **changes)
    assert due(ledger) == []
    assert in_force(ledger, NOW, ada) == []


def test_nobody_can_override_a_lead_that_is_not_there(ledger: Connection) -> None:
    with pytest.raises(overrides.NotAllowed, match="knows no lead"):
        put(ledger, UUID(int=1), score=1)
