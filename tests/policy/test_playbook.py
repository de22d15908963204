"""The pages for rep, manager and marketer say what the policy says, with its numbers, whatever policy it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from clearlane import policy

Texts = Mapping[str, str]
LINK = re.compile(r"\]\(([^)#]+)\)")


def page(texts: Texts, reader: str, **edits: tuple[str, str]) -> str:
    """The page for a reader with one text of each named file replaced by another."""
    new = dict(texts)
    for name, (old, by) in edits.items():
        assert old in new[name], old
        new[name] = new[name].replace(old, by)
    return policy.playbooks(policy.parse(new))[reader]


def row(text: str, first: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_rep_reads_how_fast_and_the_moments_that_follow(texts: Texts) -> None:
    found = row(page(texts, "rep"), "hot or asking for sales")
    assert found[1:] == ["5 minutes", "15 minutes", "3 minutes", "10 minutes"]
    agreed = "warm: {first_touch: 4 hours, accept: 4 hours, calendar: rep, warn_at: 0.6"
    later = (agreed, "warm: {first_touch: 3 hours, warn_at: 0.5")
    assert row(page(texts, "rep", sla=later), "warm")[1:] == ["3 hours", "–", "1 hour 30 minutes", "6 hours"]


def test_a_rep_reads_in_whose_hours_time_counts(texts: Texts) -> None:
    assert "Time counts in your own hours and zone" in page(texts, "rep")
    cool = ("cool: {first_touch: 1 day, calendar: rep", "cool: {first_touch: 1 day, calendar: team")
    said = page(texts, "rep", sla=cool)
    assert "in the team's hours, Mon, Tue, Wed, Thu, Fri 09:00–17:30, America/New_York (cool)." in said
    assert "so long after you open (hot or asking for sales; warm)." in said


def test_a_rep_reads_what_reaches_the_team_first_and_what_when_others_cannot(texts: Texts) -> None:
    _, first, other = row(page(texts, "rep"), "SDRs AMER, SDRs EMEA, SDRs APAC")
    assert "Warm: an SDR qualifies today" in first
    assert "Hot: an AE calls now" in other
    changed = page(texts, "rep", routing=("Warm: an SDR qualifies today", "Warm: call them"))
    assert "Warm: call them" in changed


def test_a_rep_reads_reasons_that_people_give(texts: Texts) -> None:
    said = page(texts, "rep", routing=("bad data, conflict]", "bad data, not our product]"))
    assert "not our product" in row(said, "it was no lead for you: your turn comes back")[1]
    assert "time-out" not in said


def test_a_manager_reads_of_the_own_queue_and_when_to_be_told(texts: Texts) -> None:
    said = page(texts, "manager")
    assert row(said, "SDRs APAC") == ["SDRs APAC", "Wei Ling Ong", "Wei Ling Ong", "APAC inbound"]
    assert "A lead that is warm had no first touch within 4 hours: manager." in said
    quieter = ("escalate: [manager]}\n  cool", "escalate: []}\n  cool")
    assert "A lead that is warm had" not in page(texts, "manager", sla=quieter)
    assert "for more than 9 days" in page(texts, "manager", sla=("sql: 30 days", "sql: 9 days"))
    assert row(page(texts, "manager", sla=("pool: 4 hours", "pool: 2 hours")), "pool")[2] == "2 hours"


def test_a_marketer_reads_what_makes_a_lead_hot_and_what_comes_back(texts: Texts) -> None:
    said = page(texts, "marketer")
    assert row(said, "hot") == ["hot", "75 points", "below 70, and not before 24 hours"]
    assert row(said, "Looked at prices")[1:] == ["+8, at most 24", "7 days"]
    assert "Works for a competitor." in said
    assert (
        row(page(texts, "marketer", scoring=("enter: 75, exit: 70", "enter: 80, exit: 60")), "hot")[1]
        == "80 points"
    )
    assert "webinar" in page(
        texts, "marketer", scoring=("[demo_request, contact_sales,", "[webinar, contact_sales,")
    )


def test_each_page_says_whom_to_ask(texts: Texts, folder: Path) -> None:
    loaded = policy.load(folder)
    for said in policy.playbooks(loaded).values():
        assert "## How to change it" in said
        assert (
            f"| {loaded.sections['sla'].owner} |" in said or f"| {loaded.sections['scoring'].owner} |" in said
        )


def test_what_the_pages_point_to_is_there(texts: Texts, folder: Path) -> None:
    docs = folder.parents[1] / "docs" / "playbook"
    named = {link for said in policy.playbooks(policy.load(folder)).values() for link in LINK.findall(said)}
    assert len(named) > 5
    assert [link for link in named if not (docs / link).resolve().is_file()] == []


def test_a_company_without_managers_has_its_pages(folder: Path) -> None:
    pages = policy.playbooks(
        policy.load(folder, folder / "overlays" / "zoho", folder / "overlays" / "zoho" / "cutover")
    )
    assert not any("None" in said for said in pages.values())
    assert "head of sales" not in pages["rep"]


def test_a_policy_that_says_nothing_has_pages_too() -> None:
    assert {*policy.playbooks(policy.parse({}))} == {"rep", "manager", "marketer"}
