"""Thousands of records let in again after the policy was mended: in chunks, by two at once, none lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from typer.testing import CliRunner

from clearlane import policy as policies
from clearlane import quality
from clearlane.cli import app
from clearlane.ledger import Batch
from clearlane.policy.model import Check, Contract, Field, ObjectMapping, Policy, Source, Sources
from clearlane.quality import quarantine, reasons, replaying
from clearlane.quality.quarantine import Chosen
from clearlane.quality.replaying import Replayed
from clearlane.rules import Type

from .conftest import END, LEADS, contract, deliver, lead, opened

BY = {"by": "ada", "because": "the contract was mended"}
MAPPING = ObjectMapping("leads", "leads.csv", {name: name for name in ("id", "created_at", "email", "phone")})
SOURCES = Sources({"crm": Source("crm", "files", "", {"leads": MAPPING})}, {})
STRICT = replace(contract(), sources=SOURCES)


def needing(*fields: str) -> Policy:
    """The contract of the tests, but these optional fields are required and any contact will do."""
    required = tuple(Field(name, Type.TEXT, required=True) for name in fields)
    leads = replace(LEADS, fields=(*LEADS.fields, *required))
    return replace(STRICT, contract=Contract({"leads": leads}, ()))


def judged(engine: sa.Engine, policy: Policy, run: str, records: Sequence[dict[str, str]] = ()) -> Batch:
    with engine.begin() as connection:
        batch = opened(connection, run)
        deliver(connection, batch, records)
        quality.run(connection, policy, batch, engine="plain")
    return batch


def states(engine: sa.Engine) -> Counter[str]:
    with engine.connect() as connection:
        return Counter(connection.execute(sa.text("select state from inbox")).scalars())


def replayed(engine: sa.Engine, policy: Policy, chosen: Chosen = Chosen(), **options: object) -> Replayed:  # noqa: B008
    given = {**BY, "as_of": END, "chunk": 3, **options}
    return replaying.replay(engine, policy, chosen, **given)  # type: ignore[arg-type]


@pytest.fixture
def held(ledger_engine: sa.Engine) -> sa.Engine:
    """Ten leads without a company that was required, two without any way of contact."""
    good = [lead(f"a{number}") for number in range(10)]
    bad = [lead("b1", email="none"), lead("b2", email="at home")]
    judged(ledger_engine, needing("company"), "first", [*good, *bad])
    assert states(ledger_engine) == {"quarantined": 12}
    return ledger_engine


def test_what_is_good_now_waits_and_the_rest_stays_with_its_new_reasons(held: sa.Engine) -> None:
    done = replayed(held, STRICT)
    assert (done.waiting, done.still, done.looked_at) == (10, 2, 12)
    assert done.reasons == {"email email": 2, "email or phone any_of": 2}
    with held.connect() as connection:
        left = quarantine.listed(connection)
        whole = {(one.state, one.by, one.because) for one in quarantine.listed(connection, state="replayed")}
    assert {reason["field"] for one in left for reason in one.reasons} == {"email", "email or phone"}
    assert whole == {("replayed", "ada", "the contract was mended")}
    judged(held, STRICT, "second")
    assert states(held) == {"waiting": 10, "quarantined": 2}


def test_what_stays_has_been_there_since_it_came(held: sa.Engine) -> None:
    replayed(held, STRICT, as_of=END + timedelta(days=30))
    with held.connect() as connection:
        assert {one.since for one in quarantine.listed(connection)} == {END}


def test_replayed_again_nothing_changes(held: sa.Engine) -> None:
    replayed(held, STRICT)
    again = replayed(held, STRICT)
    assert (again.waiting, again.still) == (0, 2)
    assert states(held) == {"waiting": 10, "quarantined": 2}


def test_a_dry_run_tells_and_changes_nothing(held: sa.Engine) -> None:
    told = replayed(held, STRICT, dry_run=True)
    assert states(held) == {"quarantined": 12}
    assert told == replayed(held, STRICT)


def test_two_at_once_hand_each_record_over_once(held: sa.Engine) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: replayed(held, STRICT, chunk=1), range(2)))
    assert sum(done.waiting for done in both) == 10
    assert states(held) == {"waiting": 10, "quarantined": 2}


def test_a_chunk_that_fails_loses_nothing(held: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    explain, chunks = replaying._explain, Counter[str]()

    def broken(*given: object) -> None:
        chunks["done"] += 1
        if chunks["done"] == 3:
            raise ConnectionError("the ledger went away")
        explain(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(replaying, "_explain", broken)
    with pytest.raises(ConnectionError):
        replayed(held, STRICT)
    assert states(held) == {"waiting": 6, "quarantined": 6}
    monkeypatch.setattr(replaying, "_explain", explain)
    assert replayed(held, STRICT).waiting == 4
    assert states(held) == {"waiting": 10, "quarantined": 2}


@pytest.mark.parametrize(
    ("chosen", "count"),
    [
        (Chosen(reason="company required"), 12),
        (Chosen(reason="any_of"), 2),
        (Chosen(reason="email"), 2),
        (Chosen(reason="fax required"), 0),
        (Chosen(source="crm", object="leads", since=END), 12),
        (Chosen(source="web"), 0),
        (Chosen(object="accounts"), 0),
        (Chosen(since=END + timedelta(seconds=1)), 0),
    ],
)
def test_only_what_is_chosen_is_looked_at(held: sa.Engine, chosen: Chosen, count: int) -> None:
    assert replayed(held, STRICT, chosen).looked_at == count


def test_what_was_never_readable_or_has_no_mapping_stays(held: sa.Engine) -> None:
    unread = json.dumps([{"field": "record", "rule": "readable", "found": "line 3", "allowed": None}])
    with held.begin() as connection:
        one = "update quarantine set reasons = cast(:unread as jsonb) where seq in (select min(seq) from quarantine)"
        connection.execute(sa.text(one), {"unread": unread})
    assert replayed(held, replace(STRICT, sources=Sources({}, {}))) == Replayed(unreadable=1, unmapped=11)
    assert replayed(held, STRICT).unreadable == 1
    assert states(held)["quarantined"] == 3


FIXES = st.permutations(["company", "title", "phone"]).flatmap(
    lambda names: st.integers(0, 3).map(lambda count: names[:count])
)


def test_nothing_is_lost_whatever_is_mended_in_whatever_order(held: sa.Engine) -> None:
    with held.connect() as connection:
        received = connection.execute(sa.text("select seq, payload from inbox order by seq")).all()

    @settings(max_examples=examples(6, 40))
    @given(st.lists(FIXES, max_size=2), st.sampled_from([1, 5, 20]))
    def kept(fixes: list[list[str]], chunk: int) -> None:
        for fields in fixes:
            replayed(held, needing(*fields), chunk=chunk)
        assert states(held).total() == 12
        with held.begin() as connection:
            assert (
                connection.execute(sa.text("select seq, payload from inbox order by seq")).all() == received
            )
            waiting = "update inbox set state = 'quarantined'; update quarantine set state = 'open'"
            connection.exec_driver_sql(waiting)

    kept()


# --- by reason ------------------------------------------------------------------------------------


def test_reasons_are_counted_with_what_was_found_and_what_mends_them(held: sa.Engine) -> None:
    with held.connect() as connection:
        found = {one.name: one for one in reasons.reasons(connection, SOURCES)}
    assert list(found) == ["company required", "email or phone any_of", "email email"]
    company, contact, email = found.values()
    assert (company.records, company.decisive) == (12, True)
    assert company.fix.startswith("sources.yaml names no column for company of crm")
    assert contact.fix.startswith("read from email or phone:")
    assert (email.records, email.found, email.times, email.decisive) == (2, "at home", 1, False)
    assert reasons.as_json(email)["since"] == END.isoformat()


def test_each_kind_of_reason_has_its_fix(held: sa.Engine) -> None:
    with held.connect() as connection:
        one = reasons.reasons(connection, SOURCES)[0]
    assert "a replay cannot help" in reasons.fix(replace(one, rule="readable"), SOURCES)
    assert "maps no leads of crm" in reasons.fix(one, Sources({}, {}))
    assert "time_formats" in reasons.fix(replace(one, rule="type"), SOURCES)
    assert "widen one_of in objects.leads.fields.company" in reasons.fix(replace(one, rule="one_of"), SOURCES)
    assert "digits are lost" in reasons.fix(replace(one, rule="not_rounded", found="1E+17"), SOURCES)
    encoded = replace(one, rule="readable", found="leads.csv line 2: bytes that are not utf-8")
    assert "encoding: cp1252" in reasons.fix(encoded, SOURCES)


@pytest.mark.parametrize(
    ("rule", "found", "allowed", "advice"),
    [
        ("type", "13.10.2026", "an ISO 8601 time", '["%d.%m.%Y"] in sources'),
        ("required", "13.10.2026", "a value", '["%d.%m.%Y"] in sources'),
        ("required", "46296", "a value", '["excel_days"] in sources'),
        ("type", "01/02/2026", "an ISO 8601 time", '["%m/%d/%Y"] or ["%d/%m/%Y"]'),
        ("type", "1.234,56", "a number", 'decimal: ","'),
        ("whole", "1.200", "a whole number", 'decimal: ","'),
        ("whole", "51-200", "a whole number", "values"),
        ("required", "soon", "a value", "the other reasons of created_at"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_how_it_could_be(
    rule: str, found: str, allowed: str, advice: str
) -> None:
    one = reasons.Reason("crm", "leads", "created_at", rule, allowed, 1, 0, END, found, 1)
    mapping = ObjectMapping("leads", "leads.csv", {"id": "id"})
    source = Source("crm", "files", "/exports", {"leads": mapping})
    assert advice in reasons.fix(one, Sources({"crm": source}, {}))


def test_a_column_that_was_renamed_is_told_with_those_that_nobody_maps() -> None:
    mapping = ObjectMapping("leads", "leads.csv", {"id": "id", "email": "E-Mail", "phone": "Phone"})
    sources = Sources({"crm": Source("crm", "files", "/exports", {"leads": mapping})}, {})
    one = reasons.Reason("crm", "leads", "email or phone", "any_of", None, 3, 0, END, None, 0)
    told = reasons.fix(one, sources, ["id", "Email address", "Phone"])
    assert told.startswith(
        "these records have no E-Mail; not mapped are Email address: where one of these holds it"
    )


def test_nothing_chosen_is_said(held: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", held.url.render_as_string(hide_password=False))
    monkeypatch.setattr(policies, "stored", lambda *_: STRICT)
    told = CliRunner().invoke(app, ["quarantine", "list", "--reason", "bogus"])
    assert (told.exit_code, told.output.strip()) == (0, "no open record is chosen by that")


def test_a_value_that_many_share_is_shown(ledger_engine: sa.Engine) -> None:
    records = [lead("1", email="<NA>"), lead("2", email="<NA>"), lead("3", email="x")]
    judged(ledger_engine, STRICT, "one", records)
    with ledger_engine.connect() as connection:
        email = next(one for one in reasons.reasons(connection, SOURCES) if one.name == "email email")
        assert (email.found, email.times, email.records) == ("<NA>", 2, 3)
        assert len(reasons.reasons(connection, SOURCES, Chosen(source="web"))) == 0


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_lists_by_reason_and_replays(
    held: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", held.url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setattr(policies, "stored", lambda *_: STRICT)

    def clearlane(*words: str) -> str:
        told = CliRunner().invoke(app, ["quarantine", *words])
        assert told.exit_code == 0, told.output
        return str(told.output)

    assert "email or phone any_of" in clearlane("list", "--reason", "any_of")
    assert len(json.loads(clearlane("reasons", "--json"))) == 3
    said = ["replay", "--reason", "company required", "--by", "ada", "--because", "mended"]
    assert "10 records would wait" in clearlane(*said, "--dry-run")
    assert "2 are still wrong" in clearlane(*said)
    none = CliRunner().invoke(app, ["quarantine", *said])
    assert (none.exit_code, none.output.strip().split(": ")[-1]) == (
        1,
        "0 records wait for the next run\nnothing in quarantine is chosen by that",
    )
    unclear = CliRunner().invoke(app, ["quarantine", *said, "--all"])
    assert unclear.exit_code == 2


def test_a_field_that_is_checked_otherwise_now_is_emptied_and_not_kept_out(ledger_engine: sa.Engine) -> None:
    fields = (*LEADS.fields, Field("code", Type.TEXT, required=True, checks=(Check("matches", "^[A-Z]+$"),)))
    before = replace(STRICT, contract=Contract({"leads": replace(LEADS, fields=fields)}, ()))
    judged(ledger_engine, before, "one", [lead("1", code="ABC"), lead("2", code="abc")])
    assert states(ledger_engine) == {"waiting": 1, "quarantined": 1}
    assert replayed(ledger_engine, STRICT).waiting == 1
