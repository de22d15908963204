"""The ledger weighs a lead's company and an account as files do: the same numbers, words and answers."""

from __future__ import annotations

from dataclasses import replace
from math import log

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import JSONB
from tests.identity.test_alike import affiliated, asked, lead_id
from tests.identity.test_run import account, lead

from clearlane import explain
from clearlane.identity import alike, likely, matches
from clearlane.identity.matching.files import match_files
from clearlane.identity.matching.likeness import Company, of_names, together
from clearlane.identity.matching.likeness import beside as evidence_beside
from clearlane.identity.matching.names import parsed
from clearlane.identity.matching.rarity import NOTHING_SEEN
from clearlane.policy.model import Matching

COMPANIES = 2000
NAMES = (
    "Schlumberger",
    "Schlumberger Oilfield",
    "Schlumberger Spain",
    "Schlumbreger",
    "Delta",
    "Delta Dental",
    "Zwick",
    "Zwick GmbH",
    "Zwick S.A.",
)
NUMBERS = st.from_regex(r"\+(4989123|1800555|290225)[0-9]{1,4}0{0,2}", fullmatch=True)
SIDE = st.fixed_dictionaries(
    {
        "country": st.sampled_from([None, "DE", "US"]),
        "city": st.sampled_from([None, "berlin", "sao paulo"]),
        "address": st.lists(st.sampled_from(["12", "main", "st", "5a"]), max_size=4, unique=True).map(
            lambda words: " ".join(words) or None
        ),
        "domain": st.sampled_from([None, "acme.com", "acme.de", "bex.com", "qq.com", "qq.de"]),
        "phone": st.none() | NUMBERS,
    }
)
PAIRS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), SIDE, SIDE), min_size=10, max_size=20
)
_SIDE = "country text, city text, address text, domain text, mail_domain text, phone text"
_WEIGHED = f"""
select ln({likely.odds("s", "r", COMPANIES)}) as nats, {likely.sides("s", "r")}, k.evidence
from jsonb_to_recordset(:pairs) p (nth int, names jsonb, lead jsonb, account jsonb)
cross join lateral jsonb_to_record(p.names) k (weight float8, forms float8, ceiling float8, evidence jsonb)
cross join lateral jsonb_to_record(p.lead) s ({_SIDE})
cross join lateral jsonb_to_record(p.account) r (country text, city_key text, address_key text, domain text, phone text)
order by nth
"""


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pairs=PAIRS)
def test_sql_weighs_what_files_weigh(ledger_engine, pairs):
    with ledger_engine.connect() as connection:
        statement = sa.text(_WEIGHED).bindparams(sa.bindparam("pairs", type_=JSONB))
        rows = connection.execute(statement, {"pairs": [said(n, *pair) for n, pair in enumerate(pairs)]})
        for (mine, theirs, of_lead, of_account), row in zip(pairs, rows.mappings(), strict=True):
            lead, account = company(mine, of_lead), company(theirs, of_account)
            like = together(of_names(lead.name, account.name, NOTHING_SEEN), evidence_beside(lead, account))
            assert row["nats"] == pytest.approx(min(like.beyond(log(COMPANIES)), 300), abs=1e-4)
            assert {piece.what for piece in likely.evidence(row)} == {piece.what for piece in like.evidence}


def said(nth, mine, theirs, lead, account):
    names = alike._kept(of_names(parsed(mine), parsed(theirs), NOTHING_SEEN))
    keyed = {**account, "city_key": account["city"], "address_key": account["address"]}
    return {
        "nth": nth,
        "names": dict(zip(alike._COLUMNS[2:], names, strict=True)),
        "lead": lead,
        "account": keyed,
    }


def company(name, side):
    told = {field: text or "" for field, text in side.items()}
    return Company(parsed(name), **{**told, "address": frozenset(told["address"].split())})


# --- in the ledger ------------------------------------------------------------------------------------

SPAIN = {"company": "Acme Zimbro Spain", "country": "ES"}
ACCOUNTS = [
    account("A", name="Acme Zimbro", country="ES", phone="+34 911 234 500", city="Madrid", address="Calle 5")
]
SPEAKS = {
    "nothing": ({}, None),
    "phone": ({"phone": "911 234 500"}, "same phone"),
    "switchboard": ({"phone": "911 234 567"}, "same switchboard"),
    "a mobile": ({"phone": "612 345 678"}, None),
    "city": ({"city": "MADRID"}, "same city"),
    "address": ({"address": "5, Calle"}, "same address"),
}


def test_what_speaks_beside_the_name_is_weighed_and_told(river):
    river.run(
        *ACCOUNTS,
        *(lead(id, f"{n}@gmail.com", **SPAIN, **told) for n, (id, (told, _)) in enumerate(SPEAKS.items())),
    )
    taken = affiliated(river)
    with river.engine.connect() as connection:
        for id, (_, words) in SPEAKS.items():
            found = matches.of_lead(connection, lead_id(river, id), Matching())
            who = {line.label: line.text for line in explain._who(connection, lead_id(river, id))}
            assert taken[id] == (("A", "alike") if words else (None, None)), id
            assert (words or "only the lead “spain”") in found.candidates[0].because
            assert words is None or words in who["account"]


TWINS = [
    account("A", name="Acme", country="ES", phone="911 234 500", city="Madrid", domain="acme.es"),
    account("B", name="ACME SL", country="ES", phone="932 345 600", city="Barcelona", domain="acme.es"),
    account("N", name=None, domain="nameless.es", country="ES", phone="955 123 400"),
]


