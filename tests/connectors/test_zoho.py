"""A whole CRM export through the overlay that maps it; what the numbers are was counted in the files alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.connectors import Pulled, pull
from clearlane.policy import Policy

from .conftest import batch

POLICIES = Path(__file__).parents[2] / "include" / "policy"
RECORDS = {
    "leads": 3900,
    "contacts": 1265,
    "accounts": 2229,
    "opportunities": 3632,
    "reps": 11,
    "activities": 4100 + 2978 + 3900,
}
Windows = Sequence[tuple[str, str]]
JUNE = ("2021-06-01", "2021-07-01")
WINDOWS = ["2018-07-01", "2019-06-01", "2020-06-01", "2021-05-01"]


def overlaid(variant: str) -> Policy:
    zoho = POLICIES / "overlays" / "zoho"
    return policy.load(POLICIES, zoho, zoho / variant)


@pytest.fixture(scope="module")
def workspace(shared_data: Path) -> Path:
    return shared_data / "crm_zoho_sample"


def pulled(connection: sa.Connection, workspace: Path, variant: str, windows: Windows) -> list[Pulled]:
    source = overlaid(variant).sources.sources["zoho"]
    return [
        pull(connection, source, batch(connection, f"{run}", start, end), lambda name: str(workspace))
        for run, (start, end) in enumerate(windows)
    ]


def counted(connection: sa.Connection) -> dict[str, int]:
    statement = sa.text("select object, count(*) from inbox group by object")
    return {object: count for object, count in connection.execute(statement)}  # noqa: C416  # typed


@pytest.mark.parametrize("variant", ["cutover", "reenactment"])
def test_the_overlay_is_a_policy(variant: str) -> None:
    found = overlaid(variant)
    assert len({rule.id for rule in found.routing.rules}) >= 5
    assert len(found.teams.reps) == 11
    assert found.sources.sources["zoho"].existing_owner == ("keep" if variant == "cutover" else "ignore")


def test_everything_lands_at_cutover(connection: sa.Connection, workspace: Path) -> None:
    [counts] = pulled(connection, workspace, "cutover", [JUNE])
    assert counts == Pulled(
        received=sum(RECORDS.values()), duplicate=0, new=sum(RECORDS.values()), unreadable=0
    )
    assert counted(connection) == RECORDS
    converted = connection.execute(
        sa.text("select count(*) from inbox where object = 'leads' and record ->> 'converted' = 'true'")
    )
    assert converted.scalar() == 3632


def test_moments_and_money_are_read(connection: sa.Connection, workspace: Path) -> None:
    pulled(connection, workspace, "cutover", [JUNE])
    unread = """
        select count(*) from inbox, jsonb_each_text(record) as field(name, value)
        where name like '%\\_at' and not pg_input_is_valid(value, 'timestamptz')
           or name = 'amount' and not pg_input_is_valid(value, 'numeric')
           or object <> 'accounts' and object <> 'reps' and source_time is null
    """
    assert connection.execute(sa.text(unread)).scalar() == 0
    opportunity = connection.execute(
        sa.text("select record from inbox where object = 'opportunities' and external_id = '1832'")
    ).scalar_one()
    assert (opportunity["amount"], opportunity["stage"]) == ("22700", "open")
    assert opportunity["closed_at"] == "2021-04-16T00:03:00+00:00"


def test_campaigns_find_the_one_lead_of_a_last_name(connection: sa.Connection, workspace: Path) -> None:
    pulled(connection, workspace, "cutover", [JUNE])
    touches = "select count(*), count(distinct record ->> 'lead_id') from inbox where file = 'Campaign_Lead_Status.csv'"
    named = connection.execute(sa.text(f"{touches} and record ? 'lead_id'")).one()
    assert tuple(named) == (1720, 1720)
    assert connection.execute(sa.text(touches)).scalar() == 3900


WITHHELD = ("owner", "status", "converted", "stage", "Lead Owner", "Lead Status", "CONVERTED", "Account Type")


def test_the_reenactment_withholds_what_has_no_time(connection: sa.Connection, workspace: Path) -> None:
    pulled(connection, workspace, "reenactment", [JUNE])
    shown = sa.text("select count(*) from inbox where record ?| :withheld")
    assert connection.execute(shown, {"withheld": list(WITHHELD)}).scalar() == 0
    types = sa.text("select count(*) from inbox where object = 'accounts' and record ? 'type'")
    assert connection.execute(types).scalar() == 0
    assert counted(connection) == {
        "outcomes" if object == "opportunities" else object: count for object, count in RECORDS.items()
    }


def test_windows_in_any_order_leave_the_same_inbox(connection: sa.Connection, workspace: Path) -> None:
    windows = list(pairwise(WINDOWS))
    forth = pulled(connection, workspace, "reenactment", windows)
    keys = sa.text("select object, record_key from inbox order by 1, 2")
    inbox = connection.execute(keys).all()
    assert sum(counts.new for counts in forth) == len(inbox) == sum(RECORDS.values())
    connection.rollback()
    pulled(connection, workspace, "reenactment", windows[::-1])
    assert connection.execute(keys).all() == inbox
