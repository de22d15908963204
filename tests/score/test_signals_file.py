"""Behaviour added up elsewhere and brought as a file: scores as from the activities, or a named refusal."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from clearlane.cli import app

AS_OF = "2026-03-02T12:00:00Z"
POLICY = """
schema: 1
owner: ops
approver: ops
attributes: {employees: number}
activity_attributes: {minutes: number}
hand_raises: {activities: [demo_request], counts_for: 30 days, one_inquiry_within: 30 minutes}
measures:
  active_days: {because: Days with a visit, activity: visit, count: days, within: 14 days}
rules:
  fit:
    - {id: size, because: Size, when: employees between 50 and 1000, points: 15}
  engagement:
    - {id: visit, because: Visit, activity: visit, points: 8, half_life: 7 days}
    - {id: long, because: Long, activity: visit, activity_when: minutes >= 5, points: 3, at_most: 2 per week}
    - {id: busy, because: Busy, when: active_days >= 2, points: 5}
bands: [{name: hot, enter: 75, exit: 70}, {name: cold, enter: 0}]
grades: {fit: [40, 25, 10], engagement: [30, 15, 5]}
stages: [{name: mql, because: Enough, when: score >= 50 or hand_raise}]
"""
LEADS = "lead_id,employees\na,300\nb,10\nc,60\n"
ACTIVITIES = """lead_id,type,occurred_at,minutes
a,visit,2026-02-23T12:00:00Z,6
a,visit,2026-02-24T12:00:00Z,7
a,visit,2026-02-25T12:00:00Z,8
a,visit,2026-03-03T12:00:00Z,8
b,demo_request,2026-02-20T08:00:00Z,
b,demo_request,2025-02-20T08:00:00Z,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scoring.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "leads.csv").write_text(LEADS, encoding="utf-8")
    (tmp_path / "activities.csv").write_text(ACTIVITIES, encoding="utf-8")
    return tmp_path


def asked(folder: Path, dialect: str = "duckdb") -> str:
    """What `clearlane signals` prints for the events of the folder."""
    activities = (
        "(select lead_id, type, cast(occurred_at as timestamptz) as occurred_at, cast(minutes as double) as"
        f" minutes from read_csv('{folder}/activities.csv', all_varchar = true))"
    )
    words = ["--policy", str(folder), "--as-of", AS_OF, "--dialect", dialect, "--activities", activities]
    told = CliRunner().invoke(app, ["signals", *words])
    assert told.exit_code == 0, told.output
    return str(told.output)


def made(folder: Path, name: str = "signals.csv", change: str = "select * from signals") -> Path:
    out = folder / name
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"create table signals as {asked(folder)}")
        connection.execute(f"copy ({change}) to '{out}'")
    return out


def scored(folder: Path, *given: str) -> tuple[int, str]:
    out = folder / "out.csv"
    words = [
        "--policy",
        str(folder),
        "--leads",
        str(folder / "leads.csv"),
        "--as-of",
        AS_OF,
        "--out",
        str(out),
    ]
    told = CliRunner().invoke(app, ["score", *words, *given], env={"COLUMNS": "500"})
    return told.exit_code, out.read_text(encoding="utf-8") if told.exit_code == 0 else told.output


@pytest.mark.parametrize("name", ["signals.csv", "signals.parquet"])
def test_signals_score_as_the_activities_do(folder: Path, name: str) -> None:
    from_activities = scored(folder, "--activities", str(folder / "activities.csv"))
    assert from_activities[0] == 0
    assert '""visit"":' in from_activities[1]
    assert '""long"":6,' in from_activities[1]
    assert '""busy"":5' in from_activities[1]
    assert ",mql," in from_activities[1]
    assert scored(folder, "--signals", str(made(folder, name))) == from_activities


def test_one_row_per_lead_and_rule_comes_back(folder: Path) -> None:
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        columns = "lead_id, name, round(weight, 6), n, cast(first_at as varchar)"
        rows = connection.execute(f"select {columns} from ({asked(folder)}) order by all").fetchall()
    assert rows == [
        ("a", "active_days", 3.0, 3, "2026-02-23 12:00:00+00"),
        ("a", "long", 2.0, 3, "2026-02-23 12:00:00+00"),
        ("a", "visit", round(2**-1 + 2 ** (-6 / 7) + 2 ** (-5 / 7), 6), 3, "2026-02-23 12:00:00+00"),
        ("b", "hand_raise", 1.0, 2, "2026-02-20 08:00:00+00"),
    ]


def test_names_in_capitals_are_as_good(folder: Path) -> None:
    columns = "lead_id, name, fingerprint, as_of, weight, n, first_at, last_at"
    shouted = ", ".join(f'{name} as "{name.upper()}"' for name in columns.split(", "))
    path = made(folder, change=f"select {shouted} from signals")
    assert path.read_text(encoding="utf-8").startswith("LEAD_ID,")
    assert scored(folder, "--signals", str(path)) == scored(
        folder, "--activities", str(folder / "activities.csv")
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("select * replace ('0123' as fingerprint) from signals", "column fingerprint: found '0123'"),
        ("select * replace (as_of + interval 1 day as as_of) from signals", "line 2, column as_of: found"),
        ("select * exclude weight from signals", "column weight: this required column is missing"),
        ("select * from signals union all (select * from signals where lead_id = 'b')", "column name: found"),
        ("select * replace ('many' as n) from signals", "column n: found 'many'"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, change: str, reason: str) -> None:
    code, told = scored(folder, "--signals", str(made(folder, change=change)))
    assert code == 2
    assert reason in told


def test_a_changed_rule_needs_the_query_again(folder: Path) -> None:
    path = made(folder)
    (folder / "scoring.yaml").write_text(
        POLICY.replace("half_life: 7 days", "half_life: 8 days"), encoding="utf-8"
    )
    code, told = scored(folder, "--signals", str(path))
    assert (code, "not of this policy" in told) == (2, True)


def test_either_activities_or_signals(folder: Path) -> None:
    both = ["--activities", str(folder / "activities.csv"), "--signals", str(folder / "activities.csv")]
    assert scored(folder, *both)[0] == 2


def test_an_unknown_dialect_is_named(folder: Path) -> None:
    words = ["--policy", str(folder), "--as-of", AS_OF, "--dialect", "oracle", "--activities", "events"]
    told = CliRunner().invoke(app, ["signals", *words], env={"COLUMNS": "200"})
    assert told.exit_code == 2
    assert "found 'oracle', allowed: postgres, duckdb, spark" in told.output
