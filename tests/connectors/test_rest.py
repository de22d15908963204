"""The declarative connector, from sources.yaml to a server on a real socket and back."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from clearlane import policy
from clearlane.connectors import UNREADABLE, Interval, SourceFailed, Write, pull
from clearlane.connectors.http import Patience
from clearlane.connectors.rest import Rest, filled
from clearlane.policy.model import Limits, ObjectMapping, Rate, Source

from .conftest import Serve, batch, moment
from .local_server import Asked, Clock, Local, Reply

YAML = """
schema: 1
owner: data-engineering
approver: revops
sources:
  acme:
    connector: rest
    address: connection:acme
    push: lead
    push_fields: {{owner: owner_id, score: lead_score}}
    objects:
      leads:
        read: leads
        cursor: updated_at
        lookback: 2 days
        extras: false
        fields: {{id: id, email: attributes.email, name: attributes.name, updated_at: updated}}
    rest:
      auth: {auth}
      reads:
        leads:
          path: /v1/leads
          records: data
          params: {{updated_after: "{{start}}", updated_before: "{{end}}", sort: updated}}
          pages: {pages}
      writes:
        lead: {write}
"""
OFFSET = "{by: offset, name: offset, limit: 2, at: total}"
PATCH = '{path: "/v1/leads/{external_id}", read_back: "/v1/leads/{external_id}", record: data}'
JANUARY = Interval(moment("2026-01-01"), moment("2026-02-01"))


def described(pages: str = OFFSET, auth: str = "{by: bearer}", write: str = PATCH) -> Source:
    text = YAML.format(pages=pages, auth=auth, write=write)
    return policy.parse({"sources": text}).sources.sources["acme"]


def connector(local: Local, clock: Clock, source: Source, login: str = ":t0ken", extras: str = "") -> Rest:
    address = local.address.replace("http://", f"x://{login}@") + extras
    return Rest(source, {"acme": address}.__getitem__, wait=clock.wait, patience=Patience(tries=2))


def leads(source: Source) -> ObjectMapping:
    return source.objects["leads"]


class Crm:
    """Seven leads behind every way of paging, each of which a write may change."""

    def __init__(self) -> None:
        self.leads: dict[str, dict[str, Any]] = {
            str(i): {
                "id": i,
                "updated": f"2026-01-0{i}T00:00:00Z",
                "attributes": {"email": f"p{i}@x.com", "name": "李"},
            }
            for i in range(1, 8)
        }
        self.address = ""

    def __call__(self, asked: Asked) -> Reply:
        *_, last = asked.path.split("/")
        if asked.method == "PATCH" and last in self.leads:
            self.leads[last] |= asked.json
            return Reply({"data": self.leads[last]})
        if last in self.leads:
            return Reply({"data": self.leads[last]})
        return self._page(asked) if last == "leads" else Reply({"error": "no such lead"}, status=404)

    def _page(self, asked: Asked) -> Reply:
        sent = dict(asked.query) if asked.method == "GET" else asked.json
        every, size = list(self.leads.values()), int(sent.get("limit", 2))
        start = int(sent.get("offset") or sent.get("cursor") or sent.get("after") or 0)
        start = (int(sent["page"]) - 1) * size if "page" in sent else start
        more = start + size < len(every)
        link = f"{self.address}/v1/leads?offset={start + size}&limit={size}"
        return Reply(
            {
                "data": every[start : start + size],
                "total": len(every),
                "next": str(start + size) if more else None,
            },
            headers={"Link": f'<{link}>; rel="next"'} if more else {},
        )


@pytest.mark.parametrize(
    "pages",
    [
        OFFSET,
        "{by: offset, name: offset, limit: 3}",
        "{by: number, name: page, limit: 3}",
        "{by: token, name: cursor, at: next, limit: 2}",
        "{by: link, limit: 3}",
        "{by: last, name: after, key: id, limit: 3}",
    ],
)
def test_every_record_of_every_page(serve: Serve, clock: Clock, pages: str) -> None:
    crm = Crm()
    local = serve(crm)
    crm.address = local.address
    source = described(pages)
    chunks = connector(local, clock, source).read(leads(source), JANUARY)
    assert [raw.payload["id"] for chunk in chunks for raw in chunk.records] == [1, 2, 3, 4, 5, 6, 7]
    assert local.asked[0].query["updated_after"] == "2026-01-01T00:00:00Z"
    assert local.asked[0].query["updated_before"] == "2026-02-01T00:00:00Z"
    assert {asked.headers["Authorization"] for asked in local.asked} == {"Bearer t0ken"}


@pytest.mark.parametrize(
    "link", ["{base}/v1/leads?page=2", "/api/v1/leads?page=2", "leads?page=2", "?page=2"]
)
def test_links_are_read_as_browsers_read_them(serve: Serve, clock: Clock, link: str) -> None:
    def answer(asked: Asked) -> Reply:
        following = None if asked.query.get("page") else link.format(base=f"{local.address}/api")
        return Reply({"data": [{"id": asked.query.get("page", "1")}], "next": following})

    local = serve(answer)
    source = described("{by: link, at: next}")
    beneath = Local(f"{local.address}/api")
    chunks = connector(beneath, clock, source).read(leads(source), JANUARY)
    assert [raw.payload["id"] for chunk in chunks for raw in chunk.records] == ["1", "2"]
    assert local.paths() == ["GET /api/v1/leads"] * 2


def test_the_order_and_the_number_of_times_do_not_matter(serve: Serve, ledger_engine: sa.Engine) -> None:
    """What comes twice, late, or between two pages is one record of the inbox; each change is one more."""
    crm = Crm()
    every = list(crm.leads.values())
    changed = {**every[2], "updated": "2026-01-09T00:00:00Z", "attributes": {"email": "new@x.com"}}
    served = [
        every[6],
        every[0],
        changed,
        every[0],
        every[5],
        every[2],
        every[1],
        every[3],
        every[4],
        every[2],
    ]
    local = serve(lambda asked: Reply({"data": served, "total": len(served)}))
    secrets = {"acme": local.address.replace("http://", "x://:t0ken@")}.__getitem__
    with ledger_engine.connect() as connection:
        run = batch(connection, "r1", "2026-01-01", "2026-02-01")
        pulled = pull(connection, described(), run, secrets)
        ids = connection.execute(sa.text("select external_id from inbox order by 1")).scalars().all()
    assert (pulled.received, pulled.duplicate, pulled.new) == (10, 2, 8)
    assert ids == ["1", "2", "3", "3", "4", "5", "6", "7"]


@pytest.mark.parametrize(
    "broken", [Reply(b'{"data": [{"id": 5'), Reply(b"<html>"), Reply({"error": "x"}), Reply(status=500)]
)
def test_a_pull_that_breaks_off_keeps_nothing_and_the_next_one_reads_it_all(
    serve: Serve, ledger_engine: sa.Engine, broken: Reply
) -> None:
    crm, healthy = Crm(), False
    local = serve(lambda asked: crm(asked) if healthy or asked.query["offset"] != "4" else broken)
    secrets = {"acme": local.address.replace("http://", "x://:t0ken@")}.__getitem__
    with ledger_engine.begin() as connection:
        first = batch(connection, "r1", "2026-01-01", "2026-01-06")
        second = batch(connection, "r2", "2026-01-06", "2026-02-01")
    with pytest.raises(SourceFailed), ledger_engine.begin() as connection:
        pull(connection, described(), first, secrets)
    healthy = True
    with ledger_engine.begin() as connection:
        assert connection.execute(sa.text("select count(*) from inbox")).scalar_one() == 0
        assert pull(connection, described(), second, secrets).new == 7


def test_a_token_that_ends_between_two_pages(serve: Serve, clock: Clock) -> None:
    crm, tokens = Crm(), iter(["one", "two", "three"])
    now = {"token": ""}

    def answer(asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            now["token"] = next(tokens)
            return Reply({"access_token": now["token"]})
        if asked.headers["Authorization"] != f"Bearer {now['token']}":
            return Reply({}, status=401)
        if asked.query["offset"] == "4" and now["token"] == "one":
            now["token"] = "ended"
            return Reply({}, status=401)
        return crm(asked)

    local = serve(answer)
    source = described(auth="{by: oauth2, token_address: /oauth/token}")
    chunks = connector(local, clock, source, "id:s3cret").read(leads(source), JANUARY)
    assert sum(len(chunk.records) for chunk in chunks) == 7
    assert local.paths().count("POST /oauth/token") == 2


def test_records_land_in_the_inbox_once(serve: Serve, ledger_engine: sa.Engine) -> None:
    local = serve(Crm())
    address = local.address.replace("http://", "x://:t0ken@")
    with ledger_engine.connect() as connection:
        secrets = {"acme": address}.__getitem__
        first = pull(connection, described(), batch(connection, "r1", "2026-01-01", "2026-01-06"), secrets)
        again = pull(connection, described(), batch(connection, "r2", "2026-01-06", "2026-02-01"), secrets)
        found = connection.execute(sa.text("select external_id, record from inbox order by seq")).all()
    assert (first.new, again.new, again.duplicate) == (5, 2, 2)
    assert found[0] == (
        "1", {"id": "1", "email": "p1@x.com", "name": "李", "updated_at": "2026-01-01T00:00:00+00:00"},
    )  # fmt: skip


def test_without_a_beginning_its_parameter_is_left_out(serve: Serve, clock: Clock) -> None:
    local = serve(Crm())
    source = described()
    list(connector(local, clock, source).read(leads(source), Interval(None, moment("2026-02-01"))))
    assert set(local.asked[0].query) == {"updated_before", "sort", "offset", "limit"}


@pytest.mark.parametrize(
    ("moments", "sent"),
    [
        ("iso", "2026-01-01T00:00:00Z"),
        ("iso, zone: Europe/Berlin", "2026-01-01T01:00:00+01:00"),
        ("epoch_seconds", "1767225600"),
        ("epoch_milliseconds", "1767225600000"),
        ('"%Y-%m-%d %H:%M"', "2026-01-01 00:00"),
    ],
)
def test_moments_as_the_source_writes_them(serve: Serve, clock: Clock, moments: str, sent: str) -> None:
    local = serve(Crm())
    source = described(f"{OFFSET}\n          moments: {moments}".replace(", zone", "\n          zone"))
    list(connector(local, clock, source).read(leads(source), JANUARY))
    assert local.asked[0].query["updated_after"] == sent


def test_a_search_carries_its_pages_in_its_body(serve: Serve, clock: Clock) -> None:
    local = serve(Crm())
    body = '{since: "{start}", deep: [{"until": "{end}"}]}'
    search = f"{{by: offset, name: offset, limit: 5}}\n          method: POST\n          body: {body}"
    source = described(search)
    chunks = connector(local, clock, source).read(leads(source), JANUARY)
    assert sum(len(chunk.records) for chunk in chunks) == 7
    assert local.asked[1].json == {
        "since": "2026-01-01T00:00:00Z", "deep": [{"until": "2026-02-01T00:00:00Z"}], "offset": 5, "limit": 5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("auth", "login", "header"),
    [
        ("{by: none}", "u:p", ("Authorization", None)),
        ("{by: basic}", "u:p", ("Authorization", "Basic dTpw")),
        ("{by: basic}", "key", ("Authorization", "Basic a2V5Og==")),
        ("{by: header, name: Authorization, prefix: Token token=}", ":k", ("Authorization", "Token token=k")),
    ],
)
def test_credentials_come_from_the_connection(
    serve: Serve, clock: Clock, auth: str, login: str, header: tuple[str, str | None]
) -> None:
    local = serve(Crm())
    source = described(auth=auth)
    list(connector(local, clock, source, login).read(leads(source), JANUARY))
    assert local.asked[0].headers.get(header[0]) == header[1]


def test_a_token_by_oauth_from_the_connection(serve: Serve, clock: Clock) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/oauth/token":
            return Reply({"access_token": "fresh"})
        return Crm()(asked)

    local = serve(answer)
    source = described(auth="{by: oauth2, token_address: /oauth/token, scope: leads}")
    list(connector(local, clock, source, "id:s3cret", "/?refresh_token=again").read(leads(source), JANUARY))
    assert b"client_id=id&client_secret=s3cret" in local.asked[0].body
    assert b"refresh_token=again" in local.asked[0].body
    assert local.asked[1].headers["Authorization"] == "Bearer fresh"


@pytest.mark.parametrize(("auth", "login"), [("{by: bearer}", "u:"), ("{by: basic}", ":p")])
def test_missing_credentials_are_said_before_anything_is_asked(clock: Clock, auth: str, login: str) -> None:
    with pytest.raises(SourceFailed, match=r"its connection has no (password|login)"):
        connector(Local("http://127.0.0.1:9"), clock, described(auth=auth), login)


# --- writing --------------------------------------------------------------------------------------


def owed(external_id: str, **fields: Any) -> Write:
    return Write(f"key-{external_id}", "leads", external_id, fields)


def test_a_write_sets_what_is_named_and_reads_it_back(serve: Serve, clock: Clock) -> None:
    crm = Crm()
    local = serve(crm)
    client = connector(local, clock, described())
    writes = [owed("1", owner="anna", score=81, band="hot"), owed("2", score=12), owed("99", owner="bob")]
    receipts = client.write(writes)
    assert [receipt.result for receipt in receipts] == ["sent", "sent", "refused"]
    assert receipts[2].error == "source acme: PATCH /v1/leads/99 answered 404: there is no such thing"
    assert [asked.json for asked in local.asked] == [
        {"owner_id": "anna", "lead_score": 81}, {"lead_score": 12}, {"owner_id": "bob"},
    ]  # fmt: skip
    assert client.current(writes) == {"1": {"owner": "anna", "score": 81}, "2": {"owner": None, "score": 12}}


def test_a_body_of_its_own(serve: Serve, clock: Clock) -> None:
    template = (
        '{path: "/v1/leads/{external_id}/assign", method: POST, headers: {Idempotency-Key: "{idempotency_key}"},'
        ' body: {lead: {owner: "{owner}", note: "{band}: {because}", due: "{sla_due}"}}}'
    )
    local = serve(lambda asked: Reply(None, status=204))
    writes = [owed("a b/ü", owner=None, band="hot", because="{fit}")]
    connector(local, clock, described(write=template)).write(writes)
    (asked,) = local.asked
    assert asked.path == "/v1/leads/a%20b%2F%C3%BC/assign"
    assert (asked.json, asked.headers["Idempotency-Key"]) == (
        {"lead": {"owner": None, "note": "hot: {fit}"}}, "key-a b/%C3%BC",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "results", "times"),
    [
        (Reply(status=429, headers={"Retry-After": "900"}), ["sent", "retry", "retry", "retry"], 2),
        (Reply(status=503), ["sent", "retry", "retry", "retry"], 3),
        (Reply(cut=True), ["sent", "retry", "retry", "retry"], 3),
        (Reply(status=401), ["sent", "retry", "retry", "retry"], 2),
        (Reply(b"<html>back soon"), ["sent", "retry", "retry", "retry"], 2),
        (Reply(status=500), ["sent", "retry", "sent", "sent"], 4),
        (Reply(status=403), ["sent", "retry", "sent", "sent"], 4),
        (Reply({"error": "p2@x.com has no owner"}, status=422), ["sent", "refused", "sent", "sent"], 4),
    ],
)
def test_one_receipt_for_each_write_whatever_happens(
    serve: Serve, clock: Clock, reply: Reply, results: list[str], times: int
) -> None:
    local = serve(lambda asked: reply if asked.path.endswith("/2") else Reply({}))
    receipts = connector(local, clock, described()).write([owed(str(i), score=i) for i in range(1, 5)])
    assert [receipt.result for receipt in receipts] == results
    assert [receipt.idempotency_key for receipt in receipts] == ["key-1", "key-2", "key-3", "key-4"]
    assert len(local.asked) == times
    assert "p2@x.com" not in str(receipts)
    if reply.status == 429:
        assert {receipt.retry_after for receipt in receipts[1:]} == {900}


def test_a_lost_answer_to_a_write_that_adds_is_not_sent_twice(serve: Serve, clock: Clock) -> None:
    local = serve(lambda asked: Reply(cut=True))
    adding = described(write='{path: /v1/notes, method: POST, body: {text: "{because}"}}')
    (receipt,) = connector(local, clock, adding).write([owed("1", because="x")])
    assert (receipt.result, len(local.asked)) == ("retry", 1)


def test_a_check_says_login_limits_and_what_a_write_would_be(serve: Serve, clock: Clock) -> None:
    def answer(asked: Asked) -> Reply:
        good = asked.headers["Authorization"] == "Bearer t0ken"
        return Reply({"me": "ann@x.com"}, 200 if good else 401, {"X-RateLimit-Remaining": "99"})

    local = serve(answer)
    source, one = described(auth="{by: bearer}\n      check: /v1/me"), "/v1/leads/{external_id}"
    assert [(told.what, told.good, told.said) for told in connector(local, clock, source).check()] == [
        ("login", True, "accepted (GET /v1/me)"),
        ("limits", None, "X-RateLimit-Remaining 99"),
        ("write", None, f"PATCH {one} for each lead, read back from {one}; not tried"),
    ]
    (refused,) = connector(local, clock, source, ":wrong").check()
    assert (refused.what, refused.good) == ("login", False)
    assert "answered 401: the credentials are not accepted" in refused.said
    assert connector(local, clock, described()).check()[0].good is None


def test_a_check_says_which_scopes_were_granted(serve: Serve, clock: Clock) -> None:
    local = serve(lambda asked: Reply({"access_token": "t0ken", "scope": "leads:read leads:write"}))
    auth = "{by: oauth2, token_address: /token}\n      check: /v1/me"
    told = connector(local, clock, described(auth=auth), "id:s3cret").check()
    assert [(one.what, one.said) for one in told][1] == ("scopes", "granted: leads:read leads:write")


def test_what_cannot_be_read_back_is_said(serve: Serve, clock: Clock) -> None:
    client = connector(serve(Crm()), clock, described(write="{path: /v1/x}"))
    assert client.current([owed("1", owner="a")]) == {"1": {"owner": UNREADABLE, "score": UNREADABLE}}


def test_the_rate_of_the_limits_is_kept_in_reading(serve: Serve, clock: Clock) -> None:
    local = serve(Crm())
    source = replace(described(), limits=Limits(Rate(1, 30.0)))
    address = local.address.replace("http://", "x://:t@")
    client = Rest(source, {"acme": address}.__getitem__, wait=clock.wait, clock=clock)
    list(client.read(leads(source), JANUARY))
    assert clock.waits == [30, 30, 30]


def test_no_secret_and_no_person_in_a_pull_that_fails(
    serve: Serve, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    page = json.dumps({"data": [{"email": "ann@x.com"}], "total": 9}).encode()
    local = serve(lambda asked: Reply(page[:-3]))
    source = described(auth="{by: query, name: api_key}")
    with pytest.raises(SourceFailed, match="malformed or unfinished JSON") as caught:
        list(connector(local, clock, source).read(leads(source), JANUARY))
    assert local.asked[0].query["api_key"] == "t0ken"
    for hidden in ("t0ken", "ann@x.com"):
        assert hidden not in caplog.text + str(caught.value)


# --- templates and policy -------------------------------------------------------------------------


NAMES = st.sampled_from(["owner", "score", "because"])
VALUES = st.one_of(st.none(), st.integers(), st.text(max_size=8), st.lists(st.integers(), max_size=2))
TEMPLATES = st.recursive(
    st.one_of(NAMES.map("{{{}}}".format), st.integers(), st.text("ab {}", max_size=6)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("xyz", max_size=2), inner, max_size=3)
    ),
)


def test_texts_say_nothing_and_truth_as_json_does() -> None:
    values = {"band": None, "because": "fits", "hot": True}
    assert filled("{band}: {because} {hot}", values) == ": fits true"
    assert filled({"a": "{band}", "b": "{hot}"}, values) == {"a": None, "b": True}


@given(TEMPLATES, st.dictionaries(NAMES, VALUES))
def test_a_template_says_nothing_of_its_own(template: Any, values: dict[str, Any]) -> None:
    """No value is read as a template, none is lost, and what has no placeholder stays as it is."""
    assert filled({"x": "{owner}"}, {"owner": "{score}", "score": 1}) == {"x": "{score}"}
    made = filled({"whole": "{owner}", "rest": template}, values)
    assert ("whole" in made) == ("owner" in values)
    assert not values or made.get("whole") == values.get("owner")
    if "{" not in json.dumps(template):
        assert made["rest"] == template


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("by: offset", "by: ofset", "did you mean offset?"),
        (", limit: 2", "", "limit is required by offset"),
        ("{by: bearer}", "{by: bearer, name: X}", "allowed by bearer: nothing more"),
        ("{by: bearer}", "{by: oauth2, token_address: 'http://x.com/t'}", "it gets secrets"),
        ("read: leads", "read: lead", "did you mean leads?"),
        ("push: lead", "push: leeds", "one of lead"),
        ("{start}", "{begin}", "allowed here: {start}, {end}"),
        ("{external_id}", "{id}", "allowed here: {external_id}"),
        ("connector: rest", "connector: sql", "both or none"),
        ("records: data", "records: data\n          zone: Mars", "an IANA time zone"),
        ("records: data", "records: data\n          recrods: x", "did you mean records?"),
    ],
)
def test_a_slip_of_the_pen_is_named_with_its_line(old: str, new: str, said: str) -> None:
    text = YAML.format(pages=OFFSET, auth="{by: bearer}", write=PATCH)
    assert old in text
    changed = text.replace(old, new, 1)
    with pytest.raises(policy.PolicyErrors) as caught:
        policy.parse({"sources": changed})
    line = changed[: changed.index(new or "by: offset")].count("\n") + 1
    found = [str(error) for error in caught.value.errors]
    assert any(said in error and abs(int(error.split(":")[1]) - line) <= 14 for error in found), found


def test_the_example_of_the_docs_is_one() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "connectors.md").read_text(encoding="utf-8")
    (example,) = (text for text in page.split("```") if "connector: rest" in text and text.startswith("yaml"))
    text = "schema: 1\nowner: a\napprover: b\n" + example.removeprefix("yaml")
    described = policy.parse({"sources": text}).sources.sources["acme"]
    assert described.rest is not None
    assert described.rest.reads["leads"].pages.by == "token"
