"""Profiles as of a moment, example by example."""

from __future__ import annotations

import dataclasses

import pytest

from clearlane import policy, rules
from clearlane.enrich import Abort, Skip
from clearlane.policy.model import KindRule, Source

JAN, FEB, MAR = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


def lead(id, source="crm", **fields):
    return "leads", source, {"id": id, "created_at": JAN, **fields}


def account(id, source="crm", **fields):
    return "accounts", source, {"id": id, **fields}


def opportunity(id, **fields):
    return "opportunities", "crm", {"id": id, "created_at": FEB, **fields}


def test_a_profile_holds_record_providers_and_facts(river):
    river.run(lead("1", email="Ada@acme.de", title="VP Sales", phone="+49 30 901820", company="Acme GmbH"))
    assert river.profile("1") == {
        "created_at": JAN, "email": "ada@acme.de", "title": "VP Sales", "phone": "+4930901820", "company": "Acme GmbH",
        "email_domain": "acme.de", "free_mail": False, "disposable": False, "role_address": False,
        "seniority": "vp", "department": "sales", "country": "DE",
        "zone": "Europe/Berlin", "zone_confidence": 0.95,
        "contact_known": False, "has_open_opportunity": False, "is_customer": False, "suppressed": False,
        "kind": "sales",
    }  # fmt: skip
    [(provenance,)] = river.all("select provenance from lead_profile")
    assert {name: provenance[name] for name in ("email", "country", "seniority", "suppressed")} == {
        "email": "crm:1", "country": "phone_country", "seniority": "job_title", "suppressed": "ledger",
    }  # fmt: skip


def test_what_the_record_says_comes_before_what_providers_guess(river):
    river.run(lead("1", email="ada@acme.de", phone="+4930901820", country="Austria"))
    assert river.profile("1")["country"] == "AT"
    assert river.profile("1")["zone"] == "Europe/Vienna"


def test_a_lead_is_not_known_before_its_first_revision(river):
    river.run(lead("1", email="ada@acme.com"))
    assert river.profile("1", "2025-12-31T23:59:59Z") is None
    assert river.profile("1", JAN)["email"] == "ada@acme.com"


def test_each_revision_is_a_profile_from_its_moment_on(river):
    river.run(lead("1", title="Buyer", updated_at=FEB))
    river.run(lead("1", title="CEO", updated_at=JAN))
    assert [river.profile("1", at)["title"] for at in (JAN, FEB)] == ["CEO", "Buyer"]


def test_members_fill_each_other_newest_first(river):
    river.run(
        lead("1", email="ada@acme.com", title="Buyer", city="Rome", updated_at=FEB),
        lead("2", source="forms", email="ada@acme.com", title="CEO", company="Acme"),
    )
    person = river.profile("1")
    assert (person["title"], person["city"], person["company"]) == ("Buyer", "Rome", "Acme")
    assert river.profile("1", JAN)["title"] == "CEO"


def test_an_account_fills_gaps_and_is_visible_as_such(river):
    river.run(
        lead("1", email="ada@acme.com", industry="software"),
        account("a", name="Acme", website="acme.com", country="DE", industry="retail", employees=80,
                type="Prospect", owner="u7"),
    )  # fmt: skip
    person = river.profile("1")
    assert {name: value for name, value in person.items() if name.startswith("account_")} == {
        "account_name": "Acme", "account_country": "DE", "account_domain": "acme.com", "account_type": "Prospect",
        "account_owner": "u7", "account_source": "crm", "account_industry": "retail", "account_employees": 80,
        "account_website": "acme.com",
    }  # fmt: skip
    assert (person["industry"], person["employees"], person["country"]) == ("software", 80, "DE")
    assert person["is_customer"] is False


