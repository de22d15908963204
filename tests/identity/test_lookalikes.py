"""Records that are alike: found in any order, asked about, merged only where the policy says so."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import combinations, permutations
from random import Random
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from tests.identity.test_run import lead, persons, places, work
from tests.identity.test_verdicts import SAID, command, say  # noqa: F401

from clearlane import identity
from clearlane.identity import doubles, lookalikes
from clearlane.identity.duplicates import evidence
from clearlane.identity.duplicates.blocks import lasting_keys
from clearlane.identity.duplicates.persons import persons as persons_of
from clearlane.policy import PolicyErrors, parse
from clearlane.policy.model import People

FEB, MAR = "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"
ROBERT = {"first_name": "Robert", "last_name": "Hollander", "company": "Acme Foods"}
RECORDS = [
    lead("1", "robert.hollander@acme.com", **ROBERT),
    lead(
        "2",
        "bob@hollander.net",
        created_at=FEB,
        **{**ROBERT, "first_name": "Bob", "company": "Acme Foods Inc"},
    ),
    lead(
        "3",
        "susan.meyer@acme.com",
        created_at=FEB,
        first_name="Susan",
        last_name="Meyer",
        company="Acme Foods",
    ),
    lead(
        "4",
        "robert.hollander@else.org",
        created_at=MAR,
        first_name="Robert",
        last_name="Hollander",
        company="Else",
    ),
]


def asked(river, policy=None):
    with river.engine.connect() as connection:
        found = doubles.asked(connection, policy or People())
    return {(one.one.record[4:], one.other.record[4:]): one for one in found}


def pairs(river, policy=None):
    return {tuple(sorted(pair)) for pair in asked(river, policy)}


def test_a_short_name_at_another_address_is_asked_about_and_nobody_is_merged(river):
    river.run(*RECORDS)
    assert ("1", "2") in pairs(river)
    assert not {("1", "3"), ("2", "3")} & pairs(river)
    assert persons(river) == {"1": "1", "2": "2", "3": "3", "4": "4"}
    told = next(one for pair, one in asked(river).items() if set(pair) == {"1", "2"})
    assert {told.one.name, told.other.name} == {"Robert Hollander", "Bob Hollander"}
    assert told.probability > 0.9
    assert "same last “hollander” +11.2" in told.because
    assert "nearly first" in told.because
    assert "other email" in told.because


@pytest.mark.parametrize("order", list(permutations(RECORDS))[::8])
def test_the_order_of_arrival_does_not_matter(river, order):
    river.run(*order[:2])
    for one in order[2:]:
        river.run(one)
    assert kept(river) == [("1", "2"), ("1", "4")]


def kept(river):
    return river.all(
        "select least(l.external_id, o.external_id), greatest(l.external_id, o.external_id)"
        " from person_alike a join lead l using (lead_id) join lead o on o.lead_id = a.other_id order by 1, 2"
    )


def test_who_is_called_otherwise_now_is_not_asked_about_any_more(river):
    river.run(*RECORDS[:2])
    river.run(lead("2", "eve@else.org", created_at=FEB, updated_at=MAR, first_name="Eve", last_name="Stone"))
    assert pairs(river) == set()
    assert river.all("select count(*) from person_alike") == [(0,)]


def test_a_key_that_many_share_tells_nothing_in_whatever_order(river, monkeypatch):
    monkeypatch.setattr(lookalikes, "CROWD", 2)
    twins = [
        lead(
            str(id),
            f"{id}@mail{id}.org",
            first_name="Robert",
            last_name="Hollander",
            city=("Oslo", "Madrid", "Quito")[id],
            phone=phone,
        )
        for id, phone in enumerate(("+14155552671", "+442071838750", "+4930901820"))
    ]
    river.run(*twins[:2])
    assert kept(river) == []
    close = {"city": "Oslo", "postcode": "0150", "updated_at": FEB}
    twins = [(kind, source, {**record, **close}) for kind, source, record in twins]
    river.run(*twins[:2])
    assert kept(river) == [("0", "1")]
    river.run(twins[2])
    assert kept(river) == []
    away = {
        **twins[2][2],
        "last_name": "Stone",
        "first_name": "Eve",
        "updated_at": MAR,
        "city": "Rome",
        "postcode": "1",
    }
    river.run(("leads", "crm", away))
    assert kept(river) == [("0", "1")]


@pytest.mark.parametrize("seed", [1, 2])
def test_what_is_kept_follows_from_what_the_records_say_now(river, monkeypatch, seed):
    """Records of few names and towns, some of which change, in batches: as if all had been weighed at the end."""
    monkeypatch.setattr(lookalikes, "CROWD", 3)
    draw = Random(seed)
    said = [drawn(draw, id, day) for day in range(1, 4) for id in range(12)]
    batches = [said[start : start + 6] for start in range(0, len(said), 6)]
    for batch in batches:
        river.run(*(lead(**one) for one in batch))
    assert kept(river) == expected([one for one in said if one["updated_at"] == said[-1]["updated_at"]])


def drawn(draw, id, day):
    return {
        "id": str(id),
        "email": f"{id}@mail{id}.org",
        "first_name": draw.choice(["Robert", "Bob", "Susan"]),
        "last_name": draw.choice(["Hollander", "Holander", "Meyer"]),
        "company": draw.choice(["Acme Foods", "Elsewhere", "Bricks and Mortar"]),
        "city": draw.choice(["Oslo", "Madrid"]),
        "updated_at": f"2026-01-0{day}T00:00:00+00:00",
    }


def expected(records):
    """Every two of a key that at most CROWD records have, weighed at once."""
    people = persons_of(pd.DataFrame(records).drop(columns="updated_at"))
    having = defaultdict(list)
    for place, key in lasting_keys(people):
        having[key].append(place)
    near = {
        two
        for places in having.values()
        if len(places) <= lookalikes.CROWD
        for two in combinations(places, 2)
    }
    left, right = np.array(sorted(near)).T
    weights = evidence.usual(people)
    judged = evidence.judged(people, weights, left, right)
    found = judged.allowed & (judged.bits - weights.prior >= lookalikes.LEAST)
    return sorted(
        tuple(sorted((str(people.ids[one]), str(people.ids[other]))))
        for one, other in zip(left[found], right[found], strict=True)
    )


def test_merged_without_asking_only_where_the_policy_says_so(river):
    policy = "schema: 1\nowner: o\napprover: a\npeople: {merge: 0.99, ask: 0.9}\n"
    river.policy = parse({"sources": policy})
    river.run(*RECORDS[:3])
    assert persons(river) == {"1": "1", "2": "1", "3": "3"}
    assert river.all("select rule from merge") == [("alike",)]
    assert pairs(river) == set()
    say(river, "1", "2", "apart")
    river.run(
        lead("2", "bob@hollander.net", created_at=FEB, updated_at=MAR, **{**ROBERT, "first_name": "Bob"})
    )
    assert persons(river) == {"1": "1", "2": "2", "3": "3"}


def weighed_anew(river):
    with river.engine.begin() as connection:
        last = identity.weigh(connection, river.policy, UUID(int=0))
        assert identity.weigh(connection, river.policy, last) is None


def test_a_change_of_what_is_merged_is_followed_once_all_was_weighed_anew(river):
    asking, merging = (
        parse({"sources": f"schema: 1\nowner: o\napprover: a\npeople: {{merge: {merge}, ask: 0.9}}\n"})
        for merge in (1, 0.99)
    )
    river.policy = asking
    river.run(*RECORDS[:3])
    for policy, found in (
        (merging, {"1": "1", "2": "1", "3": "3"}),
        (asking, {"1": "1", "2": "2", "3": "3"}),
    ):
        river.policy = policy
        weighed_anew(river)
        weighed_anew(river)
        batch = river.run()
        assert persons(river) == found
        assert work(river, batch)["1"] == "merge"
        assert river.all("select count(*) from person_due") == [(0,)]
    assert pairs(river) == {("1", "2")}


def test_what_nobody_was_to_be_asked_about_is_weighed_when_it_is(river):
    policy, river.policy = (
        river.policy,
        parse({"sources": "schema: 1\nowner: o\napprover: a\npeople: {ask: 1}\n"}),
    )
    river.run(*RECORDS[:2])
    river.policy = policy
    weighed_anew(river)
    assert pairs(river) == {("1", "2")}


@pytest.mark.parametrize(("count", "records"), [(1, 10), (33, 100), (34, 1_000), (10**6, 10**7)])
def test_the_more_records_the_more_alike_two_must_be(count, records):
    assert lookalikes.among(count) == records


def test_a_pair_is_judged_by_the_ledger_into_which_it_came_and_at_least_by_the_policy(river):
    river.run(*RECORDS[:2])
    assert river.all("select records from person_alike") == [(10,)]
    by_policy = {
        records: asked(river, People(records=records))["1", "2"].probability for records in (10, 1_000)
    }
    assert by_policy[1_000] < by_policy[10]
    with river.engine.begin() as connection:
        connection.exec_driver_sql("update person_alike set records = 1000")
    assert asked(river, People(records=10))["1", "2"].probability == by_policy[1_000]


def test_nothing_is_weighed_where_nobody_is_asked(river):
    river.policy = replace(river.policy, sources=replace(river.policy.sources, people=People(ask=1)))
    river.run(*RECORDS)
    assert river.all("select count(*) from person_block") == [(0,)]


def test_the_policy_is_refused_where_more_would_be_merged_than_asked():
    with pytest.raises(PolicyErrors, match="at most merge: 0"):
        parse({"sources": "schema: 1\nowner: o\napprover: a\npeople: {merge: 0.8, ask: 0.9}\n"})


def test_who_is_kept_apart_or_one_already_is_not_asked_about(river):
    river.run(*RECORDS)
    say(river, "1", "2", "apart")
    assert ("1", "2") not in pairs(river)
    say(river, "1", "4", "same")
    river.run(lead("4", "robert.hollander@else.org", created_at=MAR, updated_at="2026-03-02T00:00:00+00:00",
                   first_name="Robert", last_name="Hollander", company="Else"))  # fmt: skip
    assert pairs(river) == set()


def test_a_question_holds_nothing_up(river):
    """The run that finds a double works on both records, and both wait for routing as all others do."""
    batch = river.run(*RECORDS[:2])
    assert set(work(river, batch)) == {"1", "2"}
    assert set(places(river).values()) == {"waiting new"}


def test_a_person_is_shown_the_doubles_and_answers(river, command):  # noqa: F811
    river.run(*RECORDS[:3])
    (listed,) = json.loads(command("list", "--json").stdout)
    assert {listed["one"]["record"], listed["other"]["record"]} == {"crm:1", "crm:2"}
    assert "Robert Hollander" in command("list").stdout
    assert "same last “hollander” +11.2" in command("show", "crm:2").stdout
    assert command("merge", "crm:1", "crm:2", *SAID).exit_code == 0
    assert json.loads(command("list", "--json").stdout) == []


def test_a_command_weighs_anew(river, command):  # noqa: F811
    river.run(*RECORDS[:3])
    told = command("weigh")
    assert told.exit_code == 0, told.output
    assert "alike: 1; records that wait for the next runs: 0" in told.stdout
