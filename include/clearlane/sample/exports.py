"""The sample as each system would export it: its own columns, ids, spellings, and a little dirt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from clearlane.sample import words
from clearlane.sample.companies import executives
from clearlane.sample.drawing import Drawn, Rng, given

UNUSABLE, UNREADABLE = 0.014, 0.01
"""shares of records that nobody can use, and of fields that nobody can read"""
CONTACTS_KNOWN, SYNCED, TWICE = 0.10, 0.08, 0.01
"""shares of people who are contacts already, who also stand in the CRM, who stand there twice"""
# what a form is called, by what the person wants; the form of sales is the hand-raise or the download
_TOPIC = {"support": "support", "job": "job", "vendor": "vendor", "partner": "partner"}


@dataclass(frozen=True)
class Lived:
    """All that happened: the company's world, from which the exports are drawn."""

    companies: pd.DataFrame
    people: pd.DataFrame
    behaviour: pd.DataFrame
    outcomes: pd.DataFrame
    start: pd.Timestamp
    end: pd.Timestamp


# --- crm ------------------------------------------------------------------------------------------


def crm_leads(rng: Rng, lived: Lived) -> pd.DataFrame:
    """Leads of the CRM: its own, those that a form or a trial wrote there too, and some written twice."""
    people = lived.people
    also = (people["origin"] != "crm") & (rng.random(len(people)) < SYNCED) & (people["wants"] == "sales")
    twice = (people["origin"] == "crm") & (rng.random(len(people)) < TWICE)
    chosen = pd.concat([people[people["origin"] == "crm"], people[also], people[twice]])
    again = np.arange(len(chosen)) >= int((people["origin"] == "crm").sum())
    created = chosen["arrived"] + pd.to_timedelta(
        np.where(again, rng.integers(60, 3600, len(chosen)), 0), unit="s"
    )
    frame = _crm_columns(rng, lived, chosen.assign(arrived=created), again)
    return _before_end(_dirty(rng, frame, "Email", "Phone", "CreatedDate", "NumberOfEmployees"), lived.end)


def _crm_columns(rng: Rng, lived: Lived, people: pd.DataFrame, again: Drawn) -> pd.DataFrame:
    count, company = len(people), lived.companies.loc[people["company"]]
    changed = np.where(rng.random(count) < 0.1, rng.integers(60, 40_000, count), 0)
    filled = rng.random(count) < 0.8
    owner = rng.choice([words.INTEGRATION, "", words.LEFT], count, p=[0.9, 0.08, 0.02])
    working = (rng.random(count) < 0.04) & (people["wants"] == "sales")
    reps = executives(rng, people["territory"])
    city = _cities(rng, people["country"])
    converted = (rng.random(count) < 0.008) & (people["wants"] == "sales")
    return pd.DataFrame(
        {
            "LeadId": _numbered("00L", np.where(again, 500_000_000, 0) + people.index.to_numpy()),
            "CreatedDate": people["arrived"].to_numpy(),
            "LastModifiedDate": (people["arrived"] + pd.to_timedelta(changed, unit="s")).to_numpy(),
            "Email": np.where(again, people["email"].str.upper(), people["email"]),
            "Phone": people["phone"].to_numpy(),
            "FirstName": people["first"].to_numpy(),
            "LastName": np.where(people["wants"] == "test", "Test", people["last"]),
            "Company": given(company["name"], ~(people["private"] & (rng.random(count) < 0.15))),
            "Title": given(people["title"], rng.random(count) < 0.9),
            "Website": given("https://www." + company["domain"], filled & ~people["private"]),
            "Country": _written(rng, people["country"], 0.95),
            "State": pd.Series(city).map(words.STATES).to_numpy(),
            "City": city,
            "Industry": given(company["industry"], filled),
            "NumberOfEmployees": given(company["employees"].astype(str), filled),
            "LeadSource": rng.choice(["event", "list", "referral", "webinar"], count),
            "Campaign": rng.choice(words.CAMPAIGNS, count),
            "Status": np.where(converted, "Converted", np.where(working, "Working", "New")),
            "OwnerId": np.where(working, reps, owner),
            "IsConverted": np.where(converted, "true", "false"),
            "HasOptedOutOfEmail": np.where(rng.random(count) < 0.04, "true", "false"),
            "DoNotCall": np.where(rng.random(count) < 0.006, "true", "false"),
            "topic": people["wants"].map(_TOPIC).to_numpy(),
        }
    )


