"""6sense as a provider, against a fake that counts credits and is held against its description."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.connectors.described import described
from tests.connectors.local_server import Asked, Local, Reply, serving

from clearlane import enrich, identity, policy
from clearlane.connectors.http import Refused
from clearlane.connectors.protocol import SourceFailed
from clearlane.enrich import Abort, Found
from clearlane.enrich.providers.sixsense import SixSense
from clearlane.policy.model import PaidProvider, Rate

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


Make = Callable[..., SixSense]
ANN = {"email": "ann@customer.example", "country": "DE", "company": "Größe AG"}


@pytest.fixture
def make(local: Local) -> Make:
    def make(key: str = KEY, extras: str = "") -> SixSense:
        address = local.address.replace("//", f"//:{key}@") + extras
        return SixSense(SETTINGS, {"sixsense": address}.__getitem__)

    return make


SETTINGS = PaidProvider(
    "sixsense", "sixsense", "connection:sixsense", ("email", "country"), timeout=timedelta(minutes=1)
)


def test_what_it_says_of_a_lead_by_the_product_with_the_highest_intent(make: Make, scribe: Scribe) -> None:
    assert make().ask(ANN, "key").attributes == FACTS
    assert scribe.asked == [ANN]


def test_another_product_may_count(make: Make) -> None:
    said = make(extras="/?product=ERP").ask(ANN, "key").attributes
    assert (said["intent_score"], said["company_fit"], "contact_grade" in said) == (7, "Weak", False)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_who_is_unknown_to_it_is_known_to_be_unknown(make: Make, scribe: Scribe, status: int) -> None:
    scribe.failing = {ANN["email"]: Reply({"status": "error", "message": "x"}, status=status)}
    assert make().ask(ANN, "key") == Found()


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
def test_a_failure_is_no_answer_is_not_repeated_and_names_nobody(
    make: Make, scribe: Scribe, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    scribe.failing = {ANN["email"]: reply}
    with pytest.raises(SourceFailed) as caught:
        make().ask(ANN, "key")
    assert len(scribe.asked) == 1  # an answer that was lost may have been paid for
    assert isinstance(caught.value, Refused) or not getattr(caught.value, "again", False)
    for hidden in (KEY, "customer.example"):
        assert hidden not in caplog.text + str(caught.value)


def test_an_answer_that_never_comes_ends_in_time() -> None:
    with serving(lambda asked: local.hang()) as local:
        settings = replace(SETTINGS, timeout=timedelta(seconds=0.2))
        provider = SixSense(settings, lambda name: local.address.replace("//", f"//:{KEY}@"))
        with pytest.raises(SourceFailed, match="did not answer in time"):
            provider.ask(ANN, "key")


@pytest.mark.parametrize(("key", "credits", "status"), [("wrong", 9, 401), (KEY, 0, 402)])
def test_a_token_or_credits_that_are_gone_are_told_by_their_status(
    make: Make, scribe: Scribe, key: str, credits: int, status: int
) -> None:
    scribe.credits = credits
    with pytest.raises(Refused) as caught:
        make(key).ask(ANN, "key")
    assert caught.value.status == status


def test_without_a_token_it_cannot_be_asked(make: Make) -> None:
    with pytest.raises(Abort, match="no password"):
        make(key="")


def test_it_is_asked_where_policy_names_it_only() -> None:
    named = "schema: 1\nowner: a\napprover: b\nprecedence: {employees: [sixsense, lead]}"
    [found] = policy.parse({"sources": named}).sources.enrichment.providers.values()
    assert (found.kind, found.by, found.limits.rate) == ("sixsense", ("email", "country"), Rate(100, 60))
    assert not policy.parse({}).sources.enrichment.providers


def test_in_a_run_it_is_asked_once_about_a_lead(river: Any, local: Local, scribe: Scribe) -> None:
    named = (
        "schema: 1\nowner: a\napprover: b\nenrichment: {providers: {sixsense: {kind: sixsense, budget: 2}}}"
    )
    river.policy = policy.parse({"sources": named})
    batch = river.batch()
    fields = {"created_at": "2026-01-01T00:00:00Z", "country": "DE"}
    people = [{"id": str(n), "email": f"p{n}@customer.example", **fields} for n in range(3)]
    river.deliver(batch, [("leads", "crm", one) for one in people])
    with river.engine.begin() as connection:
        identity.run(connection, river.policy, batch)
    secrets = {"sixsense": local.address.replace("//", f"//:{KEY}@")}.__getitem__
    counts = enrich.ask(river.engine, river.policy, batch, batch.as_of, secrets)
    river.enrich(batch)
    assert (counts.answered, counts.left_open, len(scribe.asked)) == (2, 1, 2)
    found = [river.profile(str(n)).get("buying_stage") for n in range(3)]
    assert sorted(map(str, found)) == ["Decision", "Decision", "None"]
