"""One short function per stage: load, stage, save, counts. What a DAG task calls, and what tests call.

Each opens its own transactions on the ledger, may be run again at any time, and returns counts only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from clearlane import connectors, ledger, policy
from clearlane import enrich as _enrich
from clearlane import identity as _identity
from clearlane import push as _push
from clearlane import quality as _quality
from clearlane import review as _review
from clearlane import route as _route
from clearlane import score as _score
from clearlane import sla as _sla
from clearlane.ledger import Batch, batch_of
from clearlane.policy.model import Policy, Source
from clearlane.privacy import retention as _retention
from clearlane.privacy import returning
from clearlane.quality import batch_rules
from clearlane.review import Answer
from clearlane.score import refresh as _refresh
from clearlane.sla import incidents as _incidents
from clearlane.sla import mails as _mails
from clearlane.sla import pipeline as _pipeline
from clearlane.sla.mails import Post
from clearlane.sla.mails import notices as _notices

Counts = Mapping[str, int]
Secrets = Callable[[str], str]
Lane = Literal["gx", "plain"]
LATE = timedelta(days=2)
"""how far back what people logged or changed is looked for again, every hour"""
KEPT = Post()
"""no mail server: mails stay owed"""
LARGE = 1_000
"""rows written by a stage from which on the planner is told, before the next stage"""
_KNOWN = (
    "inbox",
    "lead",
    "lead_key",
    "lead_revision",
    "contact_revision",
    "account_revision",
    "activity",
    "work",
    "place",
)
_SCORED = ("signal", "score", "standing", "stage_entry")
_PROFILED = ("enrichment", "lead_profile", "inquiry")


def open_batch(engine: Engine, *, sources: Sequence[str] = (), as_of: datetime, **run: Any) -> Batch:
    """Write the run's batch row once, pinning the policy in force at `as_of` for all its tasks.

    No `sources` means all of sources.yaml; an unknown one is a LookupError that names the known ones. Raises
    ledger.NotMigrated where the ledger is older than the code.
    """
    with engine.begin() as connection:
        ledger.require_migrated(connection)
        hashes = policy.in_force(connection, as_of)
        known = tuple(policy.stored(connection, hashes).sources.sources)
        unknown = sorted(set(sources) - set(known))
        if unknown:
            raise LookupError(f"unknown source {', '.join(unknown)}: sources.yaml names {', '.join(known)}")
        return ledger.open_batch(
            connection, sources=tuple(sources) or known, as_of=as_of, policy=dict(hashes), **run
        )


def pull(engine: Engine, batch_id: str, source: str, secrets: Secrets) -> Counts:
    """Read one source for the batch's interval into the inbox."""
    return _staged(
        engine,
        batch_id,
        lambda c, p, b: connectors.pull(c, p.sources.sources[source], b, secrets),
        pulls=True,
    )


def pull_outcomes(engine: Engine, batch_id: str, source: str, secrets: Secrets) -> Counts:
    """Read what became of leads, and who the members are, back to before the last touches that count as late."""
    return _staged(
        engine,
        batch_id,
        lambda c, p, b: connectors.pull(c, _of_outcomes(p.sources.sources[source]), b, secrets),
        pulls=True,
    )


def _of_outcomes(source: Source) -> Source:
    kept = {name: one for name, one in source.objects.items() if one.object in ("outcomes", "reps")}
    longer = {name: replace(one, lookback=max(one.lookback, LATE)) for name, one in kept.items()}
    return replace(source, objects=longer)


def pull_touches(engine: Engine, batch_id: str, source: str, secrets: Secrets) -> Counts:
    """Read what the source says of touches since it was last read: little, for it is asked every few minutes."""
    return _staged(
        engine,
        batch_id,
        lambda c, p, b: connectors.pull(c, _of_touches(p.sources.sources[source]), b, secrets),
        pulls=True,
    )


