"""Records that a person merges and parts: what goes along, and that all is again as it was."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from tests.route.conftest import World, _insert, simple
from tests.route.firms import MONDAY_NOON, rule, to

from clearlane.ledger import models
from clearlane.ledger.doctor import examine
from clearlane.ledger.models import metadata
from clearlane.policy import Policy
from clearlane.route import persons
from clearlane.route.persons import NotPossible, Word

HOUR = timedelta(hours=1)
LATER = MONDAY_NOON + 2 * HOUR
LOGS = {"person_verdict", "merge", "joining", "joining_effect", "batch", "touch_due"}
"""what was said and done is kept also where it was taken back; `touch_due` asks the next run to look again"""


def snapshot(world: World) -> dict[str, list[str]]:
    tables = [table.name for table in metadata.sorted_tables if table.name not in LOGS]
    with world.engine.connect() as connection:
        return {
            name: sorted(connection.execute(sa.text(f'select to_jsonb(t)::text from "{name}" t')).scalars())
            for name in tables
        }


def differences(one, other):
    return {name: sorted({*one[name]} ^ {*other[name]}) for name in one if one[name] != other[name]}


def word(at=LATER, by="ann"):
    return Word(by, "I know them", at)


def merge(world, *pair, at=LATER):
    with world.engine.begin() as connection:
        return persons.merge(connection, simple(), word(at), *pair)


def unmerge(world, lead, at=LATER):
    with world.engine.begin() as connection:
        return persons.unmerge(connection, simple(), word(at), lead)


def part(world, *pair, at=LATER):
    with world.engine.begin() as connection:
        return persons.part(connection, simple(), word(at), *pair)


def healthy(world):
    kept = {
        "one_place",
        "owned_is_assigned",
        "decisions_are_complete",
        "merged_is_closed",
        "promises_are_told_once",
    }
    with world.engine.connect() as connection:
        return not [one for one in examine(connection) if one.check.id in kept and one.count]


def survivors(world, *leads):
    return {
        row["survivor_id"] for row in world.rows("select * from lead where lead_id = any(:l)", l=list(leads))
    }


def owners(world):
    return {
        row["lead_id"]: row["rep_id"] for row in world.rows("select * from assignment where ended_at is null")
    }


def credits(world):
    rows = world.rows(
        "select distinct on (rotation, band, rep_id) rotation, band, rep_id, credit from turn"
        " order by rotation, band, rep_id, decision_seq desc"
    )
    return {(row["rotation"], row["band"], row["rep_id"]): row["credit"] for row in rows}


# --- exactly as it was --------------------------------------------------------------------------------

BEYOND = {
    # the owner is away, and somebody covers for them
    "covered": """
        insert into cover (lead_id, rep_id, cover_rep_id, because, began_at, until)
        select lead_id, rep_id, case rep_id when 'ana' then 'ben' else 'ana' end, 'on leave', :at, :until
        from assignment where lead_id = :lead and ended_at is null
        """,
    # the lead asked for a later date
    "paused": """
        insert into pause (lead_id, key, because, began_at, until)
        values (:lead, 'later ' || cast(:lead as text), 'after the fair', :at, :until)
        """,
    # nobody knows yet whether the promise was kept
    "unverified": "update sla_clock set unverified_since = :at where lead_id = :lead",
    # somebody owes an answer about the company
    "questioned": """
        insert into sla_clock (lead_id, kind, tier, place, started_at, warn_at, due_at)
        values (:lead, 'queue', 'warm', 'match_ask', :at, :at, :until)
        """,
    # a provider is still to be asked
    "enriching": """
        insert into enrichment_ask (revision_id, provider, asked_key, since, due_at)
        select max(revision_id), 'firms', 'a hash', :at, :at from lead_revision where lead_id = :lead
        having count(*) > 0
        """,
}
"""what may be in the way of a lead that is owned; each is written as its own stage would"""
STATES = ("waiting", "hot", "warm", "cold", "pooled", "declined", "asks", "silent", *BEYOND)


def shared() -> Policy:
    """As in `simple`, and reps pull leads of the band cool from a pool."""
    of = simple()
    pooled = rule("pooled", "band = 'cool'", to("pool", "sales"))
    return replace(of, routing=replace(of.routing, rules=(pooled, *of.routing.rules)))


def lead_in(world: World, state: str, number: int):
    """A lead that is waiting, owned, in nurture or a pool, was declined once, asks for sales, or BEYOND."""
    lead = world.leads(1, created_at=MONDAY_NOON - timedelta(minutes=7 * number + 1))[0]
    if state == "asks":
        world.asks(lead, MONDAY_NOON - HOUR)
    if state != "waiting":
        band = {"hot": "hot", "cold": "cold", "pooled": "cool"}.get(state, "warm")
        world.run(shared(), [lead], band=band, score={"hot": 90, "cold": 5, "cool": 30}.get(band, 60))
    with world.engine.begin() as connection:
        if state == "declined":
            _insert(
                connection, models.routing_event, lead_id=lead, kind="decline", occurred_at=MONDAY_NOON,
                rep_id=owners(world)[lead], because="no capacity", detail={},
            )  # fmt: skip
        told = (
            "insert into sla_event (clock_id, lead_id, kind, occurred_at, noted_at)"
            " select clock_id, lead_id, 'warn', :at, :at"
        )
        connection.execute(
            sa.text(f"{told} from sla_clock where lead_id = :lead"), {"at": MONDAY_NOON, "lead": lead}
        )
        _owed(connection, lead)
        if state in BEYOND:
            bound = {"lead": lead, "at": MONDAY_NOON, "until": MONDAY_NOON + 48 * HOUR}
            said = {name: value for name, value in bound.items() if f":{name}" in BEYOND[state]}
            assert connection.execute(sa.text(BEYOND[state]), said).rowcount > 0, state
    if state == "declined":
        world.run(simple(), [lead], as_of=MONDAY_NOON + HOUR)
    return lead


def _owed(connection, lead):
    """A write and a mail about the lead's last decision, both not sent yet."""
    owe = """
    insert into outbox (idempotency_key, source, object, external_id, lead_id, decision_seq, score_id, fields)
    select 'crm:leads:' || external_id || ':' || decision_seq, 'crm', 'leads', external_id, lead_id, decision_seq,
           score_id, '{"owner": "ana@x.com"}' from lead join decision using (lead_id) where lead_id = :lead
    """
    post = """
    insert into mail (key, kind, person, address, urgency, lead_id, clock_id, facts, send_after)
    select 'notice:' || clock_id, 'notice', 'ana', 'ana@x.com', 'now', lead_id, clock_id, '{}', started_at
    from sla_clock where lead_id = :lead
    """
    for statement in (owe, post):
        connection.execute(sa.text(statement), {"lead": lead})


