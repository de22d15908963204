"""An override said on the command line shows at once, lasts through runs, is told to routing, and ends again."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.e2e.rivers import River
from typer.testing import CliRunner, Result

from clearlane.cli import app

COLDEST = """
 select l.source || ':' || l.external_id from standing s join lead l using (lead_id)
 where s.band = 'cold' and s.stage = 'inquiry' order by s.score desc, s.lead_id limit 1
"""
SAID = ("--by", "mo", "--because", "met their board")


@pytest.fixture
def river(new_river: Callable[..., River], first_day: str) -> River:
    return new_river("override", first_day)


@pytest.fixture
def clearlane(river: River, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, list(words))


def coldest(river: River) -> str:
    with river.engine.connect() as connection:
        return str(connection.execute(sa.text(COLDEST)).scalar_one())


def asked(river: River, query: str) -> list[tuple[Any, ...]]:
    with river.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def told(clearlane: Callable[..., Result], lead: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(clearlane("explain", lead, "--json").output)["score"]
    return found


def test_an_override_shows_at_once_until_it_is_taken_back(
    river: River, clearlane: Callable[..., Result]
) -> None:
    lead = coldest(river)
    before = told(clearlane, lead)
    said = clearlane("override", lead, "--score", "80", *SAID)
    assert (said.exit_code, said.output) == (0, f"{lead} is 80, hot\n")
    during = told(clearlane, lead)
    assert (during["score"], during["band"]["name"]) == (80, "hot")
    assert during["override"]["because"] == "met their board"
    assert during["lift"] is None
    screen = clearlane("explain", lead).output
    assert "score 80, set by mo on" in screen
    assert "a person set it, or took that back" in screen
    assert asked(river, "select kind, detail ->> 'after' from routing_event order by kind") == [
        ("band", "hot"), ("stage", "mql"),
    ]  # fmt: skip
    assert clearlane("override", lead, "--end", "--by", "kim", "--because", "they did not buy").exit_code == 0
    after = told(clearlane, lead)
    assert (after["override"], after["score"]) == (None, round(after["total"]))
    assert after["total"] <= before["total"]


def test_an_override_into_a_band_says_so(river: River, clearlane: Callable[..., Result]) -> None:
    lead = coldest(river)
    until = (datetime.now(UTC) + timedelta(days=3)).isoformat()
    assert clearlane("override", lead, "--band", "warm", "--until", until, *SAID).exit_code == 0
    found = told(clearlane, lead)
    assert (found["band"]["name"], found["band"]["why"], found["score"] < 50) == ("warm", "override", True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--score", "101"], "--score: found 101, allowed: 0 to 100"),
        (["--band", "boiling"], "allowed: hot, warm, cool, cold"),
        (["--end"], "no override of this lead is in force"),
        ([], "give either --score or --band"),
        (["--end", "--score", "3"], "give no --score"),
        (["--score", "3", "--until", "2020-01-01"], "is not after the moment"),
    ],
)
def test_what_cannot_be_said_is_refused_with_what_can(
    river: River, clearlane: Callable[..., Result], words: list[str], sentence: str
) -> None:
    refused = clearlane("override", coldest(river), *words, *SAID)
    assert refused.exit_code in (1, 2)
    assert sentence in refused.output
