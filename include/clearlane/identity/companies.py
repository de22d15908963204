"""Which contact a person already is, and which account the company is, as of any moment, never a guess.

An account is the one of the contact; else the only one with the domain of the address or website (among
several, the only one with that name, then country); else the only one with that name, in the same country or
where a country is missing the only one at all; else the one that a person said it is; else the one that is likely
enough, by its name, place and phone, and no other is (`likely`).
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy import Connection

from clearlane.identity.likely import CANDIDATES, odds
from clearlane.policy.model import Matching


def valid(table: str, key: str) -> str:
    """A condition: `r` is the revision of its record that is valid at `s.at`."""
    return f"""
        r.valid_from <= s.at and not exists (
            select from {table} n
            where n.{key} = r.{key} and n.valid_from <= s.at
              and (n.valid_from, n.content_hash) > (r.valid_from, r.content_hash))"""


_ACCOUNT_VALID: Final = valid("account_revision", "account_id")
_CANDIDATE: Final = """
    select s.person_id, s.at, s.rank, r.account_id, r.revision_id,
           coalesce(r.domain in (s.domain, s.mail_domain), false) as by_domain,
           coalesce(r.name_key = s.company, false) as same_name,
           coalesce(r.country = s.country, false) as same_country,
           coalesce(r.country <> s.country, false) as other_country"""


VERDICTS: Final = """
    select distinct on (v.company, v.account_id) v.company, v.account_id, v.verdict
    from match_verdict v where {which} order by v.company, v.account_id, v.verdict_id desc"""
"""of each pair the latest; `which` of them"""
NOT_REFUSED: Final = """
    not exists (
        select from said v
        where (v.company, v.at, v.account_id) = (s.company, s.at, r.account_id) and v.verdict = 'refuse')"""
"""after `said`: nobody has said that the company of `s` is not the account `r`"""


def said(subject: str) -> str:
    """A common table of what people said of the subject's companies by then: company, at, account_id, verdict."""
    latest = VERDICTS.format(which="v.company = s.company and v.decided_at <= s.at")
    return f"""said as materialized (
    select s.company, s.at, v.account_id, v.verdict
    from (select distinct company, at from {subject}) s cross join lateral ({latest}) v
)"""


def affiliations(subject: str, matching: Matching) -> str:
    """A select of person_id, at, contact_id, contact_revision_id, account_id, account_revision_id, account_rule.

    `subject` is a relation of one row per member record that is valid for the person at a moment: person_id,
    at (timestamptz), rank (0 is the newest), source, email, domain, mail_domain, company, country, phone, city,
    address.
    """
    return f"""
with contact as (
    select distinct on (s.person_id, s.at)
           s.person_id, s.at, r.contact_id, r.revision_id, r.source, r.account_external_id
    from {subject} s join contact_revision r on r.email = s.email
    where {valid("contact_revision", "contact_id")}
    order by s.person_id, s.at, s.rank, r.source <> s.source, r.source collate "C", r.external_id collate "C"
), candidate as (
    {_CANDIDATE}
    from {subject} s cross join lateral (values (s.domain), (s.mail_domain)) d (domain)
    join account_revision r on r.domain = d.domain
    where {_ACCOUNT_VALID}
    union
    {_CANDIDATE}
    from {subject} s join account_revision r on r.name_key = s.company
    where {_ACCOUNT_VALID}
), pool as (
    select person_id, at, rank,
           count(*) filter (where by_domain) as by_domain,
           count(*) filter (where by_domain and same_name) as also_name,
           count(*) filter (where by_domain and same_name and same_country) as also_country,
           count(*) filter (where same_country) as by_country,
           count(*) as by_name
    from candidate group by 1, 2, 3
), {said(subject)}, weighed as ({" union all ".join(_weighed(subject, found, matching) for found in CANDIDATES)}
), alike_enough as (
    select *, sum(odds) over (partition by person_id, at, rank) as total from weighed
), account as (
    select s.person_id, s.at, -1 as rank, r.account_id, r.revision_id, 'contact' as rule
    from contact s join account_revision r on r.source = s.source and r.external_id = s.account_external_id
    where {_ACCOUNT_VALID}
    union all
    select c.person_id, c.at, c.rank, c.account_id, c.revision_id,
           case when pool.by_domain > 0 then 'domain' else 'name' end
    from candidate c join pool using (person_id, at, rank)
    where case when pool.by_domain = 1 then c.by_domain
               when pool.also_name = 1 then c.by_domain and c.same_name
               when pool.also_country = 1 then c.by_domain and c.same_name and c.same_country
               when pool.by_domain > 1 then false
               when pool.by_country = 1 then c.same_country
               else pool.by_name = 1 and not c.other_country end
    union all
    select s.person_id, s.at, s.rank + {_BY_PERSON}, r.account_id, r.revision_id, 'person'
    from {subject} s join said v on (v.company, v.at) = (s.company, s.at)
    join account_revision r on r.account_id = v.account_id
    where v.verdict = 'accept' and {_ACCOUNT_VALID}
    union all
    select person_id, at, rank + {_BY_LIKENESS}, account_id, revision_id, 'alike'
    from alike_enough where odds >= {matching.match} * (total + 1)
), chosen as (
    select distinct on (person_id, at) * from account order by person_id, at, rank, account_id
)
select person_id, at, contact.contact_id, contact.revision_id as contact_revision_id,
       chosen.account_id, chosen.revision_id as account_revision_id, chosen.rule as account_rule
from contact full join chosen using (person_id, at)"""


