"""Any JSON interface, as sources.yaml describes it: paths, credentials, pages, changes since, and one write a record.

An object's `read` names one of `rest.reads`, the source's `push` one of `rest.writes`. A vendor's module may build on
it with a description of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urljoin
from zoneinfo import ZoneInfo

from clearlane.connectors import credentials, pages
from clearlane.connectors.address import Place, placed
from clearlane.connectors.http import Answer, Failed, Http, Pace, Refused
from clearlane.connectors.protocol import (
    UNREADABLE,
    Checked,
    Checks,
    Chunk,
    Interval,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.values import at
from clearlane.policy.model import ObjectMapping, RestAuth, RestRead, RestWrite, Source
from clearlane.policy.model import Rest as Description
from clearlane.policy.rest import PLACEHOLDER, texts

_ABSENT: Final = object()
_ASCII: Final = "".join(map(chr, range(32, 127)))
_EPOCH: Final = {"epoch_seconds": 1, "epoch_milliseconds": 1000}


class Rest:
    """The lists and records of one source; credentials come from its connection."""

    def __init__(
        self, source: Source, secrets: Secrets, description: Description | None = None, **client: Any
    ) -> None:
        """`client` goes to Http: patience, pace, seed, wait, clock. SourceFailed where credentials are missing."""
        found = description or source.rest
        if found is None:
            raise SourceFailed(f"source {source.name}: sources.yaml has no `rest` section")
        self._source, self._described = source, found
        place = placed(source, secrets)
        self._auth = auth_of(source, place, found.auth)
        self._http = Http(
            source.name, place.base, self._auth,
            **{"headers": found.headers, "pace": paces(source), **client},
        )  # fmt: skip

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """The records of a list that changed in the interval, as far as its `params` and `body` narrow it."""
        read = self._described.reads[object.read]
        return pages.chunks(self._pages(read, _moments(read, interval)))

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """One request a record; after one that nobody answers, or that says to wait, the others are left for later."""
        receipts: list[Receipt] = []
        stopped: Failed | None = None
        for write in writes:
            failed = stopped or self._failure(write)
            receipts.append(receipt(write, failed))
            stopped = failed if failed and concerns_all(failed) else None
        return receipts

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """external_id -> what its record holds now of the fields that are written; one request a record."""
        write = self._written()
        if write.read_back is None:
            return {one.external_id: dict.fromkeys(self._names(one), UNREADABLE) for one in writes}
        found = {one.external_id: self._record(write, one) for one in writes}
        return {
            one.external_id: {ours: at(record, theirs) for ours, theirs in self._names(one).items()}
            for one in writes
            if (record := found[one.external_id]) is not None
        }

    def check(self) -> Checks:
        """Whether the credentials are accepted, what the answer says of limits, and what a write would be."""
        if self._described.check is None:
            nothing = "sources.yaml names no `check` under `rest`: a path that answers whoever may ask"
            return (Checked("login", None, nothing), *self._check_write())
        try:
            answer = self._http.ask("GET", self._described.check)
        except SourceFailed as failed:
            return (Checked("login", False, str(failed)),)
        accepted = Checked("login", True, f"accepted (GET {self._described.check})")
        scope = answer.headers.get("X-OAuth-Scopes") or self._granted()
        scopes = (Checked("scopes", None, f"granted: {scope}"),) if scope else ()
        return (accepted, *scopes, Checked("limits", None, self._limits(answer)), *self._check_write())

    def _limits(self, answer: Answer) -> str:
        return answer.limits() or "the answer says nothing of limits"

    def _granted(self) -> str | None:
        """The scope that came with the token (RFC 6749, 5.1)."""
        said = self._auth.said if isinstance(self._auth, credentials.OAuth) else {}
        return str(said["scope"]) if said.get("scope") else None

    def _check_write(self) -> Checks:
        if self._source.push is None:
            return ()
        write = self._written()
        back = (
            f"read back from {write.read_back}"
            if write.read_back
            else "not read back: no `read_back` is named"
        )
        return (Checked("write", None, f"{write.method} {write.path} for each lead, {back}; not tried"),)

    def _pages(self, read: RestRead, moments: Mapping[str, Any]) -> Iterator[pages.Page]:
        paged = read.pages
        ask = partial(self._asked, read, moments)
        limit = (paged.limit_name, paged.limit) if paged.limit else None
        if paged.by == "offset":
            names = (paged.name, paged.limit_name)
            return pages.by_offset(ask, read.records, limit=paged.limit or 1, names=names, total=paged.at)
        if paged.by == "number":
            names = (paged.name, paged.limit_name)
            return pages.by_number(
                ask, read.records, limit=paged.limit, names=names, first=paged.first, pages=paged.at
            )
        if paged.by == "token":
            return pages.by_token(ask, read.records, token=paged.at or "", name=paged.name, limit=limit)
        if paged.by == "last":
            size = limit or (paged.limit_name, 1)
            return pages.by_last(ask, read.records, key=paged.key, name=paged.name, limit=size)
        if paged.by == "link":
            return pages.by_link(partial(self._followed, read, ask, limit), read.records, link=paged.at)
        return iter([pages.listed(ask({}), read.records)])

    def _asked(self, read: RestRead, moments: Mapping[str, Any], sent: Mapping[str, Any]) -> Answer:
        """One page; what pages ask for goes where the rest of the request is: its parameters, or its body."""
        params, body = filled(read.params, moments), filled(read.body, moments)
        if read.method == "POST":
            return self._http.ask(
                "POST", read.path, params=params, json={**(body or {}), **sent}, idempotent=True
            )
        return self._http.ask("GET", read.path, params={**params, **sent})

    def _followed(
        self, read: RestRead, ask: pages.Ask, limit: tuple[str, int] | None, link: str | None
    ) -> Answer:
        if link is None:
            return ask(dict([limit]) if limit else {})
        return self._http.ask(read.method, urljoin(self._http.address(read.path), link))

    def _written(self) -> RestWrite:
        if self._source.push is None:
            raise SourceFailed(f"source {self._source.name}: sources.yaml names no `push`")
        return self._described.writes[self._source.push]

    def _failure(self, write: Write) -> Failed | None:
        described = self._written()
        values = self._values(write)
        try:
            answer = self._http.ask(
                described.method, _path(described.path, values), headers=filled(described.headers, _printable(values)),
                json=filled(described.body, values), idempotent=_is_repeatable(described),
            )  # fmt: skip
        except Failed as failed:
            return failed
        return (
            Failed(f"{answer.asked} answered {answer.status} with a web page") if answer.is_page() else None
        )

    def _record(self, described: RestWrite, write: Write) -> Any:
        """The record of a write as it is now, None where it is not there any more."""
        path = _path(described.read_back or "", self._values(write))
        answer = self._http.ask("GET", path, accept=(404, 410))
        return None if answer.status in (404, 410) else at(answer.json(), described.record)

    def _names(self, write: Write) -> Mapping[str, str]:
        """What of a write is sent -> what the source calls it."""
        return self._source.push_fields or {name: name for name in write.fields}

    def _values(self, write: Write) -> dict[str, Any]:
        fields = {
            theirs: write.fields[ours] for ours, theirs in self._names(write).items() if ours in write.fields
        }
        return {
            **write.fields, "fields": fields, "external_id": write.external_id, "object": write.object,
            "idempotency_key": write.idempotency_key,
        }  # fmt: skip


# --- what to ask ----------------------------------------------------------------------------------


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its placeholders' values; members whose placeholder has none are left out.

    A text that is one placeholder becomes the value itself, whatever its type.
    """
    made = _filled(template, values)
    return None if made is _ABSENT else made


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, Mapping):
        made = {name: _filled(inner, values) for name, inner in template.items()}
        return {name: value for name, value in made.items() if value is not _ABSENT}
    if isinstance(template, list):
        return [value for inner in template if (value := _filled(inner, values)) is not _ABSENT]
    names = PLACEHOLDER.findall(template) if isinstance(template, str) else []
    if any(name not in values for name in names):
        return _ABSENT
    if names and template == f"{{{names[0]}}}":
        return values[names[0]]
    return PLACEHOLDER.sub(lambda found: _text(values[found[1]]), template) if names else template


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _path(template: str, values: Mapping[str, Any]) -> str:
    return str(filled(template, {name: quote(str(value), safe="") for name, value in values.items()}))


