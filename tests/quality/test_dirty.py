"""Files from the wild through the `files` connector and the default contract: every row stands somewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from clearlane import connectors, policy, quality
from clearlane.policy.model import ObjectMapping, Source

from .conftest import opened

POLICIES = Path(__file__).parents[2] / "include" / "policy"
FIELDS = {
    "id": "email", "email": "email", "phone": "phone1", "company": "company_name", "first_name": "first_name",
    "country": "= US", "created_at": "= 2026-03-01T10:00:00+00:00",
}  # fmt: skip


def no_secret(name: str) -> str:
    raise LookupError(name)


def states(connection: sa.Connection, folder: Path, read: str, fields: dict[str, str]) -> Counter[str]:
    """State of the inbox's rows -> number, after pull and quality."""
    mapping = ObjectMapping(object="leads", read=read, fields=fields)
    source = Source(name="crm", connector="files", address=str(folder), objects={"leads": mapping})
    batch = opened(connection)
    pulled = connectors.pull(connection, source, batch, no_secret)
    quality.run(connection, policy.load(POLICIES), batch, engine="plain")
    found = Counter(connection.execute(sa.text("select state from inbox")).scalars())
    assert found.total() == pulled.new
    return found


def test_no_lead_of_a_clean_export_is_quarantined(connection: sa.Connection, shared_data: Path) -> None:
    assert states(connection, shared_data / "dirty", "us-500.csv", FIELDS) == {"waiting": 500}
    assert connection.execute(sa.text("select count(*) from quality_note")).scalar() == 0


def test_unquoted_commas_cost_their_rows_only(connection: sa.Connection, shared_data: Path) -> None:
    name = "us-500_unquoted_commas.csv"
    lines = (shared_data / "dirty" / name).read_text(encoding="utf-8").splitlines()
    whole = sum(line.count(",") == 11 for line in lines[1:])
    found = states(connection, shared_data / "dirty", name, FIELDS)
    assert found == {"waiting": whole - 1, "quarantined": len(lines) - whole}
    only = connection.execute(
        sa.text(
            "select line, record ->> 'email' from inbox where state = 'quarantined' and record is not null"
        )
    )
    assert only.all() == [(len(lines), "<NA>")]


def test_labelled_addresses_stand_or_fall_by_their_address(
    connection: sa.Connection, shared_data: Path
) -> None:
    fields = {"id": "test", "email": "email", "created_at": "= 2026-03-01T10:00:00+00:00"}
    found = states(connection, shared_data / "dirty", "email_validator_cases.jsonl", fields)
    assert found["waiting"] >= 35 * 0.98  # 35 are labelled valid
    reasons = connection.execute(
        sa.text("""
            select distinct reason ->> 'rule'
            from inbox join quarantine using (seq), jsonb_array_elements(reasons) as reason
            where record is not null
        """)
    ).scalars()
    assert set(reasons) == {"email", "any_of"}
