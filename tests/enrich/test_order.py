"""The same records, delivered in any order and number of batches, twice at once, leave the same ledger.

Business columns only: surrogate ids, sequence values, recording times and closed merges are left out.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.profiles import examples

from clearlane import enrich
from clearlane.ledger.models import metadata

MOMENTS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(4)]
TIMES = [moment.isoformat() for moment in MOMENTS]
EMAILS = ["ada@acme.com", "bob@acme.com", "info@acme.com", "ada@gmail.com"]

BUSINESS = {
    "lead": """select l.external_id, l.source, l.created_at, s.external_id, l.contact_id, l.account_id, l.account_rule,
                      l.company_key from lead l join lead s on s.lead_id = l.survivor_id""",
    "lead_revision": "select lead_id, valid_from, content_hash, attributes, keys from lead_revision",
    "lead_key": "select lead_id, kind, value, current from lead_key",
    "merge": "select loser_id, survivor_id, rule from merge where undone_at is null",
    "contact": "select contact_id, valid_from, content_hash, email, account_external_id from contact_revision",
    "account": """select account_id, valid_from, content_hash, name_key, domain, country, parent_external_id
                  from account_revision""",
    "opportunity": "select opportunity_id, valid_from, content_hash, stage from opportunity_revision",
    "activity": "select activity_id, lead_id, type, occurred_at, attributes from activity",
    "outcome": "select outcome_id, lead_id, kind, occurred_at from outcome",
    "place": "select lead_id, place, reason = 'merged' from place",
    "inquiry": "select inquiry_id, lead_id, arrived_at from inquiry",
}
PROFILES = f"""
select m.at, p.lead_id, p.attributes, p.provenance, p.kind, p.account_id, r.content_hash
from (select unnest(cast(:moments as timestamptz[])) as at) m
cross join lateral ({enrich.profiles_at("m.at", "(select lead_id from lead where survivor_id = lead_id)")}) p
join lead_revision r using (revision_id)"""

some = st.sampled_from


def optional(values):
    return st.one_of(st.none(), some(values))


def records(object, ids, **fields):
    shape = st.fixed_dictionaries({"id": some(ids), **fields})
    return shape.map(lambda record: (object, "crm", {name: value for name, value in record.items() if value}))


RECORDS = st.one_of(
    records("leads", "123", email=optional(EMAILS), phone=optional(["+14155552671"]), name=optional(["Ada", "Bob"]),
            company=optional(["Acme", "Beta Ltd"]), country=optional(["US", "DE"]), city=optional(["Rome", "Oslo"]),
            created_at=optional(TIMES), updated_at=optional(TIMES)),
    records("contacts", "45", email=some(EMAILS), account_id=optional("67"), owner=optional("xy"),
            updated_at=optional(TIMES)),
    records("accounts", "67", name=optional(["Acme Inc", "Beta"]), website=optional(["acme.com", "beta.com"]),
            country=optional(["US"]), type=optional(["Customer"]), parent=optional("67"), owner=optional("xy"),
            updated_at=optional(TIMES)),
    records("opportunities", "8", lead_id=optional("12"), contact_id=optional("4"), account_id=optional("6"),
            owner=some("xy"), stage=some(["open", "won"]), updated_at=some(TIMES)),
    records("activities", ["e", "f", "g"], lead_id=optional("12"), contact_id=optional("4"), email=optional(EMAILS),
            type=some(["demo_request", "call"]), occurred_at=some(TIMES), updated_at=optional(TIMES)),
    records("outcomes", "o", lead_id=some("12"), kind=some(["won", "lost"]), occurred_at=some(TIMES)),
)  # fmt: skip


@st.composite
def deliveries(draw, most=8):
    """The same records in two orders, each cut into batches."""
    known = draw(st.lists(RECORDS, min_size=2, max_size=most))
    return known, _cut(draw, draw(st.permutations(known))), _cut(draw, draw(st.permutations(known)))


def _cut(draw, known):
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(known) - 1)), max_size=3)))
    return [known[start:end] for start, end in itertools.pairwise([0, *cuts, len(known)])]


def state(river) -> dict[str, Any]:
    tables = {name: sorted(map(repr, river.all(query))) for name, query in BUSINESS.items()}
    return tables | {"profiles": sorted(map(repr, river.all(PROFILES, moments=MOMENTS)))}


def emptied(river) -> None:
    river.change(f"truncate {', '.join(metadata.tables)} cascade")


def delivered(river, batches: Sequence[Sequence[Any]]) -> dict[str, Any]:
    emptied(river)
    for batch in batches:
        river.run(*batch)
    return state(river)


@pytest.fixture
def river(river):
    scoring = dataclasses.replace(river.policy.scoring, hand_raise_types=("demo_request",))
    river.policy = dataclasses.replace(river.policy, scoring=scoring)
    return river


def order_does_not_matter(river, case):
    known, first, second = case
    expected = delivered(river, [known])
    assert delivered(river, first) == expected
    assert delivered(river, second) == expected


@given(case=deliveries())
@settings(max_examples=examples(5, 60), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_batches_do_not_matter(river, case):
    order_does_not_matter(river, case)


@pytest.mark.full
@given(case=deliveries(14))
@settings(max_examples=400, derandomize=False, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_and_batches_do_not_matter_at_length(river, case):
    order_does_not_matter(river, case)


@given(case=deliveries())
@settings(max_examples=examples(4, 40), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_delivered_again_changes_nothing(river, case):
    _, first, second = case
    expected = delivered(river, first)
    for batch in second:
        river.run(*batch)
    assert state(river) == expected


def at_once(*runs) -> None:
    """Run all at the same time; the first failure is raised."""
    failures: list[BaseException] = []
    ready = threading.Barrier(len(runs))

    def guarded(run):
        ready.wait()
        try:
            run()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def crowd(half: int):
    """Records of two systems about the same people and companies, so that the halves overlap everywhere."""
    source = ("crm", "web")[half]
    for n in range(150):
        created = TIMES[(n + half) % 4]
        yield (
            "leads",
            source,
            {
                "id": f"{n}",
                "email": f"p{n % 60}@c{n % 20}.com",
                "created_at": created,
                "company": f"C{n % 20}",
            },
        )
        yield (
            "activities",
            source,
            {"id": f"{n}", "email": f"p{n}@c{n % 20}.com", "type": "call", "occurred_at": created},
        )
    for n in range(20):
        yield (
            "accounts",
            "crm",
            {"id": f"{n}", "website": f"c{n}.com", "updated_at": TIMES[2 * half], "employees": half},
        )


def test_two_runs_at_once_leave_what_one_after_the_other_leaves(river):
    halves = [list(crowd(0)), list(crowd(1))]
    expected = delivered(river, halves)
    for _ in range(examples(2, 6)):
        emptied(river)
        batches = [river.batch() for _ in halves]
        for batch, half in zip(batches, halves, strict=True):
            river.deliver(batch, half)
        at_once(*(lambda batch=batch: river.enrich(batch) for batch in batches))
        assert state(river) == expected


def test_a_batch_run_twice_at_once_is_run_once(river):
    expected = delivered(river, [list(crowd(0))])
    emptied(river)
    batch = river.batch()
    river.deliver(batch, list(crowd(0)))
    at_once(*[lambda: river.enrich(batch)] * 3)
    assert state(river) == expected


def test_the_state_sees_a_difference(river):
    one = delivered(river, [[("leads", "crm", {"id": "1", "email": EMAILS[0]})]])
    assert delivered(river, [[("leads", "crm", {"id": "1", "email": EMAILS[1]})]]) != one
    assert one["profiles"]


def test_the_ledger_is_complete_for_each_lead(river):
    delivered(river, [list(crowd(0)), list(crowd(1))])
    with river.engine.connect() as connection:
        without_place = connection.execute(
            sa.text("select count(*) from lead left join place using (lead_id) where place is null")
        )
        assert without_place.scalar_one() == 0
        chained = """select count(*) from lead l join lead s on s.lead_id = l.survivor_id
                     where s.survivor_id <> s.lead_id"""
        assert connection.execute(sa.text(chained)).scalar_one() == 0
