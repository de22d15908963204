"""Airflow's own connections, as the connectors read the addresses that it makes of them."""

from __future__ import annotations

from pathlib import Path

from tests.connectors.test_address import place

from clearlane.connectors.address import Place


def test_a_connection_is_read_as_airflow_writes_it(airflow_home: Path) -> None:
    from airflow.sdk import Connection

    made = {
        "conn_id": "crm", "conn_type": "http", "host": "https://crm.example.com/api", "login": "ann@x.com",
        "password": "p:w/ü", "port": 8443, "schema": None, "extra": '{"scope": "a b"}',
    }  # fmt: skip
    expected = Place("https://crm.example.com:8443/api", "ann@x.com", "p:w/ü", {"scope": "a b"})
    assert place(Connection(**made).get_uri()) == expected
    assert (
        place(Connection(**made | {"conn_type": "https"}).get_uri()).base
        == "https://crm.example.com:8443/api"
    )