ASKING = [
    ({"company": "Acme"}, (None, None)),
    ({"company": "Acme", "phone": "932 345 678"}, ("B", "alike")),
    ({"company": "Acme", "city": "Madrid"}, ("A", "alike")),
    ({"company": "Acme", "email": "ada@acme.es", "city": "Madrid"}, ("A", "alike")),
    ({"company": "Acme", "email": "bob@acme.es"}, (None, None)),
    ({"email": "eve@acme.es", "city": "Madrid"}, (None, None)),
    ({"phone": "911 234 500"}, ("A", "alike")),
    ({"phone": "911 234 501"}, (None, None)),
    ({"company": "Zwick", "phone": "911 234 500"}, (None, None)),
    ({"company": "Zwick", "phone": "955 123 400"}, ("N", "alike")),
]


@pytest.mark.parametrize("late", [False, True], ids=["accounts first", "accounts later"])
def test_of_accounts_of_one_name_and_for_leads_without_one_the_rest_tells(river, late):
    asking = [
        lead(str(n), **{"email": f"{n}@gmail.com", "country": "ES", **told})
        for n, (told, _) in enumerate(ASKING)
    ]
    river.run(*(asking if late else TWINS))
    river.run(*(TWINS if late else asking))
    assert affiliated(river) == {str(n): taken for n, (_, taken) in enumerate(ASKING)}


def test_names_of_one_phone_are_weighed_however_little_they_share(river):
    river.run(account("A", name="Zwick Kuchen", phone="+4971412345600"))
    for id, company in enumerate(("Quorvex Bau", "Quorvex Bau", "Kuchen")):
        river.run(lead(str(id), f"{id}@gmail.com", company=company, phone="+4971412345600"))
    assert river.all("select company, name_key from alike order by 1") == [
        ("kuchen", "zwick kuchen"),
        ("quorvex bau", "zwick kuchen"),
    ]
    assert affiliated(river) == {"0": (None, None), "1": (None, None), "2": ("A", "alike")}


def test_a_number_that_two_accounts_share_is_asked_about(river):
    shared = {"phone": "+34911234500", "country": "ES"}
    river.run(
        account("A", name="Acme Zimbro Foods", **shared), account("B", name="Acme Zimbro Textil", **shared)
    )
    river.run(lead("1", "ada@gmail.com", company="Acme Zimbro", **shared))
    assert affiliated(river)["1"] == (None, None)
    (question,) = asked(river)
    assert [one.account for one in question.candidates] == ["crm:A", "crm:B"]


def test_a_phone_that_comes_later_is_followed(river, day):
    river.run(account("A", name="Acme Zimbro", country="ES", updated_at=day(0)))
    river.run(lead("1", "ada@gmail.com", **SPAIN, phone="911234500"))
    assert affiliated(river)["1"] == (None, None)
    river.run(account("A", name="Acme Zimbro", country="ES", phone="911234500", updated_at=day(1)))
    assert affiliated(river)["1"] == ("A", "alike")


FIELDS = ("country", "city", "address", "phone")
KNOWN = pd.DataFrame(
    [
        ("A", "Acme Zimbro", "ES", "Madrid", "Calle 5", "911 234 500"),
        ("B", "Acme Zimbro Textil", "ES", "Madrid", "Ronda 9", "911 234 500"),
        ("C", "Quorvex Foods", "DE", "Köln", "Weg 1", "+49 221 9876540"),
        ("D", "Quorvex Logistik", "DE", "", "", ""),
        ("E", "Vandelbrook", "", "Leeds", "1 Mill Lane", "0113 496 0000"),
    ],
    columns=["account_id", "name", *FIELDS],
)
NEW = pd.DataFrame(
    [
        (f"{name[:1]}{place}{number}", name, *place_of, phone)
        for name in ("Acme Zimbro Spain", "Quorvex", "Vandelbroek Ltd", "Nobody Knows", "")
        for place, place_of in enumerate((("ES", "Madrid", "5 Calle"), ("DE", "koln", ""), ("", "", "")))
        for number, phone in enumerate(("", "+34911234500", "+441134960000", "+492219876543"))
        if name or number < 3  # without a name files look for switchboards too
    ],
    columns=["lead_id", "company", *FIELDS],
)


def test_files_and_the_ledger_answer_alike(river, tmp_path):
    """But for how rare words are: files count them, and a handful of accounts says little."""
    KNOWN.to_csv(tmp_path / "accounts.csv", index=False)
    NEW.to_csv(tmp_path / "leads.csv", index=False)
    match_files(tmp_path / "leads.csv", tmp_path / "accounts.csv", tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv", dtype=str).set_index("lead_id")
    companies = len(KNOWN) + 100
    river.policy = replace(
        river.policy, sources=replace(river.policy.sources, matching=Matching(companies=companies))
    )
    river.run(
        *(
            account(row.account_id, row.name_, **given(row))
            for row in KNOWN.rename(columns={"name": "name_"}).itertuples()
        )
    )
    river.run(
        *(
            lead(row.lead_id, f"{row.lead_id}@gmail.com", company=row.company, **given(row))
            for row in NEW.itertuples()
        )
    )
    open_, taken = {}, {id: account for id, (account, _) in affiliated(river).items()}
    with river.engine.connect() as connection:
        for id in NEW["lead_id"]:
            question = matches.of_lead(connection, lead_id(river, id), river.policy.sources.matching)
            open_[id] = sum(one.probability for one in question.candidates) if question else 0.0
    answers = {
        id: ("match", account) if account else ("ask" if open_[id] >= 0.3 else "none", None)
        for id, account in taken.items()
    }
    expected = {
        id: (row.outcome, row.account_id if row.outcome == "match" else None) for id, row in found.iterrows()
    }
    assert answers == expected


def given(row):
    return {field: text for field in FIELDS if (text := getattr(row, field))}
