"""Two contacts made one, which HubSpot never takes back.

It makes a new record of both, under which either id is found from then on; where both hold a value, that of the
primary counts ("Updated merge functionality for contacts and companies", HubSpot's developer changelog). A record of
more than 250 takes in no more ("Contact and Form Limits").
"""

from __future__ import annotations

from typing import Any, Final

from clearlane.connectors.http import Refused, Unanswered
from clearlane.connectors.hubspot.client import Client
from clearlane.connectors.hubspot.reading import properties_of
from clearlane.connectors.protocol import Merge, Receipt

TYPE: Final = "contacts"
"""the only type of leads that is merged by a request of its own"""
_NO: Final = (400, 404, 409, 422)
"""statuses of a merge that was not done, or was done before"""

Record = dict[str, Any]


def merged(client: Client, owner: str, merge: Merge) -> Receipt:
    """What became of one merge; `owner` is the property that holds it. SourceFailed where HubSpot as a whole fails."""
    into, other = (_record(client, owner, id) for id in (merge.into, merge.external_id))
    if into is None or other is None:
        gone = merge.into if into is None else merge.external_id
        return Receipt(merge.idempotency_key, "refused", f"record {gone} is not there")
    if _id(into) == _id(other):
        return _done(merge, into)
    if len({properties_of(one).get(owner) for one in (into, other)} - {None, ""}) > 1:
        said = f"{merge.into} and {merge.external_id} have different owners there, and one would be lost"
        return Receipt(merge.idempotency_key, "retry", said)
    try:
        answer = client.merge(_id(into), _id(other))
    except (Refused, Unanswered) as failed:
        return _looked_after(client, owner, merge, failed)
    return _done(merge, answer.json())


def _looked_after(client: Client, owner: str, merge: Merge, failed: Refused | Unanswered) -> Receipt:
    """Whoever merged the two, they are one; of another refusal it is said whether it may pass."""
    if isinstance(failed, Refused) and failed.status not in _NO:
        raise failed
    into, other = (_record(client, owner, id) for id in (merge.into, merge.external_id))
    if into is not None and other is not None and _id(into) == _id(other):
        return _done(merge, into)
    if isinstance(failed, Unanswered):
        raise failed
    return Receipt(merge.idempotency_key, "retry" if failed.status == 409 else "refused", str(failed))


def _record(client: Client, owner: str, id: str) -> Record | None:
    """The record that is found under the id: its own, or the one that took it in."""
    try:
        found = client.one(TYPE, id, properties=[owner]).json()
    except Refused as refused:
        if refused.status != 404:
            raise
        return None
    return found if isinstance(found, dict) and "id" in found else None


def _id(record: Record) -> str:
    return str(record["id"])


def _done(merge: Merge, record: Record) -> Receipt:
    return Receipt(merge.idempotency_key, "sent", became=_id(record))
