"""Two systems that bring leads, as schemas of one PostgreSQL database: people come, reps log what they did.

What a rep logs stands there from the moment at which the system shows it, not from the one at which it happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

SYSTEMS: Final = ("crm", "web")
LAG: Final = timedelta(minutes=90)
"""how long after a touch a system may show it"""
_LEADS: Final = (
    "id", "created_at", "updated_at", "email", "phone", "first_name", "last_name", "company", "title", "country",
    "employees", "industry", "owner",
)  # fmt: skip
_TABLES: Final = """
create schema {system};
create table {system}.leads (
    id text primary key, created_at timestamptz, updated_at timestamptz, email text, phone text, first_name text,
    last_name text, company text, title text, country text, employees integer, industry text, owner text);
create index on {system}.leads (updated_at);
create table {system}.activities (id text primary key, lead_id text, type text, occurred_at timestamptz);
create index on {system}.activities (occurred_at);
create table {system}.outcomes (id text primary key, lead_id text, kind text, occurred_at timestamptz, rep text);
create index on {system}.outcomes (occurred_at);
create table {system}.assignments (
    external_id text primary key, object text, idempotency_key text, owner text, queue text, place text, team text,
    score text, band text, grade text, stage text, because text, tier text, sla_due text, cover text);
"""


@dataclass(frozen=True)
class Systems:
    """The database of both systems."""

    engine: sa.Engine

    @classmethod
    def at(cls, url: str) -> Systems:
        engine = sa.create_engine(url)
        with engine.begin() as connection:
            for system in SYSTEMS:
                connection.exec_driver_sql(_TABLES.format(system=system))
        return cls(engine)

    @property
    def url(self) -> str:
        return self.engine.url.render_as_string(hide_password=False)

    def add(self, system: str, table: str, row: Mapping[str, Any]) -> None:
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        with self.engine.begin() as connection:
            connection.execute(sa.text(f"insert into {system}.{table} ({names}) values ({values})"), row)

    def give(self, system: str, lead: str, owner: str, at: datetime) -> None:
        """A person changes the owner of a lead."""
        query = f"update {system}.leads set owner = :owner, updated_at = :at where id = :lead"
        with self.engine.begin() as connection:
            connection.execute(sa.text(query), {"owner": owner, "lead": lead, "at": at})

    def assigned(self) -> Iterator[tuple[str, str, str, str | None]]:
        """(system, lead, owner, due) of the leads that have an owner, as was written there."""
        for system in SYSTEMS:
            query = f"select external_id, owner, sla_due from {system}.assignments where owner is not null"
            with self.engine.connect() as connection:
                for row in connection.exec_driver_sql(query):
                    yield system, *row


def source(system: str) -> dict[str, Any]:
    """How sources.yaml reads one of them."""
    changed = f"select * from {system}.{{}} where {{}} >= :start and {{}} < :end"

    def read(table: str, cursor: str, **more: Any) -> dict[str, Any]:
        return {"read": changed.format(table, cursor, cursor), "cursor": cursor, **more}

    return {
        "connector": "sql",
        "address": f"connection:{system}",
        "live_from": "2025-01-01T00:00:00Z",
        "push": f"{system}.assignments",
        "objects": {
            "leads": read("leads", "updated_at", fields={name: name for name in _LEADS}),
            "activities": read("activities", "occurred_at"),
            "outcomes": read("outcomes", "occurred_at", lag=f"{LAG.seconds // 60} minutes"),
        },
    }
