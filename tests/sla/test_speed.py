"""How soon leads were touched: the figures against a plain count of the raw clocks and events, minute by minute."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from tests.sla.promises import MINUTE
from tests.sla.weeks import MONDAY, POLICY, Lived

from clearlane import ledger
from clearlane.sla import speed
from clearlane.sla.speed import Speed, Window

WEEK = Window(MONDAY, MONDAY + timedelta(days=7), MONDAY + timedelta(days=11))
DIMENSIONS = ("tier", "band", "source", "team", "rep")


def found(world: Lived, window: Window = WEEK) -> dict[tuple[str, str, str | None], Speed]:
    with world.engine.begin() as connection:
        return {(one.promise, one.by, one.name): one for one in speed.speed(connection, POLICY, window)}


# --- the same, plainly --------------------------------------------------------------------------------------


def clocks(world: Lived, window: Window) -> pd.DataFrame:
    """Clocks due in the window with what became of them, from the rows of the tables."""
    rows = world.rows(
        "select k.*, d.band, d.team, l.source from sla_clock k join lead l using (lead_id)"
        " left join decision d using (decision_seq) where k.kind in ('arrival', 'assignment', 'accept')"
    )
    told = world.rows("select clock_id, detail ->> 'met_at' as met from sla_event where kind = 'withdrawn'")
    belied = {row["clock_id"]: datetime.fromisoformat(row["met"]) for row in told}
    due = [r for r in rows if window.since <= r["due_at"] < min(window.until, window.as_of)]
    return pd.DataFrame([_judged(row, belied.get(row["clock_id"]), window.as_of) for row in due])


def _judged(row: dict[str, Any], belied: datetime | None, as_of: datetime) -> dict[str, Any]:
    touches = [at for at in (row["met_at"], belied) if at is not None and at < as_of]
    touch = min(touches, default=None)
    judged = {"touch": touch, "elapsed": math.inf, "worked": math.inf, **row, "rep": row["rep_id"]}
    if touch is not None:
        judged["elapsed"] = (touch - row["started_at"]) / MINUTE
        judged["worked"] = open_minutes(row["tier"], row["started_at"], touch)
    if touch is not None and touch <= row["due_at"]:
        return judged | {"state": "kept"}
    if row["ended_at"] is not None and row["ended_at"] <= row["due_at"]:
        return judged | {"state": "called_off"}
    return judged | {"state": "late" if touch or row["breached_at"] else "unjudged"}


def open_minutes(tier: str, start: datetime, end: datetime) -> float:
    """Minutes from nine to five on weekdays; of hot leads all minutes."""
    steps = pd.date_range(start, end, freq="min", inclusive="left")
    return len(steps) if tier == "hot" else sum(1 for at in steps if at.weekday() < 5 and 9 <= at.hour < 17)


def percentile(values: list[float], share: float) -> timedelta | None:
    value = sorted(values)[math.ceil(share * len(values)) - 1] if values else math.inf
    return None if math.isinf(value) else value * MINUTE


def counted(frame: pd.DataFrame) -> dict[str, Any]:
    states = frame["state"].value_counts()
    judged = frame[frame["state"].isin(["kept", "late"])]
    elapsed, worked = list(judged["elapsed"]), list(judged["worked"])
    return {
        **{state: int(states.get(state, 0)) for state in ("kept", "late", "unjudged", "called_off")},
        "untouched": sum(map(math.isinf, elapsed)),
        "median": percentile(elapsed, 0.5), "p90": percentile(elapsed, 0.9),
        "business_median": percentile(worked, 0.5), "business_p90": percentile(worked, 0.9),
    }  # fmt: skip


# --- tests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("until", [7, 3])
def test_the_figures_are_those_of_a_plain_count(lived: Lived, until: int) -> None:
    window = Window(MONDAY, MONDAY + timedelta(days=7), MONDAY + timedelta(days=until, hours=11))
    told, plain = found(lived, window), clocks(lived, window)
    expected = {}
    for promise, frame in plain.groupby("kind"):
        expected[promise, "all", None] = counted(frame)
        for by in DIMENSIONS if promise != "arrival" else DIMENSIONS[:-1]:
            for name, part in frame.groupby(by, dropna=False):
                expected[promise, by, None if pd.isna(name) else name] = counted(part)
    seen = {
        key: {field: getattr(one, field) for field in next(iter(expected.values()))}
        for key, one in told.items()
    }
    assert seen == expected


def test_the_week_has_all_that_can_become_of_a_promise(lived: Lived) -> None:
    plain = clocks(lived, WEEK)
    assert {"kept", "late", "called_off"} <= set(plain["state"])
    assert set(plain["tier"]) == {"hot", "warm"}
    untouched = [one.untouched for key, one in found(lived).items() if key[1] == "all"]
    assert all(untouched)


def test_every_promise_is_counted_once_whatever_it_is_counted_by(lived: Lived) -> None:
    told = found(lived)
    for promise in ("assignment", "accept"):
        whole = told[promise, "all", None]
        for by in DIMENSIONS:
            parts = [one for key, one in told.items() if key[:2] == (promise, by)]
            assert sum(one.kept for one in parts) == whole.kept
            assert sum(one.late for one in parts) == whole.late


def test_breaches_are_those_of_the_log(lived: Lived) -> None:
    events = pd.DataFrame(
        lived.rows(
            "select e.*, k.kind as promise from sla_event e join sla_clock k using (clock_id)"
            " where e.kind in ('breach', 'time_out')"
        )
    )
    withdrawn = {
        row["clock_id"] for row in lived.rows("select clock_id from sla_event where kind = 'withdrawn'")
    }
    events = events[(events["occurred_at"] >= WEEK.since) & (events["occurred_at"] < WEEK.until)]
    standing = events[~events["clock_id"].isin(withdrawn)]
    with lived.engine.begin() as connection:
        told = speed.breaches(connection, WEEK)
    seen = {(one.promise, one.cause): one.count for one in told if one.by == "all" and one.count}
    assert seen == standing.groupby(["promise", "cause"]).size().to_dict()
    by_rep = {
        (one.promise, one.cause, one.name): one.count
        for one in told
        if one.by == "rep" and one.count and one.name
    }
    assert by_rep == standing.groupby(["promise", "cause", "rep_id"]).size().to_dict()


def test_late_promises_are_the_breaches_where_the_watch_ran(lived: Lived) -> None:
    late = sum(found(lived)[promise, "all", None].late for promise in ("arrival", "assignment", "accept"))
    with lived.engine.begin() as connection:
        told = speed.breaches(connection, WEEK)
    asked = ("arrival", "assignment", "accept")
    assert late == sum(one.count for one in told if one.by == "all" and one.promise in asked) > 0


def test_nothing_is_told_of_a_ledger_without_promises(ledger_url: str) -> None:
    engine = ledger.connect(ledger_url)
    assert found(Lived(engine)) == {}
    engine.dispose()
