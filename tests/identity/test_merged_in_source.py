"""Records that their source merged are one person, whichever of them says so and whatever came first."""

from __future__ import annotations

from itertools import permutations

import pytest
import sqlalchemy as sa
from tests.identity.test_run import activity, lead, persons, places

from clearlane.ledger.gone import gone

FEB = "2026-02-01T00:00:00+00:00"
MAR = "2026-03-01T00:00:00+00:00"


def merged(river):
    return river.all("select rule, undone_at is null from merge order by merged_seq")


def absent(river):
    with river.engine.connect() as connection:
        return set(connection.execute(sa.text(f"select external_id from lead l where {gone('l')}")).scalars())


# Salesforce: the loser is deleted and names the winner.
LOSER = [
    lead("2", "bob@acme.com", created_at=FEB),
    lead("1", "ada@acme.com"),
    lead("1", "ada@acme.com", updated_at=MAR, deleted=True, merged_into="2"),
]
# HubSpot: the winner names those that it took in; nothing is said of them any more.
WINNER = [
    lead("1", "ada@acme.com"),
    lead("2", "bob@acme.com", created_at=FEB),
    lead("3", "eve@acme.com", created_at=FEB),
    lead("2", "bob@acme.com", created_at=FEB, updated_at=MAR, merged_from="1;3:1772323200000"),
]


@pytest.mark.parametrize("order", list(permutations(LOSER)))
def test_the_loser_names_the_winner(river, order):
    for record in order:
        river.run(record)
    assert persons(river) == {"1": "1", "2": "1"}
    assert [one for one in merged(river) if one[1]] == [("merged_into", True)]
    assert places(river)["2"] == "closed merged"
    assert absent(river) == {"1"}


@pytest.mark.parametrize("order", [WINNER, WINNER[::-1], [WINNER[3], WINNER[0], WINNER[2], WINNER[1]]])
def test_the_winner_names_the_losers(river, order):
    for record in order:
        river.run(record)
    assert persons(river) == {"1": "1", "2": "1", "3": "1"}
    assert {rule for rule, _ in merged(river)} == {"merged_from"}
    assert absent(river) == {"1", "3"}


def test_what_the_loser_did_is_of_the_person(river):
    river.run(*LOSER, activity(id="a", lead_id="2"), activity(id="b", lead_id="1"))
    assert river.all(
        "select count(*) from activity join lead using (lead_id) join lead s on s.lead_id = lead.survivor_id"
        " where s.external_id = '1'"
    ) == [(2,)]


def test_a_merge_that_the_source_takes_back_is_undone(river):
    river.run(*LOSER)
    river.run(lead("1", "ada@acme.com", updated_at="2026-03-02T00:00:00+00:00"))
    assert persons(river) == {"1": "1", "2": "2"}
    assert absent(river) == set()
    assert places(river)["2"].startswith("waiting")


def test_another_source_is_not_meant_and_nobody_is_merged_into_itself(river):
    river.run(
        lead("1", "ada@acme.com", merged_into="2", merged_from="1"),
        lead("2", "bob@acme.com", source="web"),
    )
    assert persons(river) == {"1": "1", "2": "2"}
    assert absent(river) == {"1"}
