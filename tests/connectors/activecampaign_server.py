"""An ActiveCampaign that remembers: contacts with custom fields, deals, users; pages as its description says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from clearlane.policy.model import PUSHED

from .local_server import Asked, Reply

KEY = "ac-k3y-s3cr3t"
WHEN = "2026-03-02T09:00:00-05:00"


@dataclass
class Account:
    """What the fake holds; tests change it as people would."""

    contacts: dict[int, dict[str, Any]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=lambda: {"1": "REGION"})
    values: dict[tuple[int, str], str] = field(default_factory=dict)
    deals: list[dict[str, Any]] = field(default_factory=list)
    locked: set[str] = field(default_factory=set)
    """deals that take no other owner"""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    effective: int = 0
    failing: list[Reply] = field(default_factory=list)
    """answers of the next requests, in place of what would be done"""

    def add(self, id: int, email: str, changed: str = WHEN) -> None:
        self.contacts[id] = {
            "id": str(id), "email": email, "firstName": "Zoë", "lastName": "李", "phone": "", "deleted": "0",
            "cdate": WHEN, "udate": changed, "scoreValues": [], "links": {"deals": "https://x/deals"},
        }  # fmt: skip

    def prepare(self) -> None:
        """All our custom fields are there."""
        tags = {str(100 + number): f"CLEARLANE_{name.upper()}" for number, name in enumerate(PUSHED)}
        self.fields |= tags

    def deal(self, id: str, contact: int, owner: str, status: str = "0") -> None:
        self.deals.append(
            {"id": id, "contact": str(contact), "owner": owner, "status": status, "title": "T", "links": {}}
        )

    def __call__(self, asked: Asked) -> Reply:
        if asked.headers.get("Api-Token") != KEY:
            return Reply({"message": "You do not have permission"}, status=403)
        if self.failing:
            return self.failing.pop(0)
        path = asked.path.removeprefix("/api/3/")
        if path.startswith("contacts/"):
            return self._contact(asked, *path.split("/")[1:])
        return getattr(self, f"_{asked.method.lower()}")(path, asked)

    def _contact(self, asked: Asked, id: str, part: str = "") -> Reply:
        number = int(id)
        if number not in self.contacts:
            return Reply({"message": f"No Result found for Subscriber with id {id}"}, status=404)
        if part == "deals":
            return Reply({"deals": [deal for deal in self.deals if deal["contact"] == id]})
        if asked.method == "PUT":
            for one in asked.json["contact"]["fieldValues"]:
                self.effective += self.values.get((number, one["field"])) != one["value"]
                self.values[number, one["field"]] = one["value"]
            return Reply({"contact": self._named(number), "fieldValues": self._values(number)})
        return Reply({"fieldValues": self._values(number)})

    def _named(self, number: int) -> dict[str, Any]:
        links = ("bounceLogs", "deals")
        return self.contacts[number] | {"links": dict.fromkeys(links, "https://x")}

    def _values(self, number: int) -> list[dict[str, Any]]:
        return [
            {"id": f"{contact}{field}", "contact": str(contact), "field": field, "value": value, "owner": "1"}
            for (contact, field), value in self.values.items()
            if contact == number
        ]

    def _get(self, path: str, asked: Asked) -> Reply:
        size = int(asked.query.get("limit", 20))
        if path == "contacts":
            after, since = (
                int(asked.query.get("id_greater", 0)),
                asked.query.get("filters[updated_after]", ""),
            )
            page = [one for id, one in sorted(self.contacts.items()) if id > after and one["udate"] > since][
                :size
            ]
            beside = [value for one in page for value in self._values(int(one["id"]))]
            return Reply(
                {"contacts": page, "fieldValues": beside, "meta": {"total": str(len(self.contacts))}}
            )
        user = {
            "username": "ada",
            "firstName": "Ada",
            "lastName": "L",
            "email": "Ada@vendor.example",
            "id": "3",
        }
        if path == "users/me":
            return Reply({"user": user}, headers={"RateLimit-Limit": "5", "RateLimit-Remaining": "3"})
        lists: dict[str, list[dict[str, Any]]] = {
            "users": [user, user | {"id": "4", "username": "bob", "email": "bob@vendor.example"}],
            "fields": [
                {"id": id, "perstag": tag, "title": tag, "type": "text"} for id, tag in self.fields.items()
            ],
            "deals": self.deals,
            "dealTasks": self.tasks,
        }
        start = int(asked.query.get("offset", 0))
        page, total = lists[path][start : start + size], len(lists[path])
        status = 201 if path == "dealTasks" else 200  # as the description has it
        return Reply({path: page, "meta": {"total": total if path == "deals" else str(total)}}, status=status)

    def _post(self, path: str, asked: Asked) -> Reply:
        if path == "fields":
            self.fields[str(len(self.fields) + 1)] = asked.json["field"]["perstag"]
            return Reply({"fields": [], "fieldOptions": [], "fieldRels": []}, status=201)
        assert str(asked.json["fieldRel"]["field"]) in self.fields
        return Reply({"fieldRel": {**asked.json["fieldRel"], "id": "19"}}, status=201)

    def _patch(self, path: str, asked: Asked) -> Reply:
        wanted = {one["id"]: one["ownerId"] for one in asked.json["deals"]}
        for deal in self.deals:
            if deal["id"] in wanted and deal["id"] not in self.locked:
                deal["owner"] = wanted[deal["id"]]
        failed = sorted(set(wanted) & self.locked)
        return Reply({"success": sorted(set(wanted) - self.locked), "nochange": [], "failed": failed})
