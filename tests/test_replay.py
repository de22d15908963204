"""Replays on the small company: the same whatever came later, and exactly what was altered, named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from tests.companies import END, WINDOWS, policy_for, write_company
from tests.e2e.rivers import River, flowing
from typer.testing import CliRunner

from clearlane import policy, replay
from clearlane.cli import app
from clearlane.ledger import server
from clearlane.replay import Difference


@pytest.fixture(scope="module")
def lived(ledger_server: server.Server, all_days: str) -> Iterator[sa.Engine]:
    """Three days of the company, and a shadow run of the first; only read, or rolled back."""
    with flowing(ledger_server, "replayed", all_days) as river:
        river.run(WINDOWS[0], run_type="backfill", mode="shadow")
        yield river.engine


@pytest.fixture
def connection(lived: sa.Engine) -> Iterator[sa.Connection]:
    """A copy to alter: undone afterwards."""
    with lived.connect() as connection:
        yield connection
        connection.rollback()


def numbers(connection: sa.Connection, where: str = "true") -> list[int]:
    return list(
        connection.execute(sa.text(f"select decision_seq from decision where {where} order by 1")).scalars()
    )


def differing(connection: sa.Connection, decisions: list[int]) -> dict[int, tuple[Difference, ...]]:
    made = replay.replays(connection, decisions)
    assert [one.decision_seq for one in made] == decisions
    return {one.decision_seq: one.differences for one in made if not one.identical}


def test_every_decision_of_three_days_is_made_again(connection: sa.Connection) -> None:
    decisions = numbers(connection)
    assert len(decisions) > 200
    assert len(numbers(connection, "mode = 'shadow'")) > 10
    assert differing(connection, decisions) == {}


def test_replaying_leaves_nothing_behind(connection: sa.Connection) -> None:
    count = sa.text(
        "select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_xact_user_tables where schemaname = 'public'"
    )
    before = connection.execute(count).scalar_one()  # what earlier transactions did may not be reported yet
    replay.replay(connection, numbers(connection)[-1])
    assert connection.execute(count).scalar_one() == before
    assert connection.execute(sa.text("select to_regclass('pg_temp.candidate')")).scalar_one() is None


# --- one stored thing altered -----------------------------------------------------------------------


@dataclass(frozen=True)
class Alteration:
    """Statements that alter one stored thing of decision :seq, and how the replay names it."""

    name: str
    subject: str
    column: str
    statement: str
    of: str = "rotation is not null"
    """which decision: the last that this holds of"""


PERSON = """(select unnest(coalesce(s.members, array[s.lead_id]))
    from decision d join score s using (score_id) where d.decision_seq = :seq)"""
SCORE = "(select score_id from decision where decision_seq = :seq)"
PROFILE = f"(select profile_id from score where score_id = {SCORE})"
ASKED = "exists (select from activity a where a.lead_id = d.lead_id and a.occurred_at < d.as_of)"
ACTIVITY = f"""(select activity_id from activity where lead_id in {PERSON}
    and occurred_at < (select as_of from decision where decision_seq = :seq) order by occurred_at limit 1)"""
TURN = """(decision_seq, rep_id) = (
    select t.decision_seq, t.rep_id from turn t join decision d on d.decision_seq = :seq
    where (t.rotation, t.band) = (d.rotation, d.band) and t.decision_seq < :seq order by 1 limit 1)"""
BEFORE = """(select assignment_id from assignment a join decision made using (decision_seq)
    join decision d on d.decision_seq = :seq
    where a.decision_seq < :seq and a.rep_id = any(d.eligible) and a.lead_id <> d.lead_id
    order by a.decision_seq desc limit 1)"""

ALTERATIONS = (
    Alteration(
        "an attribute", "profile", "employees",
        f"update lead_profile set attributes = attributes || '{{\"employees\": 7}}' where profile_id = {PROFILE}",
    ),
    Alteration(
        "the kind", "profile", "content", f"update lead_profile set kind = 'vendor' where profile_id = {PROFILE}"
    ),
    Alteration(
        "the time of an activity", "activity", "occurred_at",
        f"update activity set occurred_at = occurred_at - interval '90 days' where activity_id = {ACTIVITY}", of=ASKED,
    ),
    Alteration(
        "the type of an activity", "activity", "type",
        f"update activity set type = 'email_open' where activity_id = {ACTIVITY}", of=ASKED,
    ),
    Alteration("a credit", "turn", "credit", f"update turn set credit = credit + 5 where {TURN}"),
    Alteration("a weight", "turn", "weight", f"update turn set weight = weight * 2 where {TURN}"),
    Alteration("a turn that is gone", "turn", "turn", f"delete from turn where {TURN}"),
    Alteration(
        "the roster", "roster", "content",
        "update roster set content = jsonb_set(content, '{reps}', '{}')"
        " where roster_id = (select roster_id from decision where decision_seq = :seq)",
    ),
    Alteration("the score's points", "score", "score", f"update score set score = score + 10 where score_id = {SCORE}"),
    Alteration("the score's fit", "score", "fit", f"update score set fit = fit + 10 where score_id = {SCORE}"),
    Alteration(
        "what the score's memory was", "score", "band_before",
        f"update score set band_before = 'cold' where score_id = {SCORE}",
    ),
    Alteration(
        "the points of a rule", "score", "points of made_up",
        f"update score set contributions = contributions || '{{\"made_up\": 3}}' where score_id = {SCORE}",
    ),
    Alteration("the rep", "decision", "rep_id", "update decision set rep_id = 'somebody' where decision_seq = :seq"),
    Alteration("the rule", "decision", "rule", "update decision set rule = 'other' where decision_seq = :seq"),
    Alteration("the terms", "decision", "terms", "update decision set terms = '\\x0000' where decision_seq = :seq"),
    Alteration(
        "who was free", "decision", "eligible",
        "update decision set eligible = eligible || array['nobody'] where decision_seq = :seq",
    ),
    Alteration(
        "the promise", "decision", "sla_due",
        "update decision set sla_due = sla_due + interval '1 hour' where decision_seq = :seq",
        of="rotation is not null and sla_due is not null",
    ),
    Alteration(
        "the profile it names", "decision", "profile_id",
        "update decision set profile_id = (select min(profile_id) from lead_profile) where decision_seq = :seq",
    ),
    Alteration(
        "its policy", "decision", "policy",
        "update decision set policy = policy || '{\"teams\": \"00\"}' where decision_seq = :seq",
    ),
    Alteration(
        "its moment", "decision", "as_of",
        "update decision set as_of = as_of - interval '1 minute' where decision_seq = :seq",
    ),
    Alteration(
        "whose an earlier lead is", "assignment", "rep_id",
        f"update assignment set rep_id = 'somebody' where assignment_id = {BEFORE}",
    ),
    Alteration(
        "to whom an earlier decision gave its lead", "decision", "rep_id",
        "update decision set rep_id = 'somebody' where decision_seq ="
        f" (select decision_seq from assignment where assignment_id = {BEFORE})",
    ),
    Alteration(
        "since when an earlier lead is", "assignment", "started_at",
        f"update assignment set started_at = started_at - interval '30 days' where assignment_id = {BEFORE}",
    ),
    Alteration(
        "an earlier lead that is gone", "assignment", "rep_id", f"delete from assignment where assignment_id = {BEFORE}"
    ),
    Alteration(
        "the record that brought the lead", "record", "record",
        f"update inbox set record = record || '{{\"company\": \"Other\"}}' where seq in"
        f" (select seq from lead_revision join lead_profile using (revision_id) where profile_id = {PROFILE})",
    ),
    Alteration(
        "a revision", "revision", "company",
        "update lead_revision set attributes = attributes || '{\"company\": \"Other\"}'"
        f" where revision_id = (select revision_id from lead_profile where profile_id = {PROFILE})",
    ),
)  # fmt: skip


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda alteration: alteration.name)
def test_one_altered_thing_is_named(connection: sa.Connection, alteration: Alteration) -> None:
    decision = numbers(connection, f"mode = 'live' and {alteration.of.replace('d.', 'decision.')}")[-1]
    connection.execute(sa.text("set local session_replication_role = replica"))
    altered = connection.execute(sa.text(alteration.statement), {"seq": decision})
    assert altered.rowcount == 1
    made = replay.replay(connection, decision)
    assert [(one.subject.split()[0], one.column) for one in made.differences] == [
        (alteration.subject, alteration.column)
    ], made.differences
    (cause,) = made.differences
    assert cause.stored != cause.again


@pytest.mark.parametrize("name", policy.FILES)
def test_an_altered_policy_file_is_named(connection: sa.Connection, name: str) -> None:
    alter = "update policy_file set content = content || E'\\n# altered' where name = :name"
    connection.execute(sa.text(alter), {"name": name})
    made = replay.replay(connection, numbers(connection, "mode = 'live'")[-1])
    (cause,) = made.differences
    assert cause.subject.startswith(f"{name}.yaml")
    assert cause.follows == ()


def test_doctor_names_the_decision(connection: sa.Connection) -> None:
    assert replay.finding(connection).count == 0
    decision = numbers(connection, "mode = 'live' and rep_id is not null")[-1]
    altered = "update decision set runner_up = 'somebody' where decision_seq = :seq"
    connection.execute(sa.text(altered), {"seq": decision})
    assert replay.finding(connection).offenders == (str(decision),)


def test_a_policy_that_cannot_be_read_any_more_is_named(connection: sa.Connection) -> None:
    connection.execute(sa.text("update policy_file set content = 'schema: [' where name = 'routing'"))
    made = replay.replay(connection, numbers(connection, "mode = 'live'")[-1])
    (cause,) = made.differences
    assert cause.subject.startswith("routing.yaml")
    assert "cannot be read" in made.notes[0]


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def clearlane(lived: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", lived.url.render_as_string(hide_password=False))
    return lambda *words: CliRunner().invoke(app, ["replay", *words])


def test_the_same_is_said_and_exits_0(connection: sa.Connection, clearlane: Callable[..., Result]) -> None:
    decision = numbers(connection)[-1]
    told = clearlane(str(decision))
    assert told.exit_code == 0, told.output
    assert f"decision {decision}" in told.output
    assert "the same" in told.output


def test_what_differs_is_said_and_exits_1(lived: sa.Engine, clearlane: Callable[..., Result]) -> None:
    with lived.connect() as connection:
        decision = numbers(connection, "rotation is not null and mode = 'live'")[-1]
    alter = sa.text(
        "update decision set team = coalesce(nullif(team, 'x'), 'y') || :more where decision_seq = :seq"
    )
    restore = sa.text("update decision set team = replace(team, :more, '') where decision_seq = :seq")
    with lived.begin() as connection:
        connection.execute(alter, {"more": "-altered", "seq": decision})
    told, data = clearlane(str(decision)), clearlane(str(decision), "--json")
    with lived.begin() as connection:
        connection.execute(restore, {"more": "-altered", "seq": decision})
    assert told.exit_code == data.exit_code == 1
    assert "team: stored" in told.output
    (made,) = json.loads(data.output)
    assert (made["identical"], [one["column"] for one in made["differences"]]) == (False, ["team"])


def test_all_decisions_for_a_lead(connection: sa.Connection, clearlane: Callable[..., Result]) -> None:
    query = """
     select l.source || ':' || l.external_id, count(*) from decision d join lead l using (lead_id)
     where d.mode = 'live' and l.survivor_id = l.lead_id group by 1 order by 2 desc, 1 limit 1
    """
    name, count = connection.execute(sa.text(query)).one()
    told = clearlane("--lead", name, "--json")
    assert told.exit_code == 0, told.output
    assert len(json.loads(told.output)) == count >= 1


@pytest.mark.parametrize(
    ("words", "code"), [((), 2), (("1", "--lead", "x"), 2), (("999999",), 1), (("--lead", "x"), 1)]
)
def test_what_cannot_be_asked_is_a_sentence(
    clearlane: Callable[..., Result], words: tuple[str, ...], code: int
) -> None:
    told = clearlane(*words)
    assert told.exit_code == code
    assert isinstance(told.exception, SystemExit)
    assert told.output.strip()


# --- whatever came later ----------------------------------------------------------------------------


def late(company: Path) -> None:
    """What comes after three days: late and corrected events, people under a second record, some older."""
    events = [json.loads(line) for line in (company / "web/events-2026-11-16.jsonl").read_text().splitlines()]
    known = [event for event in events if event.get("submission_id")]
    wrong = [{**event, "event": "demo_request", "at": f"{event['at'][:19]}.5Z"} for event in known[:20]]
    more = [{**event, "event_id": f"late-{i}", "event": "pricing_page_view"} for i, event in enumerate(known)]
    (company / "web/events-2026-11-16-late.jsonl").write_text("\n".join(map(json.dumps, wrong + more)))
    asked = [
        json.loads(line) for line in (company / "web/submissions-2026-11-16.jsonl").read_text().splitlines()
    ]
    again = [
        {**form, "submission_id": f"again-{i}", "submitted_at": "2026-11-18T09:00:00Z", "job_title": "CEO"}
        for i, form in enumerate(asked)
    ]
    (company / "web/submissions-2026-11-18.jsonl").write_text("\n".join(map(json.dumps, again)))
    older = [
        {**form, "submission_id": f"older-{i}", "submitted_at": "2026-11-01T09:00:00Z"}
        for i, form in enumerate(asked[::2])
    ]
    (company / "web/submissions-2026-11-01.jsonl").write_text("\n".join(map(json.dumps, older)))


MOVED = """
 select count(*) from activity a join inbox i using (seq) join batch b on b.batch_id = i.batch_id
 where a.known_seq > b.known_seq and a.lead_external_id is null and a.lead_id is not null