@settings(
    max_examples=examples(5, 60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_merged_and_unmerged_leaves_the_ledger_exactly_as_it_was(world: World, data: st.DataObject) -> None:
    states = data.draw(st.lists(st.sampled_from(STATES), min_size=2, max_size=4), label="states")
    leads = [lead_in(world, state, number) for number, state in enumerate(states)]
    before = snapshot(world)
    order = data.draw(st.permutations(leads), label="merged in this order")
    for number, lead in enumerate(order[1:], start=1):
        merge(world, order[data.draw(st.integers(0, number - 1))], lead)
    assert len(survivors(world, *leads)) == 1
    assert healthy(world)
    for lead in data.draw(st.permutations(leads), label="unmerged in this order"):
        if len(survivors(world, *leads)) < len(leads) and merged_with_others(world, lead):
            unmerge(world, lead)
    assert survivors(world, *leads) == set(leads)
    assert differences(before, snapshot(world)) == {}
    assert healthy(world)


@pytest.mark.full
@pytest.mark.parametrize("state", ["pooled", *BEYOND])
def test_what_is_in_the_way_of_both_is_there_again(world: World, state: str) -> None:
    one, other = (lead_in(world, state, number) for number in range(2))
    before = snapshot(world)
    merge(world, one, other)
    assert healthy(world)
    unmerge(world, other)
    assert differences(before, snapshot(world)) == {}


def merged_with_others(world, lead):
    return (
        world.rows(
            "select count(*) n from lead m join lead l using (survivor_id) where l.lead_id = :lead", lead=lead
        )[0]["n"]
        > 1
    )


# --- what happened in between -------------------------------------------------------------------------


def two_owned(world):
    """The earlier of two owned leads, and the other; who owns each."""
    older = world.leads(1, created_at=MONDAY_NOON - 3 * HOUR)[0]
    newer = world.leads(1, created_at=MONDAY_NOON - 2 * HOUR)[0]
    world.run(simple(), [older])
    world.run(simple(), [newer], as_of=MONDAY_NOON + HOUR)
    return older, newer, owners(world)


def test_after_a_run_in_between_each_has_its_owner_and_turn_again(world: World) -> None:
    older, newer, had = two_owned(world)
    turns = credits(world)
    merge(world, older, newer)
    assert owners(world) == {older: had[older]}
    assert credits(world) != turns
    world.run(simple(), world.leads(1), as_of=LATER + HOUR, band="hot")
    unmerge(world, newer, at=LATER + 2 * HOUR)
    assert {lead: rep for lead, rep in owners(world).items() if lead in had} == had
    assert {key: credit for key, credit in credits(world).items() if key in turns} == turns
    assert healthy(world)


def test_an_owner_whom_the_survivor_got_in_between_stays_with_it(world: World) -> None:
    older, newer, had = two_owned(world)
    merge(world, older, newer)
    with world.engine.begin() as connection:
        _insert(
            connection, models.routing_event, lead_id=older, kind="decline", occurred_at=LATER,
            rep_id=had[older], because="no capacity", detail={},
        )  # fmt: skip
    world.run(simple(), [older], as_of=LATER + HOUR)
    got = owners(world)[older]
    assert got != had[older]
    unmerge(world, newer, at=LATER + 2 * HOUR)
    assert owners(world) == {older: got, newer: had[newer]}
    assert healthy(world)


def test_a_touch_counts_for_the_record_that_it_was_logged_on(world: World) -> None:
    older, newer, _ = two_owned(world)
    merge(world, older, newer)
    touch = (
        "insert into outcome (outcome_id, source, lead_id, kind, occurred_at)"
        " values (:id, 'crm', :id, 'first_touch', :at)"
    )
    with world.engine.begin() as connection:
        connection.execute(sa.text(touch), {"id": older, "at": LATER})
        connection.execute(
            sa.text("update sla_clock set met_at = :at where met_at is null and ended_at is null"),
            {"at": LATER},
        )
    unmerge(world, newer, at=LATER + HOUR)
    met = world.rows(
        "select lead_id, bool_and(met_at is not null) as met from sla_clock where kind = 'arrival' group by 1"
    )
    assert {row["lead_id"]: row["met"] for row in met} == {older: True, newer: False}


def test_what_fell_due_of_a_rep_who_had_lost_the_lead_is_held_against_nobody(world: World) -> None:
    _, newer, _ = two_owned(world)
    older = next(lead for lead in owners(world) if lead != newer)
    merge(world, older, newer)
    unmerge(world, newer, at=LATER + timedelta(days=5))
    open_ = world.rows(
        "select kind from sla_clock where lead_id = :lead and ended_at is null and met_at is null", lead=newer
    )
    assert {row["kind"] for row in open_} == {"arrival"}


def test_records_that_part_by_themselves_have_their_owners_back_with_the_next_run(world: World) -> None:
    """Merged by a key and parted by a key: identity says so, and routing finds what it had joined."""
    older, newer, had = two_owned(world)
    by_keys(world, newer, older)
    world.run(simple(), [older], as_of=LATER)
    assert owners(world) == {older: had[older]}
    part_by_keys(world, newer)
    world.run(simple(), [older, newer], as_of=LATER + HOUR)
    assert owners(world) == had
    assert healthy(world)


def by_keys(world, loser, survivor):
    """What identity leaves of a merge, with the place that the record had."""
    statements = (
        "insert into joining (members, joined_at, seq) values (array[cast(:l as uuid), :s], :at, 0)",
        "insert into joining_effect (joining_id, relation, key, before, after)"
        " select max(joining_id), 'place', :l, (select to_jsonb(p) from place p where p.lead_id = :l), '{}'"
        " from joining",
        "update lead set survivor_id = :s where lead_id = :l",
        "insert into merge (loser_id, survivor_id, rule, merged_at) values (:l, :s, 'email', :at)",
        "update place set place = 'closed', reason = 'merged', rep_id = null where lead_id = :l",
    )
    _run(world, statements, l=loser, s=survivor, at=LATER)


def part_by_keys(world, loser):
    statements = (
        "update lead set survivor_id = lead_id where lead_id = :l",
        "update merge set undone_at = :at where loser_id = :l",
        "update place set place = 'waiting', reason = 'unmerged' where lead_id = :l",
    )
    _run(world, statements, l=loser, at=LATER)


def _run(world, statements, **bound):
    with world.engine.begin() as connection:
        for statement in statements:
            used = {name: value for name, value in bound.items() if f":{name}" in statement}
            connection.execute(sa.text(statement), used)


# --- writes to the sources ----------------------------------------------------------------------------


def written(world, lead):
    return world.rows(
        "select o.lead_id, o.state, o.fields ->> 'owner' as owner, o.note from outbox o join lead l using (external_id)"
        " where l.lead_id = :lead order by outbox_id", lead=lead
    )  # fmt: skip


def test_what_is_owed_of_a_record_that_lost_its_owner_waits_until_it_has_it_again(
    world: World,
) -> None:
    older, newer, _ = two_owned(world)
    with world.engine.begin() as connection:
        for lead in (older, newer):
            _owed(connection, lead)
    merge(world, older, newer)
    assert [(row["state"], row["note"]) for row in written(world, newer)] == [
        ("superseded", "merged into another record")
    ]
    assert [row["state"] for row in written(world, older)] == ["owed"]
    unmerge(world, newer)
    assert [(row["state"], row["note"]) for row in written(world, newer)] == [("owed", None)]


def test_a_record_that_was_told_of_another_s_owner_is_told_its_own_again(world: World) -> None:
    older, newer, _ = two_owned(world)
    with world.engine.begin() as connection:
        _owed(connection, newer)
        connection.execute(sa.text("update outbox set state = 'sent', sent_at = :at"), {"at": LATER})
    merge(world, older, newer)
    strange = """
    insert into outbox (idempotency_key, source, object, external_id, lead_id, decision_seq, fields, state, sent_at)
    select 'strange', 'crm', 'leads', l.external_id, :older, max(d.decision_seq), '{"owner": "cyd@x.com"}', 'sent', :at
    from lead l, decision d where l.lead_id = :newer and d.lead_id = :older group by 4
    """
    _run(world, [strange], older=older, newer=newer, at=LATER)
    unmerge(world, newer, at=LATER + HOUR)
    last = written(world, newer)[-1]
    assert (last["lead_id"], last["state"], last["owner"]) == (newer, "owed", "ana@x.com")


# --- what is said ---------------------------------------------------------------------------------------


def test_said_twice_is_said_once(world: World) -> None:
    older, newer, _ = two_owned(world)
    assert merge(world, older, newer).news
    before = snapshot(world)
    again = merge(world, newer, older, at=LATER + HOUR)
    assert not again.news
    assert again.persons == (tuple(f"crm:{name}" for name in names(world, older, newer)),)
    assert differences(before, snapshot(world)) == {}
    assert world.count("person_verdict") == 1


def names(world, *leads):
    return [
        row["external_id"]
        for lead in leads
        for row in world.rows("select external_id from lead where lead_id = :l", l=lead)
    ]


def test_two_at_once_are_one_after_the_other(world: World) -> None:
    older, newer, had = two_owned(world)
    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda pair: merge(world, *pair), [(older, newer), (newer, older)]))
    assert sorted(one.news for one in said) == [False, True]
    assert owners(world) == {older: had[older]}
    assert healthy(world)


def test_who_is_kept_apart_is_not_merged_before_that_is_withdrawn(world: World) -> None:
    one, two, three = world.leads(3)
    part(world, one, three)
    merge(world, one, two)
    with pytest.raises(
        NotPossible, match=r"are two people, ann said on 2026-03-02 .I know them.: withdraw that first"
    ):
        merge(world, two, three)
    with world.engine.begin() as connection:
        persons.withdraw(connection, simple(), word(), three, one)
    merge(world, two, three)
    assert len(survivors(world, one, two, three)) == 1


def test_what_cannot_be_done_is_said(world: World) -> None:
    one = world.leads(1)[0]
    with pytest.raises(NotPossible, match="is merged with no other record"):
        unmerge(world, one)
    with pytest.raises(NotPossible, match="is one record: name another as well"):
        merge(world, one, one)
    two = world.leads(1)[0]
    _run(world, ["update place set place = 'closed', reason = 'erased' where lead_id = :l"], l=two)
    with pytest.raises(NotPossible, match="was erased"):
        merge(world, one, two)
