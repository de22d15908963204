"""Companies that are alike an account in the ledger: taken, asked about, decided by a person, in any order."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
import sqlalchemy as sa
from tests.identity.test_run import account, lead
from typer.testing import CliRunner

from clearlane import explain
from clearlane.cli import app
from clearlane.cli.options import DEFAULT_POLICY
from clearlane.identity import alike, matches
from clearlane.policy import parse, publish
from clearlane.policy.model import Matching

DURING = datetime(2026, 2, 1, tzinfo=UTC)
RECORDS = [
    lead("1", "ada@gmail.com", company="Schlumbreger Oilfield"),
    lead("2", "bob@gmail.com", company="Delta"),
    account("A", name="Schlumberger Oilfield Services Ltd"),
    account("B", name="Delta Air Lines"),
    account("C", name="Delta Dental"),
]


def affiliated(river):
    return {
        lead: (account, rule)
        for lead, account, rule in river.all(
            "select l.external_id, a.external_id, l.account_rule"
            " from lead l left join account_revision a using (account_id)"
        )
    }


def asked(river, matching=None):
    with river.engine.connect() as connection:
        return matches.asked(connection, matching or Matching())


def lead_id(river, external_id):
    return river.all(f"select lead_id from lead where external_id = '{external_id}'")[0][0]


def say(river, lead, account, verdict, at=DURING):
    with river.engine.begin() as connection:
        return matches.say(
            connection, lead_id(river, lead), account, verdict, by="ann", because="I know them", at=at
        )


def test_a_name_that_is_alike_enough_is_taken(river):
    river.run(*RECORDS)
    assert affiliated(river)["1"] == ("A", "alike")


def test_a_name_that_may_be_two_accounts_is_asked_about(river):
    river.run(*RECORDS)
    assert affiliated(river)["2"] == (None, None)
    (question,) = asked(river, Matching(ask=0.1, companies=100))
    assert (question.company, question.leads) == ("delta", ("crm:2",))
    assert {one.account for one in question.candidates} == {"crm:B", "crm:C"}
    assert "same “delta”" in question.candidates[0].because


@pytest.mark.parametrize("order", list(permutations(range(5)))[::17])
def test_the_order_of_arrival_does_not_matter(river, order):
    for at in order:
        river.run(RECORDS[at])
    assert affiliated(river) == {"1": ("A", "alike"), "2": (None, None)}
    kept = river.all("select company, name_key, weight from alike order by 1, 2")
    assert {(company, name) for company, name, _ in kept} >= {
        ("schlumbreger oilfield", "schlumberger oilfield services"),
        ("delta", "delta air lines"),
    }


def test_many_names_at_once_are_weighed_part_by_part(river, monkeypatch):
    monkeypatch.setattr(alike, "NAMES", 1)
    river.run(*RECORDS[:1], *RECORDS[3:])
    river.run(*RECORDS[1:3])
    assert affiliated(river) == {"1": ("A", "alike"), "2": (None, None)}


def test_names_are_counted_beyond_small_integers(river):
    with river.engine.begin() as connection:
        connection.exec_driver_sql("create temporary table fresh_name (side text, name text, nth bigint)")
        assert alike._note_some(connection, 2**15 - 1) == 0


def test_what_is_exact_comes_first(river):
    river.run(*RECORDS, account("D", name="Schlumbreger Oilfield"))
    assert affiliated(river)["1"] == ("D", "name")


def test_the_policy_says_how_sure_it_must_be(river):
    never = "schema: 1\nowner: o\napprover: a\nmatching: {match: 1}\n"
    river.policy = parse({"sources": never})
    river.run(*RECORDS)
    assert affiliated(river)["1"] == (None, None)
    assert [question.company for question in asked(river)] == ["schlumbreger oilfield"]


def test_another_country_and_another_domain_speak_against_it(river):
    river.run(
        lead("1", "ada@else.com", company="Schlumbreger", country="FR"),
        account("A", name="Schlumberger", country="US", website="schlumberger.com"),
    )
    assert affiliated(river)["1"] == (None, None)


def test_what_a_person_says_is_followed_by_the_next_run_and_can_be_taken_back(river):
    river.run(*RECORDS)
    assert say(river, "2", "crm:B", "accept") == "delta"
    river.run()
    assert affiliated(river)["2"] == ("B", "person")
    say(river, "2", "crm:C", "accept", at=DURING + timedelta(days=1))
    river.run()
    assert affiliated(river)["2"] == ("C", "person")
    say(river, "2", "crm:C", "withdraw", at=DURING + timedelta(days=2))
    river.run()
    assert affiliated(river)["2"] == (None, None)


def test_an_account_that_was_refused_is_not_taken(river):
    river.run(*RECORDS)
    say(river, "1", "crm:A", "refuse")
    river.run()
    assert affiliated(river)["1"] == (None, None)
    assert "schlumbreger oilfield" not in {question.company for question in asked(river)}
    say(river, "1", "crm:A", "withdraw")
    river.run()
    assert affiliated(river)["1"] == ("A", "alike")


def test_a_verdict_holds_for_leads_that_come_later(river):
    river.run(*RECORDS)
    say(river, "2", "crm:B", "accept")
    river.run(lead("3", "eve@gmail.com", company="DELTA Inc."))
    assert affiliated(river)["3"] == ("B", "person")


def test_the_run_works_on_the_leads_a_verdict_concerns(river):
    river.run(*RECORDS)
    say(river, "2", "crm:B", "accept")
    batch = river.run()
    with river.engine.connect() as connection:
        found = connection.execute(
            sa.text("select external_id from work join lead using (lead_id) where batch_id = :batch"),
            {"batch": batch.batch_id},
        ).scalars()
        assert "2" in set(found)


def test_verdicts_on_what_is_not_there_are_refused(river):
    river.run(*RECORDS, lead("4", "nobody@gmail.com"))
    with pytest.raises(matches.NotPossible, match="account crm:Z: not known"):
        say(river, "1", "crm:Z", "accept")
    with pytest.raises(matches.NotPossible, match="has no company"):
        say(river, "4", "crm:A", "accept")


def test_the_candidates_of_one_lead_are_told(river):
    river.run(*RECORDS)
    with river.engine.connect() as connection:
        question = matches.of_lead(connection, lead_id(river, "1"), Matching())
        assert question.candidates[0].probability > 0.9
        assert "nearly “schlumbreger” – “schlumberger”" in question.candidates[0].because
        assert matches.of_lead(connection, UUID(int=0), Matching()) is None


# --- the commands -----------------------------------------------------------------------------------


@pytest.fixture
def command(river, monkeypatch):
    url = river.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", url)
    monkeypatch.setenv("COLUMNS", "200")
    with river.engine.begin() as connection:
        publish(connection, DEFAULT_POLICY, by="ann", because="first", in_force_from=DURING)
    return lambda *said: CliRunner().invoke(app, ["matches", *said])


SAID = ("--by", "ann", "--because", "I know them")


def test_a_person_is_shown_the_candidates_and_decides(river, command):
    river.run(*RECORDS, lead("5", "dan@gmail.com", company="Inilever"), account("U", name="Unilever"))
    (listed,) = [one for one in json.loads(command("list", "--json").stdout) if one["company"] == "inilever"]
    assert listed["candidates"][0]["account"] == "crm:U"
    shown = command("list").stdout
    assert "Unilever (crm:U)" in shown
    assert "crm:5" in shown
    assert "clearlane matches show LEAD" in shown
    assert "crm:U  Unilever: nearly “inilever” – “unilever”" in command("show", "crm:5").stdout
    assert "the next run follows it" in command("accept", "crm:5", "crm:U", *SAID).stdout
    river.run()
    assert affiliated(river)["5"] == ("U", "person")


def test_what_is_not_there_ends_with_its_sentence(river, command):
    river.run(*RECORDS)
    refused = command("refuse", "crm:1", "crm:nobody", *SAID)
    assert refused.exit_code == 1
    assert "account crm:nobody: not known" in refused.stderr
    assert command("show", "crm:none").exit_code == 1


def test_explain_tells_why_an_account_was_taken(river):
    river.run(*RECORDS)
    with river.engine.connect() as connection:
        who = {line.label: line.text for line in explain._who(connection, lead_id(river, "1"))}
    assert who["account"].startswith("Schlumberger Oilfield Services Ltd, by alike: nearly “schlumbreger”")


@pytest.mark.parametrize(
    ("domain", "taken"),
    [(None, (None, None)), ("schlumberger.com", ("S", "alike")), ("slb.com", (None, None))],
)
def test_a_domain_of_another_country_speaks_for_the_account(river, domain, taken):
    named = {"domain": domain} if domain else {}
    river.run(account("S", name="Schlumberger Ltd", **named))
    river.run(lead("3", "cy@schlumberger.de", company="Schlumberger Holland"))
    assert affiliated(river) == {"3": taken}
