"""Routing of files: the same rules, owners, companies and turns as in the ledger, without one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from tests.route.firms import MONDAY_NOON

from clearlane import policy
from clearlane.route import route_files, route_frame
from clearlane.route.files import COLUMNS
from clearlane.score import Unreadable

SCORING = """
schema: 1
owner: o
approver: a
attributes: {country: text, employees: number, language: text, company: text}
hand_raises: {activities: [demo_request], counts_for: 30 days}
groups: {fit: [0, 50], engagement: [0, 50], negative: [-60, 0]}
range: [0, 100]
bands:
  - {name: hot, enter: 75, exit: 70}
  - {name: warm, enter: 50, exit: 45}
  - {name: cool, enter: 25, exit: 20}
  - {name: cold, enter: 0, exit: 0}
rules:
  fit:
    - {id: size, because: size, when: "employees >= 50", points: 40}
"""
TEAMS = """
schema: 1
owner: o
approver: a
hours: {office: {mon-fri: "09:00-17:00"}}
defaults: {hours: office}
reps:
  - {id: ana, name: Ana A, email: ana@clearlane.example, role: ae, zone: UTC, known_as: {crm: [U1]}}
  - {id: ben, name: Ben B, email: ben@clearlane.example, role: ae, zone: UTC}
teams:
  - {id: sales, name: Sales, members: [ana, ben]}
"""
ROUTING = """
schema: 1
owner: o
approver: a
territories: [{name: EMEA, when: "country = 'DE'"}]
rules:
  - {id: owned, because: "The company has an owner", when: "account_owner_sells", send_to: [account_owner]}
  - {id: part, because: "Its parent has an owner", when: "parent_account_owner_sells", send_to: [parent_account_owner]}
  - {id: small, because: "Too small", when: "employees < 10", send_to: [nurture]}
  - {id: emea, because: "In EMEA", when: "territory = 'EMEA' or hand_raise", send_to: [{team: sales}]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"scoring": SCORING, "teams": TEAMS, "routing": ROUTING}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def frame(**columns: list) -> pd.DataFrame:
    return pd.DataFrame(columns)


def test_files_in_file_out(folder: Path, tmp_path: Path):
    (tmp_path / "leads.csv").write_text(
        "lead_id,country,employees,company,account_id\n"
        "c,DE,80,Acme GmbH,\na,DE,5,,\nb,DE,90,Acme,\nd,FR,20,,\ne,FR,20,Owned SA,A1\n"
    )
    (tmp_path / "accounts.csv").write_text("account_id,owner\nA1,U1\n")
    (tmp_path / "activities.csv").write_text(
        "lead_id,type,occurred_at\na,demo_request,2026-03-01T10:00:00Z\n"
    )
    out = tmp_path / "out.csv"
    count = route_files(
        folder,
        tmp_path / "leads.csv",
        tmp_path / "activities.csv",
        tmp_path / "accounts.csv",
        MONDAY_NOON,
        out,
    )
    routed = pd.read_csv(out, keep_default_na=False).set_index("lead_id")
    assert count == 5
    assert list(routed.index) == ["c", "a", "b", "d", "e"]
    assert ("lead_id", *routed.columns) == COLUMNS
    assert routed["place"].to_dict() == {
        "a": "owned",
        "b": "owned",
        "c": "owned",
        "d": "exceptions",
        "e": "owned",
    }
    assert routed.loc["e", "rep"] == "ana"
    assert routed.loc["b", "rep"] == routed.loc["c", "rep"]
    assert routed.loc["a", "rule"] == "emea"  # it asked: too small is no reason to wait
    assert routed.loc["d", "because"].startswith("no rule matched")


@pytest.mark.parametrize(
    ("accounts", "rep"),
    [
        ({"A1": ("", "A2"), "A2": ("U1", "")}, "ana"),
        ({"A1": ("nobody", "A2"), "A2": ("U-77", "A3"), "A3": ("ben", "A4"), "A4": ("U1", "")}, "ben"),
        ({"A1": ("", "A2"), "A2": ("", "A3"), "A3": ("ben", "A1")}, "ben"),  # a ring
        ({"A1": ("", "A1")}, None),
        ({"A1": ("", "A2"), "A2": ("", "A1")}, None),
        ({"A1": ("", "gone")}, None),
        ({"A1": ("ben", "A2"), "A2": ("U1", "")}, "ben"),  # its own owner first
    ],
)
def test_the_parents_of_an_account_are_asked_nearest_first(folder: Path, accounts: dict, rep: str | None):
    owner, parent = (list(column) for column in zip(*accounts.values(), strict=True))
    given = frame(account_id=list(accounts), owner=owner, parent=parent)
    routed = route_frame(
        policy.load(folder), frame(lead_id=["a"], account_id=["A1"], country=["FR"]), None, given, MONDAY_NOON
    )
    assert routed.loc[0, "rep"] == rep
    assert routed.loc[0, "place"] == ("owned" if rep else "exceptions")


def test_a_record_may_name_its_parents_owner(folder: Path):
    leads = frame(lead_id=["a", "b"], parent_account_owner=["ben", "nobody"], country=["FR", "FR"])
    routed = route_frame(policy.load(folder), leads, None, None, MONDAY_NOON)
    assert routed["rule"].tolist() == ["part", None]
    assert routed.loc[0, "because"] == "Its parent has an owner; ben is the parent account owner"