def _of_touches(source: Source) -> Source:
    kept = {name: one for name, one in source.objects.items() if one.object == "outcomes"}
    return replace(source, objects=kept)


def quality(
    engine: Engine,
    batch_id: str,
    docs_dir: Path | None = None,
    *,
    lane: Lane = "gx",
    secrets: Secrets | None = None,
) -> Counts:
    """Judge the batch against the contract; what a batch rule holds back is left to a person (`held`).

    Records of people who were erased are emptied first; where a connection has the key to tell them by, `secrets`
    is asked for it.
    """
    forget = partial(returning.keep_away, secrets=secrets)
    with engine.begin() as connection:
        ledger.keep_from_erasing(connection)
        run, pinned = _run(connection, batch_id)
        verdict = _quality.run(connection, pinned, run, docs_dir=docs_dir, engine=lane, forget=forget)
    return _counts(verdict.counts)


def held(engine: Engine, batch_id: str) -> str:
    """Which batch rules said stop to a delivery of the batch, and why; empty where none did."""
    with engine.connect() as connection:
        found = batch_rules.kept(connection, UUID(batch_id))
    return "; ".join(
        f"{one.rule} of {one.object} from {one.source}: {one.because} ({one.allowed})"
        for one in found
        if one.verdict == "stop"
    )


def identity(engine: Engine, batch_id: str) -> Counts:
    """Turn the batch's records into leads, accounts, activities; merge, match, and list the work."""
    return _staged(engine, batch_id, _identity.run, wrote=_KNOWN)


def weigh_people(engine: Engine, at: datetime) -> Counts:
    """Weigh all records anew by the policy in force; the pairs that are alike, and the records due to the next runs."""
    with engine.connect() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
    last: UUID | None = UUID(int=0)
    while last is not None:
        with engine.begin() as connection:
            ledger.keep_from_erasing(connection)
            last = _identity.weigh(connection, pinned, last)
    with engine.connect() as connection:
        return _counts(dict(connection.execute(sa.text(_WEIGHED)).mappings().one()))


_WEIGHED = """
select (select count(*) from person_alike) as alike, (select count(*) from person_due) as due
"""


def enrich(
    engine: Engine, batch_id: str, secrets: Secrets | None = None, at: datetime | None = None
) -> Counts:
    """Add what providers know and write the profiles that rules read.

    Those that are paid are asked only with `secrets` and `at` (now), and no longer than policy allows: what they say
    later a later run takes in.
    """
    asked = _counts(_ask(engine, batch_id, secrets, at)) if secrets and at else {}
    return {**asked, **_staged(engine, batch_id, _enrich.run, wrote=_PROFILED)}


def _ask(engine: Engine, batch_id: str, secrets: Secrets, at: datetime) -> _enrich.Asked:
    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
    return _enrich.ask(engine, pinned, run, at, secrets)


def score(engine: Engine, batch_id: str) -> Counts:
    """Score the batch's leads as of the run's moment, the stages that outcomes mean before."""
    entered = _enter_stages(engine, batch_id)
    counts = _staged(engine, batch_id, _score.run, wrote=_SCORED)
    return {**counts, "stages_entered": counts["stages_entered"] + entered}


def _enter_stages(engine: Engine, batch_id: str) -> int:
    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
        return _score.enter(connection, pinned, run, run.as_of - LATE)


def score_refresh(engine: Engine, as_of: datetime) -> Counts:
    """Bring every lead's standing to a moment, under the policy in force then; one transaction a chunk.

    What a broken run left undone the next one finds.
    """
    with engine.connect() as connection:
        with connection.begin():
            pinned = policy.stored(connection, policy.in_force(connection, as_of))
            counts = dict(_counts(_refresh.fade(connection, pinned, as_of)))
        for chunk in iter(lambda: _rescored(connection, pinned, as_of), None):
            for name, count in _counts(chunk).items():
                counts[name] = counts.get(name, 0) + count
        with connection.begin():
            counts["owed"] = _push.owe_scores(connection, pinned, as_of).owed
            if counts["owed"] >= LARGE:
                ledger.refresh_statistics(connection, "outbox")
    return counts


