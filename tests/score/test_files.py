"""Scores over files and frames: what is read, what is written, and what is refused by name."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from tests.score.models import NOW, acted, fit, model

from clearlane import policy
from clearlane.score import Unreadable, score_files, score_frame
from clearlane.score.additive import meaning

AS_OF = datetime(2026, 3, 2, 12, tzinfo=UTC)
POLICY = """
schema: 1
owner: ops
approver: ops
attributes: {employees: number, country: text, free_mail: boolean, created_at: time, industry: text,
  account_name: text, account_type: text, name: text}
activity_attributes: {minutes: number}
rules:
  fit:
    - {id: size, because: Size, when: employees between 50 and 1000, points: 15}
    - {id: country, because: Country, when: "country = 'DE'", points: 5.5}
    - {id: free, because: Free mail, when: free_mail, points: 1}
    - {id: recent, because: Recent, when: "created_at >= '2026-02-01T00:30:00+01:00'", points: 2}
    - {id: industry, because: Industry, when: industry = 'software', points: 4}
    - {id: target, because: Target, when: account_type = 'target', points: 8}
    - {id: named, because: Named, when: account_name = 'Acme' and name is null, points: 16}
  engagement:
    - {id: visit, because: Visit, activity: visit, points: 8, half_life: 7 days}
