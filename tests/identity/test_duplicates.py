"""The same person twice in a list: who is joined, who stays apart, whatever the order of the rows."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.people import generated, shares
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.identity.duplicates import clusters
from clearlane.identity.duplicates.persons import persons
from clearlane.sample import words

COLUMNS = ("lead_id", "first_name", "last_name", "email", "phone", "company", "city")
LEADS = pd.DataFrame(
    [
        ("1", "Robert", "Smith", "bob.smith@acme.com", "+1 212 555 0100", "Acme Inc", "Boston"),
        ("2", "Bob", "Smith", "BOB.SMITH@acme.com", "(212) 555-0100", "ACME", ""),
        ("3", "Smith", "Robert", "", "2125550100", "Acme", ""),
        ("4", "Alice", "Smith", "alice.smith@acme.com", "2125550100", "Acme", "Boston"),
        ("5", "Jon", "Doe", "jon.doe@gmail.com", "", "", ""),
        ("6", "Jonathan", "Doe", "j.o.n.doe+news@googlemail.com", "", "", ""),
        ("7", "Ann", "Lee", "ann@lee.io; ann.lee@bigco.com", "", "BigCo", ""),
        ("8", "Ann", "Lee", "ann.lee@bigco.com", "", "", ""),
        ("9", "", "", "info@bigco.com", "", "", ""),
        ("10", "", "", "info@bigco.com", "", "", ""),
        ("11", "Maria", "Garcia", "maria.garcia@gmial.com", "", "Foo", ""),
        ("12", "Maria", "Garcia", "maria.garcia@gmail.com", "", "Foo", ""),
        ("13", "John", "Miller", "john.miller@x.com", "", "Bricks", "Boston"),
        ("14", "John", "Miller", "jm@y.com", "", "Mortar", "Denver"),
        ("15", "", "", "", "", "", ""),
        ("16", "", "", "", "", "", ""),
    ],
    columns=COLUMNS,
)


@pytest.fixture(scope="module")
def found() -> dict[str, str]:
    return dict(zip(LEADS["lead_id"], clusters(LEADS), strict=True))


@pytest.mark.parametrize(
    ("why", "ids"),
    [
        ("a nickname, the same address and number", "1 2"),
        ("names the wrong way round, the same number", "1 3"),
        ("dots and tags of Gmail", "5 6"),
        ("several addresses in one cell", "7 8"),
        ("a slip in the address", "11 12"),
    ],
)
def test_joins(found: dict[str, str], why: str, ids: str) -> None:
    assert len({found[one] for one in ids.split()}) == 1, why


@pytest.mark.parametrize(
    ("why", "ids"),
    [
        ("colleagues on one switchboard", "1 4"),
        ("a shared mailbox is nobody", "9 10"),
        ("a common name, nothing else in common", "13 14"),
        ("nothing is known", "15 16"),
    ],
)
def test_keeps_apart(found: dict[str, str], why: str, ids: str) -> None:
    assert len({found[one] for one in ids.split()}) == 2, why


HOME = {"phone": "212 555 0199", "address": "12 Main Street", "city": "Boston"}


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (
            {"first_name": "John", "last_name": "Miller Jr."},
            {"first_name": "John", "last_name": "Miller Sr"},
            False,
        ),
        ({"name": "John Miller, Jr"}, {"name": "John Miller III"}, False),
        ({"name": "John Q. Miller Jr"}, {"name": "Miller, John Senior"}, False),
        ({"name": "John Miller Jr"}, {"name": "John Miller II"}, True),
        ({"name": "John Miller Jr"}, {"name": "John Miller"}, True),
        ({"name": "John Miller", "suffix": "Jr"}, {"name": "John Miller", "suffix": "Sr"}, False),
        ({"name": "John Miller", "suffix": "PhD"}, {"name": "John Miller", "suffix": "Jr"}, True),
        ({"name": "John Junior"}, {"name": "John Junior"}, True),
    ],
)
def test_father_and_son_at_one_address_are_two(one: dict, other: dict, together: bool) -> None:
    two = pd.DataFrame([one | HOME, other | HOME]).fillna("")
    assert (clusters(two).nunique() == 1) is together


def test_junior_is_no_last_name() -> None:
    names = ["John Smith Jr", "Ana Junior", "Bob Lee, Sr.", "Stone Jr, Eve", "Junior Silva"]
    texts = persons(pd.DataFrame({"name": names})).texts.set_index("first")
    last = {"john": "smith", "ana": "junior", "bob": "lee", "eve": "stone", "junior": "silva"}
    assert texts["last"].to_dict() == last
    generation = {"john": "jr", "ana": "", "bob": "sr", "eve": "jr", "junior": ""}
    assert texts["generation"].to_dict() == generation


def test_a_cluster_is_named_after_its_smallest_id(found: dict[str, str]) -> None:
    assert found["2"] == found["3"] == "1"


def test_nearly_all_are_found_and_nearly_nobody_is_joined_wrongly() -> None:
    leads = generated(seed=3, leads=3000)
    precision, recall = shares(leads["truth"], clusters(leads.drop(columns="truth")))
    assert precision >= 0.99
    assert recall >= 0.93


@settings(max_examples=examples(5, 40), deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_and_columns_does_not_matter(random) -> None:
    leads = generated(seed=4, leads=150).drop(columns="truth")
    rows, columns = list(leads.index), list(leads.columns)
    random.shuffle(rows)
    random.shuffle(columns)
    pd.testing.assert_series_equal(clusters(leads.loc[rows, columns]).sort_index(), clusters(leads))


def test_equal_addresses_are_one_person_in_the_shortest_list() -> None:
    assert clusters(pd.DataFrame({"email": ["a@b.com", "A@b.com", "c@d.com", None]})).tolist() == [
        "1",
        "1",
        "3",
        "4",
    ]


@pytest.mark.parametrize("rows", range(3))
def test_a_list_of_none_of_one_and_of_two(rows: int) -> None:
    leads = LEADS.head(rows)
    assert len(clusters(leads)) == rows


def test_a_crowd_with_one_number_is_not_one_person() -> None:
    names = list(product(words.FIRST[:20], words.LAST_HEADS[:10]))
    crowd = pd.DataFrame(names, columns=["first_name", "last_name"]).assign(phone="212 555 0100")
    assert clusters(crowd).nunique() == len(crowd)


# --- files ------------------------------------------------------------------------------------------


def test_a_file_in_a_file_out(tmp_path: Path) -> None:
    given, out = tmp_path / "leads.csv", tmp_path / "out.csv"
    LEADS.to_csv(given, index=False)
    told = CliRunner().invoke(app, ["dedupe", "--leads", str(given), "--out", str(out)])
    assert told.exit_code == 0, told.output
    people = pd.read_csv(out, dtype=str)["cluster_id"].nunique()
    assert f"{len(LEADS)} leads are {people} people" in told.output
    written = pd.read_csv(out, dtype=str)
    assert list(written.columns) == ["lead_id", "cluster_id"]
    assert written["lead_id"].tolist() == LEADS["lead_id"].tolist()
    assert written.set_index("lead_id")["cluster_id"].to_dict()["3"] == "1"


def test_ids_are_found_however_their_column_is_written_and_rounded_ones_refused(tmp_path: Path) -> None:
    given, out = tmp_path / "leads.csv", tmp_path / "out.csv"
    words = ["dedupe", "--leads", str(given), "--out", str(out)]
    given.write_text("Lead ID;E-Mail\n7;ada@acme.com\n8;bob@acme.com\n8;bob@acme.com\n")
    told = CliRunner().invoke(app, words)
    assert pd.read_csv(out, dtype=str)["lead_id"].tolist() == ["7", "8", "8"]
    assert "1 ids stand in more than one row" in told.output
    given.write_text("email\nada@acme.com\n")
    assert "the rows are numbered from 1" in CliRunner().invoke(app, words).output
    given.write_text("lead_id,email\n1.23E+17,ada@acme.com\n1.23E+17,bob@acme.com\n")
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 2
    assert "found '1.23E+17': a spreadsheet has rounded the ids" in told.output


def test_a_file_that_says_nothing_of_people(tmp_path: Path) -> None:
    given = tmp_path / "leads.csv"
    given.write_text("lead_id,colour\n1,red\n")
    told = CliRunner().invoke(app, ["dedupe", "--leads", str(given), "--out", str(tmp_path / "out.csv")])
    assert told.exit_code == 2
    assert "leads.csv" in told.output
    assert "colour" in told.output
    assert "email" in told.output


# --- lists of others -----------------------------------------------------------------------------------


def test_people_of_a_list_without_duplicates_stay_apart(shared_data: Path) -> None:
    people = pd.read_csv(shared_data / "dirty" / "us-500.csv", dtype=str)
    assert clusters(people).nunique() == len(people)
