"""Two systems know one person: the CRM decides and deletes, marketing is told what became of it; files to files."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.e2e.exports import LEADS, files, policy_reading
from tests.e2e.rivers import River

from clearlane import explain, steps

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)  # a Tuesday
HOUR = timedelta(hours=1)
COLUMNS = {**LEADS, "updated_at": "Changed", "employees": "Employees", "owner": "Owner", "deleted": "Gone"}
OUTCOME = {"id": "Id", "lead_id": "Lead", "kind": "Kind", "occurred_at": "At", "reason": "Reason"}
PERSON = {
    "id": "Id",
    "created_at": "At",
    "updated_at": "At",
    "email": "Email",
    "company": "Company",
    "owner": "Owner",
}
TOLD = {"push": "told", "push_fields": {"stage": "stage", "outcome": "outcome", "decline_reason": "reason"}}
MASTERS = {"masters": {"owner": "crm", "company": "crm", "outcome": "crm"}}
ADA = """Id,At,Changed,Email,Company,Title,Employees,Country,Owner,Gone
c1,2026-11-17T11:00:00Z,{changed},ada@forge.example,Forge Ltd,VP Sales,300,GB,,{gone}
"""
PEOPLE = """Id,At,Email,Company,Owner
m1,2026-11-17T11:30:00Z,ada@forge.example,forge,U302
"""
OUTCOMES = """Id,Lead,Kind,At,Reason
o1,c1,accepted,2026-11-17T12:10:00Z,
o2,c1,rejected,2026-11-17T12:20:00Z,no budget
"""


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, str]:
    marketing = files(tmp_path / "marketing", leads=PERSON) | TOLD
    return policy_reading(MASTERS, crm=files(tmp_path, leads=COLUMNS, outcomes=OUTCOME), marketing=marketing)


def said(folder: Path, changed: datetime, gone: str = "", outcomes: str = "Id,Lead,Kind,At,Reason\n") -> None:
    (folder / "leads.csv").write_text(ADA.format(changed=changed.isoformat(), gone=gone))
    (folder / "marketing").mkdir(exist_ok=True)
    (folder / "marketing/leads.csv").write_text(PEOPLE)
    (folder / "outcomes.csv").write_text(outcomes)


def told(folder: Path) -> list[dict[str, str]]:
    files = sorted((folder / "marketing/told").glob("*.csv"))
    return [row for file in files for row in csv.DictReader(file.open(encoding="utf-8"))]


def synced(river: River, until: datetime) -> Mapping[str, int]:
    """What `outcome_sync` does, and the sending after it."""
    batch = river.open((until - HOUR, until), run_id=f"outcomes {until}", dry_run=False)
    for source in ("crm", "marketing"):
        steps.pull_outcomes(river.engine, batch, source, river.secrets)
    steps.quality(river.engine, batch, lane="plain")
    steps.identity(river.engine, batch)
    counts = steps.outcomes(river.engine, batch)
    steps.drain(river.engine, until, river.secrets, dry_run=False)
    return counts


def test_marketing_hears_of_the_rejection_and_nothing_of_the_deleted(
    ledger_engine: sa.Engine, texts: Mapping[str, str], tmp_path: Path
) -> None:
    river = River(ledger_engine)
    river.publish(texts)
    said(tmp_path, NOON - HOUR)
    river.run((NOON - 2 * HOUR, NOON), dry_run=False)
    with ledger_engine.connect() as connection:
        [(company, owner)] = connection.execute(
            sa.text(
                "select attributes ->> 'company', attributes ->> 'owner' from place"
                " join lead_profile using (lead_id) where place.reason <> 'merged' order by valid_from desc limit 1"
            )
        )
    assert (company, owner) == ("Forge Ltd", None), "the master says, and marketing's owner is not asked for"
    [first] = told(tmp_path)
    assert (first["external_id"], first["outcome"]) == ("m1", "")

    said(tmp_path, NOON - HOUR, outcomes=OUTCOMES)
    assert synced(river, NOON + HOUR)["owed"] == 1
    assert synced(river, NOON + 2 * HOUR)["owed"] == 0
    assert len(told(tmp_path)) == 2
    [second] = [row for row in told(tmp_path) if row["outcome"]]
    assert (second["external_id"], second["outcome"], second["decline_reason"], second["stage"]) == (
        "m1", "rejected", "no budget", "accepted",
    )  # fmt: skip

    said(tmp_path, NOON + 3 * HOUR, gone="true", outcomes=OUTCOMES)
    river.run((NOON + 2 * HOUR, NOON + 4 * HOUR), dry_run=False)
    with ledger_engine.connect() as connection:
        places = connection.execute(sa.text("select place || ' ' || reason from place order by 1"))
        placed = places.scalars().all()
        deleted = connection.execute(
            sa.text("select attributes -> 'deleted' from lead_profile order by valid_from desc limit 1")
        ).scalar_one()
    assert deleted is False, "marketing's record is there"
    assert placed == ["closed merged", "nurture recycled"], "so the person is no less there"


STATE = """
select place || ' ' || p.reason as place, s.stage, made.cycle, (
    select count(*) from sla_clock k where k.lead_id = p.lead_id and k.met_at is null and k.ended_at is null
) as clocks
from place p join standing s using (lead_id) join score made using (score_id) where p.reason <> 'merged'
"""


def state(river: River) -> tuple[str, str, int, int]:
    with river.engine.connect() as connection:
        place, stage, cycle, clocks = connection.execute(sa.text(STATE)).one()
    return place, stage, cycle, clocks


def stages(river: River) -> list[str]:
    """What `explain` tells of the stages, without their times."""
    with river.engine.connect() as connection:
        [told] = [one for one in explain.story(connection, "crm:c1").sections if one.title == "Stages"]
    return [line.text.partition(":")[0] for line in told.lines]


def heard(river: River, folder: Path, until: datetime, outcomes: str) -> tuple[str, str, int, int]:
    """The outcomes come by `outcome_sync`; the night's `score_refresh` and `lead_flow` follow."""
    said(folder, NOON - HOUR, outcomes=outcomes)
    synced(river, until)
    steps.score_refresh(river.engine, until)
    river.run((until - HOUR, until + HOUR), dry_run=False)
    return state(river)


