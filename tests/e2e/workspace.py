"""The exported workspace as its own files say it, read with the csv module and scored in plain Python.

Nothing here touches the ledger or the code under test: points, half-lives and caps are read from the YAML as data,
what the conditions say is written again as Python.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from tests.score.plain import Condition, PlainRule, contribution

Line = Mapping[str, str]
Whose = tuple[str, datetime]
EVER = datetime(1970, 1, 1, tzinfo=UTC)
REFERRED = {"Employee Referral", "External Referral", "Partner"}
CAME_TO_US = {"Web Research", "Online Store", "Trade Show", "Sales Mail Alias"}
DIGITAL = {"Technology", "IT Services", "Communications", "Financial Services"}
CLASSIC = {"Manufacturing", "Pharma", "Consulting", "Service Provider"}
CONDITIONS: Mapping[str, Callable[[Any], bool]] = {
    "digital": lambda lead: lead["industry"] in DIGITAL,
    "classic": lambda lead: lead["industry"] in CLASSIC,
    "referred": lambda lead: lead["lead_source"] in REFERRED,
    "came_to_us": lambda lead: lead["lead_source"] in CAME_TO_US,
    "known_company": lambda lead: lead["in_the_books"],
    "has_website": lambda lead: lead["website"] != "",
    "we_called_first": lambda lead: lead["lead_source"] == "Cold Call",
}
TOUCHES = {"Responded": "campaign_response", "Bounced": "email_bounced", "Opted Out": "unsubscribed"}


@dataclass(frozen=True)
class Workspace:
    """A folder of the export."""

    folder: Path

    def lines(self, name: str) -> list[dict[str, str]]:
        with (self.folder / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
            return [{key: value.strip() for key, value in line.items()} for line in csv.DictReader(file)]

    @cached_property
    def leads(self) -> dict[str, dict[str, str]]:
        """LEADID -> its line."""
        return {line["LEADID"]: line for line in self.lines("Leads")}

    @cached_property
    def contacts(self) -> dict[str, dict[str, str]]:
        """CONTACTID -> its line."""
        return {line["CONTACTID"]: line for line in self.lines("Contacts")}

    @cached_property
    def companies(self) -> dict[str, set[str]]:
        """Company as the file writes it -> the LEADIDs of its people."""
        return _grouped((line["Company"], lead) for lead, line in self.leads.items())

    @cached_property
    def happened(self) -> dict[str, list[dict[str, Any]]]:
        """LEADID -> what it did or what was done to it, each with the moment since when the files say of whom."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for (lead, since), kind, at in (*self._calls(), *self._events(), *self._touches()):
            found[lead].append({"type": kind, "occurred_at": at, "known": since})
        return found

    def _calls(self) -> Iterator[tuple[Whose, str, datetime]]:
        for line in self.lines("Calls"):
            yield self._whose(line), f"{line['Call Type'].lower()}_call", moment(line["Call Start Time"])

    def _events(self) -> Iterator[tuple[Whose, str, datetime]]:
        for line in self.lines("Events"):
            yield self._whose(line), "meeting", moment(line["Start DateTime"])

    def _touches(self) -> Iterator[tuple[str | None, str, datetime]]:
        named = _grouped((line["Last Name"], lead) for lead, line in self.leads.items())
        for line in self.lines("Campaign_Lead_Status"):
            whose = named.get(line["Lead Last Name"], set())
            only = next(iter(whose)) if len(whose) == 1 else ""
            yield (only, EVER), TOUCHES.get(line["Status"], "other"), moment(line["Last Modified Time"])

    def _whose(self, line: Line) -> Whose:
        """The lead that an activity names, else the one with the address of the contact that it names."""
        if line["LEADID"].strip("0"):
            return line["LEADID"], EVER
        contact = self.contacts.get(line["CONTACTID"])
        if contact is None:
            return "", EVER
        return self._by_address.get(contact["Email"].lower(), ""), moment(contact["Created Time"])

    @cached_property
    def _by_address(self) -> dict[str, str]:
        return {line["Email"].lower(): lead for lead, line in self.leads.items()}

    @cached_property
    def _accounts(self) -> dict[str, str]:
        """ACCOUNTID -> folded name, empty where the account has none."""
        return {line["ACCOUNTID"]: _name(line["Account Name"]) for line in self.lines("Accounts")}

    @cached_property
    def _on_site(self) -> dict[str, list[str]]:
        """Site -> names of the accounts that have it; a domain on which the leads have their mail is no company's."""
        mail = {line["Email"].lower().partition("@")[2] for line in self.leads.values()}
        found: dict[str, list[str]] = defaultdict(list)
        for line in self.lines("Accounts"):
            if (site := line["Website"].lower()) not in mail:
                found[site].append(self._accounts[line["ACCOUNTID"]])
        return found

    @cached_property
    def _of_name(self) -> Counter[str]:
        return Counter(self._accounts.values())

    @cached_property
    def _contact_at(self) -> dict[str, dict[str, str]]:
        return {line["Email"].lower(): line for line in self.contacts.values()}

    def in_the_books(self, lead: str, at: datetime) -> bool:
        """Its contact's account, else the only one with its site (or site and name), else with its name, is named."""
        line = self.leads[lead]
        contact = self._contact_at.get(line["Email"].lower())
        if contact and moment(contact["Created Time"]) <= at:
            return self._accounts[contact["Account Id"]] != ""
        name, sharing = _name(line["Company"]), self._on_site.get(line["Website"].lower(), [])
        if len(sharing) == 1:
            return sharing[0] != ""
        return (sharing.count(name) if sharing else self._of_name[name]) == 1

    def contributions(self, lead: str, at: datetime, rules: list[PlainRule]) -> dict[str, float]:
        """Rule -> points of the lead as of a moment, where there are any."""
        line = self.leads[lead]
        known = {
            "industry": line["Industry"], "lead_source": line["Lead Source"], "website": line["Website"],
            "in_the_books": self.in_the_books(lead, at),
        }  # fmt: skip
        happened = [event for event in self.happened.get(lead, []) if event["known"] < at]
        points = {rule.id: contribution(rule, known, happened, at) for rule in rules}
        return {rule: worth for rule, worth in points.items() if abs(worth) >= 5e-7}


