"""Batch rules: what they see by source time, when they warn, when they stop, and what a stop leaves untouched."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from clearlane import quality
from clearlane.ledger import Batch, close_batch
from clearlane.policy.model import BatchRule
from clearlane.quality import batch_rules
from clearlane.quality.batch_rules import Finding, Trail

from .conftest import END, contract, deliver, lead, opened

VOLUME = BatchRule("volume", ("leads",), warn=2, stop=4)
SHARE = BatchRule("bad_share", ("leads",), warn=0.05, stop=0.5)
FRESH = BatchRule("freshness", ("leads",), warn=24, stop=48)
SCHEMA = BatchRule("schema", ("leads",), warn=1, stop=3)
WEEK = timedelta(days=7)
NOON = END - timedelta(hours=12)


def history(connection: sa.Connection, weeks: int, rows: int, **fields: Any) -> None:
    """Rows of the same day in each of the weeks before, as consumed by earlier runs."""
    for week in range(1, weeks + 1):
        deliver(connection, None, [lead(f"{week}-{n}", **fields) for n in range(rows)], at=NOON - week * WEEK)
    connection.execute(sa.text("update inbox set state = 'consumed'"))
    # A first row still earlier, so that the first week lies wholly after the object's first row.
    deliver(connection, None, [lead("first", **fields)], at=NOON - weeks * WEEK - timedelta(days=2))
    connection.execute(sa.text("update inbox set state = 'consumed'"))


def judged(connection: sa.Connection, batch: Batch, *rules: BatchRule) -> quality.Verdict:
    return quality.run(connection, contract(*rules), batch, engine="plain")


def verdicts(verdict: quality.Verdict) -> list[tuple[str, str]]:
    return [(finding.rule, finding.verdict) for finding in verdict.findings]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [(40, "pass"), (30, "pass"), (20, "warn"), (85, "warn"), (9, "stop"), (0, "stop"), (170, "stop")],
)
def test_volume_is_held_against_the_weeks_before(connection: sa.Connection, rows: int, expected: str) -> None:
    history(connection, weeks=5, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead(str(number)) for number in range(rows)])
    connection.execute(
        sa.text("insert into delivery values (:batch, 'crm', 'leads', :rows, 0)"),
        {"batch": batch.batch_id, "rows": rows},
    )
    verdict = judged(connection, batch, VOLUME)
    assert verdicts(verdict) == [("volume", expected)]
    assert verdict.findings[0].because == f"{rows} rows, usually 40"
    assert verdict.findings[0].seen == rows / 40


@pytest.mark.parametrize(
    ("weeks", "mode", "expected"), [(3, "live", "warn"), (4, "live", "stop"), (4, "shadow", "warn")]
)
def test_a_young_source_and_a_shadow_run_only_warn(
    connection: sa.Connection, weeks: int, mode: str, expected: str
) -> None:
    history(connection, weeks=weeks, rows=40)
    batch = opened(connection, mode=mode)
    deliver(connection, batch, [lead("only")])
    assert verdicts(judged(connection, batch, VOLUME)) == [("volume", expected)]


def test_a_stop_is_saved_and_leaves_every_row_as_it_was(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a", employees="12"), lead("b", email="")])
    verdict = judged(connection, batch, VOLUME)
    with pytest.raises(quality.Stopped, match="volume of leads from crm: 2 rows, usually 40"):
        quality.passed(verdict)
    rows = connection.execute(
        sa.text("select state, record ->> 'employees' from inbox where batch_id = :batch order by seq"),
        {"batch": batch.batch_id},
    ).all()
    assert rows == [("waiting", "12"), ("waiting", None)]
    kept = connection.execute(sa.text("select rule, verdict, seen, allowed from quality_result")).all()
    assert kept == [("volume", "stop", 0.05, "warn at 2, stop at 4")]


def test_a_result_is_replaced_when_the_run_is_tried_again(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a")])
    judged(connection, batch, VOLUME)
    deliver(connection, batch, [lead(str(number)) for number in range(40)])
    assert quality.passed(judged(connection, batch, VOLUME)).checked == 41
    assert connection.execute(sa.text("select verdict from quality_result")).scalars().all() == ["pass"]


def test_rows_of_a_stopped_run_are_left_to_a_person(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a")])
    judged(connection, batch, VOLUME)
    close_batch(connection, batch.batch_id)
    assert judged(connection, opened(connection, "next")).counts.claimed == 0
    by_hand = opened(connection, "by hand", run_type="manual", window=None)
    assert judged(connection, by_hand).counts.claimed == 1


@pytest.mark.parametrize(("hours", "expected"), [(1, "pass"), (24, "warn"), (60, "stop")])
def test_freshness_is_the_age_of_the_newest_row(connection: sa.Connection, hours: int, expected: str) -> None:
    history(connection, weeks=4, rows=1)
    batch = opened(connection)
    deliver(connection, batch, [lead("a")], at=END - timedelta(hours=hours))
    deliver(connection, None, [lead("of a later run")], at=END + timedelta(hours=1))
    verdict = judged(connection, batch, FRESH)
    assert verdicts(verdict) == [("freshness", expected)]
    assert verdict.findings[0].seen == hours


def test_schema_drift_names_the_columns(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=2, phone="")
    batch = opened(connection)
    deliver(connection, batch, [lead("a", fax="1"), lead("b")])
    verdict = judged(connection, batch, SCHEMA)
    assert verdicts(verdict) == [("schema", "warn")]
    assert (verdict.findings[0].seen, verdict.findings[0].because) == (2, "gone: phone; new: fax")


def test_a_column_that_came_and_went_before_is_no_drift(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=2)
    deliver(connection, None, [lead("once", note="x")], at=NOON - WEEK)
    connection.execute(sa.text("update inbox set state = 'consumed'"))
    batch = opened(connection)
    deliver(connection, batch, [lead("a")])
    assert verdicts(judged(connection, batch, SCHEMA)) == [("schema", "pass")]


def test_a_share_of_bad_rows_stops_the_run_and_stops_it_again(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=2)
    batch = opened(connection)
    deliver(
        connection, batch, [lead(str(number), email="" if number < 15 else "a@b.com") for number in range(20)]
    )
    first = judged(connection, batch, SHARE)
    assert verdicts(first) == [("bad_share", "stop")]
    assert first.findings[0].because == "15 of 20 rows are in quarantine"
    assert verdicts(judged(connection, batch, SHARE)) == [("bad_share", "stop")]
    connection.execute(sa.text("update quarantine set state = 'dismissed'"))
    assert verdicts(judged(connection, batch, SHARE)) == [("bad_share", "pass")]


def test_one_bad_row_of_one_does_not_stop_a_run(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=2)
    batch = opened(connection)
    deliver(connection, batch, [lead("a", email="")])
    assert verdicts(judged(connection, batch, SHARE)) == [("bad_share", "warn")]


# -- the rules alone -------------------------------------------------------------------------------


def live_batch() -> Batch:
    from uuid import UUID

    return Batch(
        batch_id=UUID(int=0), dag_id="d", run_id="r", run_type="scheduled", mode="live", dry_run=False,
        window_start=END - timedelta(days=1), window_end=END, as_of=END, sources=(), policy={}, code_version="",
    )  # fmt: skip


def trail(counts: Sequence[int], newest: datetime | None = None) -> Trail:
    return Trail("crm", "leads", tuple(counts), newest)


def of_volume(counts: Sequence[int]) -> Finding:
    return batch_rules.volume(VOLUME, trail(counts), live_batch())


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_what_is_further_from_usual_is_never_judged_milder(count: int, usual: int) -> None:
    ranks = ["pass", "warn", "stop"]
    nearer = count + 1 if count < usual else max(count - 1, usual)
    judged_worse = of_volume([count, *[usual] * 5]).verdict
    judged_better = of_volume([nearer, *[usual] * 5]).verdict
    assert ranks.index(judged_better) <= ranks.index(judged_worse)


@pytest.mark.parametrize("counts", [[], [5], [5, 0, 0, 0, 0, 0], [0, 2, 2, 2, 2], [3, 1, 1, 1, 1]])
def test_too_little_to_compare_with_is_no_finding(counts: list[int]) -> None:
    assert of_volume(counts).verdict == "pass"


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_judged_share_is_never_above_the_seen_one(bad: int, rows: int) -> None:
    bad = min(bad, rows)
    finding = batch_rules.bad_share(SHARE, trail([0] * 6), live_batch(), bad, rows)
    assert finding.seen == bad / rows
    if bad / rows < 0.05:
        assert finding.verdict == "pass"
    if rows >= 100 and bad / rows >= 0.65:
        assert finding.verdict == "stop"