"""
DEFAULTS = """
bands: [{name: hot, enter: 75, exit: 70}, {name: cold, enter: 0}]
grades: {fit: [40, 25, 10], engagement: [30, 15, 5]}
stages: [{name: mql, because: Enough, when: score >= 50}]
"""
Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "scoring.yaml").write_text(POLICY + DEFAULTS, encoding="utf-8")

    def one(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode("utf-8"))
        return path

    return one


def scored(leads: Path, activities: Path | None = None, accounts: Path | None = None) -> list[dict[str, str]]:
    out = leads.parent / "out.csv"
    score_files(leads.parent / "policy", leads, activities, accounts, AS_OF, out)
    with out.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def points(row: dict[str, Any]) -> dict[str, float]:
    return json.loads(row["contributions"])


def refused(leads: Path, activities: Path | None = None, accounts: Path | None = None) -> str:
    with pytest.raises(Unreadable) as error:
        scored(leads, activities, accounts)
    assert not (leads.parent / "out.csv").exists()
    return str(error.value).removeprefix(f"{leads.parent}/")


def test_the_columns_written_and_their_order(write: Write) -> None:
    leads = write("leads.csv", "employees,lead_id,shoe size\n300,b,44\n10,a,\n")
    rows = scored(leads, write("activities.csv", "lead_id,type,occurred_at\nb,visit,2026-02-23T12:00:00Z\n"))
    assert list(rows[0].items()) == [
        ("lead_id", "b"), ("score", "19"), ("fit", "15.0"), ("engagement", "4.0"), ("negative", "0.0"),
        ("band", "cold"), ("grade", "C4"), ("stage", "inquiry"), ("disqualified", ""),
        ("contributions", '{"size":15,"visit":4}'),
    ]  # fmt: skip
    assert [row["lead_id"] for row in rows] == ["b", "a"]


def test_cells_become_what_the_policy_declares(write: Write) -> None:
    leads = write(
        "leads.csv",
        "\ufefflead_id,employees,country,free_mail,created_at\r\n"
        'a, 3e2 ,DE,TRUE,2026-01-31T23:30\r\n\r\n"b","1,5",,,\n'.replace('"1,5"', '""')
        + "c,1000.,de,no,2026-02-01 00:29:59.999+01:00\nd,,DE,1,2026-02-01\n",
    )
    assert [points(row) for row in scored(leads)] == [
        {"size": 15, "country": 5.5, "free": 1, "recent": 2}, {}, {"size": 15},
        {"country": 5.5, "free": 1, "recent": 2},
    ]  # fmt: skip


def test_times_of_activities_are_utc_unless_they_carry_a_zone(write: Write) -> None:
    leads = write("leads.csv", "lead_id\na\nb\nc\n")
    rows = "a,visit,2026-02-23 12:00\nb,visit,2026-02-23T14:00+02:00\nc,visit,2026-03-02T12:00\n"
    happened = f"lead_id,type,occurred_at\n{rows}"
    assert [points(row) for row in scored(leads, write("a.csv", happened))] == [
        {"visit": 4},
        {"visit": 4},
        {},
    ]


def test_an_activity_delivered_twice_counts_once(write: Write) -> None:
    leads = write("leads.csv", "lead_id\na\n")
    head, row = "activity_id,lead_id,type,occurred_at\n", "a,visit,2026-02-23T12:00:00Z\n"
    rows = scored(leads, write("a.csv", f"{head}1,{row}1,{row}2,{row},{row},{row}"))
    assert points(rows[0]) == {"visit": 16}


def test_activities_of_strangers_are_left_out(write: Write) -> None:
    happened = write("a.csv", "lead_id,type,occurred_at\nstranger,visit,2026-02-23T12:00:00Z\n")
    assert points(scored(write("leads.csv", "lead_id\na\n"), happened)[0]) == {}


def test_accounts_fill_the_gaps_of_their_leads(write: Write) -> None:
    accounts = write(
        "accounts.csv",
        "account_id,domain,employees,industry,type,name\nx,acme.example,300,software,target,Acme\n"
        "y,twice.example,300,software,,\nz,twice.example,300,software,,\n",
    )
    leads = write(
        "leads.csv",
        "lead_id,account_id,domain,employees,name\na,x,,,\nb,,ACME.example,5,\nc,,twice.example,,\nd,,,,Dee\ne,none,acme.example,,\n",
    )
    rows = [points(row) for row in scored(leads, None, accounts)]
    assert rows[0] == {"size": 15, "industry": 4, "target": 8, "named": 16}
    assert rows[1] == {"industry": 4, "target": 8, "named": 16}  # five employees, the lead says
    assert rows[2:] == [{}, {}, {}]


@pytest.mark.parametrize(
    ("leads", "said"),
    [
        ("id,employees\n1,2\n", "leads.csv, line 1, column lead_id: this required column is missing"),
        ("", "leads.csv, line 1: it is empty: the first line must name the columns"),
        ("lead_id,a,a\n1,2,3\n", "leads.csv, line 1, column a: this column is there twice"),
        (
            "lead_id,employees\n1,20\n2,many\n3,few\n",
            "leads.csv, line 3, column employees: found 'many', allowed is a number such as 12, -3.5 or 1e6",
        ),
        ("lead_id,employees\n1,nan\n", "leads.csv, line 2, column employees: found 'nan', allowed is a number"),
        ("lead_id,employees\n1,1e999\n", "leads.csv, line 2, column employees: found '1e999', allowed is a number"),
        ("lead_id,employees\n1,1_000\n", "leads.csv, line 2, column employees: found '1_000', allowed is a number"),
        ("lead_id,free_mail\n1,perhaps\n", "leads.csv, line 2, column free_mail: found 'perhaps', allowed is true"),
        (
            'lead_id,x,created_at\n1,"a\nb",2026-01-01\n\n2,,31.12.2026\n',
            "leads.csv, line 5, column created_at: found '31.12.2026', allowed is an ISO 8601 time",
        ),
        ("lead_id,created_at\n1,2026-02-30\n", "leads.csv, line 2, column created_at: found '2026-02-30'"),
        ("lead_id,created_at\n1,infinity\n", "leads.csv, line 2, column created_at: found 'infinity'"),
        ("lead_id,country\n1,DE\n,FR\n", "leads.csv, line 3, column lead_id: it is empty"),
        ("lead_id\n1\n2\n1\n", "leads.csv, line 4, column lead_id: found '1', which an earlier row has already"),
        ("lead_id,a\n1,2\n3\n", "leads.csv, line 3: found 1 cells, the header names 2"),
        ("lead_id,a\n1,2\n3,4,5\n", "leads.csv, line 3: found 3 cells, the header names 2"),
        ('lead_id,a\n1,2\n3,"4\n5,6\n', "leads.csv, line 3: a quote opens here that is not closed"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named(write: Write, leads: str, said: str) -> None:
    assert refused(write("leads.csv", leads)).startswith(said)


def test_other_files_are_named_too(write: Write) -> None:
    leads = write("leads.csv", "lead_id\na\n")
    late = write("late.csv", "lead_id,type,occurred_at\na,other,yesterday\n")
    assert refused(leads, late).startswith("late.csv, line 2, column occurred_at: found 'yesterday'")
    assert refused(leads, write("b.csv", "lead_id,type,occurred_at\na,,2026-01-01\n")).startswith(
        "b.csv, line 2, column type: it is empty"
    )
    minutes = write("m.csv", "lead_id,type,occurred_at,minutes\na,visit,2026-01-01,long\n")
    assert "m.csv, line 2, column minutes: found 'long'" in refused(leads, minutes)
    assert "account_id" in refused(leads, None, write("accounts.csv", "id\n1\n"))
    assert "there is no such file" in refused(leads, leads.with_name("missing.csv"))


def test_another_encoding_is_named(write: Write) -> None:
    leads = write("leads.csv", "")
    leads.write_bytes("lead_id,country\n1,DE\n2,Österreich\n".encode("latin-1"))
    assert refused(leads) == "leads.csv, line 3: not UTF-8: save it as `CSV UTF-8`"
    leads.write_bytes(b"PK\x03\x04 a workbook")
    assert refused(leads) == "leads.csv: an Excel workbook or zip archive: save the sheet as `CSV UTF-8`"


WRITTEN = 'lead_id,country,employees\na,DE,"1,200"\nÖ b,FR,20\n'


@pytest.mark.parametrize(
    ("delimiter", "encoding"), [(";", "utf-8"), ("|", "utf-8-sig"), ("\t", "utf-16"), (";", "utf-16")]
)
def test_spreadsheets_write_csv_in_many_ways(write: Write, delimiter: str, encoding: str) -> None:
    leads = write("leads.csv", "")
    plain = [["lead_id ", "country", "employees", ""], ["a", "DE", '"1,200"', ""], ["Ö b", "FR", "20", ""]]
    leads.write_bytes("\r\n".join(map(delimiter.join, plain)).encode(encoding))
    assert scored(leads) == scored(write("plain.csv", WRITTEN))


def test_a_line_that_names_the_delimiter_is_passed_over(write: Write) -> None:
    said = refused(write("leads.csv", "sep=;\nlead_id;employees\na;20\nb;many\n"))
    assert said.startswith("leads.csv, line 4, column employees: found 'many'")
    leads = write("leads.csv", "sep=;\r\nlead_id;country;employees\r\na;DE;1,200\r\nÖ b;FR;20\r\n")
    assert scored(leads) == scored(write("plain.csv", WRITTEN))


def test_stray_quotes_inside_a_cell_cost_nothing(write: Write) -> None:
    rows = scored(write("leads.csv", 'lead_id,country,x\n1,DE,5" pipe\n2,DE,"a ""b"""\n'))
    assert [points(row) for row in rows] == [{"country": 5.5}] * 2