def _rescored(connection: Connection, pinned: Policy, as_of: datetime) -> _refresh.Rescored | None:
    with connection.begin():
        return _refresh.rescore(connection, pinned, as_of)


def route(engine: Engine, batch_id: str) -> Counts:
    """Decide for the batch's leads, hottest first, in chunks that each hold the routing lock."""
    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
        _route.note(connection, pinned, run)
        _sla.meet(connection, pinned, run)
    with engine.connect() as connection:
        chunks = _route.chunks(connection, run)
    totals: dict[str, int] = {}
    for chunk in chunks:
        with engine.begin() as connection:
            for name, count in _counts(_route.run_chunk(connection, pinned, run, chunk)).items():
                totals[name] = totals.get(name, 0) + count
    # Who was called between arrival and this run met the clock that the run began.
    with engine.begin() as connection:
        _sla.meet(connection, pinned, run)
    return totals


def outcomes(engine: Engine, batch_id: str) -> Counts:
    """Tell routing of owners whom people changed lately, note the clocks that touches have met.

    What became of leads moves their stages, and is owed to the sources that want to know.
    """
    entered = _enter_stages(engine, batch_id)
    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
        changes = _route.note_owner_changes(connection, pinned, run, since=run.as_of - LATE)
        met = _sla.meet(connection, pinned, run)
    with engine.begin() as connection:
        owed = _push.owe_outcomes(connection, pinned, run, run.as_of - LATE).owed
    close(engine, batch_id)
    return {"owner_changes": changes, "clocks_met": met, "stages_entered": entered, "owed": owed}


def sweep(engine: Engine, batch_id: str) -> Counts:
    """Note what fell due among the promises, once each, and ask routing to take late leads away."""
    _enter_stages(engine, batch_id)
    return _staged(engine, batch_id, _sla.sweep)


def reroute(engine: Engine, batch_id: str) -> Counts:
    """Route the leads that were taken away, where there are any; an overtaken run leaves them to the later one."""
    with engine.connect() as connection:
        run, _ = _run(connection, batch_id)
        old = not run.takes_unclaimed or _sla.outrun(connection, run)
        if old or not _route.chunks(connection, run):
            return {}
    return route(engine, batch_id)


def watch(engine: Engine, batch_id: str, at: datetime, secrets: Secrets, post: Post = KEPT) -> Counts:
    """The whole of the watch in this process: touches, sweep, routing, what is owed to the sources."""
    with engine.connect() as connection:
        run, _ = _run(connection, batch_id)
    for source in run.sources:
        pull_touches(engine, batch_id, source, secrets)
    quality(engine, batch_id, lane="plain", secrets=secrets)
    identity(engine, batch_id)
    counts = {**sweep(engine, batch_id), **reroute(engine, batch_id)}
    counts |= push(engine, batch_id, at, secrets, post)
    close(engine, batch_id)
    return counts


def owe(engine: Engine, batch_id: str) -> Counts:
    """Write what the batch's live decisions owe: to the sources into the outbox, and to new owners a notice."""

    def stage(connection: Connection, pinned: Policy, run: Batch) -> object:
        owed = _counts(_push.owe(connection, pinned, run))
        return {**owed, "notices": _notices.owe(connection, pinned, run)}

    return _staged(engine, batch_id, stage, wrote=("outbox",))


def drain(engine: Engine, at: datetime, secrets: Secrets, *, dry_run: bool, limit: int = 10_000) -> Counts:
    """Send what is owed to the sources; a dry run counts it and sends nothing."""
    with engine.begin() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
    return _push.drain(engine, pinned, at, secrets, dry_run=dry_run, limit=limit)


def close(engine: Engine, batch_id: str) -> None:
    """Note that the run has come to its end."""
    with engine.begin() as connection:
        ledger.close_batch(connection, batch_of(connection, batch_id).batch_id)


