"""Opportunities shared out over touches: by hand, and whatever the touches the parts add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane.review.judgement.attribution import NO_TOUCH, REST, WAYS, Attribution, attributed, pipeline

DAY_0 = datetime(2026, 3, 2, tzinfo=UTC)

touched = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["ads", "web", "fair"]), st.integers(0, 9)), max_size=20
)
won = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 900)), min_size=1, max_size=6
)


def shared_out(
    touches: list[tuple[str, str, int]], deals: list[tuple[str, int, float | None]]
) -> Attribution:
    return attributed(
        pd.DataFrame(
            [(lead, channel, DAY_0 + timedelta(days=day)) for lead, channel, day in touches],
            columns=["lead_id", "channel", "at"],
        ).astype({"at": "datetime64[us, UTC]"}),
        pd.DataFrame(
            [(lead, DAY_0 + timedelta(days=day), amount) for lead, day, amount in deals],
            columns=["lead_id", "at", "amount"],
        ).astype({"at": "datetime64[us, UTC]"}),
        seed=1,
    )


def credits(found: Attribution, way: str) -> dict[str, float]:
    return {channel.name: channel.credits[way].opportunities for channel in found.channels}


def test_one_journey_by_hand():
    """ads, web, web, fair, and one touch after the opportunity that counts nothing."""
    touches = [("a", "ads", 0), ("a", "web", 1), ("a", "web", 2), ("a", "fair", 3), ("a", "ads", 8)]
    found = shared_out(touches, [("a", 5, 1000.0)])
    none = {"ads": 0.0, "web": 0.0, "fair": 0.0}
    assert credits(found, "first") == pytest.approx({**none, "ads": 1})
    assert credits(found, "last") == pytest.approx({**none, "fair": 1})
    assert credits(found, "linear") == pytest.approx({"ads": 0.25, "web": 0.5, "fair": 0.25})
    assert credits(found, "position") == pytest.approx({"ads": 0.4, "web": 0.2, "fair": 0.4})
    assert {one.name: one.credits["position"].amount for one in found.channels}["ads"] == pytest.approx(400)


@pytest.mark.parametrize(("touches", "parts"), [(1, [1.0]), (2, [0.5, 0.5]), (3, [0.4, 0.2, 0.4])])
def test_position_of_short_journeys(touches: int, parts: list[float]):
    found = shared_out([("a", f"c{n}", n) for n in range(touches)], [("a", 5, 10.0)])
    assert sorted(credits(found, "position").values()) == pytest.approx(sorted(parts))


@settings(max_examples=examples(20, 200), deadline=None)
@given(touched, won)
def test_in_every_way_the_parts_add_up(
    touches: list[tuple[str, str, int]], deals: list[tuple[str, int, int]]
):
    found = shared_out(touches, [(lead, day, float(amount)) for lead, day, amount in deals])
    assert found.opportunities == len(deals)
    for way in WAYS:
        assert sum(credits(found, way).values()) == pytest.approx(len(deals))
        given = sum(channel.credits[way].amount for channel in found.channels)
        assert given == pytest.approx(sum(amount for *_, amount in deals))
        shares = [channel.credits[way].share for channel in found.channels]
        assert sum(share.value for share in shares if share) == pytest.approx(1)


def test_an_opportunity_without_a_touch_is_told_as_such():
    found = shared_out([], [("a", 5, None), ("b", 5, 10.0)])
    (only,) = found.channels
    assert (only.name, only.credits["linear"].opportunities, found.amount) == (NO_TOUCH, 2, 10)


def test_many_channels_are_joined_and_the_share_has_an_interval():
    touches = [(f"l{n}", "web" if n % 2 else f"c{n}", 0) for n in range(60)]
    found = shared_out(touches, [(f"l{n}", 5, 1.0) for n in range(60)])
    assert [found.channels[0].name, found.channels[-1].name] == ["web", REST]
    share = found.channels[0].credits["first"].share
    assert share is not None
    assert 0.3 < share.low < 0.5 == share.value < share.high < 0.7


def test_the_pipeline_of_each_source_and_band():
    leads = pd.DataFrame(
        {
            "source": ["form", "form", "list", "form"],
            "band": ["hot", "cool", "cool", "hot"],
            "opportunity": [True, False, True, False],
            "pipeline": [100.0, 0.0, 30.0, 0.0],
        }
    )
    rows = [(p.source, p.band, p.leads, p.opportunities, p.amount) for p in pipeline(leads)]
    assert rows == [("form", "hot", 2, 1, 100), ("form", "cool", 1, 0, 0), ("list", "cool", 1, 1, 30)]
    assert np.sum([p.leads for p in pipeline(leads)]) == 4
