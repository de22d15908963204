"""Golden hours: who gets a hot lead by the default policy when part of the world, or all of it, sleeps."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clearlane import policy
from clearlane.policy.model import Policy
from clearlane.route import route_frame

ADA = {"seniority": "vp", "department": "sales", "employees": 300, "industry": "software"}
"""fits, and is warm without doing anything"""
ASKS, LOOKS = ["demo_request"], ["pricing_page_view"] * 3 + ["webinar_attended"]
AMER_SLEEPS = datetime(2026, 11, 18, 5, tzinfo=UTC)
WEDNESDAY_NOON, EVENING = datetime(2026, 11, 18, 15, tzinfo=UTC), datetime(2026, 11, 18, 20, tzinfo=UTC)
SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


@cache
def default() -> Policy:
    return policy.load(Path(__file__).parents[2] / "include" / "policy")


def routed(lead: dict[str, Any], did: list[str], at: datetime) -> dict[str, Any]:
    """What becomes of a lead that did this an hour ago."""
    leads = pd.DataFrame([{"lead_id": "1", **ADA, **lead}])
    moments = pd.DataFrame({"lead_id": "1", "type": did, "occurred_at": at - pd.Timedelta(hours=1)})
    row = route_frame(default(), leads, moments, None, at).iloc[0]
    return {name: None if pd.isna(row[name]) else row[name] for name in row.index}


@pytest.mark.parametrize(
    ("story", "lead", "did", "at", "place", "team", "due"),
    [
        ("asks while AMER works: an AE there", {"country": "US"}, ASKS, WEDNESDAY_NOON, "owned", "ae_amer",
         "2026-11-18T15:05:00Z"),
        ("asks while AMER sleeps: APAC has day", {"country": "US"}, ASKS, AMER_SLEEPS, "owned", "sdr_all",
         "2026-11-18T05:05:00Z"),
        ("asks in German in the evening: nobody awake speaks it, Berlin opens at nine",
         {"country": "DE", "language": "de"}, ASKS, EVENING, "held", "sdr_all", "2026-11-19T08:05:00Z"),
        ("asks in Germany, language unknown: AMER has day", {"country": "DE"}, ASKS, EVENING, "owned",
         "sdr_all", "2026-11-18T20:05:00Z"),
        ("asks on a Saturday: Sydney's Monday comes first", {"country": "US"}, ASKS, SATURDAY, "held",
         "sdr_all", "2026-11-22T22:05:00Z"),
        ("is hot and did not ask, in the night: their own region opens first", {"country": "US"}, LOOKS,
         AMER_SLEEPS, "held", "ae_amer", "2026-11-18T12:05:00Z"),
        ("is hot and did not ask, by day: an AE now", {"country": "US"}, LOOKS, WEDNESDAY_NOON, "owned",
         "ae_amer", "2026-11-18T15:05:00Z"),
    ],
)  # fmt: skip
def test_who_is_hot_is_answered_by_whoever_has_day(story, lead, did, at, place, team, due) -> None:
    got = routed(lead, did, at)
    assert (got["place"], got["team"], got["sla_due"]) == (place, team, due), (story, got)
    assert (got["rep"] is not None) == (place == "owned")
