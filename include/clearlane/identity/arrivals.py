"""The batch's waiting inbox rows, brought to one temporary table per object with their ids and normal forms.

Rows are read in chunks of at most 10,000, so the memory of a worker does not follow the batch. Nothing here
needs the ledger's lock: this is the slow part of identity, and runs at once do it side by side.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity import mail_domains, normalise
from clearlane.identity.matching.names import spelled
from clearlane.ledger import copy_frame, ids

CHUNK: Final = 10_000
Texts = pd.Series


@dataclass(frozen=True)
class Arrival:
    """How one object is brought in: texts read from its records, columns of its table, how they follow."""

    object: str
    table: str
    reads: Sequence[str]
    columns: Mapping[str, str]
    prepared: Callable[[pd.DataFrame], dict[str, Any]]


def bring(connection: Connection, batch_id: UUID) -> dict[str, int]:
    """Fill the temporary tables with the batch's waiting rows; rows per object. Gone with the transaction."""
    return {arrival.object: _bring(connection, batch_id, arrival) for arrival in ARRIVALS}


def _bring(connection: Connection, batch_id: UUID, arrival: Arrival) -> int:
    _create(connection, arrival)
    count = 0
    for frame in _chunks(connection, batch_id, arrival):
        rows = pd.DataFrame({"seq": frame["seq"], **arrival.prepared(frame)}, dtype=object)
        count += copy_frame(connection, arrival.table, rows)
    connection.exec_driver_sql(f"analyze {arrival.table}")
    return count


def _create(connection: Connection, arrival: Arrival) -> None:
    columns = ", ".join(f"{name} {type_}" for name, type_ in arrival.columns.items())
    connection.exec_driver_sql(f"drop table if exists pg_temp.{arrival.table}")
    connection.exec_driver_sql(
        f"create temporary table {arrival.table} (seq bigint, {columns}) on commit drop"
    )


def _chunks(connection: Connection, batch_id: UUID, arrival: Arrival) -> Iterator[pd.DataFrame]:
    texts = "".join(f", nullif(btrim(record ->> '{field}'), '') as {field}" for field in arrival.reads)
    statement = sa.text(f"""
        select seq, source, coalesce(external_id, record_key) as external_id, record_key{texts}
        from inbox
        where batch_id = :batch_id and state = 'waiting' and object = :object and seq > :after
        order by seq limit {CHUNK}""")
    after = -1
    while True:
        key = {"batch_id": batch_id, "object": arrival.object, "after": after}
        rows = connection.execute(statement, key)
        frame = pd.DataFrame(rows.fetchall(), columns=list(rows.keys()), dtype=object)
        if frame.empty:
            return
        after = int(frame["seq"].iloc[-1])
        yield frame


# --- the objects ----------------------------------------------------------------------------------


def _lead(frame: pd.DataFrame) -> dict[str, Any]:
    country = _mapped(frame["country"], normalise.countries)
    email = _mapped(frame["email"], normalise.emails)
    return {
        "lead_id": _ids(frame, ids.lead_id),
        "external_id": frame["external_id"],
        "email": email,
        "desk": email.isin([address for address in _distinct(email) if _is_desk(address)]),
        "phone": _phone(frame["phone"], country),
        "country": country,
        "domain": _company_domain(_website(frame)),
        "mail_domain": _company_domain(_mapped(email, normalise.domains)),
        "person": _mapped(_full_name(frame), normalise.people),
        "company": _mapped(frame["company"], normalise.companies),
        "city": _spelled(frame["city"]),
        "address": _spelled(frame["address"]),
        "merged_into": _others(frame, "merged_into"),
        "merged_from": _others(frame, "merged_from"),
    }


def _contact(frame: pd.DataFrame) -> dict[str, Any]:
    country = _mapped(frame["country"], normalise.countries)
    return {
        "contact_id": _ids(frame, ids.contact_id),
        "external_id": frame["external_id"],
        "email": _mapped(frame["email"], normalise.emails),
        "phone": _phone(frame["phone"], country),
    }


def _account(frame: pd.DataFrame) -> dict[str, Any]:
    country = _mapped(frame["country"], normalise.countries)
    return {
        "account_id": _ids(frame, ids.account_id),
        "external_id": frame["external_id"],
        "name_key": _mapped(frame["name"], normalise.companies),
        "domain": _company_domain(_website(frame)),
        "country": country,
        "phone": _phone(frame["phone"], country),
        "city_key": _spelled(frame["city"]),
        "address_key": _spelled(frame["address"]),
    }


