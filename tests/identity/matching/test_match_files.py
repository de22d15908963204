"""Leads to accounts, files in and file out: outcomes, reasons, order, and what cannot be read."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.identity.matching import COLUMNS, Thresholds, files, match_files, processes
from clearlane.sheets import Unreadable

ACCOUNTS = """account_id,name,country,domain
a1,Delta Air Lines,US,
a2,Delta Dental,US,
a3,"Facebook, Inc.",US,facebook.com
a4,Nestlé S.A.,Switzerland,
a5,Airbus SE,FR,airbus.com
a6,International Business Machines Corp.,US,
a7,Koninklijke Philips N.V.,NL,philips.com
a8,PJSC Gazprom,RU,
a9,Twin Peaks Ltd,GB,
a10,Twin Peaks Ltd,GB,
"""
Match = Callable[..., pd.DataFrame]


@pytest.fixture
def match(tmp_path: Path) -> Match:
    def matched(leads: str, accounts: str = ACCOUNTS, **given: object) -> pd.DataFrame:
        (tmp_path / "leads.csv").write_text(leads)
        (tmp_path / "accounts.csv").write_text(accounts)
        match_files(tmp_path / "leads.csv", tmp_path / "accounts.csv", tmp_path / "out.csv", **given)  # type: ignore[arg-type]
        return pd.read_csv(tmp_path / "out.csv", keep_default_na=False, dtype={"account_id": str})

    return matched


@pytest.mark.parametrize(
    ("lead", "account"),
    [
        ("delta airlines,,", "a1"),
        ("Dental Delta,,", "a2"),
        ("Face book,,", "a3"),
        ("Meta Platforms,,", "a3"),
        ("NESTLE SA,CH,", "a4"),
        ("IBM,,", "a6"),
        ("Intl. Business Machine Corporation,,", "a6"),
        ("Royal Phillips,,", "a7"),
        ("Газпром,,", "a8"),
        (",,jane@airbus.com", "a5"),
        ("Airbus Deutschland,DE,jo@airbus.de", "a5"),
    ],
)
def test_a_lead_is_matched(match: Match, lead: str, account: str) -> None:
    (row,) = match(f"lead_id,company,country,email\nl1,{lead}\n").itertuples()
    assert (row.account_id, row.outcome) == (account, "match")
    assert row.probability >= Thresholds().match


PHONED = """account_id,name,country,phone
a1,Twin Peaks Ltd,GB,020 7946 0100
a2,Twin Peaks Ltd,GB,020 7946 8200
a3,Lone Star Ltd,US,(212) 555-7300
"""


@pytest.mark.parametrize(
    ("company", "phone", "account"),
    [
        ("Twin Peaks", "+44 20 7946 0100", "a1"),
        ("Twin Peaks", "020 7946 8214", "a2"),
        ("", "+1 212 555 7300", "a3"),
    ],
)
def test_a_phone_tells_accounts_apart(match: Match, company: str, phone: str, account: str) -> None:
    (row,) = match(f"lead_id,company,country,phone\nl1,{company},GB,{phone}\n", PHONED).itertuples()
    assert (row.account_id, row.outcome) == (account, "match")


@pytest.mark.parametrize("phone", ["020 7111 2222", "12", "n/a", ""])
def test_a_phone_that_no_account_has_says_nothing(match: Match, phone: str) -> None:
    (row,) = match(f"lead_id,company,country,phone\nl1,Twin Peaks,GB,{phone}\n", PHONED).itertuples()
    assert row.outcome == "ask"
    assert "phone" not in row.because


CROWDED = "account_id,name,domain\n" + "\n".join(
    [
        "airbus,Airbus SE,airbus.com",
        "agency,Kolmogorov Partners Ltd,kolmogorov.io",
        *(f"a{n},Airbus {n} SE,x{n}.com" for n in range(12)),
    ]
)


@pytest.mark.parametrize(
    ("lead", "account"),
    [
        ("Airbus,x@kolmogorov.io", ""),
        ("Kolmogorov Partners,x@airbus.com", ""),
        ("Airbus,x@gmail.com", "airbus"),
        ("Kolmogorov,x@kolmogorov.io", "agency"),
        ("Nobody Knows,x@kolmogorov.io", "agency"),
        ("Kolmogorov Partners,x@unheard-of.com", "agency"),
    ],
)
def test_a_name_of_one_account_at_the_domain_of_another_is_asked_about(
    match: Match, lead: str, account: str
) -> None:
    (row,) = match(f"lead_id,company,email\nl1,{lead}\n", CROWDED + "\n").itertuples()
    assert (row.outcome == "match") is bool(account)
    assert row.account_id == account or {"airbus", "agency"} <= set(row.because.replace(":", "").split())


def test_an_account_may_have_several_domains(match: Match) -> None:
    accounts = "account_id,name,domain\na1,Acme,acme.com\na1,Acme,acme-foods.de\na2,Acme Steel,steel.com\n"
    out = match("lead_id,company,email\nl1,,x@acme-foods.de\nl2,,y@acme.com\nl3,,z@steel.com\n", accounts)
    assert out["account_id"].tolist() == ["a1", "a1", "a2"]


@pytest.mark.parametrize("lead", ["Delta", "Twin Peaks", "Twin Peaks Ltd"])
def test_two_accounts_that_are_as_likely_are_asked_about(match: Match, lead: str) -> None:
    (row,) = match(f"lead_id,company\nl1,{lead}\n").itertuples()
    assert row.outcome == "ask"


def test_the_candidates_of_a_question_are_named(match: Match) -> None:
    (row,) = match("lead_id,company\nl1,Twin Peaks\n").itertuples()
    assert row.because.startswith("2 accounts may be it: a10 “Twin Peaks Ltd” (50%)")
    assert "a9 “Twin Peaks Ltd” (50%)" in row.because


@pytest.mark.parametrize(
    "lead", ["Unheard Of Widgets,x@gmail.com", ",x@gmail.com", "N/A,", "Nestor AG,", "Inc,"]
)
def test_a_lead_of_no_account_has_none(match: Match, lead: str) -> None:
    (row,) = match(f"lead_id,company,email\nl1,{lead}\n").itertuples()
    assert (row.account_id, row.outcome) == ("", "none")


def test_there_is_a_row_for_each_lead_in_the_order_given(match: Match) -> None:
    out = match("lead_id,company\nz,IBM\na,\nm,IBM\nz,Nestle\n")
    assert list(out.columns) == list(COLUMNS)
    assert out["lead_id"].tolist() == ["z", "a", "m", "z"]
    assert out["account_id"].tolist() == ["a6", "", "a6", "a4"]


def test_colleagues_have_one_answer_whatever_is_remembered(
    match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        f"{number},{company},{country},x{number}@{domain}"
        for number, (company, country, domain) in enumerate(
            [
                ("Airbus", "US", "gmail.com"),
                ("Airbus", "DE", "gmail.com"),
                ("Airbus", "US", "airbus.com"),
                ("Nobody Knows", "", "web.de"),
            ]
            * 3
        )
    ]
    leads = "lead_id,company,country,email\n" + "\n".join(rows)
    whole = match(leads)
    monkeypatch.setattr(files, "CHUNK", 5)
    monkeypatch.setattr(files, "MOST_KNOWN", 2)
    assert match(leads).equals(whole)
    assert (whole["outcome"] == "match").any()
    assert whole.drop(columns="lead_id").drop_duplicates().shape[0] > 2


def test_several_processes_answer_as_one_does(match: Match, monkeypatch: pytest.MonkeyPatch) -> None:
    leads = "lead_id,company\n" + "\n".join(
        f'l{i},"{name}{" Ltd" * (i % 2)}"' for i, name in enumerate(LEADS * 5)
    )
    alone = match(leads)
    monkeypatch.setattr(files, "LARGE", 0)
    monkeypatch.setattr(processes, "SLICE", 4)
    assert match(leads, processes=3).equals(alone)
    assert set(alone["outcome"]) >= {"match", "none"}


def test_what_ends_a_process_ends_the_command(match: Match, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGE", 0)
    monkeypatch.setattr(files.wording, "because", lambda *_: os._exit(9))
    with pytest.raises(BrokenProcessPool):
        match("lead_id,company\nl1,IBM\n", processes=2)


def test_processes_end_though_the_one_they_copy_would_not(
    match: Match, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        test_what_ends_a_process_ends_the_command(match, monkeypatch)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_process_that_may_have_no_others_works_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    with processes.shared(sorted, 2) as answer:
        assert answer is sorted


def test_an_account_may_have_a_row_for_each_of_its_names(match: Match) -> None:
    accounts = "account_id,name\nhewlett,Palo Alto Printers\nhewlett,Bill and Dave\nother,Other\n"
    out = match("lead_id,company\nl1,Bill & Dave Ltd\nl2,Palo Alto Printers\n", accounts)
    assert out["account_id"].tolist() == ["hewlett", "hewlett"]


def test_thresholds_decide_what_is_asked(match: Match) -> None:
    leads = "lead_id,company\nl1,Twin Peaks\nl2,Delta\n"
    assert match(leads, thresholds=Thresholds(match=0.45, ask=0.3))["outcome"].tolist() == ["match", "match"]
    assert match(leads, thresholds=Thresholds(match=0.9999, ask=0.9999))["outcome"].tolist() == [
        "ask",
        "none",
    ]


def test_no_accounts_and_no_leads_are_fine(match: Match) -> None:
    assert match("lead_id,company\nl1,IBM\n", "account_id,name\n")["outcome"].tolist() == ["none"]
    assert match("lead_id,company\n").empty


LEADS = [
    "Delta",
    "Delta Air",
    "Facebook",
    "Nestle",
    "Philips Electronics",
    "IBM",
    "Gazprom",
    "Twin Peaks",
    "Acme",
    "",
    "Air Bus",
]


@settings(
    max_examples=examples(15, 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sampled_from(LEADS), max_size=8), st.randoms(use_true_random=False))
def test_matching_does_not_depend_on_the_order(match: Match, leads: list[str], chance: random.Random) -> None:
    rows = [f'l{i},"{name}"' for i, name in enumerate(leads)]
    header, *accounts = ACCOUNTS.splitlines()
    straight = match("\n".join(["lead_id,company", *rows]) + "\n")
    chance.shuffle(rows)
    chance.shuffle(accounts)
    shuffled = match("\n".join(["lead_id,company", *rows]) + "\n", "\n".join([header, *accounts]) + "\n")
    order = {"by": "lead_id", "ignore_index": True}
    pd.testing.assert_frame_equal(straight.sort_values(**order), shuffled.sort_values(**order))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("leads", "accounts", "told"),
    [
        ("lead_id,name\nl1,IBM\n", ACCOUNTS, r"line 1, column company: this column is missing, found: lead_id"),
        ("lead_id,company\nl1,IBM\n", "id,name\n1,IBM\n", r"accounts.csv, line 1, column account_id"),
        ("lead_id,company\nl1,IBM\n", "account_id,name\n1,IBM\n,Bosch\n", r"line 3, column account_id: every"),
        ("lead_id,company\nl1,IBM,x\n", ACCOUNTS, r"leads.csv, line 2: found 3 cells, the header names 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(match: Match, leads: str, accounts: str, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        match(leads, accounts)


def test_the_command_writes_parquet_and_refuses_what_is_broken(tmp_path: Path) -> None:
    (tmp_path / "leads.csv").write_text("lead_id,company\nl1,IBM\n")
    (tmp_path / "accounts.csv").write_text(ACCOUNTS)
    out = tmp_path / "out.parquet"

    def run(accounts: str) -> int:
        files = ("--leads", tmp_path / "leads.csv", "--accounts", tmp_path / accounts, "--out", out)
        return CliRunner().invoke(app, ["match", *map(str, files)]).exit_code

    assert run("missing.csv") == 2
    assert not out.exists()
    assert run("accounts.csv") == 0
    assert pd.read_parquet(out)["account_id"].tolist() == ["a6"]
