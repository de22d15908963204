"""What Salesforce is asked, in the forms of simple-salesforce: queries page by page, descriptions, limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from clearlane.connectors.pages import Page
from clearlane.connectors.protocol import SourceFailed
from clearlane.connectors.salesforce.session import HELD_BACK, Denied, Wire
from clearlane.connectors.salesforce.soql import Record, flat, select

if TYPE_CHECKING:
    from simple_salesforce.api import Salesforce as Api

IN_A_QUERY: Final = 200
"""ids of one condition: the address of a query may have 16,384 bytes"""
_HIDDEN: Final = frozenset({"INVALID_TYPE", "INVALID_FIELD", "INSUFFICIENT_ACCESS"})


class Asking:
    """One organisation as one user sees it."""

    def __init__(self, source: str, wire: Wire, base: str, version: str) -> None:
        self._source, self._wire, self._base, self._version = source, wire, base, version
        self._fields: dict[str, Mapping[str, Record]] = {}

    @cached_property
    def _api(self) -> Api:
        from simple_salesforce.api import (
            Salesforce as Api,
        )  # it brings XML and cryptography: only where needed

        return Api(session_id=HELD_BACK, instance_url=self._base, session=self._wire, version=self._version)

    def pages(self, soql: str, *, deleted: bool = False) -> Iterator[Page]:
        """The pages of a query (2,000 records at most), flat; with those in the recycle bin where `deleted`."""
        said = self._api.query(soql, include_deleted=deleted)
        seen: set[str] = set()
        while True:
            records = said.get("records") if isinstance(said, dict) else None
            if not isinstance(records, list):
                raise self._failed("a query was answered without `records`")
            yield [flat(record) if isinstance(record, dict) else record for record in records]
            if said.get("done") is True:
                return
            following = str(said.get("nextRecordsUrl") or "")
            if not following or following in seen:
                raise self._failed("a query has no end and no next page")
            seen.add(following)
            said = self._api.query_more(following, identifier_is_url=True)

    def all(self, soql: str) -> list[Record]:
        return [record for page in self.pages(soql) for record in page]

    def by_ids(
        self, columns: Iterable[str], sobject: str, column: str, ids: Iterable[str], *conditions: str
    ) -> Iterator[Record]:
        """The records whose column is one of these ids, in queries of 200."""
        from simple_salesforce.format import format_soql

        wanted, rest = tuple(columns), iter(ids)
        while some := list(islice(rest, IN_A_QUERY)):
            of_these = f"{column} IN {format_soql('{}', some)}"
            yield from self.all(select(wanted, sobject, of_these, *conditions))

    def by_ids_where_kept(
        self, columns: Iterable[str], sobject: str, column: str, ids: Iterable[str], *conditions: str
    ) -> list[Record]:
        """The same, and nothing where this organisation does not have the object or hides it from this user."""
        try:
            return list(self.by_ids(columns, sobject, column, ids, *conditions))
        except Denied as denied:
            if _HIDDEN.isdisjoint(denied.codes):
                raise
            return []

    def fields(self, sobject: str) -> Mapping[str, Record]:
        """The object's fields that this user sees, by name; field-level security hides the others."""
        if sobject not in self._fields:
            said = self._api.restful(f"sobjects/{sobject}/describe")
            fields = said.get("fields") if isinstance(said, dict) else None
            if not isinstance(fields, list):
                raise self._failed(f"{sobject} is described without `fields`")
            self._fields[sobject] = {field["name"]: field for field in fields}
        return self._fields[sobject]

    def requests_left(self) -> tuple[int, int] | None:
        """API requests that are left, and those of 24 hours, for the whole organisation; None: it is not told."""
        said: Any = self._api.limits()
        left = said.get("DailyApiRequests") if isinstance(said, dict) else None
        return (left["Remaining"], left["Max"]) if isinstance(left, dict) else None

    def _failed(self, said: str) -> SourceFailed:
        return SourceFailed(f"source {self._source}: {said}")
