"""Files from the wild through the `files` connector and the default contract: every row stands somewhere."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
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


WAYS = {
    "us-500.csv": FIELDS,
    "us-500_unquoted_commas.csv": FIELDS,
    "email_validator_cases.jsonl": {"id": "email", "email": "email"},
    "nicknames.csv": {"id": "name1", "first_name": "name1", "email": "name2"},
    "phone_examples.csv": {
        "id": "example_national_number",
        "phone": "example_national_number",
        "country": "region",
    },
    "freemail_free.txt": {"id": "1033edge.com", "email": "1033edge.com"},
    "disposable_email_blocklist.conf": {"id": "0-mail.com", "email": "0-mail.com"},
}
"""file -> how it is taken for leads; lists of domains have no header, so their first line stands for one"""

USABLE = {"us-500.csv": 500, "us-500_unquoted_commas.csv": 4, "phone_examples.csv": 1118}
"""known by count, without what stands in an earlier file, too; the others hold no leads, or are labelled elsewhere"""


@pytest.mark.full
def test_every_file_runs_to_its_end_and_each_bad_record_is_explained(
    connection: sa.Connection, shared_data: Path
) -> None:
    dirty = shared_data / "dirty"
    files = sorted(path for path in dirty.rglob("*") if path.is_file())
    mappings = {
        path.name: ObjectMapping(
            "leads",
            str(path.relative_to(dirty)),
            {**WAYS.get(path.name, FIELDS), "created_at": FIELDS["created_at"]},
        )
        for path in files
    }
    source = Source(name="crm", connector="files", address=str(dirty), objects=mappings)
    batch = opened(connection)
    pulled = connectors.pull(connection, source, batch, no_secret)
    quality.run(connection, policy.load(POLICIES), batch, engine="plain")
    found = connection.execute(
        sa.text("""
            select coalesce(i.file, '') as file, i.state, coalesce(jsonb_array_length(q.reasons), 0) as reasons,
                   (select count(*) from jsonb_array_elements(q.reasons) r
                    where coalesce(r ->> 'rule', '') = '' or coalesce(r ->> 'field', '') = '') as empty
            from inbox i left join quarantine q using (seq)
        """)
    ).all()
    assert len(files) == 12
    assert len(found) == pulled.new
    assert {row.file for row in found} == {str(path.relative_to(dirty)) for path in files}
    assert {row.state for row in found} == {"waiting", "quarantined"}
    assert not [row for row in found if (row.state == "quarantined") != (row.reasons > 0) or row.empty]
    usable = Counter(Path(row.file).name for row in found if row.state == "waiting")
    assert {name: usable[name] for name in USABLE} == USABLE
