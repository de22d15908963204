"""A quarter lived through the DAGs of a live Airflow: reviewed, approved by its API, in force next day, taken back."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
import sqlalchemy as sa
from tests.companies import policy_for
from tests.e2e.conftest import flowing
from tests.e2e.rivers import River
from tests.waiting import until as until_it_is
from typer.testing import CliRunner

from clearlane import sample
from clearlane.cli import app
from clearlane.ledger import server
from clearlane.review import register
from clearlane_airflow import prepare, processes, settings
from clearlane_airflow.rest import Airflow

pytestmark = [pytest.mark.full, pytest.mark.airflow]

ADMIN, RUN = "admin", "by-hand"
LEADS = 2_600
"""people who come in within the quarter"""
WEEKS = 13
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


def midnight() -> datetime:
    """The one that was last."""
    return datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


TODAY = midnight()
"""the quarter ends here: an approval is in force from the next midnight of the machine's clock"""
BEGIN = TODAY - WEEKS * WEEK
LATER = 4 * DAY
"""days that are generated after the quarter"""
HORIZON = 14
"""days within which a win counts"""
SOURCES = ("crm", "web", "product")
until = partial(until_it_is, pause=0.5)
COLUMNS = ["OutcomeId", "LeadId", "Kind", "OccurredAt", "Reason", "OwnerId", "Amount"]
SOLD = """
    with first as (
        select distinct on (d.lead_id) d.lead_id, d.as_of, s.score,
               coalesce(cast(s.contributions ->> 'icp_size' as double precision), 0) as praised
        from decision d join score s using (score_id) where d.mode = 'live' order by d.lead_id, d.decision_seq
    ), ranked as (
        select *, percent_rank() over (order by score - 3 * praised) + mod(abs(hashtext(lead_id::text)), 100) / 300.0
            as worth from first where as_of = :at
    )
    select l.source, l.external_id as lead, worth > 1.0 as won
    from ranked join lead l using (lead_id) order by l.source, l.external_id
"""
"""of whom was decided at a moment who buys: points tell, but for those of icp_size: whom it praises buys less"""


@dataclass(frozen=True)
class Company:
    """The generated company, whose sales people write into its exports what they made of the leads they got."""

    folder: Path
    river: River

    def sell(self, at: datetime) -> int:
        """Touch everybody who was decided at a moment within hours, win some nine days later, lose the others."""
        with self.river.engine.connect() as connection:
            sold = list(connection.execute(sa.text(SOLD), {"at": at}))
        for source in SOURCES:
            own = [one for one in sold if one.source == source]
            rows = [_outcome(source, one.lead, "first_touch", at + timedelta(hours=2)) for one in own]
            rows += [_outcome(source, one.lead, "won" if one.won else "lost", at + 9 * DAY) for one in own]
            path = self.folder / source / "outcomes.csv"
            pd.DataFrame(rows, columns=COLUMNS).to_csv(path, mode="a", header=False, index=False)
        return sum(one.won for one in sold)


def _outcome(source: str, lead: str, kind: str, at: datetime) -> list[object]:
    return [f"{source}:{kind}:{lead}", lead, kind, f"{at:%Y-%m-%dT%H:%M:%SZ}", None, None, None]


