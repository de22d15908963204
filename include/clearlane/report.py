"""Where the leads are: by place, band and team; the hottest with their owner and why; the quarantine.

A lead here is a person (merged records count once) or a lead record that stands in quarantine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection


@dataclass(frozen=True)
class Share:
    name: str
    count: int
    share: float
    """of all, from 0 to 1"""


@dataclass(frozen=True)
class Hot:
    lead: str
    score: int
    band: str
    owner: str
    why: str


@dataclass(frozen=True)
class Figures:
    places: tuple[Share, ...]
    bands: tuple[Share, ...]
    teams: tuple[Share, ...]
    hottest: tuple[Hot, ...]
    quarantine: tuple[Share, ...]
    merged: int
    owed: Mapping[str, int]
    """state of the outbox -> rows"""


_PLACES = """
    select place, count(*) from place p join lead l using (lead_id) where l.survivor_id = l.lead_id group by place
    union all
    select 'quarantined', count(*) from quarantine q join inbox i using (seq)
    where q.state = 'open' and i.state = 'quarantined' and i.object = 'leads' having count(*) > 0
"""
_BANDS = "select band, count(*) from standing group by band"
_TEAMS = """
    select coalesce(p.team, 'no team'), count(*) from place p
    where p.place in ('owned', 'pool') group by 1
"""
_QUARANTINE = """
    select i.object || ': ' || (r.reason ->> 'field') || ' ' || (r.reason ->> 'rule'), count(*)
    from quarantine q join inbox i using (seq) cross join lateral (
        select reason from jsonb_array_elements(q.reasons) with ordinality as told (reason, number)
        order by reason ->> 'rule' in ('readable', 'required', 'any_of') desc, number limit 1
    ) r
    where q.state = 'open' group by 1
"""
_HOTTEST = """
    select l.source || ':' || l.external_id lead, s.score, s.band, coalesce(p.rep_id, p.place) owner, p.because why
    from standing s join score made using (score_id) join lead l on l.lead_id = s.lead_id
    join place p on p.lead_id = s.lead_id
    where made.disqualified is null and p.place <> 'closed'
    order by s.total desc, s.lead_id limit :top
"""


def figures(connection: Connection, top: int = 10) -> Figures:
    """Everything the report shows, straight from the ledger."""
    return Figures(
        places=_shares(connection, _PLACES),
        bands=_shares(connection, _BANDS),
        teams=_shares(connection, _TEAMS),
        hottest=tuple(Hot(**row) for row in connection.execute(sa.text(_HOTTEST), {"top": top}).mappings()),
        quarantine=_shares(connection, _QUARANTINE),
        merged=_count(connection, "select count(*) from merge where undone_at is null"),
        owed=dict(_pairs(connection, "select state, count(*) from outbox group by state order by state")),
    )


def as_json(report: Figures) -> Mapping[str, Any]:
    return asdict(report)


def tables(report: Figures) -> Sequence[Table]:
    """The report as a person reads it, widest last."""
    owed = ", ".join(f"{count:,} {state}" for state, count in report.owed.items()) or "nothing"
    return (
        _shares_table("Leads by place", report.places, f"{report.merged:,} records merged; outbox: {owed}"),
        _shares_table("Leads by band", report.bands),
        _shares_table("With a team", report.teams),
        _shares_table("Quarantine, by what keeps records out", report.quarantine),
        _hottest_table(report.hottest),
    )


def _shares_table(title: str, shares: Sequence[Share], caption: str | None = None) -> Table:
    table = _titled(title, caption)
    table.add_column(min_width=28)
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    for share in shares:
        table.add_row(Text(share.name), f"{share.count:,}", f"{share.share:.1%}")
    return table


def _hottest_table(hottest: Sequence[Hot]) -> Table:
    table = _titled("The hottest leads", "`python -m clearlane explain LEAD` tells the whole story of one")
    for heading, justify in (("score", "right"), ("lead", "left"), ("owner", "left"), ("why", "left")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    for hot in hottest:
        table.add_row(str(hot.score), *(Text(cell) for cell in (hot.lead, hot.owner, hot.why)))
    table.show_header = True
    return table


def _titled(title: str, caption: str | None) -> Table:
    return Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        title_style="bold",
        show_header=False,
        box=None,
        pad_edge=False,
    )


def _shares(connection: Connection, statement: str) -> tuple[Share, ...]:
    counted = sorted(_pairs(connection, statement), key=lambda pair: (-pair[1], pair[0]))
    total = sum(count for _, count in counted)
    return tuple(Share(name, count, count / total) for name, count in counted)


def _pairs(connection: Connection, statement: str) -> list[tuple[str, int]]:
    return [(str(name), int(count)) for name, count in connection.execute(sa.text(statement))]


def _count(connection: Connection, statement: str) -> int:
    return int(connection.execute(sa.text(statement)).scalar_one())