def crm_accounts(rng: Rng, lived: Lived) -> pd.DataFrame:
    known = lived.companies[lived.companies["known"]]
    created, changed = _long_ago(rng, lived.start, len(known))
    return pd.DataFrame(
        {
            "AccountId": _numbered("001", known.index),
            "CreatedDate": created,
            "LastModifiedDate": changed,
            "Name": known["name"].to_numpy(),
            "Website": "https://www." + known["domain"],
            "BillingCountry": _written(rng, known["country"], 1.0),
            "Industry": known["industry"].to_numpy(),
            "NumberOfEmployees": given(known["employees"].astype(str), rng.random(len(known)) < 0.9),
            "Type": known["type"].to_numpy(),
            "OwnerId": known["owner"].to_numpy(),
            "ParentId": known["parent"].map("001{:09.0f}".format, na_action="ignore").to_numpy(),
        }
    )


def crm_contacts(rng: Rng, lived: Lived) -> pd.DataFrame:
    """Colleagues of the people who come, and some of those people themselves."""
    owned = lived.companies["known"].to_numpy()[lived.people["company"]] & ~lived.people["private"]
    known = lived.people[owned & (rng.random(len(lived.people)) < CONTACTS_KNOWN)]
    others = lived.companies[lived.companies["known"]].sample(frac=1.2, replace=True, random_state=rng)
    first, last = rng.choice(words.FIRST, len(others)), rng.choice(words.LAST_TAILS, len(others))
    surname = "Old" + pd.Series(last, dtype=str)
    email = (
        pd.Series(first).str.lower()
        + "."
        + surname.str.lower()
        + "@"
        + others["domain"].reset_index(drop=True)
    )
    company = np.concatenate([known["company"], others.index])
    created, changed = _long_ago(rng, lived.start, len(company))
    return pd.DataFrame(
        {
            "ContactId": _numbered("003", np.arange(len(company))),
            "CreatedDate": created,
            "LastModifiedDate": changed,
            "Email": np.concatenate([known["email"], email]),
            "Phone": np.concatenate([known["phone"], np.full(len(others), None)]),
            "FirstName": np.concatenate([known["first"], first]),
            "LastName": np.concatenate([known["last"], surname]),
            "AccountId": _numbered("001", company),
            "OwnerId": lived.companies["owner"].to_numpy()[company],
        }
    ).drop_duplicates("Email", ignore_index=True)


def crm_opportunities(rng: Rng, lived: Lived) -> pd.DataFrame:
    """An open one at some prospects, the one that was won at customers, that was lost at former ones."""
    known = lived.companies[lived.companies["known"]]
    stage = pd.Series(rng.choice(["Discovery", "Proposal", "Negotiation"], len(known)), index=known.index)
    stage = stage.mask(known["type"] == "Customer", "Closed Won").mask(
        known["type"] == "Former", "Closed Lost"
    )
    there = known["type"].isin(["Customer", "Former"]) | (rng.random(len(known)) < 0.12)
    known, stage = known[there], stage[there]
    created, changed = _long_ago(rng, lived.start, len(known))
    return pd.DataFrame(
        {
            "OpportunityId": _numbered("006", known.index),
            "CreatedDate": created,
            "LastModifiedDate": changed,
            "LeadId": None,
            "ContactId": None,
            "AccountId": _numbered("001", known.index),
            "OwnerId": known["owner"].to_numpy(),
            "StageName": stage.to_numpy(),
            "Amount": (known["employees"] * 45).to_numpy(),
            "CloseDate": given(np.datetime_as_string(changed, unit="D"), stage.str.startswith("Closed")),
            "Name": (known["name"] + " platform").to_numpy(),
        }
    )


def crm_users() -> pd.DataFrame:
    ids, names = zip(*words.USERS, strict=True)
    plain = pd.Series(names).str.normalize("NFD").str.replace(r"[^A-Za-z ]", "", regex=True)
    email = plain.str.lower().str.replace(" ", ".") + "@clearlane.example"
    active = np.where(np.array(ids) == words.LEFT, "false", "true")
    return pd.DataFrame({"UserId": ids, "Name": names, "Email": email, "IsActive": active})


def touches(rng: Rng, lived: Lived, known: pd.DataFrame) -> pd.DataFrame:
    """Campaign touches: by the id of a lead the CRM knows, else by e-mail address."""
    done = lived.behaviour[lived.behaviour["system"] == "crm"].reset_index(drop=True)
    lead = done["person"].map(_first_record(known, "LeadId")).astype(object)
    frame = pd.DataFrame(
        {
            "touch_id": _numbered("t", done.index),
            "lead_id": lead.where(lead.notna(), None),
            "email": lived.people["email"].to_numpy()[done["person"]],
            "type": done["type"],
            "at": done["at"],
            "campaign": done["campaign"],
            "seconds_after_delivery": done["seconds_after_delivery"],
        }
    )
    frame["email"] = frame["email"].where(frame["lead_id"].isna(), None)
    return _homeless(rng, frame, "lead_id")