def test_parquet_in_and_out(write: Write, tmp_path: Path) -> None:
    write("leads.csv", "")
    leads, happened, out = (tmp_path / name for name in ("leads.parquet", "acts.parquet", "out.parquet"))
    with duckdb.connect() as connection:
        connection.execute(
            "copy (select 1 as lead_id, 300.0 as employees, true as free_mail, date '2026-02-20' as created_at"
            f" union all select 2, null, null, null) to '{leads}' (format parquet)"
        )
        connection.execute(
            "copy (select 1 as lead_id, 'visit' as type, timestamp '2026-02-23 12:00:00' as occurred_at)"
            f" to '{happened}' (format parquet)"
        )
        assert score_files(tmp_path / "policy", leads, happened, None, AS_OF, out) == 2
        rows = connection.execute(f"select lead_id, contributions, disqualified from '{out}'").fetchall()
    assert rows == [("1", '{"size":15,"free":1,"recent":2,"visit":4}', None), ("2", "{}", None)]


def test_a_broken_parquet_file_is_named(write: Write, tmp_path: Path) -> None:
    leads = write("leads.csv", "lead_id\n1\n").rename(tmp_path / "leads.parquet")
    assert refused(leads).startswith("leads.parquet: not a Parquet file that can be read")


def test_frames_with_values_of_any_kind() -> None:
    scoring = model(fit("size", "employees > 1", 15), fit("free", "free_mail", 1), acted("visit", "visit", 4))
    leads = pd.DataFrame(
        [
            {"lead_id": "a", "employees": 3, "free_mail": True, "seniority": "vp"},
            {"lead_id": "b", "employees": None, "free_mail": None, "country": None},
        ]
    )
    happened = pd.DataFrame(
        {"lead_id": ["a"], "type": ["visit"], "occurred_at": [NOW.replace(tzinfo=None, day=1)]}
    )
    frame = score_frame(scoring, leads, happened, None, NOW)
    assert list(frame["lead_id"]) == ["a", "b"]
    assert [json.loads(text) for text in frame["contributions"]] == [{"size": 15, "free": 1, "visit": 4}, {}]
    assert frame["disqualified"].isna().all()


