"""What a person asks a ledger that has seen a small company: report, explain, doctor, quarantine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from tests.e2e.rivers import River, flowing
from typer.testing import CliRunner

from clearlane import report
from clearlane.cli import app
from clearlane.ledger import doctor, server


@pytest.fixture(scope="module")
def river(ledger_server: server.Server, all_days: str) -> Iterator[River]:
    """The small company after its three days; the tests of this module only read it."""
    with flowing(ledger_server, "answers", all_days) as made:
        yield made


@pytest.fixture
def clearlane(river: River, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls the command line on that ledger."""
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "160")
    return lambda *words: CliRunner().invoke(app, list(words))


def ask(river: River, query: str) -> list[Any]:
    with river.engine.connect() as connection:
        return list(connection.execute(sa.text(query)).all())


def figures(river: River, top: int = 10) -> report.Figures:
    with river.engine.connect() as connection:
        return report.figures(connection, top)


def test_the_report_adds_up_to_the_people_and_the_quarantined(river):
    told = figures(river)
    people = ask(river, "select count(distinct survivor_id) from lead")[0][0]
    quarantined = ask(river, "select count(*) from inbox where state = 'quarantined' and object = 'leads'")[
        0
    ][0]
    assert sum(place.count for place in told.places) == people + quarantined
    assert sum(band.count for band in told.bands) == people
    assert sum(place.share for place in told.places) == pytest.approx(1)


def test_each_figure_equals_an_independent_count(river):
    told = figures(river)
    rows = ask(
        river, "select l.survivor_id, p.place, p.team from lead l join place p on p.lead_id = l.survivor_id"
    )
    by_lead = {row[0]: row for row in rows}.values()
    for place in told.places:
        if place.name != "quarantined":
            assert place.count == sum(row[1] == place.name for row in by_lead)
    for team in told.teams:
        owned = [row for row in by_lead if row[1] in ("owned", "pool")]
        assert team.count == sum((row[2] or "no team") == team.name for row in owned)
    scores = ask(river, "select lead_id, band from score order by as_of, score_id")
    newest = {lead: band for lead, band in scores if lead in {row[0] for row in by_lead}}
    for band in told.bands:
        assert band.count == sum(seen == band.name for seen in newest.values())


def test_the_hottest_are_the_highest_and_have_a_reason(river):
    hottest = figures(river).hottest
    assert [hot.score for hot in hottest] == sorted((hot.score for hot in hottest), reverse=True)
    assert all(hot.why and hot.owner for hot in hottest)


def test_the_report_is_a_page_a_person_reads(clearlane):
    told = clearlane("report")
    assert told.exit_code == 0
    for heading in ("Leads by place", "Leads by band", "With a team", "The hottest leads", "Quarantine"):
        assert heading in told.output


def test_explain_tells_the_whole_story_on_one_screen(river, clearlane):
    hot = next(hot for hot in figures(river, 100).hottest if hot.lead.startswith("crm:"))
    told = clearlane("explain", hot.lead)
    assert told.exit_code == 0, told.output
    for section in (
        "Came in",
        "Known",
        "Did",
        "Scored",
        "Nearly scored",
        "How it came about",
        "Routed",
        "Pushed",
    ):
        assert section in told.output
    assert hot.owner in told.output
    contributions = ask(
        river,
        "select contributions from score s join lead l using (lead_id)"
        f" where l.source || ':' || l.external_id = '{hot.lead}' order by as_of desc limit 1",
    )[0][0]
    assert all(f"{rule}: " in told.output for rule in contributions)


def test_a_story_can_be_told_of_whatever_happened(river):
    """One lead of each place and reason: merged, disqualified, redirected, in a pool, owned by a person ..."""
    from clearlane import explain

    one_each = ask(
        river, "select distinct on (place, reason) lead_id from place order by place, reason, lead_id"
    )
    assert len(one_each) > 8
    with river.engine.connect() as connection:
        for (lead,) in one_each:
            told = explain.story(connection, str(lead))
            assert told.headline
            assert {"Came in", "Scored"} <= {section.title for section in told.sections}


