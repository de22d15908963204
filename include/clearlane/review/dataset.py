"""Leads as they were when sales first got them, and what became of them: what the weight review learns from.

Taken out of the ledger as sets: what was known at each lead's first live decision, scored again by the rules under
review, and the outcomes within the horizon that were known by the review's moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb
import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.policy.model import TIME_OUT, Measure, Policy, Recycling, Rule, Scoring, Teams
from clearlane.review import history, sides
from clearlane.review.cases import HALF_LIFE_FACTORS, Cases, LeftOut
from clearlane.review.eras import always
from clearlane.route.owners import User
from clearlane.rules import Dialect, Type
from clearlane.rules.columns import read
from clearlane.rules.sql import quoted, text_literal
from clearlane.score.statement import facts

Desk = duckdb.DuckDBPyConnection

BEHAVIOUR_DAYS: Final = 90
PERSONAL: Final = frozenset(
    {
        "email",
        "phone",
        "mobile",
        "first_name",
        "last_name",
        "name",
        "birth_date",
        "address",
        "street",
        "message",
    }
)
"""beside these, what the contract checks as an e-mail address or a phone number"""
IDENTIFYING: Final = frozenset(
    {
        "company",
        "account_name",
        "website",
        "domain",
        "email_domain",
        "owner",
        "status",
        "converted",
        "honeypot",
    }
)
"""who it is, who has it and what became of it: a rule about these learns the past by heart"""
SLACK: Final = timedelta(days=3)
"""how long before its decision an outcome may lie: the run, or the export it read, may have been late"""
SEGMENTS: Final = ((10, "micro"), (50, "small"), (250, "medium"))
"""employees below -> size class of Commission Recommendation 2003/361/EC; else large"""
NO_CAPACITY: Final = "no capacity"
_MICROSECOND: Final = timedelta(microseconds=1)


def cases(
    connection: Connection,
    policy: Policy,
    *,
    since: datetime,
    until: datetime,
    as_of: datetime,
    horizon: timedelta,
    model: str | None = None,
    refaded: bool = True,
) -> Cases:
    """The leads whose first live decision lies in [since, until), as the rules of `policy` see them then.

    `as_of`: outcomes known later do not count, and leads decided less than `horizon` before it are left out.
    `model`: the variant of scoring.yaml that is reviewed; None: the default model. Leads of other models are left
    out. `refaded`: also the evidence under other half-lives. Order: by moment of the decision. Changes nothing; the
    relation `asked` stays until the transaction ends.
    """
    rules = _rules(policy.scoring, model or policy.scoring.model)
    policy = _uncycled(policy)
    with TemporaryDirectory(prefix="clearlane-") as folder, history.desk(Path(folder)) as desk:
        _take(connection, desk, Path(folder), policy, since, until, as_of, horizon)
        users = history.users(connection)
        sides.match(desk, "given", always(policy, since), until, users)
        leads = _leads(desk, policy, users, since)
        out = _left_out(leads, model or policy.scoring.model, as_of - horizon)
        kept = leads[out == ""].drop(columns=_ONLY_TO_JUDGE)
        found = Cases(
            since, until, as_of, horizon, kept,
            evidence=_of(kept, _evidence(desk, policy, rules)),
            attributes=_of(kept, _attributes(desk, policy)),
            behaviour=_of(kept, _behaviour(desk, policy.scoring)),
            left_out=(*_counted(out), *_backfilled(connection, since, until)),
            refaded=_of(kept, _refaded(desk, policy, rules if refaded else ())),
        )  # fmt: skip
    return _with_segments(found)


def learnable(policy: Policy) -> dict[str, Type]:
    """The declared attributes that may be learnt from: not protected, nobody's name or address, no moment."""
    fields = policy.contract.objects["leads"].fields if "leads" in policy.contract.objects else ()
    ways = {field.name for field in fields for check in field.checks if check.rule in ("email", "phone")}
    never = policy.scoring.protected | PERSONAL | IDENTIFYING | ways
    return {
        name: type_
        for name, type_ in policy.scoring.attributes.items()
        if name not in never and type_ is not Type.TIME and not name.endswith("owner")
    }


def _rules(scoring: Scoring, model: str) -> tuple[Rule, ...]:
    for name, each in ((scoring.model, scoring), *((v.id, v.scoring) for v in scoring.variants)):
        if name == model:
            return each.rules
    known = ", ".join([scoring.model, *(v.id for v in scoring.variants)])
    raise LookupError(f"scoring.yaml has no model {model}; it has {known}")