def send_mails(engine: Engine, at: datetime, post: Post, *, dry_run: bool = False) -> Counts:
    """Send the mails that are owed to people; what a mail server refuses or is too slow for stays owed, and is seen."""
    with engine.begin() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
    counts = _counts(_mails.send_due(engine, pinned, at, post, dry_run=dry_run))
    return {f"mails_{name}": count for name, count in counts.items()}


def push(engine: Engine, batch_id: str, at: datetime, secrets: Secrets, post: Post = KEPT) -> Counts:
    """Write what the batch owes into the outbox and, in a live run that is not dry, send it and the mails."""
    owed = owe(engine, batch_id)
    with engine.connect() as connection:
        run, _ = _run(connection, batch_id)
    return {**owed, **drain_all(engine, at, secrets, post, dry_run=run.dry_run or not run.live)}


def drain_all(engine: Engine, at: datetime, secrets: Secrets, post: Post, *, dry_run: bool) -> Counts:
    """Send what is owed to the sources, then the mails. A source that fails keeps no mail back."""
    begun = time.monotonic()
    try:
        sent = drain(engine, at, secrets, dry_run=dry_run)
    finally:
        now = at + timedelta(seconds=time.monotonic() - begun)
        told = send_mails(engine, now, post, dry_run=dry_run)
    return {**sent, **told}


def river(
    engine: Engine,
    batch_id: str,
    at: datetime,
    secrets: Secrets,
    *,
    lane: Lane = "plain",
    post: Post = KEPT,
) -> Counts:
    """All stages in this process, one after the other, for a handful of leads."""
    with engine.connect() as connection:
        run, _ = _run(connection, batch_id)
    for source in run.sources:
        pull(engine, batch_id, source, secrets)
    quality(engine, batch_id, lane=lane, secrets=secrets)
    identity(engine, batch_id)
    enrich(engine, batch_id, secrets, at)
    score(engine, batch_id)
    counts = {**route(engine, batch_id), **push(engine, batch_id, at, secrets, post)}
    close(engine, batch_id)
    return counts


def digest(engine: Engine, batch_id: str, at: datetime, post: Post = KEPT) -> Counts:
    """Owe the week's figures to the head of sales and RevOps, and send that; a backfilled week mails nothing."""
    from clearlane.sla import weekly  # draws pictures: nothing else needs what that loads

    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
        owed = weekly.owe(connection, pinned, run)
    close(engine, batch_id)
    sent = send_mails(engine, at, post, dry_run=run.dry_run) if run.takes_unclaimed else {}
    return {"owed": owed, **sent}


def retention(
    engine: Engine,
    as_of: datetime,
    *,
    key: _retention.KeyOf,
    secrets: Secrets | None = None,
    docs_dir: Path | None = None,
    dry_run: bool = False,
) -> Counts:
    """Prune what the policy in force at a moment no longer kept then, rows and folders; kind -> how many."""
    with engine.begin() as connection:
        kept = policy.stored(connection, policy.in_force(connection, as_of)).contract.retention
    return _retention.run(engine, kept, as_of, key=key, secrets=secrets, docs_dir=docs_dir, dry_run=dry_run)


def watch_pipeline(engine: Engine, at: datetime) -> Counts:
    """Note what is wrong with the pipeline itself at a moment, and owe who is told of it."""
    with engine.begin() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
        return _counts(_incidents.note(connection, pinned, _pipeline.findings(connection, pinned, at), at))


def broken_promises(engine: Engine, at: datetime) -> Sequence[str]:
    """Keys of what is wrong with the pipeline itself at a moment; changes nothing."""
    with engine.connect() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
        return [one.key for one in _pipeline.findings(connection, pinned, at)]