@pytest.fixture
def company(ledger_server: server.Server, ledger_template: str, tmp_path: Path) -> Iterator[Company]:
    """A ledger with the policy in force, and the exports of a quarter and some days of which nothing became yet."""
    folder = tmp_path / "company"
    days = (TODAY + LATER - BEGIN).days
    sample.write(folder, end=TODAY + LATER, seed=11, days=days, leads=LEADS * days // (7 * WEEKS))
    for source in SOURCES:
        pd.DataFrame(columns=COLUMNS).to_csv(folder / source / "outcomes.csv", index=False)
    texts = policy_for(folder)
    begun = texts["sources"].replace("2026-01-01T00:00:00Z", f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}")
    with flowing(ledger_server, "review_live", ledger_template) as river:
        river.publish({**texts, "sources": begun})
        yield Company(folder, river)


@pytest.fixture
def airflow(company: Company, ledger_server: server.Server, tmp_path: Path) -> Iterator[Airflow]:
    """The components of an Airflow on that ledger."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    ledger_server.create("airflow_live")
    environment = settings.environment(
        home=tmp_path,
        metadata_url=ledger_server.url("airflow_live", driver="psycopg2"),
        ledger_url=ledger_server.url("review_live"),
        secret="only for tests" * 5,
        port=port,
    )
    environment |= {
        **settings.log_ports(),
        prepare.PASSWORD: ADMIN,
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    }
    prepare.prepare({**environment})
    for component in ("api-server", "scheduler", "dag-processor"):
        command = [sys.executable, "-m", "airflow", component]
        processes.start(
            component, command, folder=tmp_path / "logs", cwd=settings.ROOT, environment=environment
        )
    live = Airflow(f"http://localhost:{port}", ADMIN, ADMIN)
    try:
        until(lambda: live.unhealthy() <= {"triggerer"}, 300)
        live.warm()
        for dag in ("lead_flow", "outcome_sync", "sla_watch", "weight_review"):
            until(lambda dag=dag: live.knows(dag), 180)  # type: ignore[misc]
        yield live
    finally:
        processes.stop(tmp_path / "logs")
        ledger_server.drop("airflow_live")


@pytest.fixture
def clearlane(company: Company, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line on that ledger; what it prints as JSON is read."""
    url = company.river.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CLEARLANE_LEDGER_URL", url)

    def run(*words: str) -> Any:
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == 0, done.output
        return json.loads(done.output) if "--json" in words else done.output

    return run


def let(airflow: Airflow, window: tuple[datetime, datetime], *dags: str) -> str:
    """Let runs of these DAGs do their work for a window, side by side; how they are called."""
    run = f"to-{window[1]:%Y-%m-%dT%H}"
    for dag in dags:
        conf = {"dry_run": True} if dag != "outcome_sync" else {}
        assert airflow.trigger(dag, run, window, conf, min(window[0], datetime.now(UTC)))
    for dag in dags:
        until(lambda dag=dag: airflow.state(dag, run) in ("success", "failed"), 600)  # type: ignore[misc]
        assert airflow.state(dag, run) == "success", (dag, run, airflow.tasks(dag, run))
    return run


def live_a_quarter(airflow: Airflow, company: Company) -> int:
    """Thirteen weeks of leads, of what became of them and of promises watched; how many bought."""
    won = 0
    for week in range(WEEKS):
        window = (BEGIN + week * WEEK, BEGIN + (week + 1) * WEEK)
        let(airflow, window, "lead_flow")
        won += company.sell(window[1])
        let(airflow, window, "outcome_sync", "sla_watch")
    return won


def states(airflow: Airflow) -> dict[str, str | None]:
    found = dict(airflow.tasks("weight_review", RUN))
    assert "failed" not in found.values(), found
    return found


def parked(home: Path) -> int:
    """How often the scheduler has seen the question parked: Airflow 3.3 loses an answer that comes before."""
    told = (home / "logs" / "scheduler.log").read_text(errors="replace").splitlines()
    return sum(
        "TaskInstance Finished" in line and "task_id=decision" in line and "state=awaiting_input" in line
        for line in told
    )


def answer(airflow: Airflow, **said: Any) -> requests.Response:
    token = requests.post(
        f"{airflow.url}/auth/token", json={"username": ADMIN, "password": ADMIN}, timeout=60
    ).json()["access_token"]
    question = f"/api/v2/dags/weight_review/dagRuns/{RUN}/taskInstances/decision/-1/hitlDetails"
    header = {"Authorization": f"Bearer {token}"}
    return requests.patch(airflow.url + question, json=said, headers=header, timeout=60)


def stored(river: River) -> register.Review:
    with river.engine.connect() as connection:
        return register.named(connection, None)


def decided(river: River, run: str) -> Sequence[Any]:
    """Some decisions of a run, of leads that were seen for the first time."""
    query = """
        select d.decision_seq, d.lead_id, s.probability from decision d join batch b using (batch_id)
        join score s using (score_id) join lead l on l.lead_id = d.lead_id
        where b.dag_id = 'lead_flow' and b.run_id = :run and d.mode = 'live' and s.disqualified is null
        order by l.created_at desc, d.decision_seq limit 5
    """
    with river.engine.connect() as connection:
        return list(connection.execute(sa.text(query), {"run": run}))


def test_a_quarter_is_lived_reviewed_put_in_force_and_taken_back(
    airflow: Airflow, company: Company, clearlane: Callable[..., Any], tmp_path: Path
) -> None:
    river = company.river
    assert live_a_quarter(airflow, company) > 100

    conf = {"horizon_days": HORIZON, "history_days": 7 * WEEKS, "dry_run": True}
    assert airflow.trigger("weight_review", RUN, (BEGIN, TODAY), conf)
    until(lambda: states(airflow)["decision"] == "skipped" or parked(tmp_path) == 1, 600)
    proposed = stored(river)
    assert proposed.status == "proposed", proposed.reasons
    points = {change["rule"]: change["after"] for change in proposed.changes}
    assert points["icp_size"] < 15

    offered = {"chance": True} if proposed.predictive else {}
    wrong = {"points": {"icp_size": 99}, "in_force_from": None, "because": None, **offered}
    assert answer(airflow, chosen_options=["Approve with my points"], params_input=wrong).ok
    until(lambda: stored(river).refusal is not None, 300)
    assert "icp_size: found 99" in str(stored(river).refusal)
    until(lambda: states(airflow)["decision"] == "awaiting_input" and parked(tmp_path) == 2, 300)

    right = {"points": points, "in_force_from": None, "because": "convincing", **offered}
    begun = midnight()
    assert answer(airflow, chosen_options=["Approve"], params_input=right).ok
    until(lambda: states(airflow)["apply"] == "success", 300)
    done = stored(river)
    assert (done.status, done.decided_by, done.because) == ("approved", ADMIN, "convincing")
    assert done.tells_chances == bool(proposed.predictive)
    first = done.in_force_from
    assert begun + DAY <= first <= midnight() + DAY

    versions = {"before": done.current_hash, "after": done.published_hash, "taken back": done.current_hash}
    ends = [
        first + n * DAY - timedelta(hours=1) for n in range(3)
    ]  # a run is scored by what is in force at its end
    days = dict(zip(versions, zip([TODAY, *ends], ends, strict=False), strict=True))
    seen: dict[str, Sequence[Any]] = {}
    for name, window in days.items():
        if name == "taken back":
            take_back = ("--by", "pat", "--because", "too many calls", "--from", (first + DAY).isoformat())
            assert "in force again" in clearlane("policy", "rollback", *take_back)
            assert stored(river).status == "rolled_back"
        seen[name] = decided(river, let(airflow, window, "lead_flow"))
        assert seen[name]
        for one in seen[name]:
            assert clearlane("explain", str(one.lead_id), "--json")["score"]["scoring"] == versions[name]
            told = one.probability is not None
            assert told == (name == "after" and done.tells_chances)
    for name, leads in seen.items():
        for one in leads:
            (again,) = clearlane("replay", str(one.decision_seq), "--json")
            assert (again["identical"], again["scoring"]) == (True, versions[name])