def test_an_empty_frame_has_no_scores() -> None:
    frame = score_frame(model(), pd.DataFrame({"lead_id": []}), None, None, NOW)
    assert (len(frame), "band" in frame.columns) == (0, True)


def test_a_frame_without_lead_ids_is_refused() -> None:
    with pytest.raises(Unreadable, match="leads, line 1, column lead_id: this required column is missing"):
        score_frame(model(), pd.DataFrame({"id": [1]}), None, None, NOW)


# --- people of one account, and variants --------------------------------------------------------------

OF_ACCOUNT = """
rollup: {engaged_at: 5}
variants:
  - {id: huge, because: Huge, when: employees > 1000,
     rules: {fit: [{id: huge, because: Huge, points: 30, when: "true"}]}}
"""
GROUP = "    - {id: group, because: Others came too, when: account_engaged >= 1, points: 3}\n  engagement:"


@pytest.fixture
def write_account(tmp_path: Path, write: Write) -> Write:
    text = POLICY.replace("  engagement:", GROUP) + DEFAULTS + OF_ACCOUNT
    (tmp_path / "policy" / "scoring.yaml").write_text(text, encoding="utf-8")
    return write


def points_of(rows: list[dict[str, str]]) -> dict[str, dict[str, float]]:
    return {row["lead_id"]: json.loads(row["contributions"]) for row in rows}


def test_people_of_one_account_add_up_in_files(write_account: Write) -> None:
    leads = write_account(
        "leads.csv",
        "lead_id,account_id,domain\na,x,\nb,x,\nc,,acme.example\nd,,ACME.example\ne,y,\nf,,\n",
    )
    moment = "2026-03-02T11:59:59Z"
    activities = write_account(
        "acts.csv", f"lead_id,type,occurred_at\nb,visit,{moment}\nd,visit,{moment}\nf,visit,{moment}\n"
    )
    found = points_of(scored(leads, activities))
    assert {lead for lead, points in found.items() if "group" in points} == {"a", "c"}


def test_people_of_a_free_mail_provider_are_no_company(write_account: Write) -> None:
    leads = write_account("leads.csv", "lead_id,domain,free_mail\na,mail.example,true\nb,mail.example,true\n")
    activities = write_account("acts.csv", "lead_id,type,occurred_at\nb,visit,2026-03-02T11:59:59Z\n")
    assert "group" not in points_of(scored(leads, activities))["a"]


def test_an_account_file_says_whose_domain_it_is(write_account: Write) -> None:
    leads = write_account("leads.csv", "lead_id,account_id,domain\na,x,\nb,,acme.example\n")
    accounts = write_account("accounts.csv", "account_id,domain\nx,acme.example\n")
    activities = write_account("acts.csv", "lead_id,type,occurred_at\nb,visit,2026-03-02T11:59:59Z\n")
    assert "group" in points_of(scored(leads, activities, accounts))["a"]


