"""The tasks of the DAGs: each opens the ledger, calls one step of the library, and hands on ids and counts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.sdk import TriggerRule, task
from airflow.sdk.exceptions import AirflowFailException

from clearlane_airflow import decision, mail
from clearlane_airflow.assets import OUTBOX
from clearlane_airflow.connections import (
    address,
    data_docs_folder,
    dry_run_by_default,
    ledger,
    privacy_key,
    public_url,
)
from clearlane_airflow.linked import judging_task, page, reporting_task

Counts = dict[str, int]
REVIEWED = ("horizon_days", "history_days", "holdout", "most_change", "changes")
"""Params of weight_review that the review itself asks for"""


@task(multiple_outputs=False)
def open_batch(params: dict[str, Any] | None = None, dag_run: Any = None) -> str:
    """Freeze what this run works on: window, moment, mode, sources and policy."""
    from clearlane import steps

    asked = params or {}
    window = _window(dag_run)
    with _no_retry():
        batch = steps.open_batch(
            ledger(),
            dag_id=dag_run.dag_id,
            run_id=dag_run.run_id,
            run_type=str(getattr(dag_run.run_type, "value", dag_run.run_type)),
            mode=asked.get("mode", "auto"),
            dry_run=_dry_run(asked),
            window=window,
            as_of=window[1] if window else _now(),
            sources=asked.get("sources") or (),
            code_version=code_version(),
        )
    return str(batch.batch_id)


@task(multiple_outputs=False)
def sources(batch_id: str) -> list[str]:
    """The sources this run pulls, one mapped task each."""
    from clearlane.ledger import batch_of

    with ledger().connect() as connection:
        return list(batch_of(connection, batch_id).sources)


def _name(source: str) -> None:
    """Show a mapped task under its source's name, which `map_index_template` asks for."""
    from airflow.sdk import get_current_context

    get_current_context()["source"] = source  # type: ignore[typeddict-unknown-key]


@task(
    multiple_outputs=False,
    map_index_template="{{ source }}",
    doc_md="Read one source for the run's interval into the inbox.",
)
def pull(batch_id: str, source: str) -> Counts:
    """Read one source for the run's interval into the inbox."""
    from clearlane import steps

    _name(source)
    return dict(steps.pull(ledger(), batch_id, source, address))


@task(
    multiple_outputs=False,
    map_index_template="{{ source }}",
    doc_md="Read what became of one source's leads into the inbox.",
)
def pull_outcomes(batch_id: str, source: str) -> Counts:
    """Read what became of one source's leads into the inbox."""
    from clearlane import steps

    _name(source)
    return dict(steps.pull_outcomes(ledger(), batch_id, source, address))


@judging_task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE)
def quality(batch_id: str) -> Counts:
    """Judge the batch against the contract; what cannot be used goes to quarantine."""
    if not batch_id:
        raise AirflowFailException("the run was not opened: see open_batch")
    from clearlane import steps

    return dict(steps.quality(ledger(), batch_id, data_docs_folder(), secrets=address))


@task(multiple_outputs=False, retries=0, on_failure_callback=None)
def held(batch_id: str) -> None:
    """Fail where a batch rule held back what a source sent: it waits in quarantine for a person, the others went on."""
    from clearlane import steps

    if because := steps.held(ledger(), batch_id):
        raise AirflowFailException(f"{because}. `clearlane quarantine list` says what to do")


@task(multiple_outputs=False)
def identity(batch_id: str) -> Counts:
    """Find out who the records are: de-duplicate, join contacts, match accounts."""
    from clearlane import steps

    return dict(steps.identity(ledger(), batch_id))


@task(multiple_outputs=False)
def enrich(batch_id: str) -> Counts:
    """Add what providers know; decide the kind of each inquiry."""
    from clearlane import steps

    return dict(steps.enrich(ledger(), batch_id, address, _now()))


@task(multiple_outputs=False)
def score(batch_id: str) -> Counts:
    """Score fit, engagement and negative rules as of the run's moment."""
    from clearlane import steps

    return dict(steps.score(ledger(), batch_id))


@task(multiple_outputs=False)
def score_refresh(dag_run: Any = None) -> Counts:
    """Bring every lead's score to the end of the run's interval: fading, overrides that ended, windows that moved."""
    from clearlane import steps

    window = _window(dag_run)
    return dict(steps.score_refresh(ledger(), window[1] if window else _now()))


@task(multiple_outputs=False)
def route(batch_id: str) -> Counts:
    """Decide who gets each lead, hottest first, with reasons."""
    from clearlane import steps

    return dict(steps.route(ledger(), batch_id))


@task(multiple_outputs=False)
def outcomes(batch_id: str) -> Counts:
    """Tell routing of owners whom people changed, and note the clocks that touches have met."""
    from clearlane import steps

    return dict(steps.outcomes(ledger(), batch_id))


@task(
    multiple_outputs=False,
    map_index_template="{{ source }}",
    doc_md="Read the touches of one source's leads since it was last read.",
)
def pull_touches(batch_id: str, source: str) -> Counts:
    """Read the touches of one source's leads since it was last read."""
    from clearlane import steps

    _name(source)
    return dict(steps.pull_touches(ledger(), batch_id, source, address))