def _uncycled(policy: Policy) -> Policy:
    """Without new starts: a rejection that came before a late run would else empty the evidence and tell itself."""
    scoring = policy.scoring
    variants = (replace(v, scoring=replace(v.scoring, recycling=Recycling())) for v in scoring.variants)
    return replace(policy, scoring=replace(scoring, recycling=Recycling(), variants=tuple(variants)))


def _of(leads: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    return frame.reindex(leads.index)


# --- out of the ledger ------------------------------------------------------------------------------------

_TYPES: Final = "select distinct type from activity order by 1"
_DECIDED: Final = """
select a.lead_id, a.as_of, l.source, d.place, d.team, d.rep_id, d.band, s.grade, s.score, s.fit, s.engagement,
       s.negative, d.explored, d.sla_due is not null as promised, l.survivor_id <> l.lead_id as merged,
       coalesce(p.place = 'closed' and p.reason in ('deleted', 'erased'), false) as gone
from asked a join decision d on d.decision_seq = a.given_seq join score s on s.score_id = a.score_id
join lead l on l.lead_id = a.lead_id left join place p on p.lead_id = a.lead_id
"""
_TOLD: Final = """
select a.lead_id, o.kind, lower(btrim(o.reason)) as reason, o.occurred_at, o.amount, o.source,
       lower(btrim(o.rep_id)) as member
from asked a join lead l using (lead_id) join lead m using (survivor_id) join outcome o on o.lead_id = m.lead_id
left join inbox i on i.seq = o.seq left join batch b on b.batch_id = i.first_batch
where o.occurred_at >= greatest(l.created_at, a.as_of - cast(%(slack)s as interval))
  and o.occurred_at <= a.as_of + cast(%(horizon)s as interval) and o.occurred_at < %(as_of)s
  and (b.as_of is null or b.as_of <= %(as_of)s)
union all
select a.lead_id, 'rejected', lower(btrim(e.detail ->> 'reason')), e.occurred_at, null, l.source, null
from asked a join lead l using (lead_id) join routing_event e using (lead_id)
where e.kind = 'decline' and e.occurred_at >= a.as_of and e.occurred_at < %(as_of)s
  and e.occurred_at <= a.as_of + cast(%(horizon)s as interval)
"""
_HELD: Final = """
select a.lead_id, g.rep_id, g.team, g.started_at from asked a join assignment g using (lead_id)
where g.started_at >= a.as_of and g.started_at < %(as_of)s
  and g.started_at <= a.as_of + cast(%(horizon)s as interval)
"""
_BROUGHT: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "decided": (
        _DECIDED,
        {
            "lead_id": "varchar", "decided_at": "timestamptz", "source": "varchar", "place": "varchar",
            "team": "varchar", "rep": "varchar", "band": "varchar", "grade": "varchar", "score": "double",
            "fit": "double", "engagement": "double", "negative": "double", "explored": "double",
            "promised": "boolean", "merged": "boolean", "gone": "boolean",
        },
    ),
    "told": (
        _TOLD,
        {
            "lead_id": "varchar", "kind": "varchar", "reason": "varchar", "occurred_at": "timestamptz",
            "amount": "double", "source": "varchar", "member": "varchar",
        },
    ),
    "held": (
        _HELD, {"lead_id": "varchar", "rep": "varchar", "team": "varchar", "started_at": "timestamptz"},
    ),
}  # fmt: skip
_BACKFILLED: Final = """
select count(distinct d.lead_id) from decision d
where d.mode = 'shadow' and d.as_of >= :since and d.as_of < :until
  and not exists (select from decision e where e.lead_id = d.lead_id and e.mode = 'live')
"""


def _take(
    connection: Connection,
    desk: Desk,
    folder: Path,
    policy: Policy,
    since: datetime,
    until: datetime,
    as_of: datetime,
    horizon: timedelta,
) -> None:
    """Everything that is needed onto the desk. History takes runs after `since` and by `until`: a moment earlier."""
    history.take(
        connection, desk, folder, [policy], since - _MICROSECOND, until - _MICROSECOND,
        moments=history.FIRST, attributes=(*learnable(policy), "employees", "segment"),
        types=connection.execute(sa.text(_TYPES)).scalars().all(),
    )  # fmt: skip
    bound = {"as_of": as_of, "horizon": horizon, "slack": SLACK}
    for table, (select, columns) in _BROUGHT.items():
        history.bring(connection, desk, folder, table, select, bound, columns)


def _backfilled(connection: Connection, since: datetime, until: datetime) -> Sequence[LeftOut]:
    count = connection.execute(sa.text(_BACKFILLED), {"since": since, "until": until}).scalar_one()
    return [LeftOut("known from a backfill only", count)] if count else []


# --- what became of them ----------------------------------------------------------------------------------

