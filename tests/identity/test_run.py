"""What identity leaves in the ledger, example by example."""

from __future__ import annotations

import hashlib

import pytest
import sqlalchemy as sa


def lead(id, email=None, source="crm", **fields):
    given = {"id": id, "created_at": "2026-01-01T00:00:00+00:00", "email": email, **fields}
    return "leads", source, {name: value for name, value in given.items() if value is not None}


def account(id, name=None, source="crm", **fields):
    given = {"id": id, "name": name, **fields}
    return "accounts", source, {field: value for field, value in given.items() if value is not None}


def contact(id, email, source="crm", **fields):
    return "contacts", source, {"id": id, "email": email, **fields}


def activity(source="crm", type="page_view", at="2026-02-01T00:00:00Z", **fields):
    return "activities", source, {"type": type, "occurred_at": at, **fields}


def persons(river):
    """external id -> external id of the survivor"""
    rows = river.all(
        "select l.external_id, s.external_id from lead l join lead s on s.lead_id = l.survivor_id order by 1"
    )
    return dict(rows)


def places(river):
    return dict(river.all("select external_id, place || ' ' || reason from place join lead using (lead_id)"))


def matches(river):
    return {
        external_id: (found, rule)
        for external_id, found, rule in river.all("""
            select l.external_id, min(a.external_id), l.account_rule
            from lead l left join account_revision a on a.account_id = l.account_id group by 1, 3""")
    }


def work(river, batch):
    return dict(river.all(
        "select external_id, reason from work join lead using (lead_id) where batch_id = :id", id=batch.batch_id
    ))  # fmt: skip


def test_a_lead_is_normalised_and_waits(river):
    batch = river.run(
        lead("1", " Ada@Acme.COM", phone="(415) 555-2671", country="United States", company="Acme, Inc.",
             website="https://www.acme.com/about", employees=300, owner="Eve")
    )  # fmt: skip
    [(attributes, keys)] = river.all("select attributes, keys from lead_revision")
    assert attributes == {
        "created_at": "2026-01-01T00:00:00+00:00", "email": "ada@acme.com", "phone": "+14155552671",
        "country": "US", "company": "Acme, Inc.", "website": "https://www.acme.com/about", "domain": "acme.com",
        "employees": 300, "owner": "Eve",
    }  # fmt: skip
    assert keys == {
        "email": "ada@acme.com",
        "company": "acme",
        "domain": "acme.com",
        "mail_domain": "acme.com",
        "phone": "+14155552671",
    }
    assert places(river) == {"1": "waiting new"}
    assert work(river, batch) == {"1": "revision"}
    assert river.all("select company_key from lead") == [("acme|US",)]
    assert river.all("select distinct state from inbox") == [("consumed",)]


def test_where_an_account_is_and_how_it_is_called_up_are_normalised(river):
    places = {"phone": "(415) 555-2671", "city": "São  Paulo", "address": "12, Main St."}
    river.run(account("A", "Acme", country="US", **places), account("B", "Bex", phone="(415) 555-2671"))
    assert river.all("select phone, city_key, address_key from account_revision order by external_id") == [
        ("+14155552671", "sao paulo", "12 main st"),
        (None, None, None),  # of no country
    ]
    assert river.all("select attributes from account_revision where external_id = 'A'") == [(places,)]


def test_another_phone_of_an_account_is_another_revision(river, day):
    river.run(account("A", "Acme", phone="+14155552671", updated_at=day(0)))
    river.run(account("A", "Acme", phone="+14155552672", updated_at=day(1)))
    river.run(account("A", "Acme", phone="+14155552672", updated_at=day(1)))
    assert river.all("select phone from account_revision order by valid_from") == [
        ("+14155552671",),
        ("+14155552672",),
    ]


def test_where_a_lead_is_is_no_key_of_it_but_its_phone_is(river):
    river.run(lead("1", phone="+14155552671", city="Köln", address="Weg 1"))
    assert river.all("select keys from lead_revision") == [
        ({"phone": "+14155552671", "city": "koln", "address": "weg 1"},)
    ]
    assert river.all("select kind, value from lead_key") == [("phone", "+14155552671")]


def test_an_unknown_country_is_kept_beside(river):
    river.run(lead("1", "ada@acme.com", country="Atlantis"))
    [(attributes,)] = river.all("select attributes from lead_revision")
    assert attributes["country_as_given"] == "Atlantis"
    assert "country" not in attributes


