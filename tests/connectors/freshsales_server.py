"""A Freshsales that remembers: views that are sorted by change, owners, custom fields that must be there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from clearlane.policy.model import PUSHED

from .local_server import Asked, Reply

KEY = "fs-k3y-s3cr3t"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
BEYOND = (
    r"GET /crm/sales/api/(contacts|deals|sales_accounts)/filters",
    r"GET /crm/sales/api/selector/.*",
    r"GET /crm/sales/api/settings/contacts/fields",
    r"GET /crm/sales/api/sales_activities",
)
"""in the vendor's own reference, and not in the description"""


@dataclass
class Crm:
    """What the fake holds; tests change it as people would."""

    contacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    fields: set[str] = field(default_factory=lambda: {f"cf_clearlane_{name}" for name in PUSHED})
    deals: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    sorts: bool = True
    effective: int = 0
    failing: list[Reply] = field(default_factory=list)
    """answers of the next requests, in place of what would be done"""

    def add(self, id: int, changed: datetime = NOON, **said: Any) -> None:
        self.contacts[id] = {
            "id": id, "first_name": "Zoë", "last_name": "李", "email": f"l{id}@customer.example", "owner_id": None,
            "lead_score": 0, "tags": ["b", "a"], "links": {"notes": "/x"}, "is_deleted": False,
            "custom_field": {"cf_region": "Süd"}, "created_at": "2026-01-01T00:00:00Z",
            "updated_at": changed.strftime("%Y-%m-%dT%H:%M:%SZ"), **said,
        }  # fmt: skip

    def fill(self, count: int) -> None:
        """Contacts 1 to `count`, each changed a minute before the next."""
        for id in range(1, count + 1):
            self.add(id, NOON - timedelta(minutes=count - id))

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Token token={KEY}":
            return Reply({"login": "failed", "message": "Invalid login or password"}, status=401)
        if self.failing:
            return self.failing.pop(0)
        parts = asked.path.removeprefix("/crm/sales/api/").split("/")
        if parts[0] == "contacts" and parts[1].isdigit():
            return self._contact(int(parts[1]), asked)
        return self._view(parts, asked) if "view" in parts else self._list("/".join(parts), asked)

    def _contact(self, id: int, asked: Asked) -> Reply:
        if id not in self.contacts:
            return Reply({"errors": {"code": 404, "message": ["Not found"]}}, status=404)
        contact = self.contacts[id]
        if asked.method == "PUT":
            sent = asked.json["contact"]
            if unknown := set(sent["custom_field"]) - self.fields:
                return Reply({"errors": {"code": 400, "message": sorted(unknown)}}, status=400)
            after = contact | {
                **{name: value for name, value in sent.items() if name != "custom_field"},
                "custom_field": contact["custom_field"] | sent["custom_field"],
            }
            self.effective += after != contact
            self.contacts[id] = after
        return Reply({"contact": self.contacts[id], "users": []})

    def _view(self, parts: list[str], asked: Asked) -> Reply:
        assert parts[2] == "4001"
        every = list(self.contacts.values()) if parts[0] == "contacts" else self.deals
        newest = sorted(every, key=lambda one: one["updated_at"], reverse=self.sorts)
        size = int(asked.query["per_page"])
        start = (int(asked.query["page"]) - 1) * size
        meta = {"total_pages": -(-len(every) // size), "total": len(every)}
        return Reply({parts[0]: newest[start : start + size], "users": [], "meta": meta})

    def _list(self, path: str, asked: Asked) -> Reply:
        if path.endswith("/filters"):
            named = {"contacts": "All Contacts", "deals": "All Deals", "sales_accounts": "All Accounts"}
            views = [{"id": 1, "name": "My View"}, {"id": 4001, "name": named[path.split("/")[0]]}]
            return Reply({"filters": views})
        if path == "tasks":
            page = self.tasks if asked.query["page"] == "1" else []
            return Reply({"tasks": page, "users": [], "meta": {"total": len(self.tasks)}})
        if path == "settings/contacts/fields":
            return Reply({"fields": [{"name": name} for name in sorted(self.fields)]})
        assert path == "selector/owners"
        ada = {"id": 3, "display_name": "Ada", "email": "Ada@vendor.example", "is_active": True}
        bob, old = (
            ada | {"id": 4, "email": "bob@vendor.example"},
            ada | {"id": 5, "email": "old@vendor.example"},
        )
        return Reply({"users": [ada, bob, old | {"is_active": False}]})