def moment(text: str) -> datetime:
    """`15 Apr, 2021 00:03:00` or `2021-04-15 23:03:00`, both of a workspace in UTC."""
    form = "%Y-%m-%d %H:%M:%S" if text[4:5] == "-" else "%d %b, %Y %H:%M:%S"
    return datetime.strptime(text, form).replace(tzinfo=UTC)


def plain_rules(scoring: str) -> list[PlainRule]:
    """The rules of a scoring.yaml by its figures; a condition that is not written here again is a KeyError."""
    groups = yaml.safe_load(scoring)["rules"]
    return [_rule(group, rule) for group, rules in groups.items() for rule in rules]


def _rule(group: str, rule: Mapping[str, Any]) -> PlainRule:
    half_life = rule.get("half_life")
    return PlainRule(
        rule["id"],
        group,
        rule["points"],
        condition=Condition(rule["when"], CONDITIONS[rule["id"]]) if "when" in rule else None,
        types=(rule["activity"],) if "activity" in rule else (),
        half_life_days=float(half_life.removesuffix(" days")) if half_life else None,
        counting=rule.get("counting", "every"),
        cap=rule.get("cap"),
    )


def _name(company: str) -> str:
    """Without case, punctuation and the legal forms that the export holds."""
    words = re.sub(r"[\W_]+", " ", re.sub("['’]", "", company.lower().replace("&", " and "))).split()
    while len(words) > 1 and words[-1] in {"co", "company", "inc", "corp", "corporation", "ltd", "llc"}:
        words.pop()
    return " ".join(words[1:] if words[:1] == ["the"] and len(words) > 1 else words)


def _grouped(pairs: Iterator[tuple[str, str]]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        found[key].add(value)
    return dict(found)
