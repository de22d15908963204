"""Airflow's connections, as it writes them into URIs, and plain addresses."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest

from clearlane.connectors import SourceFailed
from clearlane.connectors.address import Place, placed

from .conftest import source


def place(uri: str) -> Place:
    return placed(source("connection:crm"), {"crm": uri}.__getitem__)


@pytest.mark.parametrize(
    ("uri", "base"),
    [
        ("hubspot://api.hubapi.com", "https://api.hubapi.com"),
        ("http://api.hubapi.com", "https://api.hubapi.com"),  # the type of a connection is no protocol
        ("http://http://api.hubapi.com", "http://api.hubapi.com"),
        ("http://https://u:p@api.hubapi.com:8443/v3", "https://api.hubapi.com:8443/v3"),
        ("http://api.hubapi.com/https", "https://api.hubapi.com"),
        ("https://u:p@https%3A%2F%2FApi.example.com%2FRest/?a=b", "https://Api.example.com/Rest"),
        (
            "generic://https%3A%2F%2Fcrm.example.com%2Fapi:8443/v2%2Fx",
            "https://crm.example.com:8443/api/v2/x",
        ),
        ("generic://bottlecrm:8000", "http://bottlecrm:8000"),
        ("generic://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("generic://[::1]:8000/x", "http://[::1]:8000/x"),
        ("generic://10.1.2.3:8000", "https://10.1.2.3:8000"),
    ],
)
def test_where_a_connection_points(uri: str, base: str) -> None:
    assert place(uri).base == base


def test_what_a_connection_says_beside() -> None:
    extra = json.dumps({"client_id": "i", "nested": {"a": 1}, "none": None})
    found = place(f"x://us%40er:p%2Fw@h.example.com/?__extra__={quote(extra)}")
    assert (found.login, found.password) == ("us@er", "p/w")
    assert found.extras == {"client_id": "i", "nested": "{'a': 1}"}
    assert place("x://:token@h.example.com/?a=b%26c") == Place(
        "https://h.example.com", None, "token", {"a": "b&c"}
    )


def test_a_plain_address_is_taken_as_it_stands() -> None:
    found = placed(source("http://crm.example.com/v1"), {}.__getitem__)
    assert found.base == "http://crm.example.com/v1"


@pytest.mark.parametrize(
    "uri", ["", "x://", "x://:s3cret@", "x://u:s3cret@h:port/", "x://u:s3cret@h/?__extra__={oops"]
)
def test_an_address_that_is_none_is_said_without_its_secrets(uri: str) -> None:
    with pytest.raises(SourceFailed, match="address is not understood") as caught:
        place(uri)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_place_shows_no_secret() -> None:
    shown: Any = repr(place("x://u:s3cret@h.example.com/?key=s3cret"))
    assert "s3cret" not in shown
