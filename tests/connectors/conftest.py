"""A ledger's connection, sources in a temporary folder, batches of a window."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane.connectors.files import Files
from clearlane.ledger import Batch, open_batch
from clearlane.policy.model import ObjectMapping, Source

from .local_server import Asked, Clock, Local, Reply, serving

OPENED = datetime(2026, 1, 1, tzinfo=UTC)


def no_secret(name: str) -> str:
    raise LookupError(name)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def batch(connection: sa.Connection, run: str, start: str, end: str, mode: str = "live") -> Batch:
    return open_batch(
        connection,
        dag_id="lead_flow",
        run_id=run,
        run_type="scheduled",
        mode=mode,
        dry_run=False,
        window=(moment(start), moment(end)),
        as_of=moment(end),
        sources=("crm",),
        policy={},
        code_version="test",
    )


def source(address: Path | str, *mappings: ObjectMapping, **options: Any) -> Source:
    named = {f"{number} {mapping.object}": mapping for number, mapping in enumerate(mappings)}
    connector = options.pop("connector", "files")
    return Source(name="crm", connector=connector, address=str(address), objects=named, **options)


def mapping(read: str, object: str = "leads", **options: Any) -> ObjectMapping:
    return ObjectMapping(object=object, read=read, fields=options.pop("fields", {}), **options)


@pytest.fixture
def connection(ledger_engine: sa.Engine) -> Iterator[sa.Connection]:
    with ledger_engine.connect() as connection:
        yield connection


Read = Callable[..., tuple[list[tuple[Any, Any]], list[tuple[Any, str]]]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write bytes to a file, read it: [(line, payload)], [(line, what was found)]."""

    def read(content: bytes, name: str = "leads.csv", **options: Any) -> Any:
        (tmp_path / name).write_bytes(content)
        wanted = mapping(name, **options)
        chunks = list(Files(source(tmp_path, wanted), no_secret).read(wanted, None))  # type: ignore[arg-type]
        records = [(raw.line, raw.payload) for chunk in chunks for raw in chunk.records]
        return records, [(item.line, item.found) for chunk in chunks for item in chunk.broken]

    return read


Serve = Callable[[Callable[[Asked], Reply]], Local]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start web servers of this machine, each with the function that answers; they end with the test."""
    with ExitStack() as stack:
        yield lambda answer: stack.enter_context(serving(answer))


@pytest.fixture
def clock() -> Clock:
    return Clock()
