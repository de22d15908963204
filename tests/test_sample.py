"""The generated company: the same every time, as its policy reads it, and nobody in it exists."""

from __future__ import annotations

import filecmp
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clearlane import policy, sample
from clearlane.policy.model import ObjectMapping, Policy
from clearlane.quality.contact_points import email_verdicts, phone_verdicts

END = datetime(2026, 11, 18, tzinfo=UTC)
DAYS = 7
DEFAULT = Path(__file__).resolve().parents[1] / "include" / "policy"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sample")
    sample.write(out, end=END, seed=7, days=DAYS, leads=4000)
    return out


@pytest.fixture(scope="module")
def default() -> Policy:
    return policy.load(DEFAULT)


@pytest.fixture(scope="module")
def forms(folder: Path) -> pd.DataFrame:
    return read(folder / "web", "submissions-*.jsonl")


@pytest.fixture(scope="module")
def crm(folder: Path) -> pd.DataFrame:
    return read(folder / "crm", "leads.csv")


def read(folder: Path, pattern: str) -> pd.DataFrame:
    """Everything of the files as text; lines that are broken in the file itself left out."""
    frames = [_read(path) for path in sorted(folder.glob(pattern))]
    return pd.concat(frames, ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    if path.suffix == ".jsonl":
        lines = path.read_text("utf-8").splitlines()
        return pd.DataFrame([json.loads(line) for line in lines if line.endswith("}")])
    return pd.read_csv(path, dtype=str, on_bad_lines="skip")


def written(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.*"))


# --- the files --------------------------------------------------------------------------------------


def test_the_same_end_and_seed_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    sample.write(tmp_path, end=END, seed=7, days=DAYS, leads=4000)
    assert filecmp.cmpfiles(folder, tmp_path, written(folder), shallow=False) == (written(folder), [], [])


def test_another_seed_gives_other_people(folder: Path, tmp_path: Path) -> None:
    sample.write(tmp_path, end=END, seed=8, days=DAYS, leads=4000)
    same, _, _ = filecmp.cmpfiles(folder, tmp_path, written(folder), shallow=False)
    assert same == ["crm/users.csv"]


def test_writing_again_leaves_no_days_of_before(tmp_path: Path) -> None:
    sample.write(tmp_path, end=END - timedelta(days=60), seed=7, leads=60)
    sample.write(tmp_path, end=END, seed=7, leads=60)
    assert not list(tmp_path.rglob("*2026-09-*"))


@pytest.mark.parametrize("leads", [1, 12])
def test_a_tiny_company_is_a_company(tmp_path: Path, leads: int) -> None:
    sample.write(tmp_path, end=END, seed=1, days=1, leads=leads)
    assert (tmp_path / "crm" / "users.csv").exists()


def test_the_policy_finds_every_file_and_every_column(folder: Path, default: Policy) -> None:
    for source in default.sources.sources.values():
        assert source.address == f"data/sample/{source.name}"
        for mapping in source.objects.values():
            assert missing(folder / source.name, mapping) == set(), f"{source.name} {mapping.object}"


def missing(folder: Path, mapping: ObjectMapping) -> set[str]:
    columns = set(read(folder, mapping.read).columns)
    return {theirs for theirs in mapping.fields.values() if not theirs.startswith("=")} - columns


def test_the_crm_knows_the_reps_of_the_policy(folder: Path, default: Policy) -> None:
    users = read(folder / "crm", "users.csv").set_index("UserId")
    reps = {name: rep for rep in default.teams.reps.values() for name in rep.aliases["crm"]}
    assert set(users.index) == {*reps, "U999"}
    assert all(users.loc[name, "Name"] == rep.name for name, rep in reps.items())
    assert set(users.index[users["IsActive"] == "false"]) == {
        name for name, rep in reps.items() if rep.active_until
    }


# --- the people -------------------------------------------------------------------------------------


def test_some_accounts_are_parts_of_one_that_a_person_owns(folder: Path) -> None:
    accounts = pd.read_csv(folder / "crm" / "accounts.csv", dtype=str)
    parts = accounts.merge(accounts, left_on="ParentId", right_on="AccountId", suffixes=("", "Above"))
    assert len(parts) == accounts["ParentId"].notna().sum() > 0
    assert set(parts["OwnerId"]) == {"U999"}
    assert "U999" not in set(parts["OwnerIdAbove"])


def test_nobody_can_own_an_address(crm: pd.DataFrame, forms: pd.DataFrame) -> None:
    address = pd.concat([crm["Email"], forms["email"]]).dropna().str.lower()
    address = address[address.str.contains("@")]
    private = address.str.endswith("@gmail.com")
    assert address[private].str.partition("@")[0].str.len().min() > 30  # Gmail's own limit
    assert address[~private].str.endswith((".example", "@mailinator.com")).all()
    assert all(verdict.normal for verdict in email_verdicts(address).values())


def test_phone_numbers_are_of_ranges_kept_for_fiction_and_readable(forms: pd.DataFrame) -> None:
    numbers = forms["phone"].dropna()
    numbers = numbers[numbers != "see website"]
    verdicts = phone_verdicts((number, None) for number in numbers)
    readable = sum(verdict.e164 is not None for verdict in verdicts.values())
    assert len(verdicts) > 50
    assert readable == len(verdicts)


def test_everything_happens_within_the_days(folder: Path, crm: pd.DataFrame, forms: pd.DataFrame) -> None:
    arrived = pd.to_datetime(pd.concat([crm["CreatedDate"], forms["submitted_at"]]).dropna(), utc=True)
    assert arrived.min() >= END - timedelta(days=DAYS)
    done = read(folder / "web", "events-*.jsonl")["at"]
    became = read(folder / "web", "outcomes.csv")["OccurredAt"]
    changed = crm["LastModifiedDate"]
    for moments in (arrived, done, became, changed):
        assert pd.to_datetime(moments, utc=True).max() < END


def test_most_come_in_office_hours(crm: pd.DataFrame) -> None:
    here = crm[crm["Country"].isin(["US", "USA", "United States"])]
    local = pd.to_datetime(here["CreatedDate"].dropna(), utc=True).dt.tz_convert("America/New_York")
    office = local.dt.hour.between(8, 17) & (local.dt.day_of_week < 5)
    assert office.mean() > 0.7


def test_the_causes_show(folder: Path, forms: pd.DataFrame) -> None:
    """Who asked looked at prices more often, and directors ask more often than others."""
    done = read(folder / "web", "events-*.jsonl")
    asked = set(
        done.loc[done["event"].isin(["demo_request", "contact_sales", "pricing_request"]), "submission_id"]
    )
    looked = done[done["event"] == "pricing_page_view"].groupby("submission_id").size()
    looked = forms["submission_id"].map(looked).fillna(0)
    raised = forms["submission_id"].isin(asked)
    assert looked[raised].mean() > 2 * looked[~raised].mean()
    senior = forms["job_title"].str.contains("VP|Director|Head|Chief", na=False)
    assert raised[senior].mean() > 1.3 * raised[~senior].mean()


# --- the dirt ---------------------------------------------------------------------------------------


def test_one_or_two_in_a_hundred_cannot_be_used(crm: pd.DataFrame, forms: pd.DataFrame) -> None:
    leads = pd.concat(
        [
            crm[["Email", "Phone", "CreatedDate"]].set_axis(["email", "phone", "at"], axis=1),
            forms[["email", "phone", "submitted_at"]].set_axis(["email", "phone", "at"], axis=1),
        ]
    )
    reachable = leads["email"].str.contains("@", na=False) | leads["phone"].str.startswith("+", na=False)
    assert 0.005 < (~reachable | leads["at"].isna()).mean() < 0.03


def test_some_stand_in_two_systems(crm: pd.DataFrame, forms: pd.DataFrame) -> None:
    both = set(crm["Email"].dropna().str.lower()) & set(forms["email"].dropna())
    assert 0.03 < len(both) / len(forms) < 0.15
    assert crm["LeadId"].is_unique
    assert forms["submission_id"].is_unique


def test_some_lines_are_broken_in_the_file(tmp_path: Path) -> None:
    sample.write(tmp_path, end=END, seed=7, leads=6000)
    lines = (tmp_path / "crm" / "leads.csv").read_text("utf-8").splitlines()
    ragged = [line for line in lines if line.endswith(",,by hand")]
    assert 0 < len(ragged) < len(lines) * 0.01
    texts = [
        line
        for path in (tmp_path / "web").glob("submissions-*")
        for line in path.read_text("utf-8").splitlines()
    ]
    assert 0 < sum(not line.endswith("}") for line in texts) < len(texts) * 0.01


# --- what became of them ------------------------------------------------------------------------------


def test_outcomes_follow_from_the_same_causes(tmp_path: Path) -> None:
    sample.write(tmp_path, end=END, seed=7, days=200, leads=8000)
    became = read(tmp_path / "web", "outcomes.csv")
    kinds: Any = became["Kind"].value_counts()
    assert 0.75 <= kinds["accepted"] / (kinds["accepted"] + kinds["rejected"]) <= 0.85
    done = read(tmp_path / "web", "events-*.jsonl")
    raised = set(
        done.loc[done["event"].isin(["demo_request", "contact_sales", "pricing_request"]), "submission_id"]
    )
    people = pd.Series([f"s-{int(key[2:]):09d}" for key in done["submission_id"].dropna().unique()])
    won = set(became.loc[became["Kind"] == "won", "LeadId"])
    assert people.isin(won)[people.isin(raised)].mean() > 1.5 * people.isin(won)[~people.isin(raised)].mean()
    steps = became[became["Kind"].isin(["accepted", "won"])].pivot(
        index="LeadId", columns="Kind", values="OccurredAt"
    )
    assert (steps["won"].dropna() > steps["accepted"][steps["won"].notna()]).all()