def test_the_same_batch_again_changes_nothing(river):
    batch = river.run(lead("1", "ada@acme.com"), lead("2", "ada@acme.com"), activity(lead_id="1"))
    before = [
        river.all(f"select * from {table} order by 1, 2") for table in ("lead", "merge", "work", "place")
    ]
    again = river.identify(batch)
    assert (again.consumed, again.merges, again.work) == (0, 0, 1)
    assert before == [
        river.all(f"select * from {table} order by 1, 2") for table in ("lead", "merge", "work", "place")
    ]


@pytest.mark.parametrize(
    ("first", "second", "rule"),
    [
        ({"email": "ada@acme.com"}, {"email": "ADA@acme.com"}, "email"),
        ({"phone": "+14155552671", "name": "Ada Bell"}, {"phone": "(415) 555-2671", "country": "US",
          "first_name": "ADA", "last_name": "Bell"}, "phone_name"),
        ({"email": "info@acme.com", "name": "Ada Bell"}, {"email": "info@acme.com", "name": "Bell, Ada"}, "email_name"),
        ({"email": "info@acme.com", "name": "Ada Bell"}, {"email": "info@acme.com", "name": "Bob"}, None),
        ({"email": "info@acme.com"}, {"email": "info@acme.com"}, None),
        ({"phone": "+14155552671", "name": "Ada Bell"}, {"phone": "+14155552671", "name": "Bob"}, None),
        ({"phone": "+14155552671"}, {"phone": "+14155552671"}, None),
        ({"phone": "+14155552671", "name": "N/A"}, {"phone": "+14155552671", "name": "n/a"}, None),
        ({"phone": "+14155552671", "last_name": "[not provided]"}, {"phone": "+14155552671",
          "last_name": "[not provided]"}, None),
    ],
)  # fmt: skip
def test_equal_keys_are_one_person(river, first, second, rule):
    river.run(lead("1", **first), lead("2", source="forms", **second))
    assert persons(river) == {"1": "1", "2": "1" if rule else "2"}
    assert river.all("select rule from merge") == ([(rule,)] if rule else [])
    assert places(river)["2"] == ("closed merged" if rule else "waiting new")


def test_an_older_record_that_comes_late_is_the_survivor(river):
    river.run(lead("1", "ada@acme.com", created_at="2026-01-02T00:00:00Z"))
    batch = river.run(lead("2", "ada@acme.com", created_at="2026-01-01T00:00:00Z"))
    assert persons(river) == {"1": "2", "2": "2"}
    assert places(river) == {"1": "closed merged", "2": "waiting new"}
    assert work(river, batch) == {"2": "revision"}


def test_an_owner_of_a_merged_lead_does_not_keep_a_loser_open(river):
    river.run(lead("1", "ada@acme.com", created_at="2026-01-02T00:00:00Z"))
    with river.engine.begin() as connection:
        connection.execute(sa.text("update place set place = 'owned', reason = 'merged'"))
    river.run(lead("2", "ada@acme.com", created_at="2026-01-01T00:00:00Z"))
    assert places(river) == {"1": "closed merged", "2": "waiting new"}


def test_keys_chain_people_together_and_apart_again(river):
    river.run(
        lead("1", "ada@acme.com"),
        lead("2", "ada@acme.com", phone="+14155552671", name="Ada Bell"),
        lead("3", "ada@home.org", phone="+14155552671", name="Ada Bell"),
    )
    assert persons(river) == {"1": "1", "2": "1", "3": "1"}
    assert river.all("select rule from merge order by 1") == [("email",), ("phone_name",)]
    batch = river.run(lead("2", "bob@acme.com", updated_at="2026-01-05T00:00:00Z"))
    assert persons(river) == {"1": "1", "2": "2", "3": "3"}
    assert places(river) == {"1": "waiting new", "2": "waiting unmerged", "3": "waiting unmerged"}
    assert work(river, batch) == {"1": "merge", "2": "revision", "3": "merge"}
    assert river.all("select count(*) from merge where undone_at is null") == [(0,)]


def test_an_older_revision_that_comes_late_changes_no_key(river):
    river.run(lead("1", "new@acme.com", updated_at="2026-01-05T00:00:00Z"), lead("2", "old@acme.com"))
    river.run(lead("1", "old@acme.com", updated_at="2026-01-02T00:00:00Z"))
    assert persons(river) == {"1": "1", "2": "2"}
    assert river.all("select value, current from lead_key where kind = 'email' order by 1, 2") == [
        ("new@acme.com", True), ("old@acme.com", False), ("old@acme.com", True),
    ]  # fmt: skip