def test_a_rejected_lead_that_is_open_again_goes_on_in_its_new_cycle(
    ledger_engine: sa.Engine, texts: Mapping[str, str], tmp_path: Path
) -> None:
    river = River(ledger_engine)
    river.publish(texts)
    said(tmp_path, NOON - HOUR)
    river.run((NOON - 2 * HOUR, NOON), dry_run=False)
    assert heard(river, tmp_path, NOON + HOUR, OUTCOMES) == ("nurture recycled", "inquiry", 2, 0)
    again = f"{OUTCOMES}o3,c1,sql,2026-11-17T14:10:00Z,\n"
    assert heard(river, tmp_path, NOON + 3 * HOUR, again) == ("nurture recycled", "sql", 2, 0)
    assert [entry for entry in stages(river) if "accepted" in entry or "sql" in entry] == [
        "accepted in cycle 1", "sql in cycle 2",
    ]  # fmt: skip


def test_a_lost_lead_that_is_open_again_stays_where_it_was(
    ledger_engine: sa.Engine, texts: Mapping[str, str], tmp_path: Path
) -> None:
    river = River(ledger_engine)
    river.publish(texts)
    said(tmp_path, NOON - HOUR)
    river.run((NOON - 2 * HOUR, NOON), dry_run=False)
    lost = OUTCOMES.replace("accepted", "opportunity").replace("rejected", "lost")
    before = heard(river, tmp_path, NOON + HOUR, lost)
    assert before[1:3] == ("opportunity", 1)
    assert heard(river, tmp_path, NOON + 3 * HOUR, f"{lost}o3,c1,sql,2026-11-17T14:10:00Z,\n") == before
    assert stages(river)[-2:] == ["opportunity", "sql"]
