"""The mail of the week: who gets it, once; that its numbers are those of the figures, and whom it names."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.sla.weeks import MONDAY, POLICY, Lived

from clearlane.score.gaps import Gap, Lacking
from clearlane.sla import digest, weekly
from clearlane.sla.digest import Digest, Quality
from clearlane.sla.mails.content import Content, Desk, Void, Web, content
from clearlane.sla.mails.rendering import letter
from clearlane.sla.pictures import pictures

AT = MONDAY + timedelta(days=14, hours=6)
REPS = POLICY.teams.reps | {
    "hedy": replace(POLICY.teams.reps["ana"], id="hedy", name="Hedy", email="hedy@clearlane.example")
}
OF = replace(
    POLICY,
    teams=replace(POLICY.teams, reps=REPS),
    sla=replace(POLICY.sla, head_of_sales="hedy", revops="revops@clearlane.example"),
)


@pytest.fixture(scope="module")
def told(lived: Lived) -> Digest:
    with lived.engine.begin() as connection:
        return digest.digest(connection, OF, MONDAY, AT)


def owed(world: Lived, **run: str) -> list[dict]:
    """What a run of the DAG owes; nothing of it stays."""
    batch = world.run_of(AT, dag="digest", **run)
    with world.engine.connect() as connection:
        count = weekly.owe(connection, OF, replace(batch, as_of=MONDAY + timedelta(days=7, hours=6)))
        again = weekly.owe(connection, OF, replace(batch, as_of=MONDAY + timedelta(days=7, hours=7)))
        rows = (
            connection.exec_driver_sql("select * from mail where kind = 'digest' order by person")
            .mappings()
            .all()
        )
        connection.rollback()
    assert (count, again) == (len(rows), 0)
    return [dict(row) for row in rows]


def test_head_of_sales_and_revops_are_told_once(lived: Lived) -> None:
    rows = owed(lived)
    assert [(row["key"], row["urgency"]) for row in rows] == [
        ("digest:2026-W10:hedy", "quiet"), ("digest:2026-W10:revops", "quiet")
    ]  # fmt: skip
    assert {row["expires_at"] for row in rows} == {MONDAY + timedelta(days=10, hours=6)}


def test_a_backfilled_week_and_one_in_shadow_mail_nothing(lived: Lived) -> None:
    assert owed(lived, run_type="backfill") == []
    assert owed(lived, mode="shadow") == []


def test_nobody_is_told_where_sla_yaml_names_nobody(told: Digest) -> None:
    nobody = replace(OF, sla=replace(OF.sla, head_of_sales=None, revops=None))
    same = replace(OF, sla=replace(OF.sla, revops="hedy"))
    assert weekly.readers(nobody) == {}
    assert weekly.readers(same) == {"hedy": True}


def test_the_mail_has_the_numbers_of_the_figures(told: Digest) -> None:
    said = letter(weekly.content(OF, told))
    whole = next(one for one in told.week.speed if (one.promise, one.by) == ("arrival", "all"))
    given = next(one for one in told.week.offers if one.by == "all")
    share = digest.percent(whole.share)
    assert said.subject == f"Week 10: {share} of leads touched in time"
    for text in (said.text, said.html):
        assert f"{share} of {whole.kept + whole.late}" in text
        assert f"{digest.percent(given.share)} of {given.offered - given.open} answered" in text
        for reason in (one for one in told.week.reasons if one.by == "all"):
            assert reason.reason in text


def test_reps_who_need_help_are_named_to_the_head_of_sales_alone(told: Digest) -> None:
    drawn = pictures(told)
    named = {names: str(weekly.facts(OF, told, drawn, names=names)) for names in (True, False)}
    assert any(rep in named[True] for rep in ("Ana", "Ben", "Cyd"))
    assert not any(rep in named[False] for rep in ("Ana", "Ben", "Cyd"))
    assert "the mail to Hedy names them" in named[False]


def test_nobody_else_reads_it_where_its_mails_come_back(lived: Lived) -> None:
    batch = lived.run_of(AT, dag="digest")
    with lived.engine.connect() as connection:
        weekly.owe(connection, OF, batch)
        asked = sa.text("select * from mail where kind = 'digest' and person = 'hedy'")
        row = connection.execute(asked).mappings().one()
        heard, bounced = (
            content(connection, Desk(OF, Web(), bounces), row, AT)
            for bounces in (frozenset(), frozenset({"hedy@clearlane.example"}))
        )
        connection.rollback()
    assert isinstance(heard, Content)
    assert isinstance(bounced, Void)


def test_pictures_are_png_and_say_their_numbers(lived: Lived) -> None:
    with lived.engine.begin() as connection:
        told = digest.digest(connection, OF, MONDAY + timedelta(days=7), AT)
    drawn = {one.name: one for one in pictures(told)}
    assert set(drawn) == {"weeks", "bands", "cohorts"}
    assert all(base64.b64decode(one.png).startswith(b"\x89PNG") for one in drawn.values())
    for one in (one for one in told.week.speed if (one.promise, one.by) == ("arrival", "band")):
        assert f"{one.name} {digest.percent(one.share)}" in drawn["bands"].alt
    assert all(len(one.alt) <= 300 for one in drawn.values())
    assert [one.png for one in pictures(told)] == [one.png for one in drawn.values()]
    assert set(letter(weekly.content(OF, told)).pictures) == set(drawn)


def test_better_and_worse_are_what_changed_by_enough_of_enough(told: Digest) -> None:
    def moved(promises: int, kept: int) -> Digest:
        whole = next(one for one in told.week.speed if (one.promise, one.by) == ("arrival", "band"))
        now, before = (replace(whole, kept=n, late=promises - n) for n in (kept, promises // 2))
        weeks = (
            replace(week, speed=(one,), offers=()) for week, one in ((told.week, now), (told.before, before))
        )
        return replace(told, **dict(zip(("week", "before"), weeks, strict=True)))

    def titles(of: Digest) -> set[str]:
        found = {section["title"] for section in weekly.facts(OF, of, (), names=True)["sections"]}
        return found & {"What got better", "What got worse"}

    assert titles(moved(20, 15)) == {"What got better"}
    assert titles(moved(20, 5)) == {"What got worse"}
    assert titles(moved(100, 52)) == set()
    assert titles(moved(8, 8)) == set()


def test_what_leads_lack_is_told_where_it_costs_points(told: Digest) -> None:
    web = Lacking("web", 10, 4, 1)
    some = [
        Gap("employees", ("icp_size",), 7.5, 15, (web,)),
        Gap("industry", ("icp_industry",), None, None, (web,)),
        Gap("title", ("junk",), -2.0, 0, (web,)),
    ]
    sections = {
        one["title"]: one for one in weekly.facts(OF, replace(told, gaps=some), (), names=False)["sections"]
    }
    assert sections["What is not known of leads"]["lines"] == [
        "employees: 40% of leads lack it (web 4 (40%)); who has it gets +7.5 points on average"
    ]


def test_a_week_without_anything_is_a_short_mail(told: Digest) -> None:
    empty = replace(told.week, speed=(), breaches=(), offers=(), reasons=(), intake=())
    said = letter(weekly.content(OF, Digest(empty, empty, (), (), ())))
    assert said.subject == "Week 10: no promise fell due"
    assert said.pictures == {}


def test_the_quality_of_each_source_is_told_with_what_cost_points(told: Digest) -> None:
    unusual = tuple(
        f"2026-03-0{day} leads company: missing in 30% of the records, usually in 6%" for day in range(2, 9)
    )
    crm = Quality("crm", 87, ("6 for 1.5% of its records in quarantine",), unusual)
    web = Quality("web", 100, (), ())
    week = replace(told.week, quality=(web, crm))
    of = replace(told, week=week, before=replace(told.before, quality=(replace(crm, score=91),)))
    said = letter(weekly.content(OF, of)).text
    assert "87 of 100 (91 the week before): 6 for 1.5% of its records in quarantine" in said
    assert said.index("87 of 100") < said.index("100 of 100")
    assert f"crm {unusual[4]}" in said
    assert unusual[5] not in said
    assert "and 2 more: `clearlane quality`" in said


def test_the_quality_of_a_week_comes_from_what_was_counted(lived: Lived) -> None:
    with lived.engine.connect() as connection:
        connection.exec_driver_sql(
            "insert into quality_profile (day, source, object, field, rows, filled, unusable, variety, known_seq)"
            " select date '2026-03-02' + number, 'crm', 'leads', '', 100, 98, 2, 0, 1 from generate_series(0, 6) number"
        )
        (crm,) = digest.digest(connection, OF, MONDAY, AT).week.quality
        connection.rollback()
    assert (crm.source, crm.score, crm.unusual) == ("crm", 92, ())
    assert crm.costs == ("8 for 2.0% of its records in quarantine",)