def test_a_crowd_with_one_address_is_one_person(river):
    river.run(
        *(lead(str(n), "ada@acme.com", phone=f"+1415555{n:04}", name=f"A {n}") for n in range(2000, 2300))
    )
    assert set(persons(river).values()) == {"2000"}


# --- contacts and accounts ------------------------------------------------------------------------


def test_a_lead_that_is_a_contact_joins_it_and_its_account(river):
    river.run(contact("c", "Ada@gmail.com", account_id="a", owner="u1"), account("a", "Acme"))
    river.run(lead("1", "ada@gmail.com"))
    assert matches(river) == {"1": ("a", "contact")}
    assert river.all("select contact_id is not null from lead") == [(True,)]


def test_a_contact_that_comes_later_is_joined_and_left(river):
    river.run(lead("1", "ada@gmail.com"))
    batch = river.run(contact("c", "ada@gmail.com", updated_at="2026-01-02T00:00:00Z"))
    assert river.all("select contact_id is not null from lead") == [(True,)]
    assert work(river, batch) == {"1": "account"}
    river.run(contact("c", "other@gmail.com", updated_at="2026-01-03T00:00:00Z"))
    assert river.all("select contact_id from lead") == [(None,)]


ACME = {"website": "acme.com", "country": "US"}
CASES = {
    "by mail domain": ([account("a", "Other", **ACME)], {"email": "x@eu.acme.com"}, ("a", "domain")),
    "by website": (
        [account("a", "Other", **ACME)], {"email": "x@gmail.com", "website": "http://acme.com"}, ("a", "domain")),
    "free mail is no domain": ([account("a", "Gmail", website="gmail.com")], {"email": "x@gmail.com"}, (None, None)),
    "two of one domain": (
        [account("a", "Acme", **ACME), account("b", "Acme East", **ACME)], {"email": "x@acme.com"}, (None, None)),
    "two of one domain, one name": (
        [account("a", "Acme", **ACME), account("b", "Acme East", **ACME)],
        {"email": "x@acme.com", "company": "Acme East LLC"}, ("b", "domain")),
    "two of one domain and name, one country": (
        [account("a", "Acme", **ACME), account("b", "Acme", website="acme.com", country="DE")],
        {"email": "x@acme.com", "company": "Acme", "country": "Germany"}, ("b", "domain")),
    "an ambiguous domain outweighs a single name": (
        [account("a", "Acme", **ACME), account("b", "Acme East", **ACME), account("c", "Beta")],
        {"email": "x@acme.com", "company": "Beta"}, (None, None)),
    "by name": ([account("a", "ACME GmbH")], {"email": "x@gmail.com", "company": "Acme Inc"}, ("a", "name")),
    "by name and country": (
        [account("a", "Acme", country="US"), account("b", "Acme", country="DE")],
        {"company": "Acme", "country": "DE"}, ("b", "name")),
    "another country": ([account("a", "Acme", country="US")], {"company": "Acme", "country": "DE"}, (None, None)),
    "no country, one candidate": ([account("a", "Acme", country="US")], {"company": "Acme"}, ("a", "name")),
    "no country, two candidates": (
        [account("a", "Acme", country="US"), account("b", "Acme", country="DE")], {"company": "Acme"}, (None, None)),
    "a name that is none": ([account("a", "Unknown")], {"company": "unknown"}, (None, None)),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("late", [False, True], ids=["accounts first", "accounts later"])
def test_accounts_are_matched_and_never_guessed(river, case, late):
    accounts, fields, expected = CASES[case]
    first, second = [lead("1", **fields)], accounts
    river.run(*(first if late else second))
    river.run(*(second if late else first))
    assert matches(river) == {"1": expected}


def test_a_second_account_makes_a_match_ambiguous(river):
    river.run(lead("1", company="Acme"), account("a", "Acme"))
    assert matches(river) == {"1": ("a", "name")}
    batch = river.run(account("b", "Acme Ltd"))
    assert matches(river) == {"1": (None, None)}
    assert work(river, batch) == {"1": "account"}
    river.run(account("b", "Beta", updated_at="2026-01-05T00:00:00Z"))
    assert matches(river) == {"1": ("a", "name")}


def test_company_and_account_are_those_of_the_person(river):
    river.run(
        lead("1", "ada@gmail.com"),
        lead("2", "ada@gmail.com", company="Acme", country="US", source="forms"),
        account("a", "Acme"),
    )
    assert river.all("select external_id, company_key, account_rule from lead order by 1") == [
        ("1", "acme|US", "name"), ("2", "acme|US", "name"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"company": "Acme Corp.", "country": "DE", "email": "x@acme.com"}, "acme|DE"),
        ({"company": "Acme Corp."}, "acme|"),
        ({"email": "x@mail.acme.co.uk"}, "acme.co.uk"),
        ({"email": "x@gmail.com", "website": "acme.com"}, "acme.com"),
        ({"email": "x@gmail.com"}, None),
        ({"email": "x@mailinator.com"}, None),
    ],
)
def test_the_company_key_names_the_buying_group(river, fields, key):
    river.run(lead("1", **fields))
    assert river.all("select company_key from lead") == [(key,)]