def test_accounts_are_those_valid_at_the_moment(river):
    river.run(lead("1", email="ada@acme.com"))
    river.run(
        account("a", website="acme.com", type="Customer", updated_at=MAR),
        account("a", website="acme.com", type="Prospect", updated_at=FEB),
    )
    assert "account_type" not in river.profile("1", JAN)
    assert [river.profile("1", at)["account_type"] for at in (FEB, MAR)] == ["Prospect", "Customer"]
    assert [river.profile("1", at)["is_customer"] for at in (JAN, FEB, MAR)] == [False, False, True]


def test_a_contact_and_its_deals_are_known_from_their_moment_on(river):
    river.run(lead("1", email="ada@gmail.com"))
    river.run(
        (
            "contacts",
            "crm",
            {"id": "c", "email": "ada@gmail.com", "owner": "u1", "account_id": "a", "created_at": FEB},
        )
    )
    river.run(account("a", name="Acme", owner="u2", created_at=FEB))
    river.run(opportunity("o", contact_id="c", owner="u3", stage="open", updated_at=FEB))
    river.run(opportunity("o", contact_id="c", owner="u3", stage="won", updated_at=MAR))
    facts = (
        "contact_known",
        "contact_owner",
        "account_owner",
        "has_open_opportunity",
        "opportunity_owner",
        "is_customer",
    )
    assert [[river.profile("1", at).get(fact) for fact in facts] for at in (JAN, FEB, MAR)] == [
        [False, None, None, False, None, False],
        [True, "u1", "u2", True, "u3", False],
        [True, "u1", "u2", False, None, True],
    ]


def parents(river, at):
    """The nearest owner above, and all of them, nearest first."""
    person = river.profile("1", at)
    return person.get("parent_account_owner"), person.get("parent_account_owners")


def test_the_owners_of_the_accounts_above_come_nearest_first(river):
    river.run(
        lead("1", email="ada@acme.com"),
        account("a", website="acme.com", owner="u1", parent="b"),
        account("b", parent="c"),
        account("c", owner="u3", parent="d"),
        account("d", owner="u4", parent="gone"),
    )
    assert parents(river, MAR) == ("u3", ["u3", "u4"])
    assert river.profile("1")["account_owner"] == "u1"
    assert "account_parent" not in river.profile("1")


@pytest.mark.parametrize(("of_a", "of_b"), [("a", None), ("b", "a"), ("b", "b")])
def test_a_ring_of_parents_is_walked_once(river, of_a, of_b):
    river.run(
        lead("1", email="ada@acme.com"),
        account("a", website="acme.com", owner="u1", parent=of_a),
        account("b", owner="u2", parent=of_b),
    )
    assert parents(river, MAR) == (("u2", ["u2"]) if of_a == "b" else (None, None))


def test_parents_are_those_of_the_same_source(river):
    river.run(
        lead("1", email="ada@acme.com"),
        account("a", website="acme.com", parent="b"),
        account("b", source="erp", owner="u2"),
    )
    assert parents(river, MAR) == (None, None)


def test_a_parent_is_the_one_valid_at_the_moment_whenever_it_is_told(river):
    river.run(lead("1", email="ada@acme.com"), account("a", website="acme.com", parent="b"))
    assert parents(river, MAR) == (None, None)
    river.run(account("c", owner="u5", updated_at=FEB))
    river.run(account("b", parent="c", updated_at=FEB))
    river.run(account("b", parent="c", owner="u2", updated_at=MAR))
    assert [parents(river, at)[1] for at in (JAN, FEB, MAR)] == [None, ["u5"], ["u2", "u5"]]
    river.run(account("c", owner="u6", updated_at=MAR))
    assert [parents(river, at)[1] for at in (FEB, MAR)] == [["u5"], ["u2", "u6"]]
    river.run(account("a", website="acme.com", updated_at=MAR))
    assert [parents(river, at)[1] for at in (FEB, MAR)] == [["u5"], None]