def tell_incident(engine: Engine, key: str, because: str, at: datetime, **more: str) -> bool:
    """Note one thing that is wrong with the pipeline, as somebody saw it; whether it is news. `more`: for the mail."""
    with engine.begin() as connection:
        pinned = policy.stored(connection, policy.in_force(connection, at))
        return _incidents.tell(connection, pinned, _pipeline.Finding(key, because, at), at, **more)


def replay_history(
    engine: Engine,
    *,
    since: datetime,
    until: datetime,
    named: str,
    at: datetime,
    horizon_days: float,
    out: Path,
) -> Counts:
    """Play history through a policy in shadow and write the report into a folder; how many leads, and how many move.

    `named` is `in_force` (at moment `at`), a policy folder, or the hash of a stored version. LookupError where
    there is no such policy, or nothing to compare.
    """
    with engine.begin() as connection:
        name, candidate = _review.candidate(connection, named, at)
        told = _review.whatif(
            connection, candidate, since=since, until=until, name=name, horizon_days=horizon_days
        )
    _review.write(told, out, page="index.html")
    found = told.figures
    return {"leads": found.leads, "moved": found.leads - found.unchanged, "bands_moved": found.bands.moved}


def review(
    engine: Engine,
    batch_id: str,
    at: datetime,
    post: Post = KEPT,
    *,
    out: Path,
    links: Mapping[str, str] | None = None,
    **asked: Any,
) -> Counts:
    """Review the points as of the run, keep the review, its page and diff, and tell who answers for scoring.yaml.

    `asked`: see review.quarterly.Asked. `links`: addresses of the `page` and the `question`, for the mail.
    """
    from clearlane.review import quarterly  # learns: nothing else needs what that loads

    with engine.begin() as connection:
        run, pinned = _run(connection, batch_id)
        found = quarterly.made(connection, pinned, run, quarterly.Asked(**asked))
        owed = quarterly.owe(connection, pinned, found, run, links or {})
        _review.write_review(found, _review.diff_of(connection, found), out)
    close(engine, batch_id)
    sent = send_mails(engine, at, post, dry_run=run.dry_run) if run.takes_unclaimed else {}
    return {
        "proposed": int(found.proposed_text is not None),
        "changes": len(found.changes),
        "owed": owed,
        **sent,
    }


def decide(engine: Engine, review_id: str, answer: Answer, out: Path) -> str:
    """Make the decision that an answer about a review is, publish what it says, write the diff; the review's status.

    review.NotAllowed and review.NotPossible say why an answer cannot be taken.
    """
    with engine.begin() as connection:
        decided = _review.decide(connection, review_id, answer)
        _review.write_review(decided, _review.diff_of(connection, decided), out)
    return decided.status


def refuse(engine: Engine, review_id: str, because: str, out: Path) -> None:
    """Keep and show why an answer about a review could not be taken."""
    with engine.begin() as connection:
        review = _review.refused(connection, review_id, because)
        _review.write_review(review, _review.diff_of(connection, review), out)


def _run(connection: Connection, batch_id: str) -> tuple[Batch, Policy]:
    run = batch_of(connection, batch_id)
    return run, policy.stored(connection, run.policy)


def _staged(
    engine: Engine,
    batch_id: str,
    stage: Callable[[Connection, Policy, Batch], object],
    wrote: Sequence[str] = (),
    *,
    pulls: bool = False,
) -> Counts:
    """One stage in one transaction. What is pulled meanwhile of an erased person quality drops: pulls do not wait."""
    with engine.begin() as connection:
        if not pulls:
            ledger.keep_from_erasing(connection)
        run, pinned = _run(connection, batch_id)
        counts = _counts(stage(connection, pinned, run))
        if wrote and max(counts.values()) >= LARGE:
            ledger.refresh_statistics(connection, *wrote)
        return counts


def _counts(result: object) -> Counts:
    if is_dataclass(result) and not isinstance(result, type):
        return {name: int(count) for name, count in asdict(result).items()}
    assert isinstance(result, Mapping)
    return {str(name): int(count) for name, count in result.items()}