def test_the_story_of_a_turn_tells_why_it_was_this_rep_s(river, clearlane):
    taken = "select lead_id, rep_id, runner_up from decision where runner_up is not null and mode = 'live' limit 1"
    [(lead, rep, runner_up)] = ask(river, taken)
    told = json.loads(clearlane("explain", str(lead), "--json").output)
    routed = [line["text"] for line in told["sections"]["Routed"]]
    assert any(text.endswith(f"; {runner_up} would have been next") and rep in text for text in routed)


def test_explain_by_mail_and_as_json(river, clearlane):
    mail = ask(river, "select value from lead_key where kind = 'email' and current limit 1")[0][0]
    told = clearlane("explain", mail.upper(), "--json")
    assert told.exit_code == 0
    assert json.loads(told.output)["sections"]["Known"]


def test_explain_of_nobody_says_what_may_be_given(clearlane):
    told = clearlane("explain", "nobody@nowhere.example")
    assert told.exit_code == 1
    assert "SOURCE:EXTERNAL_ID" in told.output


def test_doctor_finds_a_healthy_ledger(clearlane):
    told = clearlane("doctor", "--json")
    assert told.exit_code == 0, told.output
    assert {check["count"] for check in json.loads(told.output)["checks"]} == {0}


def test_quarantine_names_every_reason(river, clearlane):
    listed = json.loads(clearlane("quarantine", "list", "--json").output)
    assert len(listed) == ask(river, "select count(*) from quarantine where state = 'open'")[0][0] > 0
    assert all(entry["reasons"] for entry in listed)
    shown = json.loads(clearlane("quarantine", "show", str(listed[0]["seq"])).output)
    assert shown["payload"]


DAMAGE = {
    "inbox_adds_up": "update delivery set received = received + 1",
    "inbox_is_delivered": "delete from delivery where object = 'leads'",
    "quarantine_has_reasons": "update quarantine set reasons = '[]'",
    "consumed_is_kept": "update inbox set state = 'consumed' where object = 'activities' and state = 'quarantined';"
    " insert into inbox (source, object, record_key, payload, state)"
    " values ('crm', 'activities', 'lost', '{}', 'consumed')",
    "erased_is_gone": "update place set place = 'closed', reason = 'erased' where lead_id ="
    " (select lead_id from lead_key order by lead_id limit 1)",
    "one_place": "delete from place where lead_id = (select lead_id from place limit 1)",
    "owned_is_assigned": "update assignment set ended_at = started_at where assignment_id ="
    " (select min(assignment_id) from assignment where ended_at is null)",
    "merged_is_closed": "update merge set undone_at = merged_at",
    "people_are_as_said": "insert into person_verdict (lead_id, other_id, verdict, by, because, decided_at)"
    " select l.lead_id, o.lead_id, 'same', 'test', 'test', l.created_at from lead l"
    " join lead o on l.lead_id < o.lead_id and l.survivor_id <> o.survivor_id limit 1",
    "decisions_are_complete": "delete from turn where kind = 'turn'",
    "shadow_is_silent": "update decision set mode = 'shadow'",
    "outbox_is_owed_once": "update outbox set state = 'sent' where outbox_id = (select min(outbox_id) from outbox)",
    "merges_are_of_one_source": "update outbox set object = 'merges',"
    " fields = jsonb_build_object('merged_into', external_id) where state = 'owed'",
    "promises_are_told_once": "update sla_clock set breached_at = due_at where clock_id ="
    " (select min(clock_id) from sla_clock)",
    "policy_is_stored": 'update decision set policy = \'{"scoring": "unknown"}\'',
}


def test_every_check_has_its_damage():
    assert {check.id for check in doctor.CHECKS} == set(DAMAGE)


@pytest.mark.parametrize("check", DAMAGE)
def test_doctor_names_what_is_broken(river, check):
    """Each promise broken on purpose, in a transaction that is rolled back."""
    with river.engine.connect() as connection:
        for statement in DAMAGE[check].split(";"):
            connection.execute(sa.text(statement))
        broken = {finding.check.id: finding for finding in doctor.examine(connection) if finding.count}
        connection.rollback()
    assert broken[check].offenders
