"""The firm of the simulated quarter: the default policy and its reps, with absences, a newcomer and a leaver."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml
from tests.e2e.quarter.crm import SYSTEMS, source

POLICY: Final = Path(__file__).resolve().parents[3] / "include/policy"
MASTER: Final = "crm"
"""the system in which people change owners"""
LEAVER: Final = "marcus_webb"
NEWCOMER: Final = "tessa_lind"
FOLLOW_UP: Final[dict[str, dict[str, Any]]] = {
    "hot": {"attempts": 3, "within": "2 days", "then": "no answer"},
    "warm": {"attempts": 2, "within": "1 day", "then": "no answer"},
}
"""so short that a week has all of it"""


def texts(first: date, days: int) -> dict[str, str]:
    """The policy of a time that begins on a day: its files by name."""
    found = {path.stem: path.read_text(encoding="utf-8") for path in POLICY.glob("*.yaml")}
    staff = yaml.safe_load(found["teams"])
    reps = {rep["id"]: rep for rep in staff["reps"]}
    _away(reps["jonas_keller"], first + timedelta(days=days // 2), days // 6)
    _away(reps["maya_brooks"], first + timedelta(days=days // 3), 1)
    _away(reps["lena_vogt"], first + timedelta(days=2), max(days // 10, 1))
    reps[NEWCOMER]["active_from"] = str(first + timedelta(days=days // 4))
    del reps["carl_dunne"]["active_until"]
    shown = yaml.safe_load(found["sources"])
    shown["sources"] = {system: source(system) for system in SYSTEMS}
    shown["masters"] = {"owner": MASTER}
    promised = yaml.safe_load(found["sla"])
    promised["follow_up"] = FOLLOW_UP
    changed = {"teams": staff, "sources": shown, "sla": promised}
    return {**found, **{name: yaml.safe_dump(file) for name, file in changed.items()}}


def without_leaver(policy: dict[str, str], last: date) -> dict[str, str]:
    """The policy that says of one rep that he leaves."""
    staff = yaml.safe_load(policy["teams"])
    reps = {rep["id"]: rep for rep in staff["reps"]}
    reps[LEAVER]["active_until"] = str(last)
    return {"teams": yaml.safe_dump(staff)}


def names(policy: dict[str, str]) -> dict[str, str]:
    """What a system may call a rep -> the rep's id."""
    reps = yaml.safe_load(policy["teams"])["reps"]
    return {
        name: rep["id"]
        for rep in reps
        for name in (rep["id"], rep["email"], *rep.get("known_as", {}).get("crm", []))
    }


def turns(policy: dict[str, str]) -> Iterator[datetime]:
    """When somebody goes away or comes back: midnights of their zone."""
    for rep in yaml.safe_load(policy["teams"])["reps"]:
        for off in rep.get("time_off", ()):
            for day in (
                date.fromisoformat(off["first"]),
                date.fromisoformat(off["last"]) + timedelta(days=1),
            ):
                yield datetime.combine(day, time(), ZoneInfo(rep["zone"])).astimezone(UTC)


def teams(policy: dict[str, str]) -> dict[str, set[str]]:
    """Team -> ids of its members."""
    return {
        team["id"]: {one["rep"] if isinstance(one, dict) else one for one in team["members"]}
        for team in yaml.safe_load(policy["teams"])["teams"]
    }


def colleagues(policy: dict[str, str], rep: str) -> list[str]:
    """To whom a person gives what the rep has: those of the rep's teams, but for who comes or leaves meanwhile."""
    mine = set[str]().union(*(members for members in teams(policy).values() if rep in members))
    return sorted(mine - {rep, LEAVER, NEWCOMER})


def _away(rep: dict[str, Any], first: date, days: int) -> None:
    last = first + timedelta(days=max(days - 1, 0))
    rep["time_off"] = [{"first": str(first), "last": str(last), "because": "away"}]
