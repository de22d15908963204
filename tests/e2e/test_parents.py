"""A lead at a part of a company whose parent has an owner, from the CRM's files to the replay of its decision."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.e2e.exports import LEADS, files, policy_reading
from tests.e2e.rivers import River

from clearlane import explain, policy, replay, review

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)  # a Tuesday
DAY = timedelta(days=1)
COLUMNS = {**LEADS, "employees": "Employees", "industry": "Industry"}
ACCOUNT = {
    "id": "Id", "created_at": "At", "updated_at": "At", "name": "Name", "website": "Website", "owner": "Owner",
    "parent": "Parent",
}  # fmt: skip
ADA = """Id,At,Email,Company,Title,Employees,Industry,Country
ada,2026-11-17T11:00:00Z,ada@forge.example,Acme Forge,VP Sales,300,software,DE
"""
ACCOUNTS = """Id,At,Name,Website,Owner,Parent
forge,2026-01-02T00:00:00Z,Acme Forge,forge.example,U999,europe
europe,2026-01-02T00:00:00Z,Acme Europe,acme-eu.example,U999,group
group,{at},Acme,acme.example,{owner},forge
"""
"""Three accounts in a ring: U999 is the integration's, whom nobody knows as a rep."""


@pytest.fixture
def texts(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "leads.csv").write_text(ADA)
    return policy_reading(crm=files(tmp_path, leads=COLUMNS, accounts=ACCOUNT))


@pytest.fixture
def river(ledger_engine: sa.Engine, texts: Mapping[str, str], tmp_path: Path) -> River:
    """Run until noon, when the group is Felix's, and again a day later, when it is Amelia's."""
    made = River(ledger_engine)
    made.publish(texts)
    for owner, changed in (("U302", NOON - DAY), ("U206", NOON + DAY / 2)):
        (tmp_path / "accounts.csv").write_text(ACCOUNTS.format(at=changed.isoformat(), owner=owner))
        made.run((changed - DAY / 2, changed + DAY))
    return made


DECIDED = "select decision_seq, rule, rep_id from decision"
OWNERS = "select attributes ->> 'parent_account_owners' from lead_profile order by valid_from"


def test_the_parents_owner_gets_the_lead_and_keeps_it(river: River) -> None:
    with river.engine.begin() as connection:
        [(seq, *decided)] = connection.execute(sa.text(DECIDED))
        assert decided == ["owned_parent", "felix_baum"]
        assert connection.execute(sa.text(OWNERS)).scalars().all() == ['["U999", "U302"]', '["U999", "U206"]']
        assert replay.replay(connection, seq).identical
        told = [line.text for part in explain.story(connection, "crm:ada").sections for line in part.lines]
    assert "live: The parent company has an owner; felix_baum is the parent account owner" in told


def test_a_what_if_sees_the_owner_above(river: River, texts: Mapping[str, str]) -> None:
    rule = "has_account and parent_account_owner_sells"
    assert rule in texts["routing"]
    without = policy.parse({**texts, "routing": texts["routing"].replace(rule, "contact_owner_sells")})
    with river.engine.begin() as connection:
        told = review.whatif(connection, without, since=NOON - 2 * DAY, until=NOON + 2 * DAY)
    [mover] = told.figures.movers
    assert mover.old.owner == "felix_baum" != mover.new.owner