def _printable(values: Mapping[str, Any]) -> dict[str, str]:
    """As headers may hold it: an id is of any letters, a header of ASCII."""
    return {name: quote(str(value), safe=_ASCII) for name, value in values.items()}


def _moments(read: RestRead, interval: Interval) -> dict[str, Any]:
    bounds = {"start": interval.start, "end": interval.end}
    return {name: _written_moment(read, moment) for name, moment in bounds.items() if moment is not None}


def _written_moment(read: RestRead, moment: datetime) -> str | int:
    """Whole seconds, rounded down: what lies before the start is sifted, the end is read again by the next run."""
    if read.moments in _EPOCH:
        return int(moment.timestamp()) * _EPOCH[read.moments]
    local = moment.astimezone(ZoneInfo(read.zone)).replace(microsecond=0)
    if read.moments == "iso":
        return local.isoformat().replace("+00:00", "Z")
    return local.strftime(read.moments)


def _is_repeatable(write: RestWrite) -> bool:
    """Whether the same request twice has the effect of one: it sets values, or it carries its idempotency key."""
    carried = texts([write.headers, write.body])
    return write.method != "POST" or any("{idempotency_key}" in text for text in carried)


def receipt(write: Write, failed: Failed | None) -> Receipt:
    """What became of a write: 4xx refuse it for good but for 401, 402, 403 and 429, which wait as all else does."""
    if failed is None:
        return Receipt(write.idempotency_key, "sent")
    later = not isinstance(failed, Refused) or failed.status >= 500 or failed.status in (401, 402, 403, 429)
    return Receipt(write.idempotency_key, "retry" if later else "refused", str(failed), failed.retry_after)


