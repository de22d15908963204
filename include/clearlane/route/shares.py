"""Who got which share of the turns, against what the weights planned, with the reasons for the difference.

Planned is a rep's part by weight of each turn for which the rep was there; whoever is away, at a cap or out of
hours loses no turn by it. Leads that came without a turn (direct, of the same company, by hand) stand beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.route import refusals
from clearlane.route.state import present_at

Key = tuple[str, str, str]


@dataclass(frozen=True)
class Share:
    """One rep in one rotation and band; numbers are turns of the span."""

    rotation: str
    band: str
    rep: str
    weight: float | None
    """the last in force; None: never there"""
    of: int
    """turns of the rotation while the rep was a member"""
    there: int
    """of them while the rep was there"""
    planned: float
    turns: int
    returned: int
    """turns given back among `turns`"""
    missed: Mapping[str, int] = field(default_factory=dict)
    """code of `refusals` -> turns for which the rep could not be asked"""
    beside: Mapping[str, int] = field(default_factory=dict)
    """direct, same company, by hand -> leads without a turn"""
    joined: datetime | None = None
    """the first turn as a member, where the rotation took turns before"""
    fitted: int = 0
    """turns picked by fit among `turns`"""

    @property
    def difference(self) -> float:
        return self.turns - self.planned


_SEATS = """
with pick as (
    select decision_seq, rotation, band, as_of, rep_id as winner, eligible, refused, roster_id,
           results_id is not null as fitted
    from decision
    where mode = 'live' and rotation is not null and as_of >= :since and as_of < :until
      and coalesce(rotation = cast(:team as text), cast(:team as text) is null)
), member as (
    select distinct x.roster_id, x.rotation, coalesce(m.value ->> 'rep', m.value ->> 0) as rep_id
    from (select distinct roster_id, rotation from pick) x join roster r using (roster_id)
    cross join lateral jsonb_array_elements(r.content #> array['teams', x.rotation, 'members']) m
), seat as (
    select p.decision_seq, p.rotation, p.band, p.as_of, m.rep_id, p.winner = m.rep_id as won, p.fitted,
           m.rep_id = any(p.eligible) as free, p.refused ->> m.rep_id as why
    from pick p join member m using (roster_id, rotation)
    where m.rep_id = any(p.eligible) or p.refused ? m.rep_id
)"""
_WHY = f"{_SEATS} select rotation, band, rep_id, why, count(*) as turns from seat where not free group by 1, 2, 3, 4"
# Each weight from the turn with which it began: a rep who is there has one.
_PLANNED = f"""{_SEATS}, weighed as (
    select rotation, band, rep_id, weight, decision_seq as since,
           lead(decision_seq) over (partition by rotation, band, rep_id order by decision_seq) as until
    from (
        select *, lag(weight) over (partition by rotation, band, rep_id order by decision_seq) as before
        from turn where rotation in (select rotation from pick)
    ) t where before is distinct from weight
), there as (
    select s.*, w.weight, w.weight / sum(w.weight) over (partition by s.decision_seq) as part
    from seat s join weighed w
      on (w.rotation, w.band, w.rep_id) = (s.rotation, s.band, s.rep_id)
     and w.since <= s.decision_seq and coalesce(w.until > s.decision_seq, true)
    where s.free or s.why = any(cast(:lacking as text[]))
)
select s.rotation, s.band, s.rep_id, count(*) as "of", count(t.rep_id) as there, coalesce(sum(t.part), 0) as planned,
       count(*) filter (where s.won) as turns, count(*) filter (where s.won and s.fitted) as fitted,
       min(s.as_of) as first,
       (array_agg(t.weight order by s.decision_seq desc) filter (where t.weight is not null))[1] as weight
from seat s left join there t on (t.decision_seq, t.rep_id) = (s.decision_seq, s.rep_id)
group by 1, 2, 3 order by 1, 2, 3
"""
_BEGAN = (
    "select rotation, min(as_of) as first from decision where mode = 'live' and as_of >= :since group by 1"
)
_RETURNED = """
select t.rotation, t.band, t.rep_id, count(*) as turns
from turn t join decision d on d.decision_seq = t.returned_seq
where t.kind = 'return' and d.as_of >= :since and d.as_of < :until group by 1, 2, 3
"""
_BESIDE = """
select team as rotation, band, rep_id, count(*) as turns,
       case when mode = 'hand' then 'by hand' when because like '%the same company%' then 'same company'
            else 'direct' end as why
from decision
where rep_id is not null and team is not null and rotation is null and as_of >= :since and as_of < :until
  and place = 'owned' and (mode = 'hand' or mode = 'live' and cardinality(eligible) > 0)
group by 1, 2, 3, 5
"""


def shares(
    connection: Connection, since: datetime, until: datetime, team: str | None = None
) -> Sequence[Share]:
    """Each rep of each rotation and band that took turns in the span, from live decisions and turns."""
    bound: dict[str, Any] = {"since": since, "until": until, "team": team}
    why = [row._mapping for row in connection.execute(sa.text(_WHY), bound)]
    bound["lacking"] = [said for said in {row["why"] for row in why} if _of_the_lead(said)]
    rows = connection.execute(sa.text(_PLANNED), bound).mappings().all()
    began = {row.rotation: row.first for row in connection.execute(sa.text(_BEGAN), bound)}
    missed, beside = _counted(why), _counted(connection.execute(sa.text(_BESIDE), bound).mappings())
    returned = {_key(row): row["turns"] for row in connection.execute(sa.text(_RETURNED), bound).mappings()}
    return [
        Share(
            *_key(row), row["weight"], row["of"], row["there"], float(row["planned"]), row["turns"],
            returned.get(_key(row), 0), _by_code(missed.get(_key(row), {})), beside.get(_key(row), {}),
            row["first"] if row["first"] > began[row["rotation"]] else None, row["fitted"],
        )
        for row in rows
    ]  # fmt: skip


def _of_the_lead(why: str) -> bool:
    """Whether a refusal spoke of the lead only: the rep was there."""
    return bool(present_at({"eligible": [], "refused": {"": why}}))  # type: ignore[arg-type]  # reads these two


def _key(row: Any) -> Key:
    return row["rotation"], row["band"], row["rep_id"]


def _counted(rows: Any) -> Mapping[Key, Mapping[str, int]]:
    counted: dict[Key, dict[str, int]] = {}
    for row in rows:
        counted.setdefault(_key(row), {})[row["why"]] = row["turns"]
    return counted


def _by_code(missed: Mapping[str, int]) -> Mapping[str, int]:
    counted: dict[str, int] = {}
    for why, turns in missed.items():
        name = "match" if _of_the_lead(why) else refusals.code(why)
        counted[name] = counted.get(name, 0) + turns
    return dict(sorted(counted.items()))


# --- as told --------------------------------------------------------------------------------------


def reasons(share: Share) -> str:
    """Why the turns are not the planned ones, and what came without a turn: `away 3, at cap 2; joined 2026-03-02`."""
    return "; ".join(_reasons(share))


def _reasons(share: Share) -> Iterator[str]:
    if share.missed:
        yield ", ".join(f"{refusals.WORDS[code]} {turns}" for code, turns in share.missed.items())
    if share.fitted:
        yield f"{share.fitted} by fit"
    if share.returned:
        yield f"{share.returned} given back"
    if share.joined:
        yield f"joined {share.joined:%Y-%m-%d}"
    if share.beside:
        yield "beside: " + ", ".join(f"{count} {how}" for how, count in sorted(share.beside.items()))


def as_json(share: Share) -> dict[str, Any]:
    """As JSON values; shares of the turns for which the rep was there are from 0 to 1."""
    joined = share.joined.isoformat() if share.joined else None
    part = {"planned_share": share.planned, "actual_share": share.turns}
    rates = {name: value / share.there if share.there else None for name, value in part.items()}
    return {
        **asdict(share),
        "joined": joined,
        "difference": share.difference,
        **rates,
        "reasons": reasons(share),
    }
