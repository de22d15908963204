"""The capacity forecast: honest intervals, planted shortages named, plenty left alone, too little history said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.conftest import ROOT
from tests.profiles import examples
from tests.review.test_told import Tags
from tests.route.conftest import World, banded
from tests.route.firms import SLA, policy, rep, routing, rule, team, teams, to
from typer.testing import CliRunner

from clearlane import ledger
from clearlane.cli import app
from clearlane.policy import load
from clearlane.policy.model import Caps, Policy, Stint, TimeOff
from clearlane.review import artefacts, demand, outlook
from clearlane.review.arrivals import Asked, Held
from clearlane.review.demand import Coverage, History
from clearlane.review.forecast import Forecast, Outlook, TooLittleHistory, as_json, forecast, told

AS_OF = datetime(2026, 11, 22, 12, tzinfo=UTC)  # a Sunday
FIRST = datetime(2026, 8, 31, 9, tzinfo=UTC)  # eleven whole weeks before that of AS_OF
LEVELS = np.array([6.0, 18.0, 30.0, 10.0])


def firm(*reps: Any, **options: Any) -> Policy:
    """One team `emea` of these reps."""
    staff = teams(reps, team("emea", *(one.id for one in reps), **options))
    return banded(policy(routing(rule("all", "true", to("team", "emea"))), staff, sla=SLA))


def capped(name: str, **options: Any) -> Any:
    return rep(name, **{"caps": Caps(day=4), **options})


def steady(a_day: int, of: str = "emea", *, first: datetime = FIRST, band: str = "warm") -> list[Asked]:
    """So many leads on every working day of the history."""
    days = (first.date() + timedelta(days=n) for n in range((AS_OF - first).days))
    return [Asked(of, band, day, a_day) for day in days if day.weekday() < 5]


def seen(of: Policy, asked: list[Asked], held: dict[str, Held] | None = None, **options: Any) -> Forecast:
    return told(of, asked, held or {}, options.pop("first", FIRST), options.pop("as_of", AS_OF), **options)


def only(found: Forecast) -> Outlook:
    (one,) = found.teams
    return one


# --- intervals ----------------------------------------------------------------------------------


def drawn(kind: str, seed: int, weeks: int = 16) -> History:
    rng = np.random.default_rng(seed)
    if kind == "overdispersed":
        counts = rng.negative_binomial(LEVELS / 2, 1 / 3, (weeks, 4))  # variance three times the mean
    elif kind == "campaigns":
        counts = rng.poisson(LEVELS * rng.gamma(9, 1 / 9, (weeks, 1)))
    else:
        counts = rng.poisson(LEVELS, (weeks, 4))
    return History(counts.astype(np.int64), np.ones(weeks))


@pytest.mark.parametrize("kind", ["poisson", "overdispersed", "campaigns"])
def test_four_of_five_held_out_weeks_fall_into_their_interval(kind: str):
    histories = (drawn(kind, seed) for seed in range(60))
    found = sum((demand.backtest(one, seed=1, size=300) for one in histories), Coverage())
    assert found.weeks == 60 * 12
    assert 0.7 <= found.inside / found.weeks <= 0.9


def test_the_expected_level_is_the_planted_one():
    futures = [demand.draws(drawn("poisson", seed), np.ones(1), seed=seed) for seed in range(30)]
    assert np.mean(futures, axis=(0, 1, 2)) == pytest.approx(LEVELS, rel=0.1)


def test_recent_weeks_count_more_than_old_ones():
    counts = np.repeat([[20], [60]], 10, axis=0)
    middle = demand.interval(demand.draws(History(counts, np.ones(20)), np.ones(1), seed=1))[1]
    assert middle > 45


def test_more_spread_is_told_as_a_wider_interval():
    calm, wild = (History(np.array(counts)[:, None], np.ones(8)) for counts in ([40] * 8, [10, 70] * 4))
    widths = [np.ptp(demand.interval(demand.draws(one, np.ones(1), seed=1))) for one in (calm, wild)]
    assert widths[1] > 3 * widths[0]


@settings(max_examples=examples(12, 100))
@given(
    st.lists(st.lists(st.integers(0, 300), min_size=3, max_size=3), min_size=4, max_size=12),
    st.integers(0, 99),
)
def test_any_history_gives_counts_and_the_same_seed_the_same(counts: list[list[int]], seed: int):
    history = History(np.array(counts), np.ones(len(counts)))
    futures = demand.draws(history, np.array([1.0, 0.5]), seed=seed, size=50)
    assert futures.shape == (50, 2, 3)
    assert (futures >= 0).all()
    assert (futures == demand.draws(history, np.array([1.0, 0.5]), seed=seed, size=50)).all()


def test_bands_that_rise_and_fall_together_widen_the_sum():
    shared = np.array([20, 60, 25, 70, 15, 55, 30, 65])
    opposed = np.stack([shared, 85 - shared], axis=1)
    together = np.stack([shared, shared], axis=1)
    widths = [
        np.ptp(demand.interval(demand.draws(History(counts, np.ones(8)), np.ones(1), seed=3).sum(axis=2)))
        for counts in (opposed, together)
    ]
    assert widths[1] > 1.2 * widths[0]


# --- who runs short -----------------------------------------------------------------------------


def test_plenty_is_left_alone():
    found = seen(firm(capped("ana"), capped("ben"), capped("cyd")), steady(6))
    assert only(found).short_weeks == ()
    assert only(found).worst.takes == 60
    assert only(found).remedies == ()
    assert list(outlook.headline(found)) == ["No team is likely to run short."]


def test_a_planted_shortage_is_named_with_when_by_how_much_and_what_would_do():
    """Two of three are on leave in the second week: 20 of 40 leads can be taken."""
    away = (TimeOff(date(2026, 11, 30), date(2026, 12, 4), "leave"),)
    found = seen(firm(capped("ana"), capped("ben", time_off=away), capped("cyd", time_off=away)), steady(8))
    emea = only(found)
    assert [week.monday for week in emea.short_weeks] == [date(2026, 11, 30)]
    worst = emea.worst
    assert (worst.takes, worst.supply.on_leave, worst.supply.working) == (20, 2, 1)
    assert worst.leads.low < 40 < worst.leads.high
    assert worst.short == pytest.approx(worst.leads.middle - 20, abs=2)
    assert worst.probability > 0.95
    said = " ".join(outlook.headline(found))
    assert "Emea, from 30 November: short in 1 of 4 weeks" in said
    assert "can take 20 of 40" in said
    assert "2 of 3 on leave" in said
    assert "leads more a day for each of its people" in said
    assert "2 more people in every week" in said or "3 more people in every week" in said


def test_the_reason_of_an_absence_is_told_nowhere():
    away = (TimeOff(date(2026, 11, 23), date(2026, 12, 18), "chemotherapy"),)
    found = seen(firm(capped("ana", time_off=away), capped("ben")), steady(8))
    assert found.teams[0].worst.supply.on_leave == 1
    assert "chemotherapy" not in outlook.page(found) + json.dumps(as_json(found))


def test_the_smallest_raise_is_enough_and_one_less_is_not():
    asked = steady(11)
    short = only(seen(firm(capped("ana"), capped("ben")), asked))
    more = int(short.remedies[0].split()[0])
    caps = [Caps(day=4 + n) for n in (more - 1, more)]
    less, enough = (
        only(seen(firm(rep("ana", caps=cap), rep("ben", caps=cap)), asked)).worst.probability for cap in caps
    )
    assert enough <= 0.2 < less


def test_holidays_take_days_and_bring_fewer_leads():
    """Christmas on a Friday: a day less to take, and a day as quiet as a weekend."""
    of = firm(capped("ana", holidays="GB-ENG"), capped("ben", holidays="GB-ENG"))
    ordinary, christmas = only(seen(of, steady(7), weeks=5)).weeks[3:]
    assert christmas.monday == date(2026, 12, 21)
    assert christmas.supply.holidays == 2
    assert (ordinary.takes, christmas.takes) == (40, 32)
    assert christmas.leads.middle == pytest.approx(ordinary.leads.middle * 4 / 5, rel=0.1)


def test_the_ramp_joining_and_leaving_count_from_their_day():
    new = capped("new", active_from=date(2026, 11, 30), ramp=(0.5,))
    gone = capped("gone", active_until=date(2026, 11, 25))
    weeks = only(seen(firm(capped("ana"), new, gone), steady(4))).weeks
    assert [week.takes for week in weeks] == [20 + 12, 20 + 10, 20 + 10, 20 + 10]
    assert [week.supply.working for week in weeks] == [2, 2, 2, 2]


def test_a_stint_in_the_team_counts_for_its_days():
    stint = {"ben": (Stint(1.0, None, date(2026, 11, 24)),)}
    weeks = only(seen(firm(capped("ana"), capped("ben"), stints=stint), steady(3))).weeks
    assert [week.takes for week in weeks] == [28, 20, 20, 20]


def test_caps_by_the_hour_and_the_week():
    hourly = only(seen(firm(rep("ana", caps=Caps(hour=1))), steady(3))).worst
    weekly = only(seen(firm(rep("ana", caps=Caps(day=4, week=9))), steady(3))).worst
    assert hourly.takes == 40
    assert (weekly.takes, weekly.limit) == (9, "week")


def test_open_leads_that_are_never_closed_fill_the_cap():
    of = firm(rep("ana", caps=Caps(open=60)))
    weeks = only(seen(of, steady(5), {"ana": Held(open=20)})).weeks
    assert [week.limit for week in weeks] == ["open"] * 4
    assert weeks[0].takes == 40
    assert weeks[0].probability < 0.2 < weeks[-1].probability


def test_what_closes_makes_room():
    """A lead stays open for a week: 60 open leads are room for more than 25 a week, always."""
    of = firm(rep("ana", caps=Caps(open=60)))
    found = only(seen(of, steady(5), {"ana": Held(open=20, ended=100, days=700.0)}))
    assert found.open_days == 7
    assert found.short_weeks == ()


def test_without_caps_nobody_runs_short_and_without_anybody_everybody_does():
    assert only(seen(firm(rep("ana")), steady(50))).worst.takes is None
    gone = only(seen(firm(rep("ana", active_until=date(2026, 11, 1))), steady(5)))
    assert (gone.worst.takes, gone.worst.probability) == (0, 1)
    assert gone.worst.limit == "nobody at work"


def test_whoever_is_in_two_teams_is_not_counted_twice():
    """Ana can take 20 a week: with 10 and 10 asked for both have enough, with 30 and 30 both are short by half."""
    staff = teams([capped("ana", caps=Caps(day=4))], team("emea", "ana"), team("apac", "ana"))
    of = banded(policy(routing(rule("all", "true", to("team", "emea"))), staff, sla=SLA))
    calm = seen(of, [*steady(1), *steady(1, "apac")])
    busy = seen(of, [*steady(6), *steady(6, "apac")])
    assert all(one.worst.probability < 0.2 for one in calm.teams)
    assert [one.worst.takes for one in busy.teams] == pytest.approx([10, 10], abs=1)


def test_a_team_with_room_is_named():
    reps = [capped("ana"), capped("ben", caps=Caps(day=40))]
    staff = teams(reps, team("emea", "ana"), team("apac", "ben"))
    for second, named in ((to("team", "apac"), True), (to("nurture"), False)):
        of = banded(policy(routing(rule("all", "true", to("team", "emea"), second)), staff, sla=SLA))
        found = seen(of, [*steady(8), *steady(5, "apac")])
        assert [one.team for one in found.teams] == ["emea", "apac"]
        assert ("Apac, who stand on a ladder" in found.teams[0].remedies[-1]) is named


# --- history ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weeks", [0, 3])
def test_too_little_history_is_said(weeks: int):
    first = datetime(2026, 11, 18, tzinfo=UTC) - timedelta(weeks=weeks + 1)  # a Wednesday
    with pytest.raises(TooLittleHistory, match=f"{weeks} whole weeks of live decisions; at least 4"):
        seen(firm(capped("ana")), steady(5, first=first), first=first)


def test_a_new_team_is_named_and_not_guessed():
    staff = teams(
        [capped("ana"), capped("ben"), capped("cyd")],
        team("emea", "ana"), team("apac", "ben", first=date(2026, 11, 9)), team("amer", "cyd"),
    )  # fmt: skip
    of = banded(policy(routing(rule("all", "true", to("team", "emea"))), staff, sla=SLA))
    found = seen(of, [*steady(3), *steady(3, "apac", first=datetime(2026, 11, 9, tzinfo=UTC))])
    assert (found.too_new, found.quiet) == ({"apac": 1}, ("amer",))
    assert "apac: 1 whole weeks of history, too few to tell." in list(outlook.notes(found))


def test_everything_told_is_the_same_for_the_same_seed():
    of, asked = firm(capped("ana")), steady(4)
    assert seen(of, asked) == seen(of, asked)
    assert seen(of, asked) != seen(of, asked, seed=8)


# --- out of the ledger --------------------------------------------------------------------------


@pytest.fixture
def world(ledger_url: str):
    engine = ledger.connect(ledger_url)
    yield World(engine)
    engine.dispose()


def test_demand_is_read_from_live_decisions_of_whoever_was_asked_first(world: World):
    """Emea has room for one a day; what it passes on to apac for its cap is still asked of emea."""
    staff = teams([rep("ana", caps=Caps(day=1)), rep("ben")], team("emea", "ana"), team("apac", "ben"))
    rules = (
        rule("cold", "band = 'cold'", to("nurture")),
        rule("rest", "true", to("team", "emea"), to("team", "apac")),
    )
    of = banded(policy(routing(*rules, sticky_company=False), staff, sla=SLA))
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for n in range(36):
        world.run(of, world.leads(3), as_of=start + timedelta(days=n))
    world.run(of, world.leads(2), as_of=start + timedelta(days=3, hours=1), mode="shadow")
    world.run(of, world.leads(2), as_of=start + timedelta(days=4, hours=1), score=5, band="cold")
    with world.engine.connect() as connection:
        found = forecast(connection, of, start + timedelta(days=36))
    emea = only(found)
    assert (emea.team, emea.history_weeks, found.quiet) == ("emea", 5, ("apac",))
    assert emea.worst.leads.middle == pytest.approx(21, abs=2)
    assert emea.worst.takes == 5
    assert len(emea.short_weeks) == 4
    assert set(emea.worst.bands) == {"warm"}


def test_open_leads_and_how_fast_they_close_are_measured(world: World):
    of = firm(rep("ana", caps=Caps(open=100)))
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for n in range(36):
        world.run(of, world.leads(2), as_of=start + timedelta(days=n))
    with world.engine.begin() as connection:
        ended = "update assignment set ended_at = started_at + interval '4 days', ended_seq = decision_seq"
        connection.execute(
            sa.text(f"{ended} where started_at < :before"), {"before": start + timedelta(days=30)}
        )
    with world.engine.connect() as connection:
        found = only(forecast(connection, of, start + timedelta(days=36)))
    assert found.weeks[0].supply.open == 12
    assert found.open_days == pytest.approx(4.7, abs=0.2)  # 60 of 4 days, 12 of up to 6 that are open
    assert found.short_weeks == ()


def test_an_empty_ledger_says_so(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", world.engine.url.render_as_string(hide_password=False))
    done = CliRunner().invoke(app, ["forecast", "--policy", str(ROOT / "include/policy")])
    assert done.exit_code == 1
    assert "0 whole weeks of live decisions; at least 4 are needed" in done.stderr


def test_the_command_prints_writes_and_gives_json(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
):
    """The default company's channel team, five weeks long."""
    default = load(ROOT / "include/policy")
    of = banded(policy(routing(rule("all", "true", to("team", "channel"))), default.teams, sla=SLA))
    start = datetime(2026, 3, 2, 12, tzinfo=UTC)
    for n in range(36):
        world.run(of, world.leads(1), as_of=start + timedelta(days=n))
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", world.engine.url.render_as_string(hide_password=False))
    asked = ["forecast", "--policy", str(ROOT / "include/policy"), "--as-of", "2026-04-07", "--weeks", "2"]
    told_json = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert [week["monday"] for week in told_json["teams"][0]["weeks"]] == ["2026-04-13", "2026-04-20"]
    done = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "pages")])
    assert "No team is likely to run short." in done.stdout
    assert sorted(path.name for path in (tmp_path / "pages").iterdir()) == ["forecast.html", "forecast.json"]