def concerns_all(failed: Failed) -> bool:
    """Whether the next record would fare no better."""
    return not isinstance(failed, Refused) or failed.status in (401, 402, 429, 502, 503, 504)


# --- who asks -------------------------------------------------------------------------------------


def paces(source: Source) -> tuple[Pace, ...]:
    """The rate of `limits`, kept by this process in reading too."""
    rate = source.limits.rate
    return (Pace(rate.requests, rate.seconds),) if rate else ()


def auth_of(source: Source, place: Place, auth: RestAuth) -> credentials.Auth:
    """How the system is told who asks, with what its connection says; SourceFailed where that is missing."""
    make: Mapping[str, Callable[[], credentials.Auth]] = {
        "none": credentials.Open,
        "bearer": lambda: credentials.Bearer(_needed(source, auth, place.password, "password")),
        "basic": lambda: credentials.Basic(_needed(source, auth, place.login, "login"), place.password or ""),
        "header": lambda: credentials.Header(
            auth.name, auth.prefix + _needed(source, auth, place.password, "password")
        ),
        "query": lambda: credentials.Query(auth.name, _needed(source, auth, place.password, "password")),
        "oauth2": lambda: _oauth(source, place, auth),
    }
    return make[auth.by]()


def _oauth(source: Source, place: Place, auth: RestAuth) -> credentials.OAuth:
    inside = auth.token_address.startswith("/")
    return credentials.OAuth(
        place.base + auth.token_address if inside else auth.token_address,
        _needed(source, auth, place.login, "login (the client id)"),
        _needed(source, auth, place.password, "password (the client secret)"),
        refresh_token=place.extras.get("refresh_token"),
        scope=auth.scope,
        basic=auth.basic,
    )


def _needed(source: Source, auth: RestAuth, found: str | None, what: str) -> str:
    if not found:
        raise SourceFailed(f"source {source.name}: its connection has no {what}, which {auth.by} needs")
    return found
