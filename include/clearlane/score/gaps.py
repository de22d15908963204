"""What rules ask for and nobody knows: attributes that leads lack, how many of which source, worth how many points.

The worth of an attribute is what leads that have it get from the rules that read it: on average, and at most. A rule
that reads several attributes counts for each of them, so worths of attributes do not add up. Reads only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from clearlane.policy.model import Rule, Scoring

IDLE: Final = ("closed", "redirected", "disqualified")
"""places of leads that points do not move"""


@dataclass(frozen=True)
class Lacking:
    """Leads of one source. `in_reach`: those that lack it and that the most points would lift into a hotter band."""

    source: str
    leads: int
    missing: int
    in_reach: int

    @property
    def share(self) -> float:
        return self.missing / self.leads


@dataclass(frozen=True)
class Gap:
    """One attribute. `average` and `most` are None where no lead has it: then nobody knows what it is worth."""

    attribute: str
    rules: tuple[str, ...]
    average: float | None
    most: float | None
    sources: tuple[Lacking, ...]

    @property
    def leads(self) -> int:
        return sum(one.leads for one in self.sources)

    @property
    def missing(self) -> int:
        return sum(one.missing for one in self.sources)

    @property
    def in_reach(self) -> int:
        return sum(one.in_reach for one in self.sources)

    @property
    def worth(self) -> float:
        """Points that all who lack it would get together, if they were as those who have it."""
        return self.missing * max(self.average or 0.0, 0.0)


def gaps(connection: Connection, scoring: Scoring, at: datetime) -> Sequence[Gap]:
    """What leads that may be worked lack at a moment, by their newest score; what is worth most comes first."""
    used = _used(scoring)
    bound = {
        "at": at, "idle": list(IDLE),
        "used": json.dumps([{"attribute": name, "rules": rules} for name, rules in used.items()]),
        "bands": json.dumps([{"band": one.name, "next": hotter.entry} for hotter, one in pairwise(scoring.bands)]),
    }  # fmt: skip
    rows = connection.execute(_GAPS, bound).mappings().all()
    found = [
        _gap(name, used[name], list(of)) for name, of in groupby(rows, lambda row: str(row["attribute"]))
    ]
    return sorted(
        (one for one in found if one.missing), key=lambda one: (-one.worth, -one.missing, one.attribute)
    )


def _gap(attribute: str, rules: Sequence[str], rows: Sequence[RowMapping]) -> Gap:
    sources = tuple(
        Lacking(r["source"], r["leads"], r["missing"], r["in_reach"]) for r in rows if r["missing"]
    )
    whole = tuple(Lacking(r["source"], r["leads"], 0, 0) for r in rows if not r["missing"])
    average, most = rows[0]["average"], rows[0]["most"]
    return Gap(attribute, tuple(rules), average, most, (*sources, *whole))


def _used(scoring: Scoring) -> Mapping[str, Sequence[str]]:
    """Attribute -> the rules whose condition on the lead reads it, in all models."""
    readers: dict[str, dict[str, None]] = {}
    for rule, name in _reads(scoring):
        readers.setdefault(name, {})[rule.id] = None
    return {name: list(rules) for name, rules in sorted(readers.items())}


def _reads(scoring: Scoring) -> Iterator[tuple[Rule, str]]:
    for model in scoring.models:
        for rule in model.rules:
            if rule.when is not None:
                yield from ((rule, name) for name in rule.when.columns if name in scoring.attributes)


# Materialized: a lead's profile is looked up once, and not for each attribute.
_GAPS: Final = sa.text(
    """
    with person as materialized (
        select l.source, s.score, c.contributions, p.attributes, b.next
        from standing s join lead l on l.lead_id = s.lead_id join score c on c.score_id = s.score_id
        left join place on place.lead_id = s.lead_id
        left join jsonb_to_recordset(cast(:bands as jsonb)) as b(band text, next double precision) on b.band = s.band
        cross join lateral (
            select attributes from lead_profile
            where lead_id = s.lead_id and valid_from <= :at order by valid_from desc, profile_id desc limit 1
        ) p
        where l.survivor_id = l.lead_id and coalesce(place.place, 'waiting') <> all(:idle) and p.attributes <> '{}'
    ), told as (
        select u.attribute, person.source, coalesce(person.attributes ->> u.attribute, '') = '' as missing,
               person.score, person.next,
               (select coalesce(sum(cast(person.contributions ->> rule as double precision)), 0)
                from jsonb_array_elements_text(u.rules) rule) as points
        from person cross join jsonb_to_recordset(cast(:used as jsonb)) as u(attribute text, rules jsonb)
    ), worth as (
        select attribute, avg(points) filter (where not missing) as average,
               max(points) filter (where not missing) as most
        from told group by attribute
    )
    select attribute, source, average, most, count(*) as leads, count(*) filter (where missing) as missing,
           count(*) filter (where missing and score < next and score + most >= next) as in_reach
    from told join worth using (attribute)
    group by attribute, source, average, most
    order by attribute, missing desc, source
    """
)


# --- for people -----------------------------------------------------------------------------------

HEADS: Final = ("attribute", "missing", "of leads", "average", "at most", "in reach", "sources", "rules")


def cells(gap: Gap) -> Sequence[str]:
    """A row of the table: see HEADS."""
    return (
        gap.attribute, f"{gap.missing:,} ({gap.missing / gap.leads:.0%})", f"{gap.leads:,}", _points(gap.average),
        _points(gap.most), f"{gap.in_reach:,}", sources(gap), ", ".join(gap.rules),
    )  # fmt: skip


def sources(gap: Gap) -> str:
    """`web 90 (45%), crm 12 (3%)`: those that lack it, most first."""
    return ", ".join(f"{one.source} {one.missing:,} ({one.share:.0%})" for one in gap.sources if one.missing)


def sentence(gap: Gap) -> str:
    """For the mail of the week."""
    worth = "" if gap.average is None else f"; who has it gets {_points(gap.average)} points on average"
    return f"{gap.attribute}: {gap.missing / gap.leads:.0%} of leads lack it ({sources(gap)}){worth}"


def as_json(gap: Gap) -> Mapping[str, Any]:
    return {
        **asdict(gap),
        "leads": gap.leads,
        "missing": gap.missing,
        "in_reach": gap.in_reach,
        "worth": gap.worth,
    }


def _points(value: float | None) -> str:
    return "?" if value is None else f"{value:+.1f}"