def test_parquet_out_and_no_leads_at_all(folder: Path, tmp_path: Path):
    (tmp_path / "leads.csv").write_text("lead_id,country\n")
    out = tmp_path / "out.parquet"
    assert route_files(folder, tmp_path / "leads.csv", None, None, MONDAY_NOON, out) == 0
    assert list(pd.read_parquet(out).columns) == list(COLUMNS)


def test_what_cannot_be_read_is_named_and_nothing_is_written(folder: Path, tmp_path: Path):
    (tmp_path / "leads.csv").write_text("lead_id,employees\n1,many\n")
    with pytest.raises(Unreadable, match=r"leads\.csv, line 2, column employees: found 'many'"):
        route_files(folder, tmp_path / "leads.csv", None, None, MONDAY_NOON, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_the_suppressed_are_not_routed(folder: Path):
    leads = frame(lead_id=["1", "2"], country=["DE", "DE"], employees=[80, 80], suppressed=["yes", ""])
    routed = route_frame(policy.load(folder), leads, None, None, MONDAY_NOON)
    assert list(routed["place"]) == ["disqualified", "owned"]


def test_turns_are_shared_and_repeatable(folder: Path):
    leads = frame(lead_id=[str(n) for n in range(40)], country=["DE"] * 40, employees=[80] * 40)
    first = route_frame(policy.load(folder), leads, None, None, MONDAY_NOON)
    assert first["rep"].value_counts().to_dict() == {"ana": 20, "ben": 20}
    pd.testing.assert_frame_equal(first, route_frame(policy.load(folder), leads, None, None, MONDAY_NOON))


def test_a_moment_without_zone_is_utc(folder: Path):
    leads = frame(lead_id=["1"], country=["DE"], employees=[80])
    naive = route_frame(policy.load(folder), leads, None, None, datetime(2026, 3, 2, 12))
    pd.testing.assert_frame_equal(naive, route_frame(policy.load(folder), leads, None, None, MONDAY_NOON))


def test_the_default_policy_keeps_its_promises(tmp_path: Path):
    (tmp_path / "leads.csv").write_text(
        "lead_id,email,country,employees,industry,seniority,kind\n"
        "demo,ada@one.example,US,300,software,vp,sales\nhelp,bob@two.example,US,300,software,vp,support\n"
        "cold,cy@three.example,DE,2,,,sales\n"
    )
    (tmp_path / "activities.csv").write_text(
        "lead_id,type,occurred_at\ndemo,demo_request,2026-03-02T15:00:00Z\n"
    )
    home = Path(__file__).parents[2] / "include" / "policy"
    as_of = datetime(2026, 3, 2, 16, tzinfo=UTC)
    out = tmp_path / "out.csv"
    route_files(home, tmp_path / "leads.csv", tmp_path / "activities.csv", None, as_of, out)
    routed = pd.read_csv(out, keep_default_na=False).set_index("lead_id")
    assert routed["place"].to_dict() == {"demo": "owned", "help": "redirected", "cold": "nurture"}
    assert routed.loc["demo", "sla_due"] == "2026-03-02T16:05:00Z"


def test_files_have_no_history_to_fit_by(folder: Path, tmp_path: Path) -> None:
    leads = pd.DataFrame(
        {
            "lead_id": [f"l{number}" for number in range(20)],
            "country": "DE",
            "employees": 20.0,
            "language": None,
        }
    )
    plain = route_frame(policy.load(folder), leads, None, None, MONDAY_NOON)
    segment = "[country, language, company, source, kind, band, grade, stage]"
    fitted = ROUTING.replace("{team: sales}", f"{{team: sales, pick: best_fit, segment: {segment}}}")
    (folder / "routing.yaml").write_text(fitted)
    found = route_frame(policy.load(folder), leads, None, None, MONDAY_NOON)
    assert list(found["rep"]) == list(plain["rep"])
    learning = found["because"].str.endswith("picked by turn to keep learning")
    assert (learning | found["because"].str.endswith("by turn for want of results to fit by")).all()
    assert not learning.all()


def test_a_column_zone_keeps_calls_to_the_leads_hours(folder: Path) -> None:
    """At 15:00 UTC it is ten in New York, and seven in Los Angeles."""
    promises = """schema: 1
owner: o
approver: a
tiers: {cool: {first_touch: 5 minutes, lead_hours: "08:00-20:00"}}
by_band: {cool: cool}
hand_raise: cool
team_calendar: {zone: UTC, hours: {mon-fri: "09:00-17:00"}}
"""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    zones = ["America/Los_Angeles", "America/New_York", "Mars"]
    leads = pd.DataFrame({"lead_id": ["a", "b", "c"], "country": "DE", "employees": 60, "zone": zones})
    moment = MONDAY_NOON.replace(hour=15)
    routed = route_frame(policy.parse({**texts, "sla": promises}), leads, None, None, moment)
    assert list(routed["sla_due"]) == ["2026-03-02T16:05:00Z", "2026-03-02T15:05:00Z", "2026-03-02T15:05:00Z"]