def _weighed(subject: str, found: str, matching: Matching) -> str:
    """How likely each account is that was found so, where no domain or name says which it is; but for those refused.

    Of several that have the very name (and domain, where one has it) the rest may tell which.
    """
    return f"""
    select s.person_id, s.at, s.rank, r.account_id, r.revision_id, {odds("s", "r", matching.companies)} as odds
    from {subject} s {found}
    where {_ACCOUNT_VALID} and not exists (
        select from pool p
        where (p.person_id, p.at, p.rank) = (s.person_id, s.at, s.rank)
          and p.also_name < 2 and (p.by_domain > 0 or p.by_name < 2)
    ) and {NOT_REFUSED}"""


_BY_PERSON: Final = 1_000_000
_BY_LIKENESS: Final = 2_000_000
"""added to the rank: what is exact comes first, whichever record says it"""

# --- the leads that an arrived account, contact or opportunity concerns -----------------------------

_CONCERNED: Final = """
insert into touched (lead_id, reason)
with recursive opportunity as (
    select r.* from opportunity_revision r
    where r.opportunity_id in (select opportunity_id from arrived_opportunity)
), below as (
    select source, external_id from account_revision
    where account_id in (select account_id from arrived_account)
    union
    select r.source, r.external_id
    from below b join account_revision r on r.source = b.source and r.parent_external_id = b.external_id
), account as (
    select source, external_id from below
    union
    select source, account_external_id from opportunity where account_external_id is not null
), contact as (
    select source, external_id from contact_revision
    where contact_id in (select contact_id from arrived_contact)
    union
    select source, contact_external_id from opportunity where contact_external_id is not null
    union
    select r.source, r.external_id from contact_revision r
    join account a on a.source = r.source and a.external_id = r.account_external_id
), key (kind, value) as (
    select 'domain', r.domain from account a join account_revision r using (source, external_id)
    union
    select 'company', r.name_key from account a join account_revision r using (source, external_id)
    union
    select 'phone', r.phone from account a join account_revision r using (source, external_id)
    union
    select 'company', k.company
    from account a join account_revision r using (source, external_id) join alike k using (name_key)
    union
    select unnest(array['email', 'role_email']), r.email
    from contact c join contact_revision r using (source, external_id)
)
select k.lead_id, 'account' from lead_key k join key using (kind, value)
union
select l.lead_id, 'account'
from opportunity o join lead l on l.source = o.source and l.external_id = o.lead_external_id
"""

# --- affiliations of the persons touched ------------------------------------------------------------

_SUBJECTS: Final = """
create temporary table subject on commit drop as
select survivor_id as person_id, cast('infinity' as timestamptz) as at,
       row_number() over (
           partition by survivor_id order by valid_from desc, content_hash desc, lead_id) - 1 as rank,
       source, coalesce(keys ->> 'email', keys ->> 'role_email') as email, keys ->> 'domain' as domain,
       keys ->> 'mail_domain' as mail_domain, keys ->> 'company' as company, attributes ->> 'country' as country,
       keys ->> 'phone' as phone, keys ->> 'city' as city, keys ->> 'address' as address
from (
    select distinct on (l.lead_id) l.lead_id, l.survivor_id, l.source, r.*
    from lead l
    cross join lateral (
        select valid_from, content_hash, keys, attributes from lead_revision
        where lead_id = l.lead_id order by valid_from desc, content_hash desc limit 1
    ) r
    where l.survivor_id in (
        select p.survivor_id from touched t join lead p using (lead_id) where t.reason <> 'activity')
) latest
"""

_AFFILIATE: Final = """
update lead l
set contact_id = a.contact_id, account_id = a.account_id, account_rule = a.account_rule,
    company_key = a.company_key
from (
    select distinct on (s.person_id)
           s.person_id, f.contact_id, f.account_id, f.account_rule,
           coalesce(s.company || '|' || coalesce(s.country, ''), s.mail_domain, s.domain) as company_key
    from subject s left join ({affiliations}) f using (person_id)
    order by s.person_id, s.company is null, coalesce(s.mail_domain, s.domain) is null, s.rank
) a
where l.survivor_id = a.person_id
  and (l.contact_id, l.account_id, l.account_rule, l.company_key)
      is distinct from (a.contact_id, a.account_id, a.account_rule, a.company_key)
"""


def note_concerned(connection: Connection) -> None:
    """Add to `touched` the leads that the arrived accounts, contacts and opportunities concern."""
    connection.execute(sa.text(_CONCERNED))


def affiliate(connection: Connection, matching: Matching) -> int:
    """Set contact, account and company of every member of the touched persons; leads changed."""
    connection.exec_driver_sql("drop table if exists pg_temp.subject")
    connection.execute(sa.text(_SUBJECTS))
    connection.exec_driver_sql("analyze subject")
    return connection.execute(
        sa.text(_AFFILIATE.format(affiliations=affiliations("subject", matching)))
    ).rowcount
