"""To which lead record an activity or an outcome belongs: the one it names, else who has its e-mail address.

An event that names a lead waits for that record. One that names a contact or an address belongs to the oldest
record that has the address now, and moves when addresses do. Scoring is told through `signal_due`, the watch of
promises through `touch_due`.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

# An event that is replaced leaves the person to whom it belonged.
_NOTE_FORMER: Final = """
insert into touched (lead_id, reason)
select distinct a.lead_id, 'activity' from activity a join arrived_activity using (activity_id)
where a.lead_id is not null
"""

_LOOSE: Final = """
create temporary table loose on commit drop as
with address as (
    select value as email from rekeyed where kind in ('email', 'role_email')
), contact as (
    select source, external_id from contact_revision
    where contact_id in (select contact_id from arrived_contact)
    union
    select r.source, r.external_id from contact_revision r join address using (email)
)
select activity_id from arrived_activity
union
select a.activity_id from activity a join lead l on l.source = a.source and l.external_id = a.lead_external_id
where a.lead_id is null and l.lead_id in (select lead_id from arrived_lead)
union
select a.activity_id from activity a join address using (email) where a.lead_external_id is null
union
select a.activity_id from activity a
join contact c on c.source = a.source and c.external_id = a.contact_external_id
where a.lead_external_id is null
"""

# What is new to a record is added to its signals; a record that an event left, or has changed in, is counted anew.
_ATTACH: Final = """
with home as (
    select a.activity_id, a.lead_id as former_id,
           case when a.lead_external_id is null then found.lead_id else named.lead_id end as lead_id
    from loose join activity a using (activity_id)
    left join lead named on named.source = a.source and named.external_id = a.lead_external_id
    left join lateral (
        select email from contact_revision
        where source = a.source and external_id = a.contact_external_id
        order by valid_from desc, content_hash desc limit 1
    ) contact on true
    left join lateral (
        select l.lead_id from lead_key k join lead l using (lead_id)
        where a.lead_external_id is null and k.current and k.kind in ('email', 'role_email')
          and k.value = coalesce(contact.email, a.email)
        order by l.created_at, l.source collate "C", l.external_id collate "C" limit 1
    ) found on true
), moved as (
    update activity a set lead_id = home.lead_id, known_seq = currval('known_seq')
    from home where home.activity_id = a.activity_id and home.lead_id is distinct from home.former_id
    returning a.activity_id
), here as (
    select activity_id from moved union select activity_id from arrived_activity
), written as (
    select activity_id from moved
    union select activity_id from arrived_activity join activity using (activity_id)
    where known_seq = currval('known_seq')
), due as (
    insert into signal_due (lead_id, activity_id)
    select lead_id, activity_id from home join written using (activity_id)
    where former_id is null and lead_id is not null
    union
    select record, null from home join written using (activity_id)
    cross join lateral unnest(array[former_id, lead_id]) as record
    where former_id is not null and record is not null
)
insert into touched (lead_id, reason)
select distinct unnest(array[home.former_id, home.lead_id]), 'activity' from home join here using (activity_id)
"""

_OUTCOMES: Final = """
update outcome o set lead_id = home.lead_id
from (
    select r.outcome_id, l.lead_id
    from outcome r left join lead l on l.source = r.source and l.external_id = r.lead_external_id
    where r.outcome_id in (select outcome_id from arrived_outcome)
       or l.lead_id in (select lead_id from arrived_lead)
) home
where home.outcome_id = o.outcome_id and home.lead_id is distinct from o.lead_id
returning o.outcome_id
"""
_TOUCHES: Final = """
insert into touch_due (lead_id)
select lead_id from outcome
where outcome_id in (select outcome_id from arrived_outcome union select unnest(cast(:homed as uuid[])))
  and kind in ('first_touch', 'meeting', 'accepted') and lead_id is not null
union
select lead_id from touched where reason = 'merge' and lead_id is not null
"""


def note_former(connection: Connection) -> None:
    """Add to `touched` the leads of activities that are about to be replaced."""
    connection.execute(sa.text(_NOTE_FORMER))


def attach(connection: Connection) -> None:
    """Give arrived and moved events their lead record; adds the leads to `touched`. After `people.regroup`."""
    connection.exec_driver_sql("drop table if exists pg_temp.loose")
    connection.execute(sa.text(_LOOSE))
    connection.execute(sa.text(_ATTACH))
    homed = connection.execute(sa.text(_OUTCOMES)).scalars().all()
    connection.execute(sa.text(_TOUCHES), {"homed": list(homed)})
    connection.execute(sa.text("delete from touched where lead_id is null"))
