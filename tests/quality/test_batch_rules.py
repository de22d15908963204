"""Batch rules: what they see by source time, when they warn, when they stop, and what a stop leaves untouched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from clearlane import quality
from clearlane.ledger import Batch, close_batch
from clearlane.policy.model import BatchRule, ObjectMapping, Source, Sources
from clearlane.quality import batch_rules, quarantine, waiting
from clearlane.quality.batch_rules import Finding, Trail
from clearlane.quality.quarantine import Chosen

from .conftest import END, contract, deliver, lead, opened

VOLUME = BatchRule("volume", ("leads",), warn=2, stop=4)
SHARE = BatchRule("bad_share", ("leads",), warn=0.05, stop=0.5)
FRESH = BatchRule("freshness", ("leads",), warn=24, stop=48)
SCHEMA = BatchRule("schema", ("leads",), warn=1, stop=3)
MAPPING = ObjectMapping("leads", "leads.csv", {name: name for name in ("id", "created_at", "email")})
SOURCES = Sources({"crm": Source("crm", "files", "", {"leads": MAPPING})}, {})
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


def states(connection: sa.Connection) -> list[tuple[str, str, str]]:
    """Source, id and state of the rows that no run before has used."""
    rows = "select source, external_id, state from inbox where state <> 'consumed' order by seq"
    return [tuple(row) for row in connection.execute(sa.text(rows))]


def test_what_a_rule_says_stop_to_is_held_and_the_rest_goes_on(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a", employees="12"), lead("b", email="")])
    deliver(connection, batch, [lead("c", employees="12"), lead("d", email="")], source="form")
    verdict = judged(connection, batch, VOLUME)
    assert (verdict.counts.held, verdict.counts.checked, verdict.counts.quarantined) == (2, 2, 1)
    rest = [("form", "c", "waiting"), ("form", "d", "quarantined")]
    assert states(connection) == [("crm", "a", "quarantined"), ("crm", "b", "quarantined"), *rest]
    kept = connection.execute(
        sa.text("select rule, verdict, seen, allowed from quality_result where source = 'crm'")
    ).all()
    assert kept == [("volume", "stop", 0.05, "warn at 2, stop at 4")]
    first, *_ = quarantine.listed(connection, Chosen("delivery volume", source="crm"))
    assert first.why == "delivery volume: 2 rows, usually 40 (allowed: warn at 2, stop at 4)"
    assert first.since == batch.as_of


def test_a_stop_to_activities_keeps_no_lead(connection: sa.Connection) -> None:
    batch = opened(connection)
    stop = Finding("crm", "activities", "schema", "stop", 3, "stop at 3", "gone: a, b, c")
    deliver(connection, batch, [lead("a")])
    deliver(connection, batch, [{"id": "1", "lead_id": "a", "type": "demo"}], object="activities")
    assert waiting.hold(connection, batch, [stop, replace(stop, rule="volume")]) == 1
    assert [state for _, _, state in states(connection)] == ["waiting", "quarantined"]
    [held] = quarantine.listed(connection)
    assert [reason["rule"] for reason in held.reasons] == ["schema", "volume"]


def test_a_result_is_replaced_when_the_run_is_tried_again(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a")])
    judged(connection, batch, VOLUME)
    deliver(connection, batch, [lead(str(number)) for number in range(40)])
    assert judged(connection, batch, VOLUME).counts.checked == 40
    assert connection.execute(sa.text("select verdict from quality_result")).scalars().all() == ["pass"]


def test_what_a_person_hands_back_is_not_held_again(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=40)
    batch = opened(connection)
    deliver(connection, batch, [lead("a")])
    judged(connection, batch, VOLUME)
    close_batch(connection, batch.batch_id)
    assert judged(connection, opened(connection, "next")).counts.claimed == 0
    [held] = quarantine.listed(connection)
    quarantine.replay(connection, [held.seq], by="ada", because="a quiet day", sources=SOURCES)
    again = opened(connection, "again")
    deliver(connection, again, [lead("b")])
    verdict = judged(connection, again, VOLUME)
    assert verdicts(verdict) == [("volume", "stop")]
    assert (verdict.counts.claimed, verdict.counts.held) == (1, 1)
    assert states(connection) == [("crm", "a", "waiting"), ("crm", "b", "quarantined")]


def test_the_record_of_what_is_gone_from_its_source_is_handed_back_as_it_was(
    connection: sa.Connection,
) -> None:
    batch = opened(connection)
    gone = {"id": "a", "deleted": True, "found_missing": "2026-03-01T00:00:00+00:00"}
    deliver(connection, batch, [lead("a", deleted="true")], payload=gone)
    waiting.hold(connection, batch, [Finding("crm", "leads", "volume", "stop", 9, "stop at 4", "many rows")])
    [held] = quarantine.listed(connection)
    quarantine.replay(connection, [held.seq], by="ada", because="cleared up", sources=SOURCES)
    kept = connection.execute(sa.text("select record, state from inbox where external_id = 'a'")).one()
    assert tuple(kept) == (lead("a", deleted="true"), "waiting")


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


def test_where_too_many_are_bad_the_good_are_held_and_the_verdict_stays(connection: sa.Connection) -> None:
    history(connection, weeks=4, rows=2)
    batch = opened(connection)
    deliver(
        connection, batch, [lead(str(number), email="" if number < 15 else "a@b.com") for number in range(20)]
    )
    first = judged(connection, batch, SHARE)
    assert verdicts(first) == [("bad_share", "stop")]
    assert first.findings[0].because == "15 of 20 rows are in quarantine"
    assert (first.counts.quarantined, first.counts.held) == (15, 5)
    again = judged(connection, batch, SHARE)
    assert (verdicts(again), again.counts.held) == ([("bad_share", "stop")], 0)
    assert again.findings == first.findings
    connection.execute(sa.text("update quarantine set state = 'dismissed'"))
    assert verdicts(judged(connection, batch, SHARE)) == [("bad_share", "pass")]


def test_one_bad_row_of_one_holds_nothing_back(connection: sa.Connection) -> None:
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
