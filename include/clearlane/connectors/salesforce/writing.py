"""Updates of one object: on condition 25 records at once, collections of 200, and a job of Bulk API 2.0 for many.

Each record succeeds or fails by itself (`allOrNone` false). A record that another process holds is tried again. Only
single updates know a condition, If-Unmodified-Since (REST API Developer Guide, Conditional Request Headers), so these
go as parts of a composite request; its moments are whole seconds.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from itertools import islice
from typing import Any, Final

from clearlane.connectors.http import Answer
from clearlane.connectors.protocol import Receipt, SourceFailed, Write
from clearlane.connectors.salesforce.session import NOT_ASSIGNED, Wire, explained, named_fields
from clearlane.connectors.salesforce.soql import Record, short

COLLECTION: Final = 200
"""records of one request (REST API Developer Guide, Update Records Using sObject Collections)"""
CONDITIONAL: Final = 25
"""parts of one composite request (REST API Developer Guide, Composite)"""
BULK_ABOVE: Final = 2_000
"""records above which a job is quicker than collections (Bulk API 2.0 Developer Guide, Introduction)"""
PATIENCE: Final = 600.0
"""seconds that a job may take; one that is not done then is aborted, and all its writes wait: again they have the
same effect"""
LOCKED: Final = "UNABLE_TO_LOCK_ROW"
LOCK_WAITS: Final = (1.0, 4.0)
"""seconds before a record that was locked is tried again"""
_PASSING: Final = frozenset(
    {LOCKED, "REQUEST_LIMIT_EXCEEDED", "LIMIT_EXCEEDED", "SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION", "QUERY_TIMEOUT"}
)  # fmt: skip
_ENDED: Final = ("JobComplete", "Failed", "Aborted")
_BULK_ERROR: Final = re.compile(
    r"(?P<code>[A-Z_]{2,80}):(?P<message>.*?)(?::(?P<fields>[\w., ]*?))?\s*--\s*", re.S
)
_NULL: Final = "#N/A"  # in CSV an empty value changes nothing


@dataclass(frozen=True)
class Row:
    """One write, and what is set: the object's fields with their values."""

    write: Write
    values: Record
    unchanged: datetime | None = None
    """since when nothing may have changed the record, else nothing is written"""


@dataclass(frozen=True)
class _Error:
    code: str
    fields: Sequence[str] = ()

    def receipt(self, row: Row) -> Receipt:
        again = self.code in _PASSING
        return Receipt(
            row.write.idempotency_key, "retry" if again else "refused", explained(self.code, self.fields)
        )


Outcome = Receipt | _Error