def _opportunity(frame: pd.DataFrame) -> dict[str, Any]:
    return {"opportunity_id": _ids(frame, ids.opportunity_id), "external_id": frame["external_id"]}


def _activity(frame: pd.DataFrame) -> dict[str, Any]:
    return {
        "activity_id": _ids(frame, ids.activity_id),
        "email": _mapped(frame["email"], normalise.emails),
    }


def _outcome(frame: pd.DataFrame) -> dict[str, Any]:
    return {"outcome_id": _ids(frame, ids.outcome_id)}


ARRIVALS: Final = (
    Arrival(
        "leads",
        "arrived_lead",
        ("email", "phone", "first_name", "last_name", "name", "company", "website", "domain", "country", "city",
         "address", "merged_into", "merged_from"),
        {
            "lead_id": "uuid", "external_id": "text", "email": "text", "desk": "boolean", "phone": "text",
            "country": "text", "domain": "text", "mail_domain": "text", "person": "text", "company": "text",
            "city": "text", "address": "text", "merged_into": "text", "merged_from": "text",
        },
        _lead,
    ),
    Arrival(
        "contacts",
        "arrived_contact",
        ("email", "phone", "country"),
        {"contact_id": "uuid", "external_id": "text", "email": "text", "phone": "text"},
        _contact,
    ),
    Arrival(
        "accounts",
        "arrived_account",
        ("name", "website", "domain", "country", "phone", "city", "address"),
        {
            "account_id": "uuid", "external_id": "text", "name_key": "text", "domain": "text", "country": "text",
            "phone": "text", "city_key": "text", "address_key": "text",
        },
        _account,
    ),
    Arrival(
        "opportunities",
        "arrived_opportunity",
        (),
        {"opportunity_id": "uuid", "external_id": "text"},
        _opportunity,
    ),
    Arrival("activities", "arrived_activity", ("email",), {"activity_id": "uuid", "email": "text"}, _activity),
    Arrival("outcomes", "arrived_outcome", (), {"outcome_id": "uuid"}, _outcome),
)  # fmt: skip


# --- columns --------------------------------------------------------------------------------------


def _ids(frame: pd.DataFrame, id_of: Callable[[str, str], UUID]) -> list[UUID]:
    return list(map(id_of, frame["source"], frame["external_id"]))


def _others(frame: pd.DataFrame, field: str) -> Texts:
    """The lead ids, as a JSON list, of the records of the same source that a field names: `7`, or `7;8:1700000000`."""
    named = frame[field].dropna()
    lists = [
        sorted({str(ids.lead_id(source, id)) for id in _SEPARATED.findall(text) if id != own})
        for source, own, text in zip(
            frame["source"][named.index], frame["external_id"][named.index], named, strict=True
        )
    ]
    told = pd.Series(
        [json.dumps(found) if found else None for found in lists], index=named.index, dtype=object
    )
    return told.reindex(frame.index).astype(object).where(lambda texts: texts.notna(), None)


_SEPARATED: Final = re.compile(r"(?:^|[;,\s])([^;,:\s]+)")


def _distinct(texts: Texts) -> list[str]:
    return list(texts.dropna().unique())


def _mapped(texts: Texts, normal: Callable[[list[str]], dict[str, str]]) -> Texts:
    return texts.map(normal(_distinct(texts))).astype(object)


def _spelled(texts: Texts) -> Texts:
    return _mapped(texts, lambda places: {text: form for text in places if (form := spelled(text))})


def _phone(texts: Texts, country: Texts) -> Texts:
    regions = country.where(country.notna(), None)
    numbers = pd.Series(list(zip(texts, regions, strict=True)), index=texts.index, dtype=object)
    known = normalise.phones(numbers[texts.notna()].unique())
    return numbers.map(known).astype(object)


def _full_name(frame: pd.DataFrame) -> Texts:
    parts = (frame["first_name"].fillna("") + " " + frame["last_name"].fillna("")).str.strip()
    return parts.where(parts != "", frame["name"])


def _website(frame: pd.DataFrame) -> Texts:
    domain = _mapped(frame["domain"], normalise.domains)
    return domain.where(domain.notna(), _mapped(frame["website"], normalise.domains))


def _company_domain(domains: Texts) -> Texts:
    """Without the domains that say nothing about a company."""
    shared = [name for name in _distinct(domains) if mail_domains.is_nobodys(name)]
    return domains.where(~domains.isin(shared), None)


def _is_desk(email: str) -> bool:
    return mail_domains.is_desk(email.rpartition("@")[0])
