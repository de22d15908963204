"""The examples of docs/connectors.md: good policy, and all that they name is there to be read and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from clearlane import policy
from clearlane.connectors import connected, pull
from clearlane.connectors.freshsales import Freshsales
from clearlane.connectors.preset import Preset
from clearlane.policy.model import Source

from . import activecampaign_server, freshsales_server, insightly_server
from .conftest import Serve, batch

PAGE = Path(__file__).resolve().parents[2] / "docs" / "connectors.md"
HEAD = "schema: 1\nowner: data-engineering\napprover: revops\nsources:\n"


def example(name: str) -> Source:
    text = PAGE.read_text(encoding="utf-8")
    [block] = re.findall(rf"```yaml\n(  {name}:\n.*?)```", text, flags=re.DOTALL)
    return policy.parse({"sources": HEAD + block}).sources.sources[name]


def named(source: Source) -> Iterator[str]:
    for mapping in source.objects.values():
        yield mapping.read
        yield from (lookup.read for lookup in mapping.lookups.values())


@pytest.mark.parametrize("name", ["activecampaign", "freshsales", "insightly"])
def test_an_example_names_lists_that_there_are(name: str) -> None:
    source = example(name)
    made = connected(source, lambda _: "x://login:key@vendor.example")
    assert isinstance(made, Preset)
    lists = {
        *made.described.reads,
        *({"contacts", "accounts", "deals"} if isinstance(made, Freshsales) else ()),
    }
    assert set(named(source)) <= lists
    assert source.push == "clearlane"


def activecampaign() -> Any:
    account = activecampaign_server.Account()
    account.add(7, "zoe@customer.example")
    account.deal("d1", 7, "4")
    return account


def freshsales() -> Any:
    crm = freshsales_server.Crm()
    crm.add(7, email="zoe@customer.example", owner_id=4)
    return crm


def insightly() -> Any:
    instance = insightly_server.Instance()
    instance.add(7, EMAIL="zoe@customer.example", RESPONSIBLE_USER_ID=4)
    return instance


@pytest.mark.parametrize(
    ("fake", "login", "path", "changed"),
    [
        (activecampaign, f":{activecampaign_server.KEY}", "", "2026-03-02T14:00:00+00:00"),
        (freshsales, f":{freshsales_server.KEY}", "/crm/sales", "2026-03-02T12:00:00+00:00"),
        (insightly, insightly_server.KEY, "", "2026-03-02T12:00:00+00:00"),
    ],
)
def test_leads_and_reps_of_an_example_land_once_however_often_they_are_read(
    serve: Serve, ledger_engine: sa.Engine, fake: Callable[[], Any], login: str, path: str, changed: str
) -> None:
    said = example(fake.__name__)
    source = replace(said, name="crm", objects={name: said.objects[name] for name in ("leads", "reps")})
    address = serve(fake()).address.replace("//", f"//{login}@") + path
    with ledger_engine.connect() as connection:
        first = pull(
            connection, source, batch(connection, "r1", "2026-03-01", "2026-03-03"), lambda _: address
        )
        again = pull(
            connection, source, batch(connection, "r2", "2026-03-01", "2026-03-03"), lambda _: address
        )
        [lead] = connection.scalars(sa.text("select record from inbox where object = 'leads'")).all()
    assert (first.new, again.new) == (again.duplicate, 0)
    assert (lead["id"], lead["email"], lead["first_name"]) == ("7", "zoe@customer.example", "Zoë")
    assert (lead["owner"], lead["updated_at"]) == ("4", changed)


def test_the_example_of_posts_by_xml_is_good_policy() -> None:
    source = example("vanillasoft")
    connected(source, lambda _: "x://new.vanillasoft.net/?id=1&received=/posted")
    assert set(source.push_fields) == {"owner", "score", "band", "because"}