# --- web ------------------------------------------------------------------------------------------


def submissions(rng: Rng, lived: Lived) -> pd.DataFrame:
    people = lived.people[lived.people["origin"] == "web"]
    count, company = len(people), lived.companies.loc[people["company"]]
    filled = rng.random(count) < 0.75
    frame = pd.DataFrame(
        {
            "submission_id": _numbered("s-", people.index),
            "submitted_at": people["arrived"].to_numpy(),
            "visitor_id": _numbered("v-", rng.permutation(count)),
            "full_name": (people["first"] + " " + people["last"]).to_numpy(),
            "email": people["email"].to_numpy(),
            "phone": people["phone"].to_numpy(),
            "company": given(company["name"], ~(people["private"] & (rng.random(count) < 0.15))),
            "job_title": given(people["title"], rng.random(count) < 0.85),
            "country": _written(rng, people["country"], 0.93),
            "company_size": given(company["employees"].astype(str), filled),
            "industry": given(company["industry"], filled),
            "utm_campaign": rng.choice(words.CAMPAIGNS, count),
            "no_newsletter": rng.random(count) < 0.12,
            "topic": people["wants"].map(_TOPIC).to_numpy(),
            "message": _messages(rng, people["wants"]),
            "honeypot": given("https://cheap.example", people["wants"] == "spam"),
        }
    )
    return _dirty(rng, frame, "email", "phone", "submitted_at", "company_size")


def web_events(rng: Rng, lived: Lived, forms: pd.DataFrame) -> pd.DataFrame:
    done = lived.behaviour[lived.behaviour["system"] == "web"].reset_index(drop=True)
    submission = done["person"].map(_first_record(forms, "submission_id")).astype(object)
    frame = pd.DataFrame(
        {
            "event_id": _numbered("e-", done.index),
            "submission_id": submission.where(submission.notna(), None),
            "email": lived.people["email"].to_numpy()[done["person"]],
            "event": done["type"],
            "at": done["at"],
            "page": done["page"],
        }
    )
    frame["email"] = frame["email"].where(frame["submission_id"].isna(), None)
    return _homeless(rng, frame, "submission_id")


# --- product --------------------------------------------------------------------------------------


def signups(rng: Rng, lived: Lived) -> pd.DataFrame:
    people = lived.people[lived.people["origin"] == "product"]
    count, company = len(people), lived.companies.loc[people["company"]]
    used = people["intent"].isin(["evaluating", "asked"]).to_numpy()
    days = np.where(used, rng.integers(2, 12, count), rng.integers(0, 4, count))
    frame = pd.DataFrame(
        {
            "workspace_id": _numbered("w-", people.index),
            "signed_up": people["arrived"].to_numpy(),
            "refreshed": (
                people["arrived"] + pd.to_timedelta(rng.integers(0, 20_000, count), unit="s")
            ).to_numpy(),
            "admin_email": people["email"].to_numpy(),
            "admin_name": (people["first"] + " " + people["last"]).to_numpy(),
            "workspace": company["name"].to_numpy(),
            "role": given(people["title"], rng.random(count) < 0.7),
            "team_size": given(company["employees"].astype(str), rng.random(count) < 0.6),
            "country": _written(rng, people["country"], 0.97),
            "plan": rng.choice(["trial", "trial plus"], count, p=[0.8, 0.2]),
            "activated": np.where(used & (rng.random(count) < 0.7), "true", "false"),
            "active_days_of_14": days.astype(str),
        }
    )
    frame = _dirty(rng, frame.assign(phone=None), "admin_email", "phone", "signed_up", "active_days_of_14")
    return _before_end(frame.drop(columns="phone"), lived.end, "refreshed")


def product_events(rng: Rng, lived: Lived) -> pd.DataFrame:
    done = lived.behaviour[lived.behaviour["system"] == "product"].reset_index(drop=True)
    frame = pd.DataFrame(
        {
            "event_id": _numbered("p-", done.index),
            "workspace_id": _numbered("w-", done["person"]).astype(object),
            "event": done["type"],
            "at": done["at"],
            "feature": done["feature"],
            "minutes": done["minutes"],
        }
    )
    return _homeless(rng, frame, "workspace_id")