class Updates:
    """The updates of one object. `data` is the path of the API's version: `/services/data/v63.0`."""

    def __init__(self, wire: Wire, data: str, sobject: str, wait: Callable[[float], None]) -> None:
        self._wire, self._data, self._sobject, self._wait = wire, data, sobject, wait

    def done(self, rows: Sequence[Row]) -> dict[str, Receipt]:
        """Idempotency key -> what became of it. Of writes of one record the later one is sent later."""
        receipts: dict[str, Receipt] = {}
        for once in rounds(rows):
            receipts |= self._round(once)
        return receipts

    def _round(self, rows: Sequence[Row]) -> dict[str, Receipt]:
        outcomes = self._tried(rows)
        for pause in LOCK_WAITS:
            held = [row for row in rows if _is_held(outcomes[row.write.idempotency_key])]
            if not held:
                break
            self._wait(pause)
            outcomes |= self._tried(held)
        return {row.write.idempotency_key: _receipt(row, outcomes[row.write.idempotency_key]) for row in rows}

    def _tried(self, rows: Sequence[Row]) -> dict[str, Outcome]:
        """After a failure of the whole the rest waits."""
        outcomes: dict[str, Outcome] = {}
        for request in self._requests(rows):
            try:
                outcomes |= request()
            except SourceFailed as failed:
                left = (row for row in rows if row.write.idempotency_key not in outcomes)
                return outcomes | {row.write.idempotency_key: _waiting(row, failed) for row in left}
        return outcomes

    def _requests(self, rows: Sequence[Row]) -> Iterator[Callable[[], dict[str, Outcome]]]:
        if len(rows) > BULK_ABOVE:
            yield partial(self._by_job, rows)
            return
        for part in _parts([row for row in rows if row.unchanged], CONDITIONAL):
            yield partial(self._composite, part)
        for part in _parts([row for row in rows if not row.unchanged], COLLECTION):
            yield partial(self._collection, part)

    # --- on condition -----------------------------------------------------------------------------

    def _composite(self, rows: Sequence[Row]) -> dict[str, Outcome]:
        """Parts inherit no header of ours but the login. Not sent again: what it has written it would find changed."""
        parts = [
            {
                "method": "PATCH", "url": f"{self._data}/sobjects/{self._sobject}/{row.write.external_id}",
                "referenceId": f"row{number}", "body": row.values,
                "httpHeaders": {**NOT_ASSIGNED, "If-Unmodified-Since": _http_date(row.unchanged)},
            }
            for number, row in enumerate(rows)
        ]  # fmt: skip
        sent = {"allOrNone": False, "compositeRequest": parts}
        answer = self._wire.ask("POST", f"{self._data}/composite", json=sent)
        said = answer.json()
        results = said.get("compositeResponse") if isinstance(said, dict) else None
        if not isinstance(results, list) or len(results) != len(rows):
            raise SourceFailed(f"{answer.asked} answered {answer.status} without a result for each record")
        return {
            row.write.idempotency_key: _answered(row, one) for row, one in zip(rows, results, strict=True)
        }

    # --- collections ------------------------------------------------------------------------------

    def _collection(self, rows: Sequence[Row]) -> dict[str, Outcome]:
        records = [
            {"attributes": {"type": self._sobject}, "id": row.write.external_id, **row.values} for row in rows
        ]
        sent = {"allOrNone": False, "records": records}
        answer = self._wire.ask("PATCH", f"{self._data}/composite/sobjects", json=sent)
        said = answer.json()
        if not isinstance(said, list) or len(said) != len(rows):
            raise SourceFailed(f"{answer.asked} answered {answer.status} without a result for each record")
        return {row.write.idempotency_key: _saved(row, one) for row, one in zip(rows, said, strict=True)}

    # --- jobs -------------------------------------------------------------------------------------

    def _by_job(self, rows: Sequence[Row]) -> dict[str, Outcome]:
        job = self._opened()
        try:
            self._filled(job, rows)
            state = self._ended(job)
        except SourceFailed:
            self._abort(job)
            raise
        failed, done = self._results(job) if state == "JobComplete" else ({}, set())
        return {row.write.idempotency_key: _ingested(row, state, done, failed) for row in rows}

    def _results(self, job: str) -> tuple[dict[str, dict[str, str]], set[str]]:
        """The lines that failed by their record, and the records that were updated."""
        failed = {short(line["sf__Id"] or line["Id"]): line for line in self._lines(job, "failedResults")}
        return failed, {short(line["sf__Id"]) for line in self._lines(job, "successfulResults")}

    def _opened(self) -> str:
        described = {"object": self._sobject, "operation": "update", "contentType": "CSV", "lineEnding": "LF"}
        return _member(self._wire.ask("POST", f"{self._data}/jobs/ingest", json=described), "id")

    def _filled(self, job: str, rows: Sequence[Row]) -> None:
        headers = {"Content-Type": "text/csv"}
        self._wire.ask("PUT", f"{self._job(job)}/batches", data=as_csv(rows), headers=headers)
        self._wire.ask("PATCH", self._job(job), json={"state": "UploadComplete"})

    def _ended(self, job: str) -> str:
        pause, waited = 1.0, 0.0
        while (state := _member(self._wire.ask("GET", self._job(job)), "state")) not in _ENDED:
            if waited >= PATIENCE:
                self._abort(job)
                return "Aborted"
            self._wait(pause)
            waited, pause = waited + pause, min(pause * 2, 20.0)
        return state

    def _abort(self, job: str) -> None:
        """So that nobody finishes it later; a job that has ended cannot be aborted, nor need it be."""
        with suppress(SourceFailed):
            self._wire.ask("PATCH", self._job(job), json={"state": "Aborted"})

    def _lines(self, job: str, results: str) -> Iterator[dict[str, str]]:
        answer = self._wire.ask("GET", f"{self._job(job)}/{results}", headers={"Accept": "text/csv"})
        lines = csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig")))
        if "sf__Id" not in (lines.fieldnames or ()):
            raise SourceFailed(f"{answer.asked} answered {answer.status} without a column sf__Id")
        yield from lines

    def _job(self, job: str) -> str:
        return f"{self._data}/jobs/ingest/{job}"