_ONLY_TO_JUDGE: Final = ["promised", "merged", "gone", "model", "worked"]
_WORKED: Final = """
t.kind in ('accepted', 'sql', 'opportunity', 'won', 'lost')
or (t.kind = 'rejected' and not list_contains(?, coalesce(t.reason, '')))
or (t.kind in ('first_touch', 'meeting') and (n.rep_id is null or exists (
      select 1 from mine where mine.lead_id = t.lead_id and mine.rep = n.rep_id)))
"""
"""A touch whose member nobody knows counts: it was logged by somebody, as it does for the promises."""
_BECAME: Final = f"""
create table became as
with owning as (select lead_id, rep, team from held union select lead_id, rep, team from decided),
mine as (
    select lead_id, rep from owning where rep is not null
    union select o.lead_id, m.rep from owning o join team_member m using (team)
)
select t.lead_id, bool_or(t.kind = 'won') as won, bool_or(t.kind in ('opportunity', 'won')) as opportunity,
       bool_or(t.kind in ('sql', 'opportunity', 'won')) as sql,
       bool_or(t.kind in ('accepted', 'sql', 'opportunity', 'won')) as accepted,
       arg_min(coalesce(t.reason, 'no reason'), t.occurred_at) filter (where t.kind = 'rejected') as reason,
       sum(t.amount) filter (where t.kind = 'won') as amount, bool_or({_WORKED}) as worked
from told t left join owner_name n on n.source = t.source and n.name = t.member
group by t.lead_id
"""
_LEADS: Final = """
select d.lead_id, make_timestamp(epoch_us(d.decided_at)) as decided_at, d.source,
       coalesce(g.territory, 'nowhere') as region, d.team, coalesce(d.rep, first.rep) as rep,
       d.place, d.band, d.grade, d.score, d.fit, d.engagement, d.negative,
       d.explored is not null as explored, coalesce(1 / d.explored, 1.0) as weight,
       coalesce(b.accepted, false) as accepted, coalesce(b.sql, false) as sql,
       coalesce(b.opportunity, false) as opportunity, coalesce(b.won, false) as won, b.reason,
       coalesce(b.amount, 0.0) as amount,
       d.promised, d.merged, d.gone, s.model, coalesce(b.worked, false) as worked
from decided d join given_scored s using (lead_id) left join given_matched g using (lead_id)
left join became b using (lead_id)
left join (select lead_id, arg_min(rep, started_at) as rep from held group by 1) first using (lead_id)
order by d.decided_at, d.lead_id
"""


def _leads(desk: Desk, policy: Policy, users: Sequence[User], since: datetime) -> pd.DataFrame:
    """The columns of Cases.leads but for the segment, and those that say who is left out."""
    sides.name_owners(desk, policy, since, users)
    desk.register("team_member", _members(policy.teams))
    unjudged = [*map(str.lower, policy.routing.rerouting.returned), TIME_OUT, NO_CAPACITY]
    desk.execute(_BECAME, [unjudged])
    leads = _frame(desk, _LEADS)
    return leads.assign(decided_at=leads["decided_at"].dt.tz_localize("UTC"))


def _members(teams: Teams) -> pd.DataFrame:
    rows = [(team.id, rep) for team in teams.teams.values() for rep, _ in team.members]
    return pd.DataFrame(rows, columns=["team", "rep"], dtype="str")


def _left_out(leads: pd.DataFrame, model: str, ripe_until: datetime) -> pd.Series:
    """Why each lead is left out, the first reason that holds; empty where it is kept."""
    unserved = leads["place"].isin(["closed", "redirected", "disqualified"])
    nurtured = (leads["place"] == "nurture") | ((leads["place"] == "held") & ~leads["promised"])
    reasons = {
        "merged into another lead": leads["merged"],
        "deleted or erased since": leads["gone"],
        "not for sales: disqualified, redirected or a test": unserved,
        "scored by another model": leads["model"] != model,
        "never given to sales: below the threshold": nurtured,
        "too young: its outcome is not known yet": leads["decided_at"] > ripe_until,
        "nobody worked it: no touch and no word from the owner's team": ~leads["worked"],
    }
    holds = [condition.to_numpy(dtype=bool) for condition in reasons.values()]
    return pd.Series(np.select(holds, list(reasons), ""), leads.index, dtype="object")


def _counted(out: pd.Series) -> Iterable[LeftOut]:
    counts = out[out != ""].value_counts(sort=False)
    return (LeftOut(str(reason), int(leads)) for reason, leads in counts.items())


# --- as they were -----------------------------------------------------------------------------------------


def _frame(desk: Desk, select: str) -> pd.DataFrame:
    frame = desk.execute(select).df()
    frame.index = pd.Index(frame.pop("lead_id"), name="lead_id")
    return frame


