"""Offers, reasons and cohorts against a plain count of assignments, declines, outcomes and entries."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sla.weeks import MONDAY, POLICY, Lived
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.sla import digest, figures
from clearlane.sla.speed import Window

AS_OF = MONDAY + timedelta(days=60)
WEEK = Window(MONDAY, MONDAY + timedelta(days=7), AS_OF)
RETURNED = ["duplicate", "bad data"]
WORKED = {"accepted", "first_touch", "meeting", "sql", "opportunity", "won", "lost"}
ANSWERS = ("accepted", "declined", "returned", "timed_out", "taken", "open")


# --- the same, plainly --------------------------------------------------------------------------------------


def verdicts(world: Lived) -> list[dict[str, Any]]:
    """What was made of each lead given in the week."""
    given = world.rows(
        "select a.*, d.band, l.source, d.mode from assignment a join lead l using (lead_id)"
        " join decision d using (decision_seq) order by a.started_at, a.assignment_id"
    )
    outcomes = world.rows("select * from outcome")
    events = world.rows("select *, detail ->> 'reason' as reason from routing_event")
    told = []
    for offer in given:
        own = (one for one in given if one["lead_id"] == offer["lead_id"])
        later = [one["started_at"] for one in own if _order(one) > _order(offer)]
        if WEEK.since <= offer["started_at"] < WEEK.until:
            told.append({**offer, **_verdict(offer, min(later, default=AS_OF), outcomes, events)})
    return told


def _order(one: dict[str, Any]) -> Any:
    return one["started_at"], one["assignment_id"]


def _verdict(offer: dict[str, Any], until: Any, outcomes: Any, events: Any) -> dict[str, Any]:
    def then(one: dict[str, Any]) -> bool:
        return one["lead_id"] == offer["lead_id"] and offer["started_at"] <= one["occurred_at"] < until

    said = [one for one in events if then(one) and one["rep_id"] == offer["rep_id"]]
    refused = [one for one in outcomes if one["kind"] == "rejected" and then(one)]
    refused += [one for one in said if one["kind"] == "decline"]
    declined = sorted(one["reason"].lower().strip() for one in refused)
    if declined:
        reason = declined[0]
        return {"reason": reason, "answer": "timed_out" if reason == "accept time-out" else "declined"}
    if any(one["kind"] == "breach" for one in said):
        return {"reason": None, "answer": "taken"}
    worked = any(one["kind"] in WORKED and then(one) for one in outcomes)
    return {"reason": None, "answer": "accepted" if worked else "open"}


def tally(told: list[dict[str, Any]]) -> dict[str, int]:
    counts = Counter(one["answer"] for one in told)
    counts["returned"] = sum(one["reason"] in RETURNED for one in told)
    return {"offered": len(told), **{name: counts[name] for name in ANSWERS}}


# --- tests --------------------------------------------------------------------------------------------------


def test_offers_are_those_of_a_plain_count(lived: Lived) -> None:
    with lived.engine.begin() as connection:
        seen = {
            (one.by, one.name): one for one in figures.offers(connection, ["Duplicate", "bad data"], WEEK)
        }
    plain = verdicts(lived)
    expected = {("all", None): tally(plain)}
    for by, column in (("band", "band"), ("source", "source"), ("team", "team"), ("rep", "rep_id")):
        for name in {one[column] for one in plain}:
            expected[by, name] = tally([one for one in plain if one[column] == name])
    assert {
        key: {name: getattr(one, name) for name in ("offered", *ANSWERS)} for key, one in seen.items()
    } == expected
    whole = seen["all", None]
    assert min(whole.accepted, whole.declined, whole.returned, whole.timed_out, whole.taken) > 0
    assert whole.share == whole.accepted / (whole.offered - whole.open)


def test_reasons_are_counted_as_they_were_given(lived: Lived) -> None:
    with lived.engine.begin() as connection:
        told = figures.reasons(connection, WEEK)
    plain = [one for one in verdicts(lived) if one["answer"] == "declined"]
    assert {one.reason: one.count for one in told if one.by == "all"} == Counter(
        one["reason"] for one in plain
    )
    by_rep = {(one.name, one.reason): one.count for one in told if one.by == "rep"}
    assert by_rep == Counter((one["rep_id"], one["reason"]) for one in plain)


@pytest.mark.parametrize("days", [8, 12, 60])
def test_cohorts_are_those_of_a_plain_count(lived: Lived, days: int) -> None:
    as_of = MONDAY + timedelta(days=days)
    with lived.engine.begin() as connection:
        told = figures.cohorts(connection, MONDAY, as_of)
    entries = lived.rows("select lead_id, entered_at as at from stage_entry")
    outcomes = [one for one in lived.rows("select * from outcome") if one["occurred_at"] < as_of]
    reached = {"accepted": 0, "sql": 0, "won": 0}
    amount = 0.0
    entered = [one for one in entries if one["at"] < as_of]
    for entry in entered:
        own = [o for o in outcomes if o["lead_id"] == entry["lead_id"] and o["occurred_at"] >= entry["at"]]
        for step, kinds in (
            ("accepted", WORKED - {"first_touch", "meeting", "lost"}),
            ("sql", {"sql", "won"}),
            ("won", {"won"}),
        ):
            lag = figures.LAGS[step]
            reached[step] += any(o["kind"] in kinds and o["occurred_at"] < entry["at"] + lag for o in own)
        amount += sum(o["amount"] for o in own if o["kind"] == "won")
    whole = next(one for one in told if one.by == "all")
    assert (whole.month, whole.leads) == (date(2026, 3, 1), len(entered))
    assert {name: getattr(whole, name) for name in reached} == reached
    assert (whole.won_amount, whole.amount) == (amount, amount)
    assert whole.unfinished == (("accepted", "sql", "won") if days < 60 else ("won",))


def test_cohorts_by_source_and_band_add_up(lived: Lived) -> None:
    with lived.engine.begin() as connection:
        told = figures.cohorts(connection, MONDAY, AS_OF)
    whole = next(one for one in told if one.by == "all")
    for by in ("source", "band"):
        parts = [one for one in told if one.by == by]
        assert sum(one.leads for one in parts) == whole.leads
        assert sum(one.amount for one in parts) == whole.amount
    assert {one.name for one in told if one.by == "band"} == {"hot", "warm"}


def test_a_week_is_named_and_begins_on_a_monday() -> None:
    assert digest.monday_of("2026-W10") == MONDAY
    assert digest.last_monday(MONDAY + timedelta(days=7, hours=6)) == MONDAY
    assert digest.last_monday(MONDAY + timedelta(days=6)) == MONDAY - timedelta(days=7)
    for wrong in ("2026-10", "2026-W60", "W10"):
        with pytest.raises(ValueError, match=r"week|year"):
            digest.monday_of(wrong)


def test_the_digest_has_the_week_and_the_one_before(lived: Lived) -> None:
    with lived.engine.begin() as connection:
        told = digest.digest(connection, POLICY, MONDAY + timedelta(days=7), AS_OF)
    data = digest.as_json(told)
    assert data["before"]["since"] == MONDAY.isoformat()
    assert min(len(data["before"]["offers"]), len(data["week"]["offers"]), len(data["cohorts"])) > 1
    shares = [one.share for one in told.before.speed]
    assert [one["share"] for one in data["before"]["speed"]] == shares
    assert next(table.title for table in digest.tables(told)) == "Speed to lead"


def test_the_command_tells_a_week_and_writes_its_mail(
    lived: Lived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", lived.engine.url.render_as_string(hide_password=False))
    monkeypatch.setattr("clearlane.cli.sla.policy_in_force", lambda connection, at: POLICY)
    asked = ["digest", "--week", "2026-W10", "--as-of", AS_OF.isoformat()]
    done = CliRunner().invoke(app, [*asked, "--json", "--out", str(tmp_path / "out")])
    data = json.loads(done.stdout)
    assert data["week"]["since"] == MONDAY.isoformat()
    assert json.loads((tmp_path / "out" / "digest.json").read_text()) == data
    assert "touched in time" in (tmp_path / "out" / "digest.txt").read_text()
    assert "data:image/png;base64," in (tmp_path / "out" / "digest.html").read_text()
    shown = CliRunner().invoke(app, asked)
    assert "Speed to lead" in shown.stdout
    assert "Cohorts of leads" in shown.stdout
    wrong = CliRunner().invoke(app, ["digest", "--week", "10"])
    assert (wrong.exit_code, "2026-W10" in wrong.stderr) == (2, True)
