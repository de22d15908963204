"""What became of leads, as Salesforce tells it in several objects: touches, conversions, closed deals, statuses.

Each record has `LeadId`, `kind` and `occurred_at`, and says by `SystemModstamp` (a status by `CreatedDate`) when it
changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from clearlane.connectors.pages import Page
from clearlane.connectors.protocol import Interval
from clearlane.connectors.salesforce.asking import Asking
from clearlane.connectors.salesforce.soql import Record, select, within
from clearlane.policy.model import ObjectMapping

_DATED: Final = ("Id", "OwnerId", "CreatedDate", "SystemModstamp", "IsDeleted")
TASK: Final = (*_DATED, "WhoId", "TaskSubtype", "CallType", "CompletedDateTime")
ANSWERS: Final = "Who.Type = 'Lead' AND IsClosed = true AND TaskSubtype IN ('Call', 'Email')"
"""tasks that may be touches: mails to lists and cadences are of subtypes of their own"""
EVENT: Final = (*_DATED, "WhoId", "StartDateTime")
MEETINGS: Final = "Who.Type = 'Lead' AND IsChild = false"
CONVERSION: Final = (
    *_DATED, "ConvertedDate", "ConvertedOpportunityId", "ConvertedContactId", "ConvertedAccountId",
)  # fmt: skip
DEAL: Final = (*_DATED, "IsWon", "CloseDate", "Amount", "StageName")
STATUS: Final = ("Id", "LeadId", "NewValue", "CreatedById", "CreatedDate")

Made = Callable[[Asking, ObjectMapping, Interval], Iterator[Page]]


def touches(asking: Asking, mapping: ObjectMapping, interval: Interval) -> Iterator[Page]:
    """Calls and mails to leads that are done, at their end, and meetings with them, from when they were booked.

    What came in is none: calls by their type, mails by their EmailMessage, where mails are kept so.
    """
    changed = within("SystemModstamp", interval)
    for page in asking.pages(select(TASK, "Task", ANSWERS, changed), deleted=True):
        incoming = _incoming(asking, [task["Id"] for task in page if task["TaskSubtype"] == "Email"])
        yield [_touch(task) for task in _there(page) if _went_out(task) and task["Id"] not in incoming]
    for page in asking.pages(select(EVENT, "Event", MEETINGS, changed), deleted=True):
        yield [_meeting(event) for event in _there(page)]


def conversions(asking: Asking, mapping: ObjectMapping, interval: Interval) -> Iterator[Page]:
    """Leads that became contacts, and perhaps opportunities."""
    changed = within("SystemModstamp", interval)
    for page in asking.pages(select(CONVERSION, "Lead", "IsConverted = true", changed), deleted=True):
        yield [_conversion(lead) for lead in _there(page)]


def closed_deals(asking: Asking, mapping: ObjectMapping, interval: Interval) -> Iterator[Page]:
    """Opportunities that were won or lost, of the leads whose conversion made them."""
    changed = within("SystemModstamp", interval)
    for page in asking.pages(select(DEAL, "Opportunity", "IsClosed = true", changed), deleted=True):
        deals = {deal["Id"]: deal for deal in _there(page)}
        columns = ("Id", "ConvertedOpportunityId")
        leads = asking.by_ids(columns, "Lead", "ConvertedOpportunityId", deals)
        yield [_result(deals[lead["ConvertedOpportunityId"]], lead["Id"]) for lead in leads]


def statuses(asking: Asking, mapping: ObjectMapping, interval: Interval) -> Iterator[Page]:
    """Changes of a lead's status to one that the mapping's `values: kind:` gives a meaning; from the field history."""
    known = mapping.values.get("kind", {})
    made = within("CreatedDate", interval)
    for page in asking.pages(select(STATUS, "LeadHistory", "Field = 'Status'", made), deleted=True):
        yield [_status(change) for change in page if change["NewValue"] in known]


MADE: Final[Mapping[str, tuple[Made, tuple[str, ...]]]] = {
    "Touches": (touches, ("Task", "Event")),
    "Conversions": (conversions, ("Lead",)),
    "ClosedDeals": (closed_deals, ("Opportunity", "Lead")),
    "Statuses": (statuses, ("LeadHistory",)),
}
"""what `read` may say beside an object -> how it is read, and of which objects it is made"""


def _there(page: Sequence[Record]) -> Iterator[Record]:
    return (record for record in page if not record["IsDeleted"])


def _incoming(asking: Asking, tasks: Sequence[str]) -> set[str]:
    """Those of the tasks that stand for mails received."""
    columns, received = ("ActivityId",), "Incoming = true"
    found = asking.by_ids_where_kept(columns, "EmailMessage", "ActivityId", tasks, received)
    return {mail["ActivityId"] for mail in found}


def _went_out(task: Record) -> bool:
    return bool(task["CallType"] != "Inbound")


def _touch(task: Record) -> Record:
    done = task["CompletedDateTime"] or task["CreatedDate"]
    return _outcome(task, task["WhoId"], "first_touch", done) | {"type": str(task["TaskSubtype"]).lower()}


def _meeting(event: Record) -> Record:
    """It counts from when it was booked; one that is logged afterwards from its start."""
    booked = event["CreatedDate"]
    at = min(booked, event["StartDateTime"] or booked)
    return _outcome(event, event["WhoId"], "meeting", at) | {"type": "meeting"}


def _conversion(lead: Record) -> Record:
    kind = "opportunity" if lead["ConvertedOpportunityId"] else "sql"
    said = _outcome(lead, lead["Id"], kind, _of_day(lead, lead["ConvertedDate"]))
    return {**lead, **said, "Id": f"{lead['Id']}:{kind}"}


def _result(deal: Record, lead: str) -> Record:
    kind = "won" if deal["IsWon"] else "lost"
    said = _outcome(deal, lead, kind, _of_day(deal, deal["CloseDate"]))
    return said | {"Amount": deal["Amount"], "StageName": deal["StageName"]}


def _status(change: Record) -> Record:
    return {**change, "kind": change["NewValue"], "occurred_at": change["CreatedDate"]}


def _outcome(record: Record, lead: str, kind: str, at: str) -> Record:
    kept = {name: record[name] for name in ("Id", "OwnerId", "CreatedDate", "SystemModstamp")}
    return kept | {"LeadId": lead, "kind": kind, "occurred_at": at}


def _of_day(record: Record, day: str | None) -> str:
    """Of what Salesforce keeps the day of, and no hour: the start of the day, and never before the record."""
    created = str(record["CreatedDate"])
    return max(created, f"{day}T00:00:00.000+0000") if day else created