def rounds(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """The rows in order, no record twice in one round: a request that names one twice is refused."""
    once: dict[str, Row] = {}
    for row in rows:
        if short(row.write.external_id) in once:
            yield list(once.values())
            once = {}
        once[short(row.write.external_id)] = row
    if once:
        yield list(once.values())


def _parts(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    rest = iter(rows)
    while part := list(islice(rest, size)):
        yield part


def as_csv(rows: Sequence[Row]) -> bytes:
    """All rows under the fields of any: where a row does not set one, its value is empty."""
    text = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row.values))
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["Id", *names])
    for row in rows:
        lines.writerow([row.write.external_id, *(_cell(row.values, name) for name in names)])
    return text.getvalue().encode()


def _cell(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return ""
    value = values[name]
    return (
        _NULL
        if value is None or value == ""
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


# --- what became of it ----------------------------------------------------------------------------


def _http_date(moment: datetime | None) -> str:
    """To the second, rounded up: what has a part of a second is not later than itself."""
    assert moment is not None  # of a row on condition
    whole = moment.replace(microsecond=0) + timedelta(seconds=bool(moment.microsecond))
    return format_datetime(whole.astimezone(UTC), usegmt=True)


def _answered(row: Row, result: Any) -> Outcome:
    """One part of a composite request: done, changed meanwhile (412), or its errors."""
    status = result.get("httpStatusCode") if isinstance(result, dict) else None
    if status in (200, 204):
        return Receipt(row.write.idempotency_key, "sent")
    if status == 412:
        return Receipt(row.write.idempotency_key, "changed", "the record was changed meanwhile")
    errors = result.get("body") if isinstance(result, dict) else None
    return _worst([_error(one) for one in errors or () if isinstance(one, dict)])


def _saved(row: Row, result: Any) -> Outcome:
    """One SaveResult: `success`, or its first error that will not pass by itself."""
    if isinstance(result, dict) and result.get("success") is True:
        return Receipt(row.write.idempotency_key, "sent")
    errors = result.get("errors") if isinstance(result, dict) else None
    found = [_error(one) for one in errors or () if isinstance(one, dict)]
    return _worst(found)


def _error(said: Mapping[str, Any]) -> _Error:
    code = str(said.get("statusCode") or said.get("errorCode") or "")
    if LOCKED in str(said.get("message") or ""):  # of a trigger, which says it in its own words
        return _Error(LOCKED)
    return _Error(code if re.fullmatch("[A-Z_]{2,80}", code) else "UNKNOWN_EXCEPTION", named_fields(said))


def _worst(found: Sequence[_Error]) -> _Error:
    lasting = (error for error in found if error.code not in _PASSING)
    return next(lasting, found[0] if found else _Error("UNKNOWN_EXCEPTION"))


def _ingested(row: Row, state: str, done: set[str], failed: Mapping[str, Mapping[str, str]]) -> Outcome:
    id = short(row.write.external_id)
    if id in failed:
        said = _of_line(failed[id].get("sf__Error") or "", row)
        return _error(said)
    if id in done:
        return Receipt(row.write.idempotency_key, "sent")
    return Receipt(row.write.idempotency_key, "retry", f"not reached by its bulk job ({state})")


def _of_line(text: str, row: Row) -> Mapping[str, Any]:
    """`CODE:message:fields --` as REST says it; only fields that were written, for a message names people."""
    match = _BULK_ERROR.fullmatch(text)
    if match is None:
        return {}
    fields = {field.strip() for field in (match["fields"] or "").split(",")} & set(row.values)
    return {"statusCode": match["code"], "message": match["message"], "fields": sorted(fields)}


def _is_held(outcome: Outcome) -> bool:
    return isinstance(outcome, _Error) and outcome.code == LOCKED


def _receipt(row: Row, outcome: Outcome) -> Receipt:
    return outcome.receipt(row) if isinstance(outcome, _Error) else outcome


def _waiting(row: Row, failed: SourceFailed) -> Receipt:
    return Receipt(row.write.idempotency_key, "retry", str(failed), failed.retry_after)


def _member(answer: Answer, name: str) -> str:
    said = answer.json()
    value = said.get(name) if isinstance(said, dict) else None
    if not isinstance(value, str) or not value:
        raise SourceFailed(f"{answer.asked} answered {answer.status} without `{name}`")
    return value