@task(multiple_outputs=False)
def sweep(batch_id: str) -> Counts:
    """Note which promises warn, fell due or are taken away, once each; clocks of unread sources wait."""
    from clearlane import steps

    return dict(steps.sweep(ledger(), batch_id))


@task(multiple_outputs=False)
def reroute(batch_id: str) -> Counts:
    """Give the leads that were taken from silent owners to others."""
    from clearlane import steps

    return dict(steps.reroute(ledger(), batch_id))


@task(multiple_outputs=False, outlets=[OUTBOX])
def push(batch_id: str) -> Counts:
    """Send to the sources and to new owners what the run owes them, unless the run is dry or in shadow."""
    from clearlane import steps

    with mail.post() as post:
        counts = dict(steps.push(ledger(), batch_id, _now(), address, post))
    steps.close(ledger(), batch_id)
    steps.watch_pipeline(ledger(), _now())
    return counts


@task(multiple_outputs=False)
def digest(batch_id: str) -> Counts:
    """Mail the figures of the last week; a backfilled week mails nothing."""
    from clearlane import steps

    with mail.post() as post:
        return dict(steps.digest(ledger(), batch_id, _now(), post))


@task(multiple_outputs=False)
def drain(params: dict[str, Any] | None = None, dag_run: Any = None) -> Counts:
    """Send what is left in the outbox, and the mails that are owed; a backfill of an old interval sends nothing."""
    from clearlane import steps

    old = str(getattr(dag_run.run_type, "value", dag_run.run_type)) == "backfill"
    dry = old or _dry_run(params or {})
    with mail.post() as post:
        return dict(steps.drain_all(ledger(), _now(), address, post, dry_run=dry))


@task(multiple_outputs=False)
def retention(params: dict[str, Any] | None = None, dag_run: Any = None) -> Counts:
    """Prune what was too old at the end of the run's interval, in chunks; how many of each kind."""
    from clearlane import steps

    window = _window(dag_run)
    counts = steps.retention(
        ledger(),
        window[1] if window else _now(),
        key=privacy_key,
        secrets=address,
        docs_dir=data_docs_folder(),
        dry_run=bool((params or {}).get("dry_run")),
    )
    return dict(counts)


@reporting_task(multiple_outputs=False)
def replay(params: dict[str, Any] | None = None, dag_run: Any = None) -> Counts:
    """Play history with another policy, in shadow; the report is the Data Docs of the run."""
    from clearlane import steps
    from clearlane.ledger import ids

    asked = params or {}
    folder = Path(asked["out"]) if asked.get("out") else data_docs_folder()
    with _no_retry():
        counts = steps.replay_history(
            ledger(),
            since=_moment(asked["from"]),
            until=_moment(asked["to"]),
            named=asked["policy"],
            at=_now(),
            horizon_days=asked["horizon"],
            out=folder / str(ids.batch_id(dag_run.dag_id, dag_run.run_id)),
        )
    return dict(counts)


@reporting_task(multiple_outputs=False)
def review(batch_id: str, params: dict[str, Any] | None = None, dag_run: Any = None) -> Counts:
    """Review the points as of the run's moment: a report, perhaps a proposal, a mail to who answers for them."""
    from clearlane import steps

    asked, run = params or {}, (dag_run.dag_id, dag_run.run_id)
    terms = {name: asked[name] for name in REVIEWED}
    links = {"page": page(*run), "question": decision.question(*run, "decision")} if public_url() else {}
    with mail.post() as post:
        counts = steps.review(
            ledger(), batch_id, _now(), post, out=data_docs_folder() / batch_id, links=links, **terms
        )
    return dict(counts)


@task(multiple_outputs=False)
def apply(batch_id: str, answered: dict[str, Any]) -> str:
    """Note the decision and, where it is a yes, publish the points from the chosen moment on, by who answered."""
    from clearlane import review as reviews
    from clearlane import steps
    from clearlane.policy import PolicyErrors

    try:
        return steps.decide(ledger(), batch_id, decision.answer(answered), data_docs_folder() / batch_id)
    except (reviews.NotAllowed, reviews.NotPossible, PolicyErrors) as refused:
        raise AirflowFailException(f"{refused}. Clear the task decision to be asked again") from refused


@task(multiple_outputs=False, trigger_rule=TriggerRule.ONE_FAILED, retries=0, on_failure_callback=None)
def watch() -> None:
    """Fail the run when any task failed: without it a failed source would leave a green run."""
    raise AirflowFailException("a task of this run failed: see the red task; the others went on")


def code_version() -> str:
    """What ran: the library's version and, where the deployment names it, the commit."""
    from clearlane import __version__

    return "+".join(filter(None, (__version__, os.environ.get("CLEARLANE_COMMIT"))))


@contextmanager
def _no_retry() -> Iterator[None]:
    """What was asked for is not there: a person has to ask for something else, and no later try finds it."""
    from clearlane.ledger import NotMigrated

    try:
        yield
    except (LookupError, NotMigrated) as wrong:
        raise AirflowFailException(str(wrong)) from wrong


def _window(dag_run: Any) -> tuple[datetime, datetime] | None:
    start, end = dag_run.data_interval_start, dag_run.data_interval_end
    return (start, end) if start and end and start < end else None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _dry_run(asked: dict[str, Any]) -> bool:
    answer = asked.get("dry_run")
    return dry_run_by_default() if answer is None else bool(answer)


def _now() -> datetime:
    return datetime.now(UTC)
