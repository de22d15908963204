"""A BottleCRM that remembers: leads in two halves, members, custom fields, interactions, the feed of changes.

Quirks are those of django-crm 1.35 as tests/crm sees them on the real server: an unknown owner empties the owners and
an unknown custom field is dropped, both answered with success; converted leads are in no list.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .local_server import Asked, Reply

TOKEN = "bcrm_pat_s3cr3t"
SINCE = "2026-03-02T09:00:00Z"


def member(name: str, since: str, active: bool = True) -> dict[str, Any]:
    email = f"{name.title()}@vendor.example"
    user = {"email": email, "name": name.title(), "is_active": True}
    return {"id": f"p-{name}", "user_details": user, "role": "USER", "is_active": active, "created_at": since}


@dataclass
class Crm:
    """What the fake holds; tests change it as people would."""

    members: list[dict[str, Any]] = field(
        default_factory=lambda: [
            member("bob", "2025-02-01T00:00:00Z"),
            member("ada", "2025-01-01T00:00:00Z"),
            member("old", "2024-01-01T00:00:00Z", active=False),
        ]
    )
    leads: dict[str, dict[str, Any]] = field(default_factory=dict)
    fields: list[dict[str, Any]] = field(default_factory=list)
    interactions: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    others: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failing: list[Reply] = field(default_factory=list)
    """answers of the next writes, in place of doing them"""
    losing: int = 0
    """so many of the next writes are done, and their answers lost"""
    dies_after: int | None = None
    """so many writes after which nothing is answered any more"""

    def add(self, id: str, *owners: str, **said: Any) -> dict[str, Any]:
        self.leads[id] = {
            "id": id, "first_name": "Zoë", "email": f"{id}@customer.example", "status": "assigned",
            "assigned_to": [one for one in self.members if one["id"] in owners], "tags": [{"name": "b"}, {"name": "a"}],
            "teams": [], "created_at": SINCE, "updated_at": SINCE, "custom_fields": {}, "first_response_at": None,
            "first_response_by": None, "last_outbound_at": None, "is_unanswered": True, **said,
        }  # fmt: skip
        return self.leads[id]

    def touch(self, lead: str, kind: str, at: str, by: str = "p-ada", direction: str = "outbound") -> None:
        self.interactions.append(
            {
                "id": f"i{len(self.interactions)}",
                "lead": lead,
                "kind": kind,
                "direction": direction,
                "occurred_at": at,
                "created_at": at,
                "logged_by": by,
                "subject": "private words",
                "body": "private",
                "outcome": "",
                "origin": "manual",
                "duration_seconds": None,
            }
        )
        if direction == "outbound":
            first = self.leads[lead]["first_response_at"] or at
            self.leads[lead] |= {"first_response_at": first, "first_response_by": by, "last_outbound_at": at}

    def __call__(self, asked: Asked) -> Reply:
        if self.dies_after == 0:
            return Reply(cut=True)
        if asked.headers.get("Authorization") != f"Bearer {TOKEN}":
            return Reply({"detail": "Organization context is required."}, status=403)
        name, _, id = asked.path.removeprefix("/api/").strip("/").partition("/")
        if asked.method == "GET":
            return self._detail(id) if id else self._list(name, asked)
        if self.failing:
            return self.failing.pop(0)
        if self.dies_after is not None:
            self.dies_after -= 1
        reply = self._write(id, asked.json) if name == "leads" else self._define(asked.json)
        self.losing -= 1
        return Reply(cut=True) if self.losing >= 0 else reply

    def _list(self, name: str, asked: Asked) -> Reply:
        start = int(asked.query.get("offset", 0))
        shown = slice(start, start + int(asked.query.get("limit", 10)))
        if name == "leads":
            known = [lead for lead in self.leads.values() if lead["status"] != "converted"]
            halves = {
                "open_leads": [lead for lead in known if lead["status"] != "closed"],
                "close_leads": [lead for lead in known if lead["status"] == "closed"],
            }
            return Reply({half: {half: all[shown], "leads_count": len(all)} for half, all in halves.items()})
        if name == "users":
            parts = {
                "active_users": [one for one in self.members if one["is_active"]],
                "inactive_users": [one for one in self.members if not one["is_active"]],
            }
            return Reply({part: {part: all[shown], f"{part}_count": len(all)} for part, all in parts.items()})
        if name == "custom-fields":
            return Reply({"definitions": self.fields})
        if name == "activities":
            wanted = asked.query["entity_type"]
            return Reply({"activities": [one for one in self.changes if one["entity_type"] == wanted]})
        if name == "interactions":
            mine = [one for one in self.interactions if one["lead"] == asked.query["lead"]]
            return Reply({"interactions": mine[shown], "count": len(mine)})
        found = self.others.get(name, [])
        if name == "accounts":
            none = {"close_accounts": [], "close_accounts_count": 0}
            some = {"open_accounts": found[shown], "open_accounts_count": len(found)}
            return Reply({"active_accounts": some, "closed_accounts": none})
        count = "count" if name == "contacts" else f"{name}_count"
        return Reply({"results" if name == "contacts" else name: found[shown], count: len(found)})

    def _detail(self, id: str) -> Reply:
        lead = self.leads.get(id)
        return Reply({"lead_obj": lead}) if lead else Reply({"detail": "No Lead matches."}, status=404)

    def _write(self, id: str, body: dict[str, Any]) -> Reply:
        if id not in self.leads:
            return Reply({"detail": "No Lead matches the given query."}, status=404)
        custom = body.get("custom_fields", {})
        types = {one["key"]: one["field_type"] for one in self.fields}
        if any(types.get(key) == "number" and isinstance(value, str) for key, value in custom.items()):
            return Reply({"error": True, "errors": {"custom_fields": {"x": "must be a number"}}}, status=400)
        lead = self.leads[id]
        kept = lead["custom_fields"] | {key: value for key, value in custom.items() if key in types}
        lead["custom_fields"] = {key: value for key, value in kept.items() if value is not None}
        if "assigned_to" in body:
            lead["assigned_to"] = [
                one for one in self.members if one["id"] in body["assigned_to"] and one["is_active"]
            ]
        return Reply({"error": False})

    def _define(self, body: dict[str, Any]) -> Reply:
        self.fields.append(body)
        return Reply(body, status=201)
