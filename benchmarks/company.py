"""A company that is generated inside the database: its leads and what they did in 90 days.

The same arithmetic on PostgreSQL and DuckDB, over generate_series; nothing is drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence

from clearlane.rules import Dialect

NOW = "timestamptz '2026-11-18 00:00:00+00'"
SHARES = {
    "page_view": 45, "email_open": 25, "email_click": 12, "pricing_page_view": 4, "content_download": 4,
    "social_engagement": 3, "webinar_attended": 2, "email_reply": 2, "careers_page_view": 1, "trial_started": 1,
    "demo_request": 1,
}  # fmt: skip
"""Of a hundred activities."""
_INDUSTRIES = ("Software", "Finance", "retail", "health", "Education", "logistics", "Media")
_SENIORITIES = (
    "c_level",
    "vp",
    "director",
    "manager",
    "senior",
    "individual",
    "individual",
    None,
    None,
    None,
)
_DEPARTMENTS = ("sales", "marketing", "it", "finance", "hr", "engineering", None)
_COUNTRIES = ("US", "DE", "GB", "BR", "IN", "FR", "CN", "JP", "MX", "NL", "PL")
_MIXER = 1_000_003


def _drawn(prime: int, below: int) -> str:
    """A whole number from 0 to below - 1, of row n; every prime gives another one."""
    return f"(n * {prime} % {_MIXER} % {below})"


def _one_of(prime: int, values: Sequence[str | None]) -> str:
    listed = ", ".join("null" if value is None else f"'{value}'" for value in values)
    return f"(array[{listed}])[1 + {_drawn(prime, len(values))}]"


def identity(n: str) -> str:
    """The uuid of number n."""
    return f"cast(md5(cast({n} as varchar)) as uuid)"


DEED = _one_of(22801763, [kind for kind, share in SHARES.items() for _ in range(share)])
"""The type of activity n."""
AGE = "(n * 15485863 % 9999991 % 7776000)"
"""Seconds since activity n."""
_LATE = f"case when {_drawn(104729, 2)} = 0 then cast({_drawn(1299709, 600)} as double precision) end"
SAID = f"jsonb_build_object('page', '/page/' || n % 40, 'seconds_after_delivery', {_LATE})"
"""The attributes of activity n, on PostgreSQL."""
_MEMORY = f"""
  case when n % 3 = 0 then {_one_of(7919, ("hot", "warm", "cool", "cold"))} end as band_before,
  case when n % 3 = 0 then {NOW} - {_drawn(104729, 90)} * interval '1' hour end as band_since,
  case when n % 4 = 0 then {_one_of(15485863, ("inquiry", "mql", "pql", "sql"))} end as stage_before,
  cast(null as timestamptz) as cycle_since, cast(null as timestamptz) as quiet_until,
  cast(null as integer) as override_score, cast(null as varchar) as override_band, true as own
"""
_ATTRIBUTES = f"""
  case when n % 10 <> 0 then cast({_drawn(86028121, 6000)} as double precision) end as employees,
  {_one_of(2750159, _INDUSTRIES)} as industry, {_one_of(4256233, _SENIORITIES)} as seniority,
  {_one_of(6461335, _DEPARTMENTS)} as department, {_one_of(7368787, _COUNTRIES)} as country,
  {_one_of(8580623, ("prospect", "target", None, None))} as account_type,
  {_drawn(9737333, 5)} = 0 as free_mail, {_drawn(9737333, 31)} = 0 as role_address,
  case when {_drawn(49979687, 300)} = 0 then 'leadvana.example' else 'company.example' end as email_domain,
  {_drawn(32452843, 97)} = 0 as do_not_contact, {_drawn(67867967, 23)} = 0 as trial_activated,
  'Person' as first_name, 'Number ' || cast(n as varchar) as last_name, 'web form' as lead_source,
  'person' || cast(n as varchar) || '@company.example' as email, '+1 415 555 0' || cast(n % 1000 as varchar) as phone,
  'Company ' || cast({_drawn(49979687, 200000)} as varchar) as company, 'Berlin' as city, 'Europe/Berlin' as zone
"""
PACKED = f"(select jsonb_strip_nulls(to_jsonb(a)) from (select {_ATTRIBUTES}) as a)"
"""The attributes of lead n, on PostgreSQL."""


def profiles(dialect: Dialect, leads: int) -> str:
    """`profiles` as the statement reads it: attributes as jsonb on PostgreSQL, as typed columns on DuckDB."""
    own = (
        f"{identity('n')} as lead_id, {NOW} as as_of, cast(null as varchar) as kind, 'crm' as source,"
        f" cast(null as uuid) as account_id, {_MEMORY}"
    )
    if dialect is Dialect.POSTGRES:
        return f"create unlogged table profiles as select {own}, {PACKED} as attributes from {numbers(leads)}"
    return f"create table profiles as select {own}, {_ATTRIBUTES} from {numbers(leads)}"


def activities(dialect: Dialect, leads: int, count: int) -> str:
    """`activities` as the statement reads it, evenly spread over the leads and over 90 days."""
    own = (
        f"{identity(f'1 + n * 1299721 % {leads}')} as lead_id, {DEED} as type,"
        f" {NOW} - {AGE} * interval '1' second as occurred_at"
    )
    if dialect is Dialect.POSTGRES:
        return f"create unlogged table activities as select {own}, {SAID} as attributes from {numbers(count)}"
    return f"create table activities as select {own}, {_LATE} as seconds_after_delivery from {numbers(count)}"


def numbers(last: int) -> str:
    """Rows n from 1 to last."""
    return f"generate_series(bigint '1', {last}) as numbers(n)"
