"""A Salesforce that remembers: objects by SOQL, collections, bulk jobs, sessions, limits, locks, assignment rules.

It behaves as the vendor's developer guides say where a connector can tell the difference: assignment rules run on an
update of a lead without `Sforce-Auto-Assign: FALSE`, hidden fields do not exist, a converted lead is read-only.
"""

from __future__ import annotations

import copy
import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import sqlglot
from sqlglot import exp

from .local_server import Asked, Reply

SINCE = "2026-03-02T09:00:00.000+0000"
LATER = "2026-03-02T10:00:00.000+0000"
RULE_OWNER = "005000000000RULAAA"
ADA, BOB, OLD = "005000000000ADAAAA", "005000000000BOBAAA", "005000000000OLDAAA"
PARTNERS = "00G000000000PARAAA"
VERSION = "/services/data/v63.0"
Record = dict[str, Any]


def lead_id(number: int) -> str:
    return f"00Q{number:012d}AAA"


def id_of(name: str) -> str:
    """An id of 18 characters that shows what it is in a test."""
    return f"{name:0<18}"


def user(id: str, name: str, active: bool = True, email: str | None = None) -> Record:
    mail = email or f"{name}@vendor.example"
    return {
        "Id": id,
        "Username": f"{name}@vendor.crm",
        "Email": mail,
        "Name": name.title(),
        "UserType": "Standard",
        "IsActive": active,
    }


def described(*names: str, editable: bool = True, **types: str) -> dict[str, Record]:
    """Fields as describe tells them, text where no type is said."""
    said = dict.fromkeys(names, "string") | types
    return {name: {"name": name, "type": type, "updateable": editable} for name, type in said.items()}


OURS = ("Clearlane_band__c", "Clearlane_because__c")
LEAD = {
    **described(
        "Id",
        "CreatedDate",
        "SystemModstamp",
        "LastModifiedDate",
        "IsConverted",
        "IsDeleted",
        "MasterRecordId",
        editable=False,
    ),
    **described("Address", editable=False, Address="address"),
    **described("OwnerId", "LastName", "Email", *OURS, Clearlane_score__c="double"),
}


