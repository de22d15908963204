"""From one page to the next, in the ways that JSON interfaces know: offset, number, link, token, last record.

Each generator yields the records of one page. A place without records to be found at is a failure, never an empty
page, and so is a next page that was there before: what was not read must not look like nothing new. Prefer tokens
and last records: what is added or removed while one reads moves the others' pages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from requests.utils import parse_header_links

from clearlane.connectors.http import Answer
from clearlane.connectors.protocol import CHUNK, Broken, Chunk, Raw, SourceFailed
from clearlane.connectors.values import at as at  # what pages and records are made of

Ask = Callable[[Mapping[str, Any]], Answer]
"""what a page asks for beside the rest (parameters or members of a body) -> its answer"""

Page = list[Any]


def by_offset(
    ask: Ask,
    records: str,
    *,
    limit: int,
    names: tuple[str, str] = ("offset", "limit"),
    total: str | None = None,
) -> Iterator[Page]:
    """Goes on by as many as came (a source may give fewer than `limit`), until none come or `total` is reached."""
    offset = 0
    while True:
        answer = ask({names[0]: offset, names[1]: limit})
        page = listed(answer, records)
        if page:
            yield page
        offset += len(page)
        if not page or (total and offset >= _number(answer, total)):
            return


def by_number(
    ask: Ask,
    records: str,
    *,
    limit: int | None = None,
    names: tuple[str, str] = ("page", "limit"),
    first: int = 1,
    pages: str | None = None,
) -> Iterator[Page]:
    """Pages `first`, `first` + 1 …, until one is empty or as many as the answer says at `pages` were read."""
    number = first
    while True:
        answer = ask({names[0]: number, **({names[1]: limit} if limit else {})})
        page = listed(answer, records)
        if page:
            yield page
        number += 1
        if not page or (pages and number - first >= _number(answer, pages)):
            return


def by_token(
    ask: Ask, records: str, *, token: str, name: str, limit: tuple[str, int] | None = None
) -> Iterator[Page]:
    """The answer says at `token` what the next page is asked for with; without one there is no next page."""
    sent: dict[str, Any] = dict([limit]) if limit else {}
    seen: set[str] = set()
    while True:
        answer = ask(sent)
        yield from _some(listed(answer, records))
        following = at(answer.json(), token)
        if following in (None, "", False):
            return
        _once(seen, following, answer)
        sent = {**sent, name: following}


def by_link(ask: Callable[[str | None], Answer], records: str, *, link: str | None = None) -> Iterator[Page]:
    """The answer names the whole address (or the path) of the next page: at `link`, or in its Link header.

    `ask` gets that address, None for the first page.
    """
    following: str | None = None
    seen: set[str] = set()
    while True:
        answer = ask(following)
        yield from _some(listed(answer, records))
        found = at(answer.json(), link) if link else _linked(answer)
        if not found:
            return
        following = str(found)
        _once(seen, following, answer)


def by_last(
    ask: Ask, records: str, *, key: str, name: str, limit: tuple[str, int], first: Any = None
) -> Iterator[Page]:
    """Asks for what comes after the last record's `key` (an id, a moment), until nothing new comes.

    A source that answers what is at or after the key gives records twice, which the inbox counts as duplicates; one
    that has a whole page of the same key cannot be read so.
    """
    after, seen = first, set[str]()
    while True:
        answer = ask({limit[0]: limit[1], **({name: after} if after is not None else {})})
        page = listed(answer, records)
        yield from _some(page)
        before, after = after, at(page[-1], key) if page else None
        if not page or (after == before and len(page) < limit[1]):
            return
        if after is None:
            raise SourceFailed(f"{answer.asked}: a record has no {key}, by which the next page is asked for")
        _once(seen, after, answer)


def listed(answer: Answer, path: str) -> Page:
    """The list at a path of the answer's JSON (`data.items`; empty: the answer itself), perhaps with no member."""
    found = at(answer.json(), path)
    if isinstance(found, list):
        return found
    where = f"at {path}" if path else "as a whole"
    raise SourceFailed(
        f"{answer.asked} answered {answer.status} without a list {where}: found {_kind(found)}"
    )


def chunks(pages: Iterable[Page]) -> Iterator[Chunk]:
    """Pages as chunks for the inbox; what is no record is named and costs only itself."""
    for page in pages:
        for start in range(0, len(page), CHUNK):
            part = page[start : start + CHUNK]
            yield Chunk(
                [Raw(one) for one in part if isinstance(one, dict)],
                [_broken(one) for one in part if not isinstance(one, dict)],
            )


def _broken(one: Any) -> Broken:
    return Broken(json.dumps(one), None, f"a JSON {type(one).__name__}", "a JSON object for each record")


def _some(page: Page) -> Iterator[Page]:
    """The page where it has records; an empty one need not be the last."""
    if page:
        yield page


def _once(seen: set[str], following: Any, answer: Answer) -> None:
    if str(following) in seen:
        raise SourceFailed(f"{answer.asked} names a next page that was read before: it would never end")
    seen.add(str(following))


def _linked(answer: Answer) -> str | None:
    """The address of `rel="next"` in the Link header (RFC 8288)."""
    links = parse_header_links(answer.headers.get("Link", ""))
    return next((link["url"] for link in links if link.get("rel") == "next"), None)


def _number(answer: Answer, path: str) -> int:
    found = at(answer.json(), path)
    if isinstance(found, bool) or not isinstance(found, int | float | str) or not str(found).isdigit():
        raise SourceFailed(f"{answer.asked} answered {answer.status} without a number at {path}")
    return int(found)


def _kind(found: Any) -> str:
    return "nothing" if found is None else f"a JSON {type(found).__name__}"