# --- events ---------------------------------------------------------------------------------------


def owners_of_events(river):
    return dict(
        river.all("select type, external_id from activity a left join lead l on l.lead_id = a.lead_id")
    )


def test_events_wait_for_their_lead(river):
    river.run(
        activity(type="by id", lead_id="1"), activity(type="by email", email="Ada@acme.com", source="web")
    )
    assert owners_of_events(river) == {"by id": None, "by email": None}
    river.run(lead("1", "ada@acme.com"))
    assert owners_of_events(river) == {"by id": "1", "by email": "1"}


def test_an_event_of_another_source_names_no_lead_of_this_one(river):
    river.run(lead("1", "ada@acme.com"), activity(lead_id="1", source="web"))
    assert owners_of_events(river) == {"page_view": None}


def test_events_of_a_contact_are_those_of_the_lead_with_its_address(river):
    river.run(activity(contact_id="c"))
    river.run(contact("c", "ada@acme.com"))
    batch = river.run(lead("1", "ada@acme.com"))
    assert owners_of_events(river) == {"page_view": "1"}
    assert work(river, batch) == {"1": "revision"}


def test_events_by_address_move_with_the_address(river):
    river.run(lead("1", "ada@acme.com"), lead("2", "bob@acme.com"), activity(email="ada@acme.com"))
    batch = river.run(
        lead("1", "new@acme.com", updated_at="2026-01-02T00:00:00Z"),
        lead("2", "ada@acme.com", updated_at="2026-01-02T00:00:00Z"),
    )
    assert owners_of_events(river) == {"page_view": "2"}
    assert set(work(river, batch)) == {"1", "2"}


def test_a_changed_event_replaces_itself_whatever_comes_first(river):
    old = activity(id="e", lead_id="1", type="call", updated_at="2026-02-01T00:00:00Z")
    new = activity(id="e", lead_id="2", type="meeting", updated_at="2026-02-02T00:00:00Z")
    river.run(lead("1"), lead("2"), old)
    batch = river.run(new)
    assert owners_of_events(river) == {"meeting": "2"}
    assert work(river, batch) == {"1": "activity", "2": "activity"}
    river.run(activity(id="e", lead_id="1", type="call", updated_at="2026-01-30T00:00:00Z"))
    assert owners_of_events(river) == {"meeting": "2"}


def told(river):
    """(record, type of the activity that is new to it, or None: count it anew), as scoring is told."""
    return river.all("""
        select l.external_id, a.type
        from signal_due join lead l using (lead_id) left join activity a using (activity_id)
        order by a.type nulls last, 1""")


def test_scoring_is_told_what_is_new_to_a_record_once(river):
    event = activity(id="e", lead_id="1")
    river.run(event)
    assert told(river) == []
    river.run(lead("1"), activity(id="f", lead_id="1", type="call"))
    assert told(river) == [("1", "call"), ("1", "page_view")]
    river.run(event)
    assert len(told(river)) == 2


def test_a_record_is_counted_anew_where_an_event_left_or_changed(river):
    old = activity(id="e", lead_id="1", updated_at="2026-02-01T00:00:00Z")
    river.run(lead("1"), lead("2"), old)
    known = [("1", "page_view")]
    assert told(river) == known
    river.run(activity(id="e", lead_id="2", updated_at="2026-02-02T00:00:00Z"))
    assert told(river) == [*known, ("1", None), ("2", None)]
    river.run(old)
    assert len(told(river)) == 3