# --- as told ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def short() -> Forecast:
    nasty = firm(capped("ana"), capped("ben"))
    named = replace(nasty.teams.teams["emea"], name="<script>Emea")
    return seen(replace(nasty, teams=replace(nasty.teams, teams={"emea": named})), steady(9))


def test_the_page_is_whole_safe_and_loads_nothing(short: Forecast):
    tags = Tags(outlook.page(short))
    assert tags.open == tags.loaded == []
    assert tags.seen.count("svg") == 1
    assert "script" not in tags.seen


def test_the_terminal_tells_each_week(short: Forecast):
    console = Console(width=180, file=StringIO(), record=True)
    for table in outlook.tables(short):
        console.print(table)
    text = console.export_text()
    for monday in ("23 November", "30 November", "7 December", "14 December"):
        assert text.count(monday) >= 1
    assert "can take" in text


def test_files_hold_what_was_found(short: Forecast, tmp_path: Any):
    as_data, as_page = artefacts.write_forecast(short, tmp_path / "new")
    week = json.loads(as_data.read_text())["teams"][0]["weeks"][0]
    assert week["monday"] == "2026-11-23"
    assert week["takes"] == 40
    assert week["supply"]["room"] is None  # no cap on open leads
    assert "Who runs short" in as_page.read_text()