@dataclass
class Org:
    """What the fake holds; tests change it as people would."""

    tables: dict[str, dict[str, Record]] = field(default_factory=dict)
    fields: dict[str, dict[str, Record]] = field(default_factory=lambda: {"Lead": copy.deepcopy(LEAD)})
    page: int = 2000
    left: int = 15_000
    """API requests of the day"""
    sessions: set[str] = field(default_factory=lambda: {"00D!first"})
    logins: list[str] = field(default_factory=list)
    locks: Counter[str] = field(default_factory=Counter)
    """record -> updates that still find it locked"""
    rest: dict[str, list[Record]] = field(default_factory=dict)
    jobs: dict[str, Record] = field(default_factory=dict)
    polls: int = 1
    """askings for a job's state before it has ended"""
    failing: list[Reply] = field(default_factory=list)
    """answers of the next requests, before anything is done"""
    before_write: Callable[[], None] = lambda: None
    """what people do between the last look and a write"""
    missing: tuple[str, ...] = ()
    """objects that this organisation does not have"""

    def __post_init__(self) -> None:
        for one in (user(ADA, "ada"), user(BOB, "bob"), user(OLD, "old", active=False)):
            self.put("User", one)
        queue = {"Id": PARTNERS, "Name": "Partner desk", "DeveloperName": "Partner_desk", "Type": "Queue"}
        self.put("Group", queue)

    def put(self, sobject: str, record: Record) -> Record:
        self.tables.setdefault(sobject, {})[record["Id"]] = record
        return record

    def lead(self, number: int, owner: str = ADA, **said: Any) -> Record:
        plain = {"LastName": "Zoë 株式会社", "Email": f"l{number}@customer.example", "OwnerId": owner}
        record = plain | {"Id": lead_id(number), "CreatedDate": SINCE}
        record |= {"SystemModstamp": SINCE, "LastModifiedDate": SINCE}
        return self.put("Lead", record | {"IsConverted": False, "IsDeleted": False} | said)

    def expire(self) -> None:
        self.sessions.clear()

    # --- answering --------------------------------------------------------------------------------

    def __call__(self, asked: Asked) -> Reply:
        if asked.path.endswith("/token") or "/Soap/" in asked.path:
            return self._log_in(asked)
        if asked.headers.get("Authorization", "").removeprefix("Bearer ") not in self.sessions:
            return denied(401, "INVALID_SESSION_ID", "Session expired or invalid")
        if self.failing:
            return self.failing.pop(0)
        if self.left <= 0:
            return denied(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.left -= 1
        path = asked.path.removeprefix(VERSION).strip("/")
        first, _, rest = path.partition("/")
        if first in ("query", "queryAll"):
            return self._more(rest) if rest else self._query(asked.query["q"], first == "queryAll")
        if first == "limits":
            return Reply({"DailyApiRequests": {"Max": 15_000, "Remaining": self.left}})
        if asked.method in ("PATCH", "POST", "PUT"):
            self.before_write()
        if path == "composite/sobjects":
            return self._collection(asked)
        if path == "composite":
            return self._composite(asked.json)
        if first == "jobs":
            return self._job(asked, rest.removeprefix("ingest").strip("/"))
        return self._describe(rest.removesuffix("/describe"))

    def _log_in(self, asked: Asked) -> Reply:
        body = asked.body.decode()
        kind = "soap" if "/Soap/" in asked.path else re.findall(r"grant_type=([^&]*)", body)[0]
        self.logins.append(kind)
        if "wrong" in body:
            fault = b"<f><sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><m>ann@customer.example</m></f>"
            wrong = {"error": "invalid_grant", "error_description": "ann@customer.example"}
            return Reply(fault, status=500) if kind == "soap" else Reply(wrong, status=400)
        token = f"00D!n{len(self.logins)}"
        self.sessions.add(token)
        url = "https://acme.my.salesforce.com"
        if kind == "soap":
            said = f"<r><sessionId>{token}</sessionId><serverUrl>{url}/services/Soap/u/63.0</serverUrl></r>"
            return Reply(said.encode(), headers={"Content-Type": "text/xml"})
        return Reply({"access_token": token, "instance_url": url})

    # --- reading ----------------------------------------------------------------------------------

    def _query(self, soql: str, deleted: bool) -> Reply:
        tree = sqlglot.parse_one(re.sub(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", r"'\1'", soql))
        sobject = tree.find(exp.Table).name  # type: ignore[union-attr]
        cased = {name.lower(): name for name in self.fields.get(sobject, ())}
        columns = [cased.get(one.sql().lower(), one.sql()) for one in tree.expressions]
        if sobject in self.missing:
            return denied(400, "INVALID_TYPE", f"{soql}\nsObject type '{sobject}' is not supported.")
        known = self.fields.get(sobject)
        for column in columns if known else ():
            if "." not in column and column not in known:
                said = (
                    f"SELECT {column}, Email\nERROR at Row:1\nNo such column '{column}' on entity '{sobject}'"
                )
                return denied(400, "INVALID_FIELD", said)
        where = tree.args.get("where")
        records = [
            {"attributes": {"type": sobject}, **{column: _value(record, column) for column in columns}}
            for record in self.tables.get(sobject, {}).values()
            if (deleted or not record.get("IsDeleted")) and (where is None or _holds(where.this, record))
        ]
        return self._page([_nested(record) for record in records], len(records))

    def _page(self, records: list[Record], total: int) -> Reply:
        page, rest = records[: self.page], records[self.page :]
        if not rest:
            return Reply({"totalSize": total, "done": True, "records": page})
        locator = f"01g{self.left:015d}-{self.page}"
        self.rest[locator] = rest
        following = f"{VERSION}/query/{locator}"
        return Reply({"totalSize": total, "done": False, "nextRecordsUrl": following, "records": page})

    def _more(self, locator: str) -> Reply:
        if locator not in self.rest:
            return denied(404, "INVALID_QUERY_LOCATOR", "invalid query locator")
        rest = self.rest.pop(locator)
        return self._page(rest, len(rest))

    def _describe(self, sobject: str) -> Reply:
        if sobject not in self.fields:
            return denied(404, "NOT_FOUND", "The requested resource does not exist")
        return Reply({"name": sobject, "fields": list(self.fields[sobject].values())})

    # --- writing ----------------------------------------------------------------------------------

    def _collection(self, asked: Asked) -> Reply:
        records = asked.json["records"]
        if len(records) > 200:
            return denied(400, "EXCEEDED_MAX_SIZE_REQUEST", "record limit reached")
        ruled = asked.headers.get("Sforce-Auto-Assign", "TRUE").upper() != "FALSE"
        results = []
        for record in records:
            values = {name: value for name, value in record.items() if name not in ("attributes", "id")}
            error = self._update(record["attributes"]["type"], record["id"], values, ruled)
            named = {"id": record["id"]} if error is None else {}
            results.append({**named, "success": error is None, "errors": [error] if error else []})
        return Reply(results)

    def _composite(self, said: Record) -> Reply:
        """Parts inherit Accept, Authorization and Content-Type only."""
        if len(said["compositeRequest"]) > 25:
            return denied(400, "LIMIT_EXCEEDED", "Limit exceeded")
        return Reply({"compositeResponse": [self._part(part) for part in said["compositeRequest"]]})

    def _part(self, part: Record) -> Record:
        sobject, id = re.fullmatch(rf"{VERSION}/sobjects/(\w+)/(\w+)", part["url"]).groups()  # type: ignore[union-attr]
        headers, told = part["httpHeaders"], {"httpHeaders": {}, "referenceId": part["referenceId"]}
        record = self.tables[sobject].get(id, {})
        since = parsedate_to_datetime(headers["If-Unmodified-Since"])
        if record and datetime.fromisoformat(record["LastModifiedDate"]) > since:
            return told | {"body": None, "httpStatusCode": 412}
        error = self._update(sobject, id, part["body"], headers.get("Sforce-Auto-Assign") != "FALSE")
        if error is None:
            return told | {"body": None, "httpStatusCode": 204}
        said = {"errorCode": error["statusCode"], "message": error["message"], "fields": error["fields"]}
        return told | {"body": [said], "httpStatusCode": 400}

    def _update(self, sobject: str, id: str, values: Record, ruled: bool) -> Record | None:
        record = self.tables[sobject].get(id)
        if record is None or record["IsDeleted"]:
            return failed("ENTITY_IS_DELETED", "entity is deleted")
        if record["IsConverted"]:
            return failed(
                "CANNOT_UPDATE_CONVERTED_LEAD", f"cannot reference converted lead {record['Email']}"
            )
        if self.locks[id] > 0:
            self.locks[id] -= 1
            return failed("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        locked = [name for name in values if not self.fields[sobject].get(name, {}).get("updateable")]
        if locked:
            return failed(
                "INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {locked[0]}", *locked
            )
        if len(str(values.get("Clearlane_because__c", ""))) > 255:
            return failed("STRING_TOO_LONG", f"data value too large: {values}", "Clearlane_because__c")
        kinds = {name: one["type"] for name, one in self.fields[sobject].items()}
        record |= {name: kept(kinds[name], value) for name, value in values.items()} | {
            "SystemModstamp": LATER,
            "LastModifiedDate": LATER,
        }
        if ruled:
            record["OwnerId"] = RULE_OWNER
        return None

    def _job(self, asked: Asked, path: str) -> Reply:
        if not path:
            job = {"id": f"750{len(self.jobs):015d}", "state": "Open", **asked.json}
            self.jobs[job["id"]] = job
            return Reply(_shown(job))
        id, _, results = path.partition("/")
        job = self.jobs[id]
        if asked.method == "PUT":
            job["csv"] = asked.body.decode()
            return Reply(b"", status=201)
        if asked.method == "PATCH":
            job["state"] = asked.json["state"]
            job["left"] = self.polls
            return Reply(_shown(job))
        if results and job["state"] != "JobComplete":
            return denied(404, "NOT_FOUND", "The requested resource does not exist")
        if results:
            return Reply(job[results].encode(), headers={"Content-Type": "text/csv"})
        if job["state"] in ("UploadComplete", "InProgress"):
            job["left"] -= 1
            job["state"] = "InProgress"
            if job["left"] < 0:
                self._process(job)
        return Reply(_shown(job))

    def _process(self, job: Record) -> None:
        done, failing = io.StringIO(), io.StringIO()
        rows = list(csv.DictReader(io.StringIO(job["csv"])))
        sent = csv.writer(done)
        lost = csv.writer(failing)
        sent.writerow(["sf__Id", "sf__Created", *rows[0]])
        lost.writerow(["sf__Id", "sf__Error", *rows[0]])
        for row in rows:
            values = {
                name: None if cell == "#N/A" else cell for name, cell in row.items() if name != "Id" and cell
            }
            error = self._update(job["object"], row["Id"], values, ruled=False)
            if error is None:
                sent.writerow([row["Id"], "false", *row.values()])
            else:
                said = f"{error['statusCode']}:{error['message']}:{', '.join(error['fields'])} --"
                lost.writerow(["", said, *row.values()])
        job |= {
            "state": "JobComplete",
            "successfulResults": done.getvalue(),
            "failedResults": failing.getvalue(),
        }


def _shown(job: Record) -> Record:
    return {
        name: value
        for name, value in job.items()
        if name in ("id", "state", "object", "operation", "contentType")
    }


def kept(kind: str, value: Any) -> Any:
    """A value as Salesforce answers it afterwards."""
    if value is None or value == "":
        return None
    if kind == "double":
        return float(value)
    if kind == "datetime":
        return datetime.fromisoformat(value).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    return str(value).strip()


def failed(code: str, message: str, *fields: str) -> Record:
    return {"statusCode": code, "message": message, "fields": list(fields)}


def denied(status: int, code: str, message: str) -> Reply:
    return Reply([{"errorCode": code, "message": message}], status=status)


# --- SOQL -----------------------------------------------------------------------------------------


def _value(record: Mapping[str, Any], column: str) -> Any:
    for name in column.split("."):
        record = (record or {}).get(name)  # type: ignore[assignment]
    return record


def _nested(record: Record) -> Record:
    plain = {name: value for name, value in record.items() if "." not in name}
    for name, value in record.items():
        if "." in name:
            parent, _, inner = name.partition(".")
            plain.setdefault(parent, {"attributes": {"type": parent}})[inner] = value
    return plain


def _holds(node: exp.Expression, record: Record) -> bool:
    if isinstance(node, exp.Paren):
        return _holds(node.this, record)
    if isinstance(node, exp.And):
        return _holds(node.left, record) and _holds(node.right, record)
    found = _value(record, node.this.sql())
    if isinstance(node, exp.In):
        return found in [one.this for one in node.expressions]
    wanted = node.expression.this
    if isinstance(node, exp.EQ):
        return bool(found == wanted)
    pair = datetime.fromisoformat(found), datetime.fromisoformat(wanted)
    return pair[0] >= pair[1] if isinstance(node, exp.GTE) else pair[0] < pair[1]
