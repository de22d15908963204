"""What became of a lead, for the systems that want to know: the stage and since when, the outcome, why it was declined.

The outcome is the newest of accepted, rejected, meeting, sql, opportunity, won and lost, a rep's decline being a
rejection; the reason is told while the newest is a rejection. Where one of them has a master, only its word counts, and
no system is told what it said itself. The stage is that of the standing, since it was entered last.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clearlane.policy.model import CLEARLANE, FEEDBACK, Source, Sources

TOLD: Final = ("rejected", "accepted", "meeting", "sql", "opportunity", "lost", "won")
"""kinds of outcome that are told; of one moment the last of them counts"""
NAMES: Final = (*FEEDBACK, "stage")

_KINDS: Final = ", ".join(f"'{kind}'" for kind in TOLD)
_MOMENT: Final = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')"""

OF_LEAD: Final = f"""left join lateral (
        with said as (
            select o.kind, o.occurred_at, o.reason, o.source, cast(o.outcome_id as text) as id
            from lead r join outcome o on o.lead_id = r.lead_id
            where r.survivor_id = m.survivor_id and o.kind in ({_KINDS}) and o.occurred_at < :as_of
            union all
            select 'rejected', e.occurred_at, e.detail ->> 'reason', '{CLEARLANE}', cast(e.event_id as text)
            from lead r join routing_event e on e.lead_id = r.lead_id
            where r.survivor_id = m.survivor_id and e.kind = 'decline' and e.occurred_at < :as_of
        ), ordered as (
            select *, row_number() over (
                order by occurred_at desc, array_position(array[{_KINDS}], kind) desc, id) as nth
            from said
        ), outcome_said as (
            select * from ordered where source = coalesce(:outcome_master, source) order by nth limit 1
        ), reason_said as (
            select * from ordered where source = coalesce(:reason_master, source) order by nth limit 1
        ), entered as (
            select max(n.entered_at) as at from stage_entry n
            where n.lead_id = m.survivor_id and n.stage = s.stage and n.entered_at <= :as_of
        )
        select jsonb_build_object('stage', s.stage, 'stage_since', {_MOMENT.format("entered.at")})
            || case when r.source = m.source then '{{}}' else jsonb_build_object(
                'outcome', r.kind, 'outcome_at', {_MOMENT.format("r.occurred_at")}) end
            || case when w.source = m.source then '{{}}' else jsonb_build_object(
                'decline_reason', case when w.kind = 'rejected' then w.reason end) end as fields
        from entered left join outcome_said r on true left join reason_said w on true
        where t.hears
    ) fed on true"""
"""Join what is written of the lead record m, whose person stands at s, to its source, a row of `takers`: fed.fields."""

LATELY: Final = """
    select r.survivor_id from inbox i join outcome o using (seq) join lead r using (lead_id)
    where :hear and i.batch_id = :batch_id and i.object = 'outcomes'
    union all
    select r.survivor_id from outcome o join lead r using (lead_id)
    where :hear and o.occurred_at >= :since and o.occurred_at < :as_of
    union all
    select r.survivor_id from routing_event e join lead r using (lead_id)
    where :hear and e.kind = 'decline' and e.occurred_at >= :since and e.occurred_at < :as_of
"""
"""Leads of whom the batch brought an outcome, or of whom something was said since a moment"""


def hears(source: Source) -> bool:
    """Whether the source is told what became of leads: its `push_fields` name something of it."""
    return not source.push_fields.keys().isdisjoint(NAMES)


def masters(sources: Sources) -> Mapping[str, Any]:
    """Whose word alone counts, by parameter of OF_LEAD; None: everybody's."""
    said = {"outcome_master": "outcome", "reason_master": "decline_reason"}
    found = {name: sources.masters.get(field, CLEARLANE) for name, field in said.items()}
    return {name: None if master == CLEARLANE else master for name, master in found.items()}
