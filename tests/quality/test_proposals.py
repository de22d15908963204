"""What is proposed from history passes on it, is small and readable, and is accepted by `policy check`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.profiles import examples
from typer.testing import CliRunner

from clearlane import policy as policies
from clearlane.cli import app
from clearlane.cli.options import DEFAULT_POLICY
from clearlane.policy.model import Check, Contract, Field, ObjectContract
from clearlane.quality import plain
from clearlane.quality.families import FAMILIES, family_of
from clearlane.quality.judgement import judged
from clearlane.quality.proposals import History, Proposal, changed, diff, failures, proposals
from clearlane.rules import Type

from .conftest import END, contract, deliver, opened

AS_OF = datetime(2026, 3, 2, tzinfo=UTC)


def history(fields: Sequence[Field], **columns: Sequence[Any]) -> History:
    described = ObjectContract(tuple(fields))
    rows = pd.DataFrame(
        {"seq": range(len(next(iter(columns.values())))), "source": "crm", **columns}, dtype=object
    )
    missing = {name: None for name in ("country",) if name not in rows}
    return History("leads", described, rows.assign(**missing).astype({"seq": "int64"}))


def of(field: Field, values: Sequence[Any]) -> dict[str, Proposal]:
    return {one.rule: one for one in proposals(history([field], **{field.name: values}), AS_OF)}


TEXT = Field("x", Type.TEXT)


@pytest.mark.parametrize(
    ("values", "rule", "allowed"),
    [
        (["red", "green", "blue"] * 100, "one_of", ("blue", "green", "red")),
        ([f"{n:08x}-0000-4000-8000-000000000000" for n in range(300)], "matches", FAMILIES[0].pattern),
        ([str(10_000 + n) for n in range(300)], "matches", r"^[0-9]{5}(?:-[0-9]{4})?$"),
        ([f"ada{n}@acme.com" for n in range(300)], "email", None),
        ([f"Some words {n}" for n in range(300)], "max_length", 100),
        ([f"a much longer sentence, {n:0120}" for n in range(300)], "max_length", 200),
        ([f"https://acme{n}.com" for n in range(300)], "max_length", 100),
        ([f"U{n:07}" for n in range(300)], "max_length", 10),
    ],
)
def test_what_a_column_of_texts_keeps_to(values: list[str], rule: str, allowed: object) -> None:
    found = of(TEXT, values)
    assert found[rule].check == Check(rule, allowed)  # type: ignore[arg-type]


def test_a_set_is_not_proposed_while_new_values_come_or_some_are_rare() -> None:
    assert "one_of" not in of(TEXT, ["new"] * 50 + ["red", "green"] * 150)
    assert "one_of" not in of(TEXT, ["red", "green"] * 150 + ["once"])


def test_what_people_write_is_no_set_of_values_however_often_it_came() -> None:
    sentences = ["Please reset my password, the link has expired.", "We offer link building at a fair price."]
    assert set(of(TEXT, sentences * 150)) == {"max_length"}
    assert "one_of" in of(TEXT, ["United States of America", "wrong territory"] * 150)


def test_who_owns_a_record_is_no_set_of_values() -> None:
    assert "one_of" not in of(Field("owner", Type.TEXT), ["U201", "U202"] * 150)


def test_ranges_have_room_and_begin_at_nothing_where_nothing_is_below() -> None:
    number = Field("x", Type.NUMBER)
    assert of(number, [str(n) for n in range(300)])["between"].check == Check("between", (0, 1_000))
    below = of(number, [str(n - 100) for n in range(300)])["between"]
    assert below.check == Check("between", (-200, 500))
    assert below.because == "300 values lie between -100 and 199"


def test_only_what_says_what_a_record_is_may_be_asked_for() -> None:
    values = ["2026-01-01T00:00:00+00:00"] * 1_000
    assert set(of(Field("created_at", Type.TIME), values)) == {"required", "not_future"}
    assert "required" not in of(Field("company", Type.TEXT), ["Acme"] * 1_000)
    assert "required" not in of(Field("created_at", Type.TIME), [*values, None])


def test_nothing_is_proposed_from_little_or_twice() -> None:
    assert of(TEXT, ["red"] * 199) == {}
    asked = Field("x", Type.TEXT, checks=(Check("one_of", ["red"]),))
    assert of(asked, ["red"] * 300) == {}


COLUMNS = st.one_of(
    st.lists(st.sampled_from(["DE", "US", "fr", "n/a", "Ünder_1"]), min_size=1, max_size=6),
    st.lists(st.text(min_size=1, max_size=40), min_size=1, max_size=30),
    st.lists(st.from_regex(r"\A[a-z]{1,5}[0-9]{0,3}\Z"), min_size=1, max_size=30),
)
NUMBERS = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=20)


@settings(max_examples=examples(8, 80), phases=[Phase.explicit, Phase.generate])
@given(COLUMNS, NUMBERS)
def test_whatever_came_passes_what_is_proposed_and_no_less_is_typed(
    texts: list[str], numbers: list[float]
) -> None:
    fields = [TEXT, Field("n", Type.NUMBER)]
    rows = 240
    seen = history(
        fields,
        x=[texts[i % len(texts)] for i in range(rows)],
        n=[f"{numbers[i % len(numbers)]:f}" for i in range(rows)],
    )
    found = proposals(seen, AS_OF)
    assert failures(seen, found, AS_OF) == {}
    text = "schema: 1\nowner: a\napprover: b\nobjects:\n  leads:\n    fields:\n      x: text # why\n      n: number\n"
    written = changed(text, found, Contract({"leads": seen.contract}, ()))
    asked = policies.parse({"contract": written}).contract.objects["leads"]
    before, after = (
        judged("leads", seen.rows, each, AS_OF, plain.violations) for each in (seen.contract, asked)
    )
    assert after.typed.equals(before.typed)
    assert "# why" in written


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_is_found_by_what_is_of_it_only(family: Any) -> None:
    assert not family.holds(["two words and a !"])
    assert family_of(["a !", "b !"]) is None


# --- the ledger and the command -------------------------------------------------------------------


@pytest.fixture
def lived(ledger_engine: sa.Engine) -> sa.Engine:
    """A thousand leads of two sources, of which one writes its titles in another way."""
    records = [
        {
            "id": f"L{n}", "created_at": "2026-02-01T10:00:00+00:00", "updated_at": "2026-02-01T10:00:00+00:00",
            "email": f"p{n}@acme.com", "website": f"https://acme{n}.com", "country": ("DE", "US", "FR")[n % 3],
            "title": f"Head of {n}", "employees": str(n + 1),
        }
        for n in range(1_000)
    ]  # fmt: skip
    with ledger_engine.begin() as connection:
        deliver(connection, opened(connection), records, at=END - timedelta(days=3))
        connection.exec_driver_sql("update inbox set source = 'web' where mod(seq, 4) = 0")
        connection.exec_driver_sql(
            "update inbox set record = record || '{\"website\": \"acme dot com\"}' where source = 'web'"
        )
    return ledger_engine


def proposed(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", engine.url.render_as_string(hide_password=False))
    monkeypatch.setattr("clearlane.cli.quality.this_moment", lambda: END)
    return CliRunner().invoke(app, ["quality", "propose", *words])


def test_the_diff_applies_to_the_file_and_policy_check_accepts_it(
    lived: sa.Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(DEFAULT_POLICY, tmp_path / "policy")
    told = proposed(
        lived, monkeypatch, "--policy", str(tmp_path / "policy"), "--out", str(tmp_path / "change.diff")
    )
    assert told.exit_code == 0, told.output
    assert "leads.country one_of DE, FR, US: 1,000 values are one of 3" in told.output
    assert "leads.updated_at required: all 1,000 records have it" in told.output
    assert "website" not in told.output
    apply = ["git", "apply", str(tmp_path / "change.diff")]
    subprocess.run(apply, cwd=tmp_path / "policy", check=True, capture_output=True)
    assert CliRunner().invoke(app, ["policy", "check", str(tmp_path / "policy")]).exit_code == 0
    leads = policies.load(tmp_path / "policy").contract.objects["leads"]
    country = next(field for field in leads.fields if field.name == "country")
    assert {check.rule for check in country.checks} == {"max_length", "one_of"}


def test_what_one_source_keeps_to_names_the_others_that_do_not(
    lived: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = proposed(lived, monkeypatch, "--source", "crm")
    assert "is a web address; 250 of web would not pass" in told.output


def test_an_empty_ledger_has_nothing_to_propose(
    ledger_engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = proposed(ledger_engine, monkeypatch)
    assert (told.exit_code, "nothing to propose" in told.output) == (1, True)


def test_nothing_proposed_changes_nothing() -> None:
    assert diff("objects: {}\n", [], contract().contract) == ""
