"""What the inbox held, day by day: counted once, again where records come late, with no value of anybody in it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from tests.quality.steady import FIRST, changed, year
from typer.testing import CliRunner

from clearlane import policy as policies
from clearlane import quality
from clearlane.cli import app
from clearlane.cli.options import DEFAULT_POLICY
from clearlane.policy.model import Policy
from clearlane.quality import profiles, scores
from clearlane.quality.days import Day

from .conftest import END, contract, deliver, lead, opened

POLICY = contract()
FRIDAY = date(2026, 2, 27)
AFTER = datetime(2026, 3, 2, 0, 5, tzinfo=UTC)


def came(connection: sa.Connection, day: date, *records: dict[str, Any], policy: Policy = POLICY) -> None:
    """Records of that day, judged by a live run."""
    number = connection.execute(sa.text("select count(*) from batch")).scalar_one()
    batch = opened(connection, f"run {number}")
    deliver(connection, batch, records, at=profiles.moments(day)[0] + timedelta(hours=23, minutes=59))
    quality.run(connection, policy, batch, engine="plain")


def counted(connection: sa.Connection, as_of: datetime = AFTER) -> int:
    return profiles.refresh(connection, POLICY, as_of)


def day_of(connection: sa.Connection, day: date) -> Day:
    (found,) = profiles.known(connection, day, day)
    return found


def test_a_day_is_counted_by_field(connection: sa.Connection) -> None:
    good = [lead(str(n), employees=10 * n, phone="+1 212 555 0100", email=f"{n}@a.com") for n in range(1, 4)]
    came(connection, FRIDAY, *good, lead("4", employees="many"), lead("5", email="nobody"))
    assert counted(connection) == 3
    told = day_of(connection, FRIDAY)
    assert (told.rows, told.quarantined, told.looked) == (5, 1, 4)
    employees, phone = told.fields["employees"], told.fields["phone"]
    assert (employees.filled, employees.emptied, employees.missing) == (3, 1, 0)
    assert (employees.distinct, employees.quantiles) == (3, (10, 10, 20, 30, 30))
    assert employees.shape == {"n7": 1, "n9": 1, "n10": 1}
    assert (phone.filled, phone.missing, phone.distinct) == (3, 1, 1)
    assert sum(phone.shape.values()) == 3
    assert told.fields["created_at"].shape == {}


def test_days_without_records_are_counted_as_that(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("1"))
    counted(connection)
    known = profiles.known(connection, FRIDAY, date(2026, 3, 1))
    assert [(one.day.day, one.rows) for one in known] == [(27, 1), (28, 0), (1, 0)]


def test_no_value_of_a_record_is_kept(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("ext-4711", email="ada@acme.com", employees=1234, color="mauve"))
    counted(connection)
    kept = str(connection.execute(sa.text("select * from quality_profile")).all())
    assert "employees" in kept
    assert not [value for value in ("4711", "ada", "acme", "mauve", "2026-03-01T10") if value in kept]


def test_a_day_is_counted_once_and_again_when_records_come_late(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("1"))
    assert counted(connection) == 3
    assert counted(connection) == 0
    came(connection, FRIDAY, lead("2"))
    assert counted(connection) == 0  # until the next day is over
    assert counted(connection, AFTER + timedelta(days=1)) == 3
    assert day_of(connection, FRIDAY).rows == 2
    assert day_of(connection, date(2026, 3, 2)).rows == 0


def test_records_seen_before_their_day_was_over_are_counted(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("1"))
    came(connection, date(2026, 3, 2), lead("2"))
    counted(connection)
    assert profiles.known(connection, date(2026, 3, 2), date(2026, 3, 2)) == []
    counted(connection, AFTER + timedelta(days=1))
    assert day_of(connection, date(2026, 3, 2)).rows == 1


def test_the_order_of_arrival_changes_no_day(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("1"), lead("2", phone="+1 212 555 0100"))
    came(connection, FRIDAY, lead("3", email="none"))
    counted(connection)
    once = day_of(connection, FRIDAY)
    connection.execute(sa.text("truncate quality_profile, quarantine, quality_note, inbox cascade"))
    came(connection, FRIDAY, lead("3", email="none"), lead("2", phone="+1 212 555 0100"))
    came(connection, FRIDAY, lead("1"))
    counted(connection)
    assert day_of(connection, FRIDAY) == once


def test_old_days_are_not_counted_and_forgotten_after_a_year(connection: sa.Connection) -> None:
    came(connection, FRIDAY - timedelta(days=200), lead("1"))
    assert counted(connection) == 1
    assert counted(connection, AFTER + timedelta(days=500)) == 0
    came(connection, FRIDAY + timedelta(days=499), lead("2"))
    assert counted(connection, AFTER + timedelta(days=500)) > 0
    oldest = connection.execute(sa.text("select min(day) from quality_profile")).scalar_one()
    assert oldest > FRIDAY + timedelta(days=90)


def test_the_first_scheduled_run_of_a_day_counts(connection: sa.Connection) -> None:
    came(connection, FRIDAY, lead("1"))
    batch = opened(connection, "next")
    quality.run(connection, POLICY, batch, engine="gx")
    assert day_of(connection, FRIDAY).rows == 1


def test_only_so_many_records_of_a_day_are_looked_at(
    connection: sa.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "SAMPLE", 10)
    came(connection, FRIDAY, *(lead(str(number)) for number in range(30)))
    counted(connection)
    assert (day_of(connection, FRIDAY).rows, day_of(connection, FRIDAY).looked) == (30, 10)


# --- the score ------------------------------------------------------------------------------------

DAYS = year(seed=2, size=400, days=12 * 7 + 7)
SINCE, UNTIL = FIRST + timedelta(days=84), FIRST + timedelta(days=90)
NOTHING: frozenset[str] = frozenset()


def test_a_source_without_faults_has_all_points() -> None:
    clean = [Day(day.day, "crm", "leads", 100, 0, 100) for day in DAYS]
    told = scores.score(clean, NOTHING, SINCE, UNTIL)
    assert (told.points, told.costs, told.judged, told.records) == (100, (), True, 700)


def test_points_are_lost_in_words_and_add_up() -> None:
    broken = changed(DAYS[-1], "company", filled=40)
    told = scores.score([*DAYS[:-1], broken], frozenset({"company", "phone"}), SINCE, UNTIL)
    assert told.points == round(100 - sum(cost.points for cost in told.costs))
    for words in (
        "of its records in quarantine",
        "of its values emptied",
        "missing most: phone",
        "as usual: leads",
    ):
        assert words in told.why
    assert [one.field for one in told.deviations] == ["company"]
    assert scores.sentence(told.deviations[0]).startswith(f"{UNTIL} leads company: missing in ")


def test_a_source_that_sends_nothing_usable_has_no_points_below_zero() -> None:
    awful = [Day(day.day, "crm", "leads", 100, 100) for day in DAYS]
    assert scores.score(awful, NOTHING, SINCE, UNTIL).points == 60
    assert scores.score([], NOTHING, SINCE, UNTIL).judged is False


def test_what_rules_of_fit_read_is_wanted() -> None:
    assert scores.wanted(POLICY) == NOTHING
    assert {"employees", "title"} & scores.wanted(policies.load(DEFAULT_POLICY))


def test_the_command_line_shows_each_source(
    ledger_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_engine.begin() as connection:
        came(connection, FRIDAY, lead("1"), lead("2", email="none"))
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", ledger_engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(policies, "stored", lambda *_: POLICY)
    monkeypatch.setattr("clearlane.cli.quality.this_moment", lambda: END + timedelta(hours=1))
    told = CliRunner().invoke(app, ["quality"])
    assert told.exit_code == 0, told.output
    assert "50% of its records in quarantine" in told.output
    assert "not judged yet" in told.output
    (crm,) = json.loads(CliRunner().invoke(app, ["quality", "--source", "crm", "--json"]).output)
    assert (crm["source"], crm["records"], crm["judged"]) == ("crm", 2, False)
    assert json.loads(CliRunner().invoke(app, ["quality", "--source", "web", "--json"]).output) == []