def _evidence(desk: Desk, policy: Policy, rules: Sequence[Rule]) -> pd.DataFrame:
    """What each rule contributed divided by its points; rules of 0 points are played at 1."""
    silent = [rule.id for rule in rules if not rule.points]
    frame = _contributed(desk, "given", {rule.id: rule.points or 1.0 for rule in rules})
    if silent:
        sides.score(
            desk, "loud", _with_rules(policy, (replace(rule, points=rule.points or 1.0) for rule in rules))
        )
        frame[silent] = _contributed(desk, "loud", dict.fromkeys(silent, 1.0))
    return frame


def _contributed(desk: Desk, side: str, points: Mapping[str, float]) -> pd.DataFrame:
    """Contributions divided by points; read as one struct, for else the JSON is parsed once for each rule."""
    if not points:
        return _frame(desk, f"select lead_id from {side}_scored")
    shape = text_literal(json.dumps(dict.fromkeys(points, "DOUBLE")), Dialect.DUCKDB)
    values = (
        f"coalesce(given[{text_literal(rule, Dialect.DUCKDB)}], 0) / ({worth!r}) + 0.0"
        f" as {quoted(rule, Dialect.DUCKDB)}"
        for rule, worth in points.items()
    )
    given = f"select lead_id, from_json(contributions, {shape}) as given from {side}_scored"
    return _frame(desk, f"select {', '.join(['lead_id', *values])} from ({given})")


def _with_rules(policy: Policy, rules: Iterable[Rule]) -> Policy:
    """One model of these rules for all leads."""
    return replace(policy, scoring=replace(policy.scoring, rules=tuple(rules), variants=()))


def _refaded(desk: Desk, policy: Policy, rules: Sequence[Rule]) -> pd.DataFrame:
    """The evidence of the rules that fade, under other half-lives: `RULE@DAYS`."""
    fading = [rule for rule in rules if rule.activity and rule.activity.half_life_days and rule.points]
    others = [_faded(rule, factor) for rule in fading for factor in HALF_LIFE_FACTORS]
    if not others:
        return pd.DataFrame()
    sides.score(desk, "refaded", _with_rules(policy, others))
    return _contributed(desk, "refaded", {rule.id: rule.points for rule in others})


def _faded(rule: Rule, factor: float) -> Rule:
    assert rule.activity is not None
    assert rule.activity.half_life_days is not None
    days = rule.activity.half_life_days * factor
    return replace(rule, id=f"{rule.id}@{days:g}", activity=replace(rule.activity, half_life_days=days))


_DTYPES: Final = {Type.TEXT: "str", Type.NUMBER: "float64", Type.BOOLEAN: "boolean"}


def _attributes(desk: Desk, policy: Policy) -> pd.DataFrame:
    wanted = learnable(policy)
    values = (
        f"{read(name, type_, Dialect.DUCKDB)} as {quoted(name, Dialect.DUCKDB)}"
        for name, type_ in wanted.items()
    )
    frame = _frame(desk, f"select {', '.join(['lead_id', *values])} from known where own")
    return frame.astype({name: _DTYPES[type_] for name, type_ in wanted.items()})


def _behaviour(desk: Desk, scoring: Scoring) -> pd.DataFrame:
    """How often and when last, as a measure of scoring.yaml would count it."""
    types = [row[0] for row in desk.execute("select distinct type from activities order by 1").fetchall()]
    counts = (Measure(kind, "", (kind,), within_days=BEHAVIOUR_DAYS) for kind in types)
    lasts = (Measure(f"{kind}:days", "", (kind,), count="days_since") for kind in types)
    measures = tuple(measure for pair in zip(counts, lasts, strict=True) for measure in pair)
    plain = replace(scoring, measures=measures, rules=(), variants=(), stages=(), disqualifiers=(), kinds=())
    names = (quoted(measure.name, Dialect.DUCKDB) for measure in measures)
    select = facts(plain, Dialect.DUCKDB)
    return _frame(desk, f"select {', '.join(['lead_id', *names])} from ({select}) seen")


def _with_segments(found: Cases) -> Cases:
    """With the column `segment`: what the lead says, else the size class of its company."""
    known = found.attributes
    employees = known["employees"] if "employees" in known else pd.Series(np.nan, known.index)
    sizes = np.select([employees < below for below, _ in SEGMENTS], [name for _, name in SEGMENTS], "large")
    named = pd.Series(np.where(employees.isna(), "unknown", sizes), known.index)
    segment = known["segment"].fillna(named) if "segment" in known else named
    return replace(found, leads=found.leads.assign(segment=segment))