@pytest.mark.parametrize(
    ("type", "customer"),
    [("customer", True), ("Former Customer", False), ("former", False), ("prospect", True), (None, True)],
)
def test_who_bought_once_is_a_customer_until_the_account_is_a_former_one(river, type, customer):
    river.run(
        lead("1", email="ada@acme.com"),
        account("a", website="acme.com", **({"type": type} if type else {})),
        opportunity("o", account_id="a", stage="won"),
    )
    assert river.profile("1")["is_customer"] is customer


@pytest.mark.parametrize("link", [{"lead_id": "1"}, {"account_id": "a"}])
def test_deals_are_found_by_lead_and_by_account(river, link):
    river.run(
        lead("1", email="ada@acme.com"),
        account("a", website="acme.com"),
        opportunity("o", **link, owner="u3"),
    )
    assert river.profile("1")["opportunity_owner"] == "u3"


def test_suppression_holds_from_its_moment_on(river):
    river.change(
        "insert into suppression (kind, value, scope, since, because) values"
        f" ('email', 'ada@acme.com', 'contact', '{FEB}', 'asked'),"
        f" ('domain', 'beta.com', 'marketing', '{JAN}', 'asked')"
    )
    river.run(lead("1", email="Ada@acme.com"), lead("2", email="bob@eu.beta.com"))
    assert [river.profile("1", at)["suppressed"] for at in (JAN, FEB)] == [False, True]
    assert (river.profile("2")["suppressed"], river.profile("2")["opt_out"]) == (False, True)


def test_precedence_and_masters_decide(river):
    sources = policy.model.Sources(
        {"erp": Source("erp", "files", "", {})},
        {"employees": ("account", "lead"), "title": ("crm",)},
        {"city": "erp", "stage": "clearlane"},
    )
    river.policy = dataclasses.replace(river.policy, sources=sources)
    river.run(
        lead("1", email="ada@acme.com", employees=10, title="Old", city="Rome"),
        lead("2", source="erp", email="ada@acme.com", city="Oslo", title="ERP title"),
        lead("3", source="web", email="ada@acme.com", city="Paris", title="Web title", updated_at=FEB),
        account("a", website="acme.com", employees=500),
    )
    person = river.profile("1")
    assert (person["employees"], person["title"], person["city"]) == (500, "Old", "Oslo")


def test_the_first_kind_that_holds_counts(river):
    columns = {"topic": rules.Type.TEXT, "free_mail": rules.Type.BOOLEAN, "source": rules.Type.TEXT}

    def kind(id, kind, when):
        return KindRule(id, kind, "because", rules.parse(when, columns))

    scoring = dataclasses.replace(
        river.policy.scoring,
        kinds=(
            kind("help", "support", "topic like '50\\%%'"),
            kind("web", "partner", "source = 'web' and free_mail"),
        ),
    )
    river.policy = dataclasses.replace(river.policy, scoring=scoring)
    river.run(
        lead("1", topic="50% off"),
        lead("2", source="web", email="x@gmail.com"),
        lead("3", email="y@gmail.com"),
    )
    assert river.all("select external_id, kind, kind_rule from lead_profile join lead using (lead_id) order by 1") == [
        ("1", "support", "help"), ("2", "partner", "web"), ("3", "sales", None),
    ]  # fmt: skip


def test_an_unmerged_person_has_the_profile_it_would_have_had(river):
    river.run(
        lead("1", email="ada@acme.com", title="Buyer", updated_at=FEB),
        lead("2", email="ada@acme.com", city="Rome"),
    )
    assert river.profile("1")["city"] == "Rome"
    river.run(lead("2", email="bob@acme.com", city="Rome", updated_at="2026-02-15T00:00:00Z"))
    assert "city" not in river.profile("1")
    assert river.profile("1", JAN) is None
    assert river.profile("2", JAN)["email"] == "ada@acme.com"


def test_again_is_nothing_new(river):
    batch = river.run(lead("1", email="ada@acme.com"), account("a", website="acme.com"))
    assert dataclasses.asdict(river.enrich(batch)) == {"observations": 0, "profiles": 0, "inquiries": 0}


