-- The model of policy/scoring.yaml as an analyst would write it for PostgreSQL: what `statement` is measured
-- against. It reads the same two tables, gives the same columns, and the benchmark checks the same scores.
-- `offset 0` keeps PostgreSQL from computing an expression once for each of its uses.
with event as (
    select a.lead_id, a.type, a.occurred_at,
        date_part('epoch', a.occurred_at) as happened,
        date_part('epoch', p.as_of - a.occurred_at) / 86400 as days,
        case when a.type = 'email_click' then (a.attributes ->> 'seconds_after_delivery')::float8 end as seconds_after_delivery
    from activities a
    join profiles p using (lead_id)
    where a.occurred_at < p.as_of
        and a.type in (
            'demo_request', 'contact_sales', 'pricing_page_view', 'content_download', 'webinar_attended',
            'email_reply', 'email_click', 'page_view', 'social_engagement', 'trial_started', 'careers_page_view'
        )
),
behaviour as (
    select lead_id,
        count(*) filter (where type <> 'email_click' or coalesce(seconds_after_delivery, 60) >= 5)
            + count(*) filter (where type in ('demo_request', 'contact_sales')) as counted,
        min(occurred_at) filter (where type in ('demo_request', 'contact_sales') and days <= 30) as raised_at,
        sum(power(0.5, days / 14)) filter (where type in ('demo_request', 'contact_sales')) as hand_raise,
        sum(power(0.5, days / 7)) filter (where type = 'pricing_page_view') as pricing_page,
        sum(power(0.5, days / 21)) filter (where type = 'content_download') as content,
        sum(power(0.5, days / 30)) filter (where type = 'webinar_attended') as webinar,
        sum(power(0.5, days / 14)) filter (where type = 'email_reply') as reply,
        sum(power(0.5, days / 7)) filter (where type = 'social_engagement') as social,
        power(0.5, max(days) filter (where type = 'trial_started') / 21) as trial,
        sum(power(0.5, days / 30)) filter (where type = 'careers_page_view') as careers_page
    from event
    group by lead_id
),
clicks as (
    select lead_id, sum(power(0.5, days / 21)) as click
    from (
        select lead_id, days,
            row_number() over (partition by lead_id, floor(happened / 604800) order by happened) as nth
        from event
        where type = 'email_click' and coalesce(seconds_after_delivery, 60) >= 5
    ) numbered
    where nth <= 3
    group by lead_id
),
visits as (
    select lead_id, sum(power(0.5, days / 7)) as visit
    from (
        select lead_id, max(days) as days from event where type = 'page_view'
        group by lead_id, floor(happened / 86400)
    ) daily
    group by lead_id
),
person as (
    select lead_id, as_of, band_before, band_since, stage_before,
        coalesce(kind, case when attributes ->> 'seniority' = 'student' then 'student' else 'sales' end) as kind,
        (attributes ->> 'employees')::float8 as employees,
        attributes ->> 'industry' as industry,
        attributes ->> 'seniority' as seniority,
        attributes ->> 'department' as department,
        attributes ->> 'country' as country,
        attributes ->> 'account_type' as account_type,
        attributes ->> 'email_domain' as email_domain,
        (attributes ->> 'free_mail')::boolean as free_mail,
        (attributes ->> 'role_address')::boolean as role_address,
        (attributes ->> 'do_not_contact')::boolean as do_not_contact,
        (attributes ->> 'trial_activated')::boolean as trial_activated
    from profiles
    offset 0
),
pointed as (
    select p.lead_id, p.as_of, p.band_before, p.band_since, p.stage_before, p.kind, p.trial_activated,
        b.raised_at, coalesce(b.counted, 0) as counted,
        case
            when p.do_not_contact then 'do_not_contact'
            when p.email_domain in ('leadvana.example', 'routewell.example') then 'competitor'
            when p.kind = 'student' then 'student'
        end as disqualified,
        case when p.employees between 50 and 1000 then 15 else 0 end as icp_size,
        case when p.employees between 20 and 49 or p.employees between 1001 and 5000 then 7 else 0 end as near_size,
        case
            when lower(p.industry) in ('software', 'finance', 'manufacturing', 'logistics', 'health') then 10 else 0
        end as icp_industry,
        case when p.seniority in ('c_level', 'vp', 'director') then 12 else 0 end as buyer,
        case when p.seniority in ('manager', 'head') then 6 else 0 end as recommender,
        case
            when p.department in ('sales', 'marketing', 'operations', 'it', 'revenue') then 7 else 0
        end as buying_department,
        case
            when p.country in (
                'US', 'CA', 'GB', 'IE', 'DE', 'AT', 'CH', 'FR', 'NL', 'BE', 'ES', 'IT', 'SE', 'DK', 'NO', 'FI', 'AU',
                'NZ', 'SG', 'JP'
            ) then 6 else 0
        end as core_market,
        case when p.account_type = 'target' then 8 else 0 end as target_account,
        round(least(40, 35 * coalesce(b.hand_raise, 0)) * 1e6::float8) / 1e6::float8 as hand_raise,
        round(least(24, 8 * coalesce(b.pricing_page, 0)) * 1e6::float8) / 1e6::float8 as pricing_page,
        round(least(15, 5 * coalesce(b.content, 0)) * 1e6::float8) / 1e6::float8 as content,
        round(least(20, 10 * coalesce(b.webinar, 0)) * 1e6::float8) / 1e6::float8 as webinar,
        round(least(16, 8 * coalesce(b.reply, 0)) * 1e6::float8) / 1e6::float8 as reply,
        round(least(6, coalesce(c.click, 0)) * 1e6::float8) / 1e6::float8 as click,
        round(least(5, coalesce(v.visit, 0)) * 1e6::float8) / 1e6::float8 as visit,
        round(least(3, coalesce(b.social, 0)) * 1e6::float8) / 1e6::float8 as social,
        round(15 * coalesce(b.trial, 0) * 1e6::float8) / 1e6::float8 as trial,
        case when p.free_mail then -10 else 0 end as free_mail,
        case when p.role_address then -5 else 0 end as shared_mailbox,
        round(greatest(-16, -8 * coalesce(b.careers_page, 0)) * 1e6::float8) / 1e6::float8 as careers_page
    from person p
    left join behaviour b using (lead_id)
    left join clicks c using (lead_id)
    left join visits v using (lead_id)
    offset 0
),
summed as (
    select *,
        greatest(0, least(50, (
            icp_size + near_size + icp_industry + buyer + recommender + buying_department + core_market
            + target_account
        )))::float8 as fit,
        greatest(0, least(50, (
            hand_raise + pricing_page + content + webinar + reply + click + visit + social + trial
        ))) as engagement,
        greatest(-60, least(0, free_mail + shared_mailbox + careers_page)) as negative
    from pointed
    offset 0
),
totalled as (
    select *,
        fit + engagement + negative as total,
        case
            when disqualified is null then greatest(1, least(100, floor(fit + engagement + negative + 0.5)))::integer
            else 0
        end as score
    from summed
    offset 0
),
ranked as (
    select *,
        case when score >= 75 then 0 when score >= 50 then 1 when score >= 25 then 2 else 3 end as entered,
        case when score >= 70 then 0 when score >= 45 then 1 when score >= 20 then 2 else 3 end as held,
        case band_before when 'hot' then 0 when 'warm' then 1 when 'cool' then 2 when 'cold' then 3 end as before
    from totalled
    offset 0
),
banded as (
    select *,
        (array['hot', 'warm', 'cool', 'cold'])[1 + case
            when disqualified is not null then 3
            when before is null or entered <= before then entered
            when before < 3 and as_of - band_since < interval '24 hours' then before
            else least(entered, greatest(held, before))
        end] as band,
        case when fit >= 40 then 'A' when fit >= 25 then 'B' when fit >= 10 then 'C' else 'D' end
            || case when engagement >= 30 then '1' when engagement >= 15 then '2' when engagement >= 5 then '3' else '4' end
            as grade,
        case
            when disqualified is not null then 'disqualified'
            when score >= 50 and fit >= 20 or raised_at is not null then 'mql'
            when trial_activated and fit >= 10 then 'pql'
            else 'inquiry'
        end as reached
    from ranked
    offset 0
)
select lead_id, score, total, fit, engagement, negative, band, grade,
    case
        when reached = 'disqualified' then reached
        when array_position(array['inquiry', 'mql', 'accepted', 'sql', 'opportunity', 'customer'],
                case stage_before when 'pql' then 'mql' else stage_before end)
            >= array_position(array['inquiry', 'mql'], case reached when 'pql' then 'mql' else reached end)
            then stage_before
        else reached
    end as stage,
    reached,
    case when reached = 'mql' then coalesce(raised_at, as_of) else as_of end as entered_at,
    disqualified, raised_at is not null as hand_raise, raised_at, kind,
    'twenty' as model, counted, cast(null as varchar) as account,
    '{' || concat_ws(',',
        case when icp_size <> 0 then '"icp_size":' || icp_size end,
        case when near_size <> 0 then '"near_size":' || near_size end,
        case when icp_industry <> 0 then '"icp_industry":' || icp_industry end,
        case when buyer <> 0 then '"buyer":' || buyer end,
        case when recommender <> 0 then '"recommender":' || recommender end,
        case when buying_department <> 0 then '"buying_department":' || buying_department end,
        case when core_market <> 0 then '"core_market":' || core_market end,
        case when target_account <> 0 then '"target_account":' || target_account end,
        case when hand_raise <> 0 then '"hand_raise":' || hand_raise end,
        case when pricing_page <> 0 then '"pricing_page":' || pricing_page end,
        case when content <> 0 then '"content":' || content end,
        case when webinar <> 0 then '"webinar":' || webinar end,
        case when reply <> 0 then '"reply":' || reply end,
        case when click <> 0 then '"click":' || click end,
        case when visit <> 0 then '"visit":' || visit end,
        case when social <> 0 then '"social":' || social end,
        case when trial <> 0 then '"trial":' || trial end,
        case when free_mail <> 0 then '"free_mail":' || free_mail end,
        case when shared_mailbox <> 0 then '"shared_mailbox":' || shared_mailbox end,
        case when careers_page <> 0 then '"careers_page":' || careers_page end
    ) || '}' as contributions
from banded
