"""Records that a person says are one or two people: every later run keeps to it, whatever keys say."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from uuid import UUID

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from tests.identity.test_run import lead, persons, places, work
from typer.testing import CliRunner

from clearlane import explain
from clearlane.cli import app
from clearlane.cli.options import DEFAULT_POLICY
from clearlane.identity import membership, parting, verdicts
from clearlane.ledger import doctor
from clearlane.policy import publish

AT = datetime(2026, 2, 1, tzinfo=UTC)
FEB, MAR = "2026-02-01T00:00:00+00:00", "2026-03-01T00:00:00+00:00"
TWO = [lead("1", "ada@acme.com"), lead("2", "ada@acme.com", created_at=FEB)]


def record(river, external_id):
    return river.all("select lead_id from lead where external_id = :id", id=external_id)[0][0]


def say(river, one, other, verdict):
    pair = record(river, one), record(river, other)
    with river.engine.begin() as connection:
        return verdicts.say(connection, pair, verdict, by="ann", because="I know them", at=AT)


def test_two_of_one_address_stay_two_where_a_person_says_so(river):
    river.run(*TWO)
    assert persons(river) == {"1": "1", "2": "1"}
    say(river, "1", "2", "apart")
    river.run(lead("2", "ada@acme.com", created_at=FEB, updated_at=MAR))
    assert persons(river) == {"1": "1", "2": "2"}
    assert places(river)["2"].startswith("waiting")
    river.run(*(lead(id, "ada@acme.com", created_at=at, updated_at="2026-03-02T00:00:00+00:00") for id, at in
                (("1", "2026-01-01T00:00:00+00:00"), ("2", FEB))))  # fmt: skip
    assert persons(river) == {"1": "1", "2": "2"}


def test_two_without_a_key_in_common_are_one_where_a_person_says_so(river):
    river.run(lead("1", "ada@acme.com"), lead("2", "ada@home.org", created_at=FEB))
    say(river, "2", "1", "same")
    batch = river.run(lead("2", "ada@else.org", created_at=FEB, updated_at=MAR))
    assert persons(river) == {"1": "1", "2": "1"}
    assert river.all("select rule from merge where undone_at is null") == [("person",)]
    assert places(river)["2"] == "closed merged"
    assert set(work(river, batch)) == {"1"}


def test_what_is_withdrawn_counts_no_more(river):
    river.run(*TWO)
    for verdict in ("apart", "withdraw"):
        say(river, "1", "2", verdict)
    river.run(lead("2", "ada@acme.com", created_at=FEB, updated_at=MAR))
    assert persons(river) == {"1": "1", "2": "1"}
    assert not say(river, "1", "2", "withdraw")


def test_the_run_after_works_on_the_records(river):
    river.run(lead("1", "ada@acme.com"), lead("2", "bob@acme.com"))
    say(river, "1", "2", "apart")
    assert work(river, river.run()) == {"1": "merge", "2": "merge"}
    assert work(river, river.run()) == {}


THREE = [
    lead("1", "ada@acme.com", first_name="Ada", last_name="Byron", phone="+14155552671"),
    lead("2", "ada@acme.com", created_at=FEB),
    lead("3", "ada@acme.com", created_at=MAR, first_name="Ada", last_name="Byron", phone="+14155552671"),
]


@pytest.mark.parametrize("order", list(permutations(THREE)))
def test_whom_the_third_is_with_does_not_depend_on_the_order(river, order):
    """Of those that share a key the earliest come together first, as far as nobody keeps them apart."""
    river.run(order[0])
    river.run(*order[1:])
    say(river, "1", "2", "apart")
    for one in order:
        river.run((one[0], one[1], {**one[2], "updated_at": "2026-03-03T00:00:00+00:00"}))
    assert persons(river) == {"1": "1", "2": "2", "3": "1"}


# --- parting ------------------------------------------------------------------------------------------

RECORDS = [UUID(int=number) for number in range(7)]
PAIRS = st.tuples(st.sampled_from(RECORDS), st.sampled_from(RECORDS)).filter(lambda pair: pair[0] != pair[1])
TIES = st.dictionaries(
    st.tuples(st.integers(1, 3), st.just("k"), st.sampled_from("abcd")),
    st.lists(st.sampled_from(RECORDS), min_size=2, unique=True),
)


@given(TIES, st.lists(PAIRS, max_size=6), st.randoms())
def test_nobody_is_with_whom_he_is_kept_apart_from_and_no_order_matters(ties, pairs, chance):
    apart = {record: {b if record == a else a for a, b in pairs if record in (a, b)} for record in RECORDS}
    numbers = {record: number for number, record in enumerate(RECORDS)}
    found = parting.groups(numbers, ties, apart)
    assert all(found[a] != found[b] for a, b in pairs)
    shuffled = {
        tie: chance.sample(held, len(held)) for tie, held in chance.sample(list(ties.items()), len(ties))
    }
    assert parting.groups(dict(reversed(numbers.items())), shuffled, apart) == found
    if not pairs:
        assert all(len({found[record] for record in held}) == 1 for held in ties.values())


# --- told and said --------------------------------------------------------------------------------------


def test_who_a_person_is_made_of_is_told(river):
    river.run(*TWO, lead("3", "bob@acme.com", created_at=FEB), lead("4", "eve@acme.com", created_at=FEB))
    say(river, "1", "3", "same")
    say(river, "1", "4", "apart")
    river.run(lead("3", "bob@acme.com", created_at=FEB, updated_at=MAR))
    with river.engine.connect() as connection:
        told = membership.person(connection, record(river, "2"))
        lines = [f"{line.label} {line.text}" for line in explain._who(connection, record(river, "1"))]
    assert told.survivor.record == "crm:1"
    assert {one.record: one.because for one in told.merged} == {
        "crm:2": "the same e-mail address",
        "crm:3": "ann said so on 2026-02-01: I know them",
    }
    assert [one.record for one in told.apart] == ["crm:4"]
    assert "merged crm:3 is the same person: ann said so on 2026-02-01: I know them" in lines
    assert "not crm:4 is another person: ann said so on 2026-02-01: I know them" in lines


SAID = ("--by", "ann", "--because", "I know them")


@pytest.fixture
def command(river, monkeypatch):
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "200")
    with river.engine.begin() as connection:
        publish(connection, DEFAULT_POLICY, by="ann", because="first", in_force_from=AT)
    return lambda *said: CliRunner().invoke(app, ["people", *said])


def test_a_person_merges_parts_and_takes_it_back(river, command):
    river.run(lead("1", "ada@acme.com"), lead("2", "ada@home.org", created_at=FEB))
    assert "crm:1 = crm:2" in command("merge", "crm:2", "ada@acme.com", *SAID).stdout
    assert persons(river) == {"1": "1", "2": "1"}
    assert "nothing new" in command("merge", "crm:1", "crm:2", *SAID).stdout
    shown = command("show", "crm:2").stdout
    assert "merged  crm:2: ann said so on" in shown
    assert "note: crm:2 is to be merged into crm:1 there (by hand)" in shown
    assert command("twice").stdout.split("\n")[1].split()[:4] == ["crm:2", "crm:1", "by", "hand"]
    river.run(lead("2", "ada@home.org", created_at=FEB, updated_at=MAR))
    assert persons(river) == {"1": "1", "2": "1"}
    assert command("unmerge", "crm:2", *SAID).stdout.split("\n")[:2] == ["crm:1", "crm:2"]
    assert persons(river) == {"1": "1", "2": "2"}
    assert places(river)["2"] == "waiting new"
    assert command("withdraw", "crm:2", "crm:1", *SAID).exit_code == 0
    assert command("apart", "crm:2", "crm:1", *SAID).exit_code == 0
    refused = command("unmerge", "crm:2", *SAID)
    assert (refused.exit_code, refused.stderr.strip()) == (1, "crm:2 is merged with no other record")
    assert command("merge", "crm:1", "crm:nobody", *SAID).exit_code == 1


def test_what_keys_merged_a_person_unmerges(river, command):
    river.run(*TWO)
    assert command("unmerge", "crm:2", *SAID).exit_code == 0
    assert persons(river) == {"1": "1", "2": "2"}
    with river.engine.connect() as connection:
        assert (
            connection.execute(sa.text("select count(*) from joining where undone_at is null")).scalar() == 0
        )


@pytest.mark.parametrize(("verdict", "damage"), [
    ("apart", "update lead set survivor_id = (select lead_id from lead where external_id = '1')"),
    ("same", "update lead set survivor_id = lead_id"),
])  # fmt: skip
def test_doctor_finds_who_is_not_as_was_said(river, verdict, damage):
    river.run(*TWO)
    say(river, "1", "2", verdict)
    river.run(lead("2", "ada@acme.com", created_at=FEB, updated_at=MAR))
    assert offenders(river) == 0
    river.change(damage)
    assert offenders(river) == 1


def offenders(river):
    with river.engine.connect() as connection:
        found = {one.check.id: one.count for one in doctor.examine(connection)}
    return found["people_are_as_said"]
