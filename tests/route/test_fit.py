"""What reps are worth by segment: estimates between what is known well and what is known little, and who explores."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearlane.route.fit import LEAST, MOST, USUAL, Results, explores, fit_of, prior_weight, shrunk

CELL = st.tuples(st.integers(0, 40), st.integers(0, 40)).map(lambda both: (min(both), max(both)))
TABLES = st.integers(1, 4).flatmap(
    lambda reps: st.lists(st.lists(CELL, min_size=reps, max_size=reps), min_size=1, max_size=4)
)
WEIGHT = st.sampled_from([LEAST, 35.0, MOST])
Table = Sequence[Sequence[tuple[int, int]]]


def counted(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """Successes and leads, a row a segment and a column a rep."""
    cells = np.array(table, dtype=float)
    return cells[..., 0], cells[..., 1]


@given(TABLES)
def test_rates_are_rates(table: Table) -> None:
    estimate = shrunk(*counted(table))
    assert ((estimate > 0) & (estimate <= 1)).all()


@given(TABLES, WEIGHT)
def test_an_estimate_lies_between_the_rep_s_own_rate_and_what_is_expected_of_it(
    table: Table, m: float
) -> None:
    good, of = counted(table)
    overall = (good.sum() + 1) / (of.sum() + 2)
    for s, rep in np.ndindex(good.shape):
        team = (good[s].sum() + m * overall) / (of[s].sum() + m)
        by_team = sum(
            of[t, rep] * (good[t].sum() + m * overall) / (of[t].sum() + m) for t in range(len(good))
        )
        ratio = (good[:, rep].sum() + m * overall) / (by_team + m * overall)
        expected = min(1.0, team * ratio)
        own = good[s, rep] / of[s, rep] if of[s, rep] else expected
        low, high = sorted((own, expected))
        found = shrunk(good, of, m)[s, rep]
        assert low - 1e-12 <= found <= high + 1e-12
        assert low < found < high or own == pytest.approx(expected) or not of[s, rep]


@given(st.lists(CELL, min_size=1, max_size=5), WEIGHT)
def test_without_segments_it_lies_between_the_rep_s_and_the_team_s_rate(cells, m: float) -> None:
    good, of = counted([cells])
    team = (good.sum() + m * (good.sum() + 1) / (of.sum() + 2)) / (of.sum() + m)
    for own, estimate, leads in zip(good[0], shrunk(good, of, m)[0], of[0], strict=True):
        rate = own / leads if leads else team
        assert min(rate, team) - 1e-12 <= estimate <= max(rate, team) + 1e-12


@given(TABLES, WEIGHT, st.data())
def test_a_win_more_never_makes_a_rep_worse(table: Table, m: float, data: st.DataObject) -> None:
    good, of = counted(table)
    s, rep = data.draw(st.sampled_from(list(np.ndindex(good.shape))))
    better = good.copy()
    better[s, rep] += 1
    if better[s, rep] > of[s, rep]:
        of[s, rep] += 1
        good[s, rep] += 0  # one more lead, lost before and won now
    assert shrunk(better, of, m)[s, rep] > shrunk(good, of, m)[s, rep]


def test_reps_without_a_lead_are_as_good_as_the_team() -> None:
    good, of = counted([[(30, 40), (10, 40), (0, 0)]])
    estimate = shrunk(good, of)[0]
    assert estimate[1] < estimate[2] < estimate[0]
    assert estimate[2] == pytest.approx((40 + 1) / 82, abs=0.01)


def test_who_had_the_easy_segment_is_no_better_for_it_in_another() -> None:
    """Ana had the leads that everybody wins, Ben those that nobody does: in a third segment they are alike."""
    good, of = counted(
        [[(36, 40), (9, 10), (9, 10)], [(1, 10), (4, 40), (1, 10)], [(0, 0), (0, 0), (10, 20)]]
    )
    third = shrunk(good, of)[2]
    assert third[0] == pytest.approx(third[1], rel=0.15)
    assert good[:, 0].sum() / of[:, 0].sum() > 2 * good[:, 1].sum() / of[:, 1].sum()


def test_the_prior_weighs_little_where_reps_differ_and_much_where_they_do_not() -> None:
    differing = prior_weight(*counted([[(90, 100), (10, 100), (50, 100)]]))
    alike = prior_weight(*counted([[(50, 100), (50, 100), (50, 100)]]))
    assert (differing, alike) == (LEAST, MOST)
    assert prior_weight(*counted([[(3, 5)]])) == USUAL
    assert prior_weight(*counted([[(0, 5), (0, 9)]])) == USUAL


@pytest.mark.parametrize("planted", [15.0, 40.0, 120.0])
def test_the_weight_is_what_was_planted(planted: float) -> None:
    """Rates drawn from a beta distribution around three segments' means: the moments find how wide it is."""
    rng, found = np.random.default_rng(7), []
    for _ in range(20):
        mean = np.array([[0.2], [0.35], [0.6]])
        rate = rng.beta(mean * planted, (1 - mean) * planted, (3, 60))
        of = rng.integers(20, 120, (3, 60))
        found.append(prior_weight(rng.binomial(of, rate).astype(float), of.astype(float)))
    assert float(np.median(found)) == pytest.approx(planted, rel=0.25)


def test_values_are_told_by_segment_and_by_the_whole_where_nobody_had_one() -> None:
    rows = [
        (("de",), "ana", Results(20, 18, 12, 6)),
        (("de",), "ben", Results(20, 10, 8, 1)),
        (("us",), "ben", Results(30, 28, 20, 9)),
        (("us",), "zoe", Results(30, 1, 1, 0)),
    ]
    fit = fit_of("one", ["ana", "ben", "cyd"], rows)
    assert fit.known
    assert fit.of(("de",))["ana"] > fit.of(("de",))["cyd"] > fit.of(("de",))["ben"]
    assert set(fit.of(("fr",))) == {"ana", "ben", "cyd"}
    assert fit.told(("de",), "ben") == Results(20, 10, 8, 1)
    assert fit.told(("fr",), "ben") == Results()
    assert fit == fit_of("one", ["ana", "ben", "cyd"], rows[:3]), "who is not in the team does not count"
    assert fit.of(("us",)) == fit_of("one", ["ana", "ben", "cyd"], rows[:3]).of(("us",))


def test_without_history_everybody_is_alike() -> None:
    fit = fit_of("none", ["ana", "ben"], [(("de",), "zoe", Results(3, 3, 3, 3))])
    assert not fit.known
    assert len(set(fit.of(("de",)).values())) == 1


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_that_explores_is_the_share_asked_for(share: float) -> None:
    leads = [UUID(int=number) for number in range(20_000)]
    first = [explores(lead, share) for lead in leads]
    within = 4 * sqrt(share * (1 - share) / len(leads))
    assert sum(first) / len(leads) == pytest.approx(share, abs=within)
    assert first == [explores(lead, share) for lead in leads]
    assert [explores(str(lead), share) for lead in leads] == first, "a lead's id is what is written"


@given(st.uuids(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_larger_share_keeps_those_of_the_smaller(lead: UUID, one: float, other: float) -> None:
    assert explores(lead, 1)
    assert explores(lead, max(one, other)) or not explores(lead, min(one, other))
