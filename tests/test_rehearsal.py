"""The generated company lives on a ledger of its own, and a policy is compared on it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from clearlane import policy, rehearsal
from clearlane.cli import app

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / "include/policy"
END = datetime(2026, 11, 16, tzinfo=UTC)


@pytest.fixture
def dearer(tmp_path: Path) -> Path:
    """The default policy, with more points for looking at prices."""
    price = "activity: pricing_page_view\n      points: "
    for name, text in policy.texts(HOME).items():
        (tmp_path / f"{name}.yaml").write_text(text.replace(f"{price}8", f"{price}12"), encoding="utf-8")
    return tmp_path


@pytest.fixture
def no_ledger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARLANE_LEDGER_URL", raising=False)
    monkeypatch.setattr(rehearsal, "LEADS", 60)
    monkeypatch.setattr(rehearsal, "DAYS", 2)


def test_the_company_lives_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with rehearsal.lived(policy.texts(HOME), END, days=2, leads=60) as engine, engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from decision")) > 20
        assert connection.scalar(sa.text("select max(as_of) from batch")) == END
    assert list(tmp_path.iterdir()) == []


def test_a_company_of_other_systems_is_not_rehearsed():
    texts = {**policy.texts(HOME), "sources": "schema: 1\nowner: o\napprover: a\nsources: {}\n"}
    with pytest.raises(rehearsal.NotTheSample, match="CLEARLANE_LEDGER_URL"), rehearsal.lived(texts, END):
        pass


def test_equal_folders_are_answered_at_once(no_ledger: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rehearsal, "lived", lambda *_: pytest.fail("nothing had to be played"))
    told = CliRunner().invoke(app, ["policy", "diff", str(HOME), str(HOME)])
    assert (told.exit_code, told.stdout) == (0, "Nothing changes: the policy files are the same.\n")


def test_a_difference_is_told_in_markdown(no_ledger: None, dearer: Path):
    told = CliRunner().invoke(app, ["policy", "diff", str(HOME), str(dearer), "--names", "main", "prices"])
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("### What if: prices instead of main, ")
    assert "Played on the generated company; `scoring.yaml` differs." in told.stdout
    assert "pricing_page +" in told.stdout


def test_a_folder_that_is_wrong_is_named(no_ledger: None, dearer: Path):
    (dearer / "routing.yaml").write_text("schema: 1\nrules: 7\n", encoding="utf-8")
    told = CliRunner().invoke(app, ["policy", "diff", str(HOME), str(dearer)])
    assert told.exit_code == 2
    assert "routing.yaml:" in told.output
