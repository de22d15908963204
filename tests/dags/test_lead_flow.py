"""`lead_flow` and `crm_push` run on a real PostgreSQL, in this process, task by task."""

from __future__ import annotations

import re
import shutil
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from tests.companies import END, policy_for

from clearlane import policy
from clearlane.ledger import doctor

# `dag.test` keeps the conf of one run as the Params of the next: every run says all of them.
DRY = {"mode": "auto", "dry_run": True}
SHADOW = {"mode": "shadow", "dry_run": True}
PLACES = """
    select place, count(*) from place p join lead l using (lead_id) where survivor_id = lead_id group by place
"""


def ask(engine: sa.Engine, query: str) -> Any:
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).all()


def count(engine: sa.Engine, table: str) -> int:
    return int(ask(engine, f"select count(*) from {table}")[0][0])


def healthy(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        assert [f.check.id for f in doctor.examine(connection) if f.count] == []


def states(run: Any) -> dict[str, set[str]]:
    """Task id → the states of its instances."""
    found: dict[str, set[str]] = {}
    for instance in run.get_task_instances():
        found.setdefault(instance.task_id, set()).add(str(instance.state))
    return found


def test_leads_flow_to_their_owners_and_a_second_run_changes_nothing(dagbag, published, airflow_home):
    lead_flow = dagbag.dags["lead_flow"]
    first = lead_flow.test(logical_date=END, run_conf=DRY)
    assert first.state == "success"
    assert states(first)["watch"] == {"skipped"}
    places = dict(ask(published, PLACES))
    assert places["owned"] > 0
    assert "waiting" not in places
    assert count(published, "outbox where state = 'owed'") > 0
    assert count(published, "outbox where state = 'sent'") == 0
    healthy(published)
    assert list((airflow_home / "data_docs").glob("*/index.html"))

    decided = count(published, "decision")
    again = lead_flow.test(logical_date=END + timedelta(minutes=5), run_conf=DRY)
    assert again.state == "success"
    assert dict(ask(published, PLACES)) == places
    assert count(published, "decision") == decided
    healthy(published)


def test_shadow_decides_and_does_nothing(dagbag, published):
    run = dagbag.dags["lead_flow"].test(logical_date=END + timedelta(hours=1), run_conf=SHADOW)
    assert run.state == "success"
    window = ask(published, "select mode, window_end - window_start from batch")
    assert window == [("shadow", timedelta(minutes=5))]
    assert [count(published, table) for table in ("turn", "sla_clock", "outbox")] == [0, 0, 0]


def test_a_failed_source_does_not_stop_the_others(dagbag, ledger, company, tmp_path, monkeypatch):
    """The web site's folder is gone: its pull is red, and so is the run; CRM and product went on."""
    broken = tmp_path / "company"
    shutil.copytree(company, broken)
    shutil.rmtree(broken / "product")
    with ledger.begin() as connection:
        policy.publish(connection, policy_for(broken), by="test", because="test", in_force_from=None)
    lead_flow = dagbag.dags["lead_flow"]
    monkeypatch.setitem(lead_flow.get_task("pull").partial_kwargs, "retries", 0)
    run = lead_flow.test(logical_date=END + timedelta(hours=2), run_conf=DRY)
    assert run.state == "failed"
    assert states(run)["pull"] == {"success", "failed"}
    assert states(run)["push"] == {"success"}
    assert states(run)["watch"] == {"failed"}
    assert {source for (source,) in ask(ledger, "select distinct source from lead")} == {"crm", "web"}
    healthy(ledger)
    told = [row.facts["incidents"] for row in ask(ledger, "select facts from mail where kind = 'incident'")]
    failed = (
        f"the task pull of lead_flow failed in the run {run.run_id}: source product: its address is no folder"
    )
    assert [one["because"] for one in told[0]] == [failed]
    assert "source.product" not in {one["key"] for later in told[1:] for one in later}


def test_a_delivery_that_is_not_as_usual_is_held_and_the_other_sources_go_on(dagbag, ledger, company):
    rules = "batch_rules:\n  - {rule: volume, objects: [leads], stop: 4, trailing_windows: 28}\n"
    texts = policy_for(company)
    contract = re.sub(r"batch_rules:\n(  - .*\n)+", rules, texts["contract"])
    usual = """
        insert into inbox (source, object, record_key, source_time, payload, state)
        select 'web', 'leads', week || ' ' || n, :end - week * interval '7 days' - interval '1 hour', '{}', 'consumed'
        from generate_series(0, 6) week, generate_series(1, case week when 0 then 0 else 5000 end) n
    """
    with ledger.begin() as connection:
        policy.publish(
            connection, {**texts, "contract": contract}, by="test", because="test", in_force_from=None
        )
        connection.execute(sa.text(usual), {"end": END})
    run = dagbag.dags["lead_flow"].test(logical_date=END, run_conf=DRY)
    assert run.state == "failed"
    assert {name for name, found in states(run).items() if "failed" in found} == {"held", "watch"}
    [(held,)] = ask(ledger, "select count(*) from quarantine where reasons -> 0 ->> 'field' = 'delivery'")
    assert held > 0
    assert "web" not in {source for (source,) in ask(ledger, "select distinct source from lead")}
    assert dict(ask(ledger, PLACES))["owned"] > 0
    told = dict(ask(ledger, "select key, because from incident"))
    assert "run.lead_flow" not in told
    assert told["quality.web"].startswith(f"{held} records are held in quarantine by volume")


def test_crm_push_sends_what_is_owed_once(dagbag, flowed, company):
    moment = END + timedelta(hours=3)
    owed = count(flowed, "outbox where state = 'owed'")
    crm_push = dagbag.dags["crm_push"]
    assert crm_push.test(logical_date=moment, run_conf={"dry_run": False}).state == "success"
    assert count(flowed, "outbox where state = 'sent'") == owed > 0
    written = sorted(path.name for path in (company / "crm" / "assignments").glob("*.csv"))
    later = moment + timedelta(minutes=5)
    assert crm_push.test(logical_date=later, run_conf={"dry_run": False}).state == "success"
    assert sorted(path.name for path in (company / "crm" / "assignments").glob("*.csv")) == written


def test_a_source_that_is_unknown_is_a_red_run_without_another_try(dagbag, published):
    run = dagbag.dags["lead_flow"].test(logical_date=END, run_conf={**DRY, "sources": ["nosuch"]})
    assert run.state == "failed"
    assert [
        (one.state, one.try_number) for one in run.get_task_instances() if one.task_id == "open_batch"
    ] == [("failed", 1)]
    assert count(published, "batch") == 0


def test_a_run_may_be_late_and_cleared(dagbag):
    """Airflow 3.3 cannot clear a run whose deadline counts from its own DAGRUN_QUEUED_AT (apache/airflow#70368)."""
    from airflow.models import DagRun
    from airflow.serialization.decoders import decode_deadline_reference
    from airflow.serialization.encoders import encode_deadline_reference
    from airflow.utils.session import create_session

    from clearlane_airflow.defaults import LATE

    stored = encode_deadline_reference(LATE.reference)
    assert stored["reference_type"] != "DagRunQueuedAtDeadline"
    with create_session() as session:
        run = DagRun(dag_id="lead_flow", run_id="late", run_type="manual", queued_at=END, state="queued")
        session.add(run)
        session.flush()
        due = decode_deadline_reference(stored).evaluate_with(
            session=session, interval=LATE.interval, dag_id=run.dag_id, run_id=run.run_id
        )
        session.rollback()
    assert due == END + timedelta(minutes=15)