def test_a_change_that_changes_nothing_makes_no_profile(river):
    river.run(lead("1", email="ada@acme.com"))
    river.run(account("a", website="other.com"), account("b", website="acme.com", created_at=FEB))
    river.run(account("c", website="other.com", updated_at=MAR))
    assert river.all("select count(*) from lead_profile") == [(2,)]


# --- providers --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Failing:
    failure: Exception
    name: str = "failing"
    needs: tuple[str, ...] = ("email",)
    provides: tuple[str, ...] = ("revenue",)

    def enrich(self, frame):
        raise self.failure


@dataclasses.dataclass(frozen=True)
class Counting:
    asked: list
    name: str = "failing"
    needs: tuple[str, ...] = ("email",)
    provides: tuple[str, ...] = ("revenue",)

    def enrich(self, frame):
        self.asked.extend(frame["email"])
        return frame.assign(revenue=5)


def test_a_provider_that_skips_is_asked_again(river):
    batch = river.run(lead("1", email="ada@acme.com"), lead("2", email="ada@acme.com"), lead("3"))
    river.enrich(batch, providers=[Failing(Skip("down"))])
    assert "revenue" not in river.profile("1")
    asked = []
    assert river.enrich(batch, providers=[Counting(asked)]).observations == 3
    assert asked == ["ada@acme.com"]
    assert river.profile("1")["revenue"] == 5
    assert river.enrich(batch, providers=[Counting(asked)]).observations == 0


def test_a_provider_that_aborts_stops_the_run(river):
    batch = river.run(lead("1", email="ada@acme.com"))
    with pytest.raises(Abort):
        river.enrich(batch, providers=[Failing(Abort("no licence"))])


# --- inquiries --------------------------------------------------------------------------------------


def raised(minute, **fields):
    return (
        "activities",
        "crm",
        {"lead_id": "1", "type": "demo_request", "occurred_at": f"2026-02-01T10:{minute:02}:00Z", **fields},
    )


def inquiries(river):
    return river.all(
        "select external_id, to_char(arrived_at, 'HH24:MI') from inquiry join lead using (lead_id) order by 2"
    )


def test_hand_raises_within_the_gap_are_one_inquiry_in_any_order(river):
    scoring = dataclasses.replace(river.policy.scoring, hand_raise_types=("demo_request",))
    river.policy = dataclasses.replace(river.policy, scoring=scoring)
    river.run(lead("1"), raised(50), raised(55, type="page_view"))
    assert inquiries(river) == [("1", "10:50")]
    river.run(raised(10))
    assert inquiries(river) == [("1", "10:10"), ("1", "10:50")]
    river.run(raised(25))
    assert inquiries(river) == [("1", "10:10")]


def test_an_inquiry_follows_the_person(river):
    scoring = dataclasses.replace(river.policy.scoring, hand_raise_types=("demo_request",))
    river.policy = dataclasses.replace(river.policy, scoring=scoring)
    river.run(lead("1", email="ada@acme.com", updated_at=FEB), raised(0))
    river.run(("leads", "crm", {"id": "0", "email": "ada@acme.com", "created_at": "2025-01-01T00:00:00Z"}))
    assert inquiries(river) == [("0", "10:00")]


def test_a_person_is_deleted_when_all_records_are(river):
    river.run(
        lead("1", email="ada@acme.com", title="CEO", city="Rome"),
        lead("2", source="web", email="ada@acme.com", title="Buyer"),
        lead("1", email="ada@acme.com", title="CEO", city="Rome", updated_at=FEB, deleted="true"),
        lead("2", source="web", email="ada@acme.com", title="Buyer", updated_at=MAR, deleted="TRUE"),
    )
    before, one, both = (river.profile("1", at) for at in (JAN, FEB, MAR))
    assert "deleted" not in before
    assert (one["deleted"], one["title"]) == (False, "Buyer")
    assert "city" not in one, "a deleted record says nothing while another is there"
    assert (both["deleted"], both["title"], both["city"]) == (True, "Buyer", "Rome")
