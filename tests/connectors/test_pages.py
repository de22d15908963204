"""Every way of paging gives every record once, whatever the sizes; what would lose records is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.connectors import SourceFailed
from clearlane.connectors.http import Answer, Http
from clearlane.connectors.pages import by_last, by_link, by_number, by_offset, by_token, chunks, listed
from clearlane.connectors.protocol import CHUNK
from clearlane.connectors.values import at

from .conftest import Serve
from .local_server import Asked, Reply

SIZES = st.tuples(st.integers(0, 25), st.integers(1, 7), st.integers(1, 7))
"""records there are, records asked for, records the source gives at most"""


def answer(body: Any, **headers: str) -> Answer:
    return Answer(200, headers, json.dumps(body).encode(), "source crm: GET /leads")


def flat(pages: Iterator[list[Any]]) -> list[Any]:
    return [record for page in pages for record in page]


@given(SIZES, st.booleans())
def test_by_offset(sizes: tuple[int, int, int], told: bool) -> None:
    count, limit, most = sizes

    def ask(sent: Any) -> Answer:
        start = sent["offset"]
        return answer(
            {"data": list(range(count))[start : start + min(limit, most)], "meta": {"total": str(count)}}
        )

    total = "meta.total" if told else None
    assert flat(by_offset(ask, "data", limit=limit, total=total)) == list(range(count))


@given(SIZES, st.booleans(), st.integers(0, 1))
def test_by_number(sizes: tuple[int, int, int], told: bool, first: int) -> None:
    count, limit, _ = sizes

    def ask(sent: Any) -> Answer:
        start = (sent["page"] - first) * sent["limit"]
        return answer({"data": list(range(count))[start : start + limit], "pages": -(-count // limit)})

    pages = by_number(ask, "data", limit=limit, first=first, pages="pages" if told else None)
    assert flat(pages) == list(range(count))


@given(SIZES)
def test_by_token(sizes: tuple[int, int, int]) -> None:
    count, limit, most = sizes

    def ask(sent: Any) -> Answer:
        start = int(sent.get("after", 0))
        end = start + min(sent["limit"], most)
        paging = {"next": {"after": str(end)}} if end < count else {}
        return answer({"results": list(range(count))[start:end], "paging": paging})

    pages = by_token(ask, "results", token="paging.next.after", name="after", limit=("limit", limit))
    assert flat(pages) == list(range(count))


@given(SIZES, st.booleans())
def test_by_last(sizes: tuple[int, int, int], inclusive: bool) -> None:
    count, limit, _ = sizes
    limit += inclusive  # a page of one record that answers "at or after" would never go on

    def ask(sent: Any) -> Answer:
        after = sent.get("after", -1)
        rest = [{"id": i} for i in range(count) if i > after or (inclusive and i == after)]
        return answer(rest[: sent["limit"]])

    found = flat(by_last(ask, "", key="id", name="after", limit=("limit", limit)))
    assert list(dict.fromkeys(one["id"] for one in found)) == list(range(count))
    assert inclusive or len(found) == count


@pytest.mark.parametrize("header", [True, False])
def test_by_link(serve: Serve, header: bool) -> None:
    def reply(asked: Asked) -> Reply:
        page = int(asked.query.get("page", 1))
        following = f"{local.address}/leads?page={page + 1}" if page < 3 else None
        link = {"Link": f'<{local.address}>; rel="first", <{following}>; rel="next"'} if following else {}
        return Reply({"data": [page], "next": following}, headers=link if header else {})

    local = serve(reply)
    http = Http("crm", local.address)
    pages = by_link(lambda link: http.ask("GET", link or "/leads"), "data", link=None if header else "next")
    assert flat(pages) == [1, 2, 3]


def test_an_empty_page_with_a_next_one_is_not_the_last() -> None:
    bodies = iter([{"d": [], "n": "a"}, {"d": [1], "n": None}])
    assert flat(by_token(lambda sent: answer(next(bodies)), "d", token="n", name="after")) == [1]


@pytest.mark.parametrize("body", [{"errors": ["no access"]}, {"data": None}, {"data": {"id": 1}}, [], "x"])
def test_an_answer_without_its_list_is_a_failure_not_an_empty_page(body: Any) -> None:
    with pytest.raises(SourceFailed, match="answered 200 without a list at data"):
        listed(answer(body), "data")


def test_pages_that_never_end_are_a_failure() -> None:
    same = answer({"d": [{"id": 7}], "n": "a"})
    with pytest.raises(SourceFailed, match="read before"):
        flat(by_token(lambda sent: same, "d", token="n", name="after"))
    with pytest.raises(SourceFailed, match="read before"):
        flat(by_link(lambda link: same, "d", link="n"))
    with pytest.raises(SourceFailed, match="read before"):
        flat(by_last(lambda sent: same, "d", key="id", name="after", limit=("limit", 1)))


def test_a_missing_key_or_total_is_a_failure() -> None:
    with pytest.raises(SourceFailed, match="no updated"):
        flat(by_last(lambda sent: answer([{"id": 7}]), "", key="updated", name="after", limit=("limit", 1)))
    with pytest.raises(SourceFailed, match=r"without a number at meta\.total"):
        flat(by_offset(lambda sent: answer({"d": [1]}), "d", limit=5, total="meta.total"))


def test_what_is_no_record_costs_only_itself() -> None:
    found = list(chunks([[{"id": 1}, "broken", {"id": 2}], [{"id": i} for i in range(CHUNK + 1)]]))
    assert [len(chunk.records) for chunk in found] == [2, CHUNK, 1]
    assert [(item.raw, item.found) for item in found[0].broken] == [('"broken"', "a JSON str")]


def test_paths() -> None:
    body = {"a": {"b": [{"c": 1}]}, "a.b": 2}
    assert [at(body, path) for path in ("a.b.0.c", "a.b.1.c", "a.x", "a.b.c", "", "x.y")] == [
        1,
        None,
        None,
        None,
        body,
        None,
    ]
