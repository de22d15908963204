"""6sense as a provider, against a fake that counts credits and is held against its description."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pandas as pd
import pytest
from tests.connectors.described import described
from tests.connectors.local_server import Asked, Clock, Local, Reply, serving

from clearlane import policy
from clearlane.connectors.http import Patience
from clearlane.enrich import OFFLINE, Abort, Skip, chosen
from clearlane.enrich.observations import answered
from clearlane.enrich.providers.sixsense import SixSense

KEY = "6s-t0ken-s3cr3t"
FACTS = {
    "employees": 480, "industry": "Software", "annual_revenue": 12000000.0, "buying_stage": "Decision",
    "intent_score": 81, "company_fit": "Strong", "contact_grade": "B",
}  # fmt: skip


class Scribe:
    """Answers of 6sense; each 200 costs a credit."""

    def __init__(self) -> None:
        self.credits, self.asked = 1000, list[dict[str, str]]()
        self.failing: dict[str, Reply] = {}

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers["Authorization"] != f"Token {KEY}":
            return Reply({"status": "error", "message": "Unauthorized"}, status=401)
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        self.asked.append(form)
        if form["email"] in self.failing:
            return self.failing[form["email"]]
        if self.credits == 0:
            return Reply({"status": "error", "message": "Payment Required"}, status=402)
        self.credits -= 1
        score = {"company_profile_fit": "Strong", "contact_grade": "B", "company_buying_stage": "Decision"}
        company = {"name": "Größe AG", "industry": "Software", "employeeCount": 480, "annualRevenue": 12e6}
        scores = [
            {"product": "CRM", "company_intent_score": 81, **score},
            {"product": "ERP", "company_intent_score": 7, "company_profile_fit": "Weak"},
        ]
        return Reply({"company": company, "scores": scores, "segments": {"ids": [], "names": []}})


@pytest.fixture
def scribe() -> Scribe:
    return Scribe()


@pytest.fixture
def local(scribe: Scribe) -> Iterator[Local]:
    fake = described(scribe, "6sense/original-lead-scoring-firmographics.yml", "https://scribe.6sense.com")
    with serving(fake) as local:
        yield local
    assert fake.problems == []


@pytest.fixture
def clock() -> Clock:
    return Clock()


Make = Callable[..., SixSense]


@pytest.fixture
def make(local: Local, clock: Clock) -> Make:
    def make(key: str = KEY, extras: str = "", **options: Any) -> SixSense:
        address = local.address.replace("//", f"//:{key}@") + extras
        options = {"patience": Patience(read=1, tries=2), "wait": clock.wait, "clock": clock, **options}
        return SixSense({"sixsense": address}.__getitem__, **options)

    return make


def leads(*emails: str | None, country: str | None = "DE") -> pd.DataFrame:
    rows = [
        {"email": email, "country": country, "company": "Größe AG", "website": None, "title": None}
        for email in emails
    ]
    return pd.DataFrame(rows, dtype=object)


def people(count: int) -> list[str]:
    return [f"p{number}@customer.example" for number in range(count)]


def test_what_it_says_of_a_lead_by_the_product_with_the_highest_intent(make: Make, scribe: Scribe) -> None:
    [row] = make().enrich(leads("ann@customer.example")).to_dict("records")
    assert row == FACTS
    assert scribe.asked == [{"email": "ann@customer.example", "country": "DE", "company": "Größe AG"}]


def test_another_product_may_count(make: Make) -> None:
    [row] = make(extras="/?product=ERP").enrich(leads("ann@customer.example")).to_dict("records")
    assert (row["intent_score"], row["company_fit"], row["contact_grade"]) == (7, "Weak", None)


def test_without_mail_or_country_nobody_is_asked_about(make: Make, scribe: Scribe) -> None:
    nobody = pd.concat([leads(None), leads("ann@customer.example", country=None)], ignore_index=True)
    said = make().enrich(nobody)
    assert (len(said), said.notna().any().any(), scribe.asked) == (2, False, [])


def test_who_is_unknown_to_it_is_known_to_be_unknown(make: Make, scribe: Scribe) -> None:
    scribe.failing = {"x@customer.example": Reply({"status": "error", "message": "x"}, status=404)}
    said = make().enrich(leads("x@customer.example", "ann@customer.example"))
    assert said["employees"].tolist() == [None, 480]


def test_the_rest_waits_for_a_later_run(make: Make, scribe: Scribe) -> None:
    provider, known = make(most=3), leads(*people(5))
    first = answered(provider, known)
    assert first.index.tolist() == [0, 1, 2]
    assert answered(provider, known.loc[3:]).empty
    assert answered(make(most=3), known.loc[3:]).index.tolist() == [3, 4]
    assert len(scribe.asked) == 5


def test_one_company_twice_is_paid_for_once(make: Make, scribe: Scribe) -> None:
    said = answered(make(), leads("ann@customer.example", "ann@customer.example"))
    assert (said["employees"].tolist(), len(scribe.asked)) == ([480, 480], 1)


def test_a_hundred_a_minute(make: Make, clock: Clock) -> None:
    make(most=150).enrich(leads(*people(101)))
    assert sum(clock.waits) == pytest.approx(60)


def test_what_was_paid_for_is_kept_when_the_credits_go_and_the_next_run_says_so(
    make: Make, scribe: Scribe
) -> None:
    scribe.credits = 2
    provider, known = make(), leads(*people(4))
    assert provider.enrich(known)["employees"].tolist() == [480, 480]
    assert provider.enrich(known.loc[2:]).empty
    assert len(scribe.asked) == 3
    with pytest.raises(Abort, match="its credits are gone"):
        make().enrich(known.loc[2:])


def test_what_was_paid_for_is_kept_when_the_token_ends_mid_run(make: Make, scribe: Scribe) -> None:
    scribe.failing = {
        "p2@customer.example": Reply({"status": "error", "message": "Unauthorized"}, status=401)
    }
    provider, known = make(), leads(*people(4))
    assert provider.enrich(known)["employees"].tolist() == [480, 480]
    with pytest.raises(Abort, match="its token is not accepted"):
        make().enrich(known.loc[2:])


@pytest.mark.parametrize(
    "reply",
    [
        Reply({}, status=503),
        Reply(b"<html>", headers={"Content-Type": "text/html"}),
        Reply(b'{"company":'),
        Reply(b'{"scores": ["zoe@customer.example"]}'),
        Reply(cut=True),
        Reply({}, status=429, headers={"Retry-After": "900"}),
    ],
)
def test_when_it_is_away_the_run_goes_on_without_it_and_names_nobody(
    make: Make, scribe: Scribe, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scribe.failing = {"ann@customer.example": reply}
    with pytest.raises(Skip) as caught:
        make().enrich(leads("ann@customer.example", "bob@customer.example"))
    assert len(scribe.asked) == 1  # an answer that was lost may have been paid for
    for hidden in (KEY, "customer.example"):
        assert hidden not in caplog.text + str(caught.value)


def test_an_answer_that_never_comes_ends_in_time(clock: Clock) -> None:
    with serving(lambda asked: local.hang()) as local:
        address = local.address.replace("//", f"//:{KEY}@")
        provider = SixSense(lambda name: address, patience=Patience(read=0.2, tries=2), wait=clock.wait)
        with pytest.raises(Skip, match="did not answer in time"):
            provider.enrich(leads("ann@customer.example"))


def test_a_token_that_is_not_accepted_stops_the_run(make: Make) -> None:
    with pytest.raises(Abort, match="its token is not accepted"):
        make(key="wrong").enrich(leads("ann@customer.example"))
    with pytest.raises(Abort, match="no password"):
        make(key="")


def test_it_is_asked_where_policy_names_it_only(local: Local) -> None:
    secrets = {"sixsense": local.address.replace("//", f"//:{KEY}@")}.__getitem__
    named = policy.parse(
        {"sources": "schema: 1\nowner: a\napprover: b\nprecedence: {employees: [sixsense, lead]}"}
    ).sources
    assert [one.name for one in chosen(named, secrets)] == [*(one.name for one in OFFLINE), "sixsense"]
    assert chosen(named, None) == OFFLINE == chosen(policy.parse({}).sources, secrets)


def test_in_a_run_the_rest_is_asked_about_when_the_lead_comes_again(
    river: Any, make: Make, scribe: Scribe
) -> None:
    def lead(number: int) -> Any:
        fields = {"id": str(number), "email": f"p{number}@customer.example", "country": "DE"}
        return "leads", "crm", {"created_at": "2026-01-01T00:00:00Z", **fields}

    batch = river.run(lead(1), lead(2), lead(3))
    river.enrich(batch, providers=[make(most=2)])
    count = "select count(*) from enrichment where provider = 'sixsense'"
    assert river.all(count) == [(2,)]
    river.enrich(batch, providers=[make()])
    assert (river.all(count), len(scribe.asked)) == ([(3,)], 3)
    assert river.profile("3")["buying_stage"] == "Decision"
