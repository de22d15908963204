"""Who is put on the list of suppressions is stopped by the next run, wherever the person stands then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.companies import END
from tests.e2e.rivers import River
from typer.testing import CliRunner

from clearlane.cli import app
from clearlane.privacy import erasing, suppressing
from clearlane.privacy.tombstones import Key
from clearlane.sheets import Unreadable

OWNED = """
select p.lead_id, k.value from place p join lead_key k using (lead_id) join assignment a using (lead_id)
where p.place = 'owned' and k.kind = 'email' and k.current and a.ended_at is null and a.by = 'clearlane'
order by 2 limit 1
"""


@pytest.fixture
def river(new_river: Callable[..., River], all_days: str) -> River:
    return new_river("suppressing", like=all_days)


def load(river: River, path: Path, text: str, **options: object) -> suppressing.Imported:
    path.write_text(text, encoding="utf-8")
    with river.engine.begin() as connection:
        return suppressing.load(connection, path, because="asked", at=END, **options)  # type: ignore[arg-type]


def one(river: River, statement: str, **bound: object) -> tuple[object, ...]:
    with river.engine.connect() as connection:
        return tuple(connection.execute(sa.text(statement), bound).one())


def test_an_owned_lead_is_stopped_by_the_next_run(river: River, tmp_path: Path) -> None:
    lead, email = one(river, OWNED)
    imported = load(river, tmp_path / "list.csv", f"email,scope\n{str(email).upper()},contact\n")
    assert imported == suppressing.Imported(1, 1, 0)
    river.run(None, run_id="next", as_of=END + timedelta(minutes=5))
    place = "select place, reason from place where lead_id = :lead"
    assert one(river, place, lead=lead) == ("disqualified", "suppressed")
    river.run(None, run_id="after", as_of=END + timedelta(minutes=10))
    worked = (
        "select count(*) from work join batch using (batch_id) where run_id = 'after' and lead_id = :lead"
    )
    assert one(river, worked, lead=lead) == (0,)


def test_the_stricter_scope_stands(river: River, tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    load(river, path, "email,domain,scope\na@acme.de,,marketing\nb@acme.de,,\n,rival.de,marketing\n")
    again = load(
        river, path, "email,domain,scope\na@acme.de,,contact\na@acme.de,,marketing\nb@acme.de,,marketing\n"
    )
    assert again == suppressing.Imported(2, 1, 0)
    scopes = "select jsonb_object_agg(value, scope) from suppression"
    assert one(river, scopes) == ({"a@acme.de": "contact", "b@acme.de": "contact", "rival.de": "marketing"},)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("email\nnobody\n", r"list\.csv, line 2, column email: found 'nobody', which is no address"),
        (
            "email,scope\na@acme.de,never\n",
            r"line 2, column scope: found 'never', allowed: contact, marketing",
        ),
        ("phone\n1\n", "line 1: found columns phone, allowed: email, domain, scope"),
    ],
)
def test_what_cannot_be_read_is_named(river: River, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Unreadable, match=said):
        load(river, tmp_path / "list.csv", text)
    assert one(river, "select count(*) from suppression") == (0,)


def test_an_erased_address_is_not_kept(river: River, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, email = one(river, OWNED)
    key = Key("of these tests", kept=True)
    with river.engine.begin() as connection:
        erasing.erase(connection, str(email), by="dpo", because="asked", at=END, key=key)
    (tmp_path / "list.csv").write_text(f"email\n{email}\n")
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", river.engine.url.render_as_string(hide_password=False))
    said = CliRunner().invoke(app, ["suppress", "import", str(tmp_path / "list.csv"), "--because", "asked"])
    assert (said.exit_code, said.output.strip()) == (
        0,
        "1 read, 0 new or stricter, 1 erased before and not kept",
    )
