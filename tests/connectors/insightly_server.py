"""An Insightly that remembers: lists as arrays, a search that needs a moment, moments without a zone."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import Any

from clearlane.policy.model import PUSHED

from .local_server import Asked, Reply

KEY = "in-k3y-s3cr3t"
BEYOND = (
    r"(GET|PUT) /v3.1/Leads(/.*)?",
    r"GET /v3.1/(Organisations|Opportunities|Tasks|Events)/Search",
    r"GET /v3.1/(Users|Users/Me|Tasks|Events|LeadStatuses|CustomFields/Leads)",
)
"""in the vendor's own help, and not in the description (which has the list of leads alone)"""


@dataclass
class Instance:
    """What the fake holds; tests change it as people would."""

    leads: dict[int, dict[str, Any]] = field(default_factory=dict)
    contacts: list[dict[str, Any]] = field(default_factory=list)
    tasks: list[dict[str, Any]] = field(default_factory=list)
    fields: set[str] = field(
        default_factory=lambda: {f"clearlane_{name}__c" for name in PUSHED if name != "owner"}
    )
    effective: int = 0
    failing: list[Reply] = field(default_factory=list)
    """answers of the next requests, in place of what would be done"""

    def add(self, id: int, changed: str = "2026-03-02 12:00:00", **said: Any) -> None:
        self.leads[id] = {
            "LEAD_ID": id, "FIRST_NAME": "Zoë", "LAST_NAME": "李", "EMAIL": f"l{id}@customer.example",
            "OWNER_USER_ID": 9, "RESPONSIBLE_USER_ID": None, "CONVERTED": False, "LEAD_STATUS_ID": 11,
            "TAGS": [{"TAG_NAME": "b"}, {"TAG_NAME": "a"}],
            "CUSTOMFIELDS": [{"FIELD_NAME": "Region__c", "FIELD_VALUE": "Süd"}], "LINKS": [],
            "DATE_CREATED_UTC": "2026-01-01 00:00:00", "DATE_UPDATED_UTC": changed, **said,
        }  # fmt: skip

    def __call__(self, asked: Asked) -> Reply:
        scheme, _, given = asked.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic" or b64decode(given).decode() != f"{KEY}:":
            return Reply({"Message": "Authorization has been denied for this request."}, status=401)
        if self.failing:
            return self.failing.pop(0)
        path = asked.path.removeprefix("/v3.1/")
        if asked.method == "PUT":
            return self._put(asked.json)
        if path.startswith("Leads/") and not path.endswith("Search"):
            lead = self.leads.get(int(path.split("/")[1]))
            return Reply(lead) if lead else Reply({"Message": "Not found"}, status=404)
        return self._list(path, asked)

    def _put(self, body: dict[str, Any]) -> Reply:
        lead = self.leads.get(body["LEAD_ID"])
        if lead is None:
            return Reply({"Message": "Not found"}, status=404)
        custom = {
            one["FIELD_NAME"]: one["FIELD_VALUE"] for one in [*lead["CUSTOMFIELDS"], *body["CUSTOMFIELDS"]]
        }
        fields = [{"FIELD_NAME": name, "FIELD_VALUE": value} for name, value in custom.items()]
        after = lead | body | {"CUSTOMFIELDS": fields}
        self.effective += after != lead
        self.leads[body["LEAD_ID"]] = after
        return Reply(after)

    def _list(self, path: str, asked: Asked) -> Reply:
        user = {"USER_ID": 3, "EMAIL_ADDRESS": "Ada@vendor.example", "FIRST_NAME": "Ada", "ACTIVE": True}
        if path == "Users/Me":
            return Reply(user, headers={"X-RateLimit-Limit": "40000", "X-RateLimit-Remaining": "39999"})
        lists: dict[str, list[dict[str, Any]]] = {
            "Leads": list(self.leads.values()),
            "Contacts": self.contacts,
            "Opportunities": [],
            "Tasks": self.tasks,
            "Users": [
                user,
                user | {"USER_ID": 4, "EMAIL_ADDRESS": "bob@vendor.example"},
                user | {"USER_ID": 5, "EMAIL_ADDRESS": "old@vendor.example", "ACTIVE": False},
            ],
            "LeadStatuses": [{"LEAD_STATUS_ID": 11, "LEAD_STATUS": "Open"}],
            "CustomFields/Leads": [{"FIELD_NAME": name} for name in sorted(self.fields)],
        }
        name = path.removesuffix("/Search")
        found = lists[name]
        if name != path:
            after = asked.query["updated_after_utc"]
            found = [
                one for one in found if one["DATE_UPDATED_UTC"].replace(" ", "T").rstrip("Z") > after[:-1]
            ]
        skip, top = int(asked.query.get("skip", 0)), int(asked.query.get("top", 100))
        assert top <= 500
        return Reply(found[skip : skip + top])