"""


def changed(texts: dict[str, str]) -> dict[str, str]:
    """Other points and other weights from now on."""
    return {
        **texts,
        "scoring": texts["scoring"].replace("points: 15", "points: 16", 1) + "\n# another version\n",
        "teams": texts["teams"].replace("caps: {day: 15", "caps: {day: 4") + "\n# another version\n",
    }


def test_what_came_later_changes_nothing(tmp_path: Path, ledger_engine: sa.Engine) -> None:
    company = write_company(tmp_path)
    river = River(ledger_engine)
    river.publish(policy_for(company))
    for window in WINDOWS[1:]:
        river.run(window)
    with ledger_engine.begin() as connection:
        before = numbers(connection)
        policy.publish(connection, changed(policy_for(company)), by="test", because="test", in_force_from=END)
    late(company)
    river.run((END, END + timedelta(days=1)))
    with ledger_engine.connect() as connection:
        made = replay.replays(connection, numbers(connection))
        assert [(one.decision_seq, one.differences) for one in made if not one.identical] == []
        assert connection.execute(sa.text("select count(*) from merge")).scalar_one() > 20
        assert connection.execute(sa.text(MOVED)).scalar_one() > 0
    assert len(made) > len(before)
    assert any("corrected since" in note for one in made[: len(before)] for note in one.notes)


CALLED = """
 insert into routing_event (lead_id, kind, occurred_at, rep_id, because, detail)
 select lead_id, (array['decline', 'breach', 'departure', 'band', 'match'])[1 + nth % 5], :at, rep_id, 'told',
   '{"reason": "spam", "cause": ["activity"]}'
 from (select lead_id, rep_id, row_number() over (order by lead_id) as nth from place where place = 'owned') owned
"""


def test_what_events_called_for_is_made_again(tmp_path: Path, ledger_engine: sa.Engine) -> None:
    company = write_company(tmp_path)
    river = River(ledger_engine)
    river.publish(policy_for(company))
    for window in WINDOWS[1:]:
        river.run(window)
        with ledger_engine.begin() as connection:
            connection.execute(sa.text(CALLED), {"at": window[1]})
    river.run((END, END + timedelta(days=1)))
    with ledger_engine.connect() as connection:
        assert len(numbers(connection, "event_id is not null")) > 50
        assert (
            connection.execute(sa.text("select count(*) from turn where kind = 'return'")).scalar_one() > 10
        )
        assert differing(connection, numbers(connection)) == {}
