"""HubSpot: contacts, companies, deals, owners, calls, mails and meetings; owner and scores written in batches.

Requests are those of HubSpot's own client (`client`); `reading` makes records of the answers.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property, partial
from operator import itemgetter
from typing import Any, Final

from clearlane.connectors.address import Place, placed
from clearlane.connectors.credentials import Auth, Bearer, OAuth
from clearlane.connectors.http import Answer, Http, Pace, Patience, Refused
from clearlane.connectors.hubspot import merging
from clearlane.connectors.hubspot.client import Client, asked, spent
from clearlane.connectors.hubspot.journal import SCOPES, Journal, filed, moment
from clearlane.connectors.hubspot.reading import (
    BATCH,
    Reader,
    Record,
    Told,
    identified,
    objects,
    properties_of,
)
from clearlane.connectors.pages import chunks, listed
from clearlane.connectors.protocol import (
    Checked,
    Checks,
    Chunk,
    Followed,
    Interval,
    Merge,
    Receipt,
    Secrets,
    SourceFailed,
    Write,
)
from clearlane.connectors.values import at
from clearlane.policy.model import PUSHED, ObjectMapping, Source

HISTORIES: Final = 50
"""records of one batch read with the history of a property: HubSpot refuses more by name"""
PACE: Final = (Pace(4, 1),)
"""below the 5 searches a second of an account, and far below the 100 requests in 10 s of its smallest plan"""
PEOPLE: Final = frozenset({"CRM_UI", "CRM_UI_BULK_ACTION", "MOBILE_IOS", "MOBILE_ANDROID"})
"""`sourceType` of what a person changed by hand, in the history of a property"""
STANDARD: Final = ("contacts", "companies", "deals", "leads")
"""types whose scopes are called after them"""
GROUP: Final = "clearlane"
FIELDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "owner": ("hubspot_owner_id", "enumeration", "select"),
    "queue": ("clearlane_queue", "string", "text"),
    "place": ("clearlane_place", "string", "text"),
    "team": ("clearlane_team", "string", "text"),
    "score": ("clearlane_score", "number", "number"),
    "band": ("clearlane_band", "string", "text"),
    "grade": ("clearlane_grade", "string", "text"),
    "stage": ("clearlane_stage", "string", "text"),
    "because": ("clearlane_because", "string", "textarea"),
    "tier": ("clearlane_tier", "string", "text"),
    "sla_due": ("clearlane_sla_due", "datetime", "date"),
    "stage_since": ("clearlane_stage_since", "datetime", "date"),
    "outcome": ("clearlane_outcome", "string", "text"),
    "outcome_at": ("clearlane_outcome_at", "datetime", "date"),
    "decline_reason": ("clearlane_decline_reason", "string", "text"),
}
"""what is written -> its property where policy names none, and the type and field type it is made with"""

_PATIENCE: Final = Patience()
_LOG: Final = logging.getLogger(__name__)
_FORGOTTEN: Final = (400, 404, 410)
"""statuses of an offset that the journal does not know, or not any more"""


class HubSpot:
    """One account: a private app's token as the connection's password, or an OAuth app's refresh token.

    `push` in sources.yaml names the type of record that is written (`contacts`).
    """

    def __init__(
        self,
        source: Source,
        secrets: Secrets,
        *,
        patience: Patience = _PATIENCE,
        pace: Sequence[Pace] = PACE,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        place = placed(source, secrets)
        self._source, self._type = source, source.push or "contacts"
        self._auth = _auth(source, place)
        client = partial(Http, source.name, patience=patience, pace=pace, spent=spent, wait=wait)
        self._http = client(place.base, self._auth)
        self._client = Client(self._http)
        self._reader = Reader(source.name, self._client)
        self._journal: Journal | None = None
        if place.extras.get("refresh_token"):
            app = OAuth(_tokens(place), place.login or "", place.password or "", scope=SCOPES)
            self._journal = Journal(
                client(place.base, app), lambda: self._portal, filed(self._http, cache(client))
            )

    # --- reading ----------------------------------------------------------------------------------

    def read(self, object: ObjectMapping, interval: Interval) -> Iterator[Chunk]:
        """Records changed in the interval, `deleted <type>`, `owners`, `touches`, `lifecycle stages`, `deal stages`.

        Only properties that the mapping names are asked for.
        """
        yield from chunks(self._reader.pages(object, interval))

    def follow(self, object: ObjectMapping, position: str | None) -> Followed | None:
        """The records that the webhooks journal names, where the app subscribes to all that the mapping reads.

        Without the right to a journal, or while it does not answer, what changed is searched.
        """
        told = self._reader.told(object)
        if self._journal is None or isinstance(told, str):
            return None
        try:
            if self._journal.lacks(told.type, told.properties, told.actions):
                return None
            return self._followed(self._journal, object, told, position)
        except SourceFailed as failed:
            _LOG.warning("%s; changes are searched", failed)
            self._journal = None
            return None

    def _followed(
        self, journal: Journal, object: ObjectMapping, told: Told, position: str | None
    ) -> Followed | None:
        if position is not None:
            try:
                reached, changes = journal.since(position)
                ours = [one for one in changes if one.type == told.type and one.action in told.actions]
                return Followed(reached, chunks(self._reader.by_changes(object, ours)))
            except Refused as refused:
                if refused.status not in _FORGOTTEN:
                    raise
        latest = journal.latest()
        return Followed(latest, None) if latest else None

    # --- writing ----------------------------------------------------------------------------------

    @cached_property
    def _named(self) -> Mapping[str, str]:
        """What is written -> its property."""
        own = {ours: FIELDS[ours][0] for ours in PUSHED}
        return self._source.push_fields or own

    def write(self, writes: Sequence[Write]) -> Sequence[Receipt]:
        """Batches of 100 records. SourceFailed where a property is missing; after a failure the rest waits."""
        missing = self._missing({name for write in writes for name in write.fields})
        if missing:
            names = ", ".join(missing)
            raise SourceFailed(
                f"source {self._source.name}: {self._type} have no property {names}; prepare it"
            )
        receipts: list[Receipt] = []
        failure: SourceFailed | None = None
        for batch in _batches(writes):
            try:
                receipts += [_waiting(write, failure) for write in batch] if failure else self._sent(batch)
            except SourceFailed as failed:
                failure = failed
                receipts += [_waiting(write, failed) for write in batch]
        return receipts

    def _sent(self, writes: Sequence[Write]) -> list[Receipt]:
        ready, receipts = dict[str, tuple[Write, Record]](), dict[str, Receipt]()
        overtaken = self._overtaken(writes)
        for write in writes:
            properties = self._properties(write)
            if write.external_id in overtaken:
                receipts[write.external_id] = Receipt(write.idempotency_key, "changed")
            elif isinstance(properties, str):
                receipts[write.external_id] = Receipt(write.idempotency_key, "refused", properties)
            else:
                ready[write.external_id] = (write, properties)
        receipts |= self._updated(list(ready.values()))
        return [receipts[write.external_id] for write in writes]

    def _overtaken(self, writes: Sequence[Write]) -> set[str]:
        """Records that have another owner than was seen; HubSpot knows no condition, so this is the last look."""
        seen = {
            write.external_id: write.seen["owner"]
            for write in writes
            if "owner" in write.fields and write.seen is not None and "owner" in write.seen
        }
        now = self._now(list(seen), [self._named["owner"]]) if seen else {}
        return {id for id, one in now.items() if id in seen and self._held(one)["owner"] != seen[id]}

    def _properties(self, write: Write) -> Record | str:
        """What is set, or why it cannot be."""
        owner = write.fields.get("owner")
        if owner and _folded(owner) not in self._reader.assignable:
            return "the owner is no active owner of this account"
        named = {ours: value for ours, value in write.fields.items() if ours in self._named}
        if owner and "owner" in named:
            named["owner"] = self._reader.assignable[_folded(owner)]
        return {self._named[ours]: _text(value) for ours, value in named.items()}

    def _updated(self, ready: Sequence[tuple[Write, Record]]) -> dict[str, Receipt]:
        """external_id -> receipt. HubSpot refuses a batch whole over one bad value: halves find it."""
        if not ready:
            return {}
        try:
            inputs = [{"id": write.external_id, "properties": properties} for write, properties in ready]
            answer = self._client.update(self._type, inputs)
        except Refused as refused:
            if refused.status not in (400, 404, 409, 422):
                raise
            if len(ready) == 1:
                [(write, _)] = ready
                return {write.external_id: Receipt(write.idempotency_key, "refused", str(refused))}
            half = len(ready) // 2
            return self._updated(ready[:half]) | self._updated(ready[half:])
        return _receipts([write for write, _ in ready], answer)

    def merge(self, merges: Sequence[Merge]) -> Sequence[Receipt]:
        """One by one, contacts only; after a failure of the account the rest waits."""
        if self._type != merging.TYPE:
            return [
                Receipt(one.idempotency_key, "refused", f"{self._type} cannot be merged") for one in merges
            ]
        owner, failure = self._named.get("owner", FIELDS["owner"][0]), None
        receipts: list[Receipt] = []
        for one in merges:
            try:
                receipts.append(
                    _waiting(one, failure) if failure else merging.merged(self._client, owner, one)
                )
            except SourceFailed as failed:
                failure = failed
                receipts.append(_waiting(one, failed))
        return receipts

    def current(self, writes: Sequence[Write]) -> Mapping[str, Mapping[str, Any]]:
        """external_id -> what the record holds of all that is written, and who gave it its owner, and when."""
        held: dict[str, Mapping[str, Any]] = {}
        ids = list(dict.fromkeys(write.external_id for write in writes if write.external_id.isdigit()))
        owner = [self._named["owner"]] if "owner" in self._named else []
        for start in range(0, len(ids), HISTORIES):
            found = self._now(ids[start : start + HISTORIES], sorted(self._named.values()), owner)
            held |= {id: self._held(one) for id, one in found.items()}
        return held

    def _now(
        self, ids: Sequence[str], properties: Sequence[str], histories: Sequence[str] = ()
    ) -> Mapping[str, Record]:
        """The records that are there, at most BATCH, or HISTORIES with a history."""
        request = {
            "inputs": [{"id": id} for id in ids],
            "properties": list(properties),
            "propertiesWithHistory": list(histories),
        }
        return identified(self._client.read(self._type, request))

    def _held(self, record: Record) -> Record:
        properties = properties_of(record)
        held = {ours: properties.get(name) or None for ours, name in self._named.items()}
        if "owner" not in held:
            return held
        held["owner"] = self._reader.email(held["owner"])
        history = objects(at(record, f"propertiesWithHistory.{self._named['owner']}"))
        changes = [(when, change) for change in history if (when := moment(change.get("timestamp")))]
        return held | (self._changed_by(*max(changes, key=itemgetter(0))) if changes else {})

    def _changed_by(self, changed_at: datetime, change: Record) -> Record:
        user = self._reader.users.get(str(change.get("updatedByUserId")))
        by = (user or "a person") if change.get("sourceType") in PEOPLE else change.get("sourceType")
        return {"owner_changed_at": changed_at, "owner_changed_by": by}

    # --- set-up -----------------------------------------------------------------------------------

    def _defined(self, type: str) -> set[str]:
        """The properties of a type; asked each time, for an administrator may change them."""
        return _names(self._client.properties(type))

    def _missing(self, fields: Iterable[str]) -> list[str]:
        """Properties that these fields are written to and that there are not."""
        return sorted(
            {self._named[ours] for ours in fields if ours in self._named} - self._defined(self._type)
        )

    def prepare(self) -> Sequence[str]:
        """Make the properties that are missing, in a group of their own, and name them."""
        missing = self._missing(self._named)
        if missing and GROUP not in _names(self._client.groups(self._type)):
            self._client.create_group(self._type, {"name": GROUP, "label": "Clearlane", "displayOrder": -1})
        made = [_property(ours, name) for ours, name in self._named.items() if name in missing]
        if made:
            answer = self._client.create_properties(self._type, made)
            refused = {one["name"] for one in made} - _names(answer)
            if refused:
                raise SourceFailed(f"{answer.asked} did not make {', '.join(sorted(refused))}")
        return missing

    def check(self) -> Checks:
        """Login, scopes and limits; the properties that would be written, and those that objects name."""
        tried: list[tuple[str, Callable[[], Checked]]] = [
            ("login", self._login), ("scopes", self._scopes), ("limits", self._limits), ("changes", self._feeds),
            *([("write", self._writable)] if self._source.push else []),
            *((name, partial(self._readable, name, mapping)) for name, mapping in self._source.objects.items()),
        ]  # fmt: skip
        return [_tried(what, attempt) for what, attempt in tried]

    @cached_property
    def _account(self) -> Any:
        return asked(self._http, "GET", "account-info/v3/details").json()

    @property
    def _portal(self) -> int:
        portal = at(self._account, "portalId")
        if not isinstance(portal, int):
            raise SourceFailed(f"source {self._source.name}: its account has no number (portalId)")
        return portal

    def _login(self) -> Checked:
        return Checked("login", True, f"account {self._portal}, zone {at(self._account, 'timeZone')}")

    def _feeds(self) -> Checked:
        """How changes are found: by the journal, or by search, and why."""
        if self._journal is None:
            said = "searched; the webhooks journal needs the connection of an OAuth app"
            return Checked("changes", None, said)
        try:
            lacking = {name: self._lacking(mapping) for name, mapping in self._source.objects.items()}
            empty = self._journal.latest() is None
        except SourceFailed as failed:
            return Checked("changes", None, f"searched; {failed}")
        followed = ", ".join(name for name, why in lacking.items() if why is None)
        told = [f"{name}: searched, {why}" for name, why in lacking.items() if why is not None]
        if followed:
            still = ", which is still empty: searched until it has an entry" if empty else ""
            told.insert(0, f"by the webhooks journal{still}: {followed}")
        return Checked("changes", True if followed else None, "; ".join(told))

    def _lacking(self, mapping: ObjectMapping) -> str | None:
        """Why these records are not read by the journal."""
        try:
            told = self._reader.told(mapping)
        except SourceFailed:
            told = "there is no such thing"
        if isinstance(told, str) or self._journal is None:
            return str(told)
        return self._journal.lacks(told.type, told.properties, told.actions)

    def _scopes(self) -> Checked:
        if not isinstance(self._auth, Bearer):
            return Checked("scopes", None, "HubSpot tells them of private apps only; what is read shows them")
        info = asked(
            self._http, "POST", "oauth/v2/private-apps/get/access-token-info",
            json={"tokenKey": self._auth.token}, idempotent=True,
        )  # fmt: skip
        scopes = {str(scope) for scope in listed(info, "scopes")}
        needed = (
            {f"crm.objects.{self._type}.write"} if self._source.push and self._type in STANDARD else set()
        )
        lacking = f"; lacking {', '.join(needed - scopes)}" if needed - scopes else ""
        return Checked("scopes", not lacking, ", ".join(sorted(scopes)) + lacking)

    def _limits(self) -> Checked:
        usage = asked(self._http, "GET", "account-info/v3/api-usage/daily/private-apps")
        told = [
            f"{one.get('currentUsage')} of {one.get('usageLimit')} requests of the day are spent"
            for one in objects(listed(usage, "results"))
        ]
        return Checked("limits", True if told else None, "; ".join(told) or "HubSpot tells of none")

    def _writable(self) -> Checked:
        missing = self._missing(self._named)
        said = (
            f"missing: {', '.join(missing)}; `connector prepare` makes them" if missing else "all are there"
        )
        return Checked("write", not missing, f"properties of {self._type}: {said}")

    def _readable(self, name: str, mapping: ObjectMapping) -> Checked:
        """HubSpot answers a property that there is not as if it were empty."""
        type, named = self._reader.asked(mapping)
        unknown = sorted(set(named) - self._defined(type)) if type else []
        said = f"{type} have no property {', '.join(unknown)}" if unknown else "all that is named is there"
        return Checked(name, not unknown, said)


def _auth(source: Source, place: Place) -> Auth:
    if not place.password:
        told = "an access token, or a client secret with the extra refresh_token"
        raise SourceFailed(f"source {source.name}: its connection has no password ({told})")
    refresh = place.extras.get("refresh_token")
    if refresh is None:
        return Bearer(place.password)
    return OAuth(_tokens(place), place.login or "", place.password, refresh_token=refresh)


def _tokens(place: Place) -> str:
    return f"{place.base}/oauth/v1/token"


def _tried(what: str, attempt: Callable[[], Checked]) -> Checked:
    try:
        return attempt()
    except SourceFailed as failed:
        return Checked(what, False, str(failed))


# --- what is written ----------------------------------------------------------------------------------


def _batches(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """In their order, none with the same record twice: HubSpot refuses such a batch."""
    batch: dict[str, Write] = {}
    for write in writes:
        if write.external_id in batch or len(batch) == BATCH:
            yield list(batch.values())
            batch = {}
        batch[write.external_id] = write
    if batch:
        yield list(batch.values())


def _receipts(writes: Sequence[Write], answer: Answer) -> dict[str, Receipt]:
    """One for each record: those among the results are written; what the answer is silent about is not."""
    done = set(identified(answer))
    errors = {
        str(id): _category(error) for error in objects(at(answer.json(), "errors")) for id in _ids(error)
    }
    return {write.external_id: _receipt(write, done, errors, answer) for write in writes}


def _names(answer: Answer) -> set[str]:
    return {str(one.get("name")) for one in objects(listed(answer, "results"))}


def _ids(error: Record) -> Sequence[Any]:
    ids = at(error, "context.ids")
    return ids if isinstance(ids, list) else ()


def _category(error: Record) -> str:
    """A word of HubSpot's own; whatever else stands there may be a person's."""
    said = str(error.get("category"))
    return said if re.fullmatch("[A-Z_]{1,60}", said) else "an error of no known kind"


_FINAL: Final = re.compile("OBJECT_NOT_FOUND|VALIDATION|CONFLICT|MISSING_SCOPES")


def _receipt(write: Write, done: set[str], errors: Mapping[str, str], answer: Answer) -> Receipt:
    if write.external_id in done:
        return Receipt(write.idempotency_key, "sent")
    category = errors.get(write.external_id)
    if category is None:
        said = f"{answer.asked} says nothing of this record: is it merged into another?"
        return Receipt(write.idempotency_key, "refused", said)
    said = f"{answer.asked} answered {answer.status}: {category}"
    return Receipt(write.idempotency_key, "refused" if _FINAL.search(category) else "retry", said)


def _waiting(write: Write | Merge, failed: SourceFailed) -> Receipt:
    return Receipt(write.idempotency_key, "retry", str(failed), failed.retry_after)


def _property(ours: str, name: str) -> Record:
    _, type, field_type = FIELDS[ours]
    label = f"Clearlane {ours.replace('_', ' ')}"
    described = {"name": name, "label": label, "type": type, "fieldType": field_type, "groupName": GROUP}
    return described | ({"referencedObjectType": "OWNER"} if ours == "owner" else {})


def _text(value: Any) -> str:
    """As HubSpot takes it; an empty text clears the property."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _folded(owner: Any) -> str:
    return str(owner).strip().lower()