def test_what_a_run_wrote_has_its_number(river):
    first = river.run(lead("1"), activity(id="e", lead_id="1"), activity(id="f", lead_id="2"))
    second = river.run(lead("2"), activity(id="g", lead_id="1"))
    numbers = dict(river.all("select batch_id, known_seq from batch"))
    assert numbers[first.batch_id] < numbers[second.batch_id]
    assert dict(river.all("select i.external_id, a.known_seq from activity a join inbox i using (seq)")) == {
        "e": numbers[first.batch_id],
        "f": numbers[second.batch_id],
        "g": numbers[second.batch_id],
    }


def test_outcomes_find_their_lead(river):
    outcome = {
        "id": "o",
        "lead_id": "1",
        "kind": "won",
        "occurred_at": "2026-02-01T00:00:00Z",
        "amount": 5000,
    }
    river.run(("outcomes", "crm", outcome))
    river.run(lead("1"))
    assert river.all("select external_id, kind, amount from outcome join lead using (lead_id)") == [
        ("1", "won", 5000)
    ]


def test_touches_and_merges_are_listed_for_the_watch_of_promises(river):
    touch = {"id": "t", "lead_id": "1", "kind": "first_touch", "occurred_at": "2026-02-01T00:00:00Z"}
    won = {**touch, "id": "w", "kind": "won"}
    assert listed(river, ("outcomes", "crm", touch), ("outcomes", "crm", won)) == []
    assert listed(river, lead("1")) == ["1"]
    assert listed(river, lead("2"), ("outcomes", "crm", {**won, "id": "v"})) == []
    sooner = {**touch, "occurred_at": "2026-01-31T00:00:00Z", "updated_at": "2026-02-02T00:00:00Z"}
    assert listed(river, ("outcomes", "crm", sooner)) == ["1"]
    same = {"email": "ann@acme.example", "updated_at": "2026-02-03T00:00:00Z"}
    assert listed(river, lead("1", **same), lead("2", **same)) == ["1", "2"]


def listed(river, *records):
    """The leads that a run lists."""
    with river.engine.begin() as connection:
        connection.execute(sa.text("delete from touch_due"))
    river.run(*records)
    return [
        one
        for (one,) in river.all(
            "select distinct external_id from touch_due join lead using (lead_id) order by 1"
        )
    ]


def test_an_outcome_that_names_an_unknown_lead_leaves_the_old_one(river):
    old = {"id": "o", "lead_id": "1", "kind": "won", "occurred_at": "2026-02-01T00:00:00Z"}
    river.run(lead("1"), ("outcomes", "crm", old))
    river.run(("outcomes", "crm", {**old, "lead_id": "2", "updated_at": "2026-02-02T00:00:00Z"}))
    assert river.all("select lead_external_id, lead_id from outcome") == [("2", None)]


def test_the_newest_owner_is_kept(river):
    river.run(
        ("reps", "crm", {"id": "u", "name": "Eve", "active": "true", "updated_at": "2026-01-02T00:00:00Z"})
    )
    river.run(
        ("reps", "crm", {"id": "u", "name": "Eva", "active": False, "updated_at": "2026-01-01T00:00:00Z"})
    )
    assert river.all("select name, active from owner") == [("Eve", True)]


def test_a_reference_too_long_to_be_an_id_is_none(river):
    endless = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))
    references = {"lead_id": endless, "contact_id": endless, "account_id": endless}
    river.run(
        lead("1", "ada@acme.com"),
        activity(email="ada@acme.com", **references),
        contact("c", "ada@acme.com", account_id=endless),
        ("opportunities", "crm", {"id": "o", "stage": "open", **references}),
        ("outcomes", "crm", {"lead_id": endless, "kind": "won", "occurred_at": "2026-02-01T00:00:00Z"}),
    )
    assert river.all("select external_id from activity join lead using (lead_id)") == [("1",)]
    assert river.all("select distinct state from inbox") == [("consumed",)]


def test_a_record_without_id_and_times_is_still_a_lead(river):
    river.run(("leads", "forms", {"email": "ada@acme.com"}))
    assert river.all(
        "select created_at::text, valid_from::text from lead join lead_revision using (lead_id)"
    ) == [("1970-01-01 00:00:00+00", "1970-01-01 00:00:00+00")]