def test_variants_are_in_force_for_files(write_account: Write) -> None:
    leads = write_account("leads.csv", "lead_id,employees\na,5000\nb,100\n")
    assert points_of(scored(leads)) == {"a": {"huge": 30}, "b": {"size": 15}}


# --- the chance of conversion ---------------------------------------------------------------------

CHANCE = """{"schema": 1, "target": "won", "kind": "logistic", "learnt": {}, "base": -2.0, "meanings": %s, "parts": [
 {"of": "rule", "name": "size", "edges": [0.5], "worth": [-0.5, 1.5]},
 {"of": "rule", "name": "visit", "edges": [0.75], "worth": [0.0, 1.0]},
 {"of": "attribute", "name": "country", "values": {"DE": 0.25}, "other": -0.25, "missing": 0.0}]}"""
LEADS = "lead_id,employees,country\na,100,DE\nb,,FR\nc,10,\n"


def with_chance(write: Write, more: str = "predictive: chance.json\n") -> Path:
    """A policy folder with a model of probability that fits it."""
    leads = write("leads.csv", LEADS)
    path = leads.parent / "policy" / "scoring.yaml"
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    meanings = {rule.id: meaning(rule) for rule in policy.load(leads.parent / "policy").scoring.rules}
    (leads.parent / "policy" / "chance.json").write_text(CHANCE % json.dumps(meanings), encoding="utf-8")
    return leads


def test_the_chance_stands_beside_the_score_with_its_reasons(write: Write):
    leads = with_chance(write)
    visits = write("visits.csv", "lead_id,type,occurred_at\na,visit,2026-03-02T11:00:00Z\n")
    first, second, third = scored(leads, visits)
    odds = [-2.0 + 1.5 + 1.0 + 0.25, -2.0 - 0.5 - 0.25, -2.0 - 0.5]
    told = [float(row["probability"]) for row in (first, second, third)]
    assert told == pytest.approx([1 / (1 + math.exp(-one)) for one in odds])
    assert first["probability_because"] == (
        "size holds: odds × 4.5; visit holds: odds × 2.7; country DE: odds × 1.3"
    )
    assert (
        second["probability_because"] == "size does not hold: odds × 0.61; country another value: odds × 0.78"
    )


def test_it_is_off_by_default_and_empty_for_disqualified_leads_and_other_models(write: Write):
    leads = with_chance(write, "")
    assert "probability" not in scored(leads)[0]
    more = """
predictive: chance.json
disqualifiers: [{id: french, because: French, when: "country = 'FR'"}]
variants: [{id: tiny, because: Tiny, when: employees < 20}]
"""
    leads = with_chance(write, more)
    assert [row["probability"] != "" for row in scored(leads)] == [True, False, False]


@pytest.mark.parametrize(
    ("more", "replaced", "said"),
    [
        (
            "predictive: ../chance.json\n",
            None,
            "scoring.yaml:23: predictive: found '../chance.json'; the name of",
        ),
        ("predictive: other.json\n", None, "other.json:0: the file: found no such file"),
        (
            "predictive: chance.json\n",
            ('"base": -2.0', '"base": []'),
            "chance.json:0: the model: found base: Input",
        ),
        ("predictive: chance.json\n", ('"name": "size"', '"name": "sise"'), "scoring.yaml has no rule sise"),
        (
            "predictive: chance.json\n",
            ('"country"', '"employees"'),
            "declares no employees of the model's type",
        ),
    ],
)
def test_a_model_that_does_not_fit_is_refused_by_score_and_by_check(write: Write, more, replaced, said: str):
    leads = with_chance(write, "")
    folder = leads.parent / "policy"
    path = folder / "scoring.yaml"
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")
    if replaced:
        model_path = folder / "chance.json"
        model_path.write_text(model_path.read_text(encoding="utf-8").replace(*replaced), encoding="utf-8")
    with pytest.raises(policy.PolicyErrors) as refused:
        scored(leads)
    assert said in str(refused.value)
    assert said in "\n".join(map(str, policy.check(folder).errors))