def outcomes_of(lived: Lived, origin: str, prefix: str) -> pd.DataFrame:
    """What the CRM says became of a system's people, by their id in that system."""
    here = lived.outcomes[(lived.people["origin"] == origin).to_numpy()[lived.outcomes["person"]]]
    return pd.DataFrame(
        {
            "OutcomeId": _numbered(f"o{prefix}", here.index),
            "LeadId": _numbered(prefix, here["person"]),
            "Kind": here["kind"].to_numpy(),
            "OccurredAt": here["at"].to_numpy(),
            "Reason": here["reason"].to_numpy(),
            "OwnerId": None,
            "Amount": here["amount"].to_numpy(),
        }
    )


# --- ids, spellings, dirt -------------------------------------------------------------------------


def _numbered(prefix: str, numbers: object) -> Drawn:
    return (prefix + pd.Series(np.asarray(numbers)).astype(str).str.zfill(9)).to_numpy()


def _first_record(frame: pd.DataFrame, column: str) -> dict[int, str]:
    """Person -> the id by which this system knows them: the number is in the id."""
    number = frame[column].str[-9:].astype(int)
    own = frame[number < 500_000_000]
    return dict(zip(number[own.index], own[column], strict=True))


def _written(rng: Rng, country: pd.Series, share: float) -> Drawn:
    """A country as people write it; some leave it out."""
    which = rng.integers(0, 60, len(country))
    texts = [words.COUNTRIES[index].written for index in country]
    written = [
        spellings[place % len(spellings)] for spellings, place in zip(texts, which.tolist(), strict=True)
    ]
    return given(np.array(written, dtype=object), rng.random(len(country)) < share)


def _cities(rng: Rng, country: pd.Series) -> list[str]:
    which = rng.integers(0, 60, len(country)).tolist()
    cities = [words.COUNTRIES[index].cities for index in country]
    return [names[place % len(names)] for names, place in zip(cities, which, strict=True)]


def _messages(rng: Rng, wants: pd.Series) -> list[str]:
    which = rng.integers(0, 60, len(wants)).tolist()
    texts = [words.MESSAGES.get(want, ("",)) for want in wants]
    return [choices[place % len(choices)] for choices, place in zip(texts, which, strict=True)]


def _long_ago(rng: Rng, start: pd.Timestamp, count: int) -> tuple[Drawn, Drawn]:
    """Created in the two years before the days of the sample, changed between then and its start."""
    age = rng.integers(86_400 * 5, 86_400 * 700, count)
    changed = (age * rng.random(count)).astype(int) + 3600
    return (
        (start - pd.to_timedelta(age, unit="s")).to_numpy().astype("datetime64[s]"),
        (start - pd.to_timedelta(changed, unit="s")).to_numpy().astype("datetime64[s]"),
    )


def _before_end(frame: pd.DataFrame, end: pd.Timestamp, changed: str = "LastModifiedDate") -> pd.DataFrame:
    """Without changes after the end of the days: what was written later is not there yet."""
    created = "CreatedDate" if "CreatedDate" in frame else "signed_up"
    frame = frame[~(frame[created] >= end)].reset_index(drop=True)
    return frame.assign(**{changed: frame[changed].where(frame[changed] < end, frame[created])})


def _dirty(rng: Rng, frame: pd.DataFrame, email: str, phone: str, created: str, size: str) -> pd.DataFrame:
    """Some records without a way of contact or a time, some fields that cannot be read."""
    count = len(frame)
    unusable = rng.random(count) < UNUSABLE
    how = rng.choice(["nothing", "mangled", "undated"], count, p=[0.55, 0.3, 0.15])
    no_contact = unusable & (how != "undated")
    mangled = frame[email].str.replace("@", " at ")
    frame[email] = frame[email].mask(no_contact, None).mask(unusable & (how == "mangled"), mangled)
    frame[phone] = frame[phone].mask(no_contact, None)
    frame[created] = frame[created].mask(unusable & (how == "undated"))
    frame[size] = frame[size].mask(rng.random(count) < UNREADABLE, "a few")
    frame[phone] = frame[phone].mask(frame[phone].notna() & (rng.random(count) < UNREADABLE), "see website")
    return frame


def _homeless(rng: Rng, frame: pd.DataFrame, whose: str) -> pd.DataFrame:
    """Some events that do not say whose they are."""
    lost = rng.random(len(frame)) < UNUSABLE
    frame[whose] = frame[whose].mask(lost, None)
    if "email" in frame:
        frame["email"] = frame["email"].mask(lost, None)
    return frame
