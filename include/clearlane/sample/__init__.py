"""The generated company: a week of its leads as its CRM, its web site and its product would export them.

Made for the policy in include/policy: causes are planted so that the figures look like a company's. The same
end, seed and sizes give the same bytes. Nobody in it exists.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from clearlane.sample import exports
from clearlane.sample.behaviour import behaviour
from clearlane.sample.companies import companies
from clearlane.sample.exports import Lived
from clearlane.sample.outcomes import outcomes
from clearlane.sample.people import people

COMPANIES_PER_LEAD = 0.55
RAGGED = 0.001
"""share of lines that are broken in the file itself"""


def write(out: Path, *, end: datetime, seed: int, days: int = 7, leads: int = 3000) -> None:
    """Write crm/, web/ and product/ below `out`: what `leads` people did in the `days` before `end`.

    Some stand in two systems, so there are some more lead records than people. Files that are there
    already are replaced.
    """
    rng = np.random.default_rng(seed)
    lived = _lived(rng, end.astimezone(UTC), days, leads)
    _write_crm(rng, out / "crm", lived)
    _write_web(rng, out / "web", lived)
    _write_product(rng, out / "product", lived)


def _lived(rng: np.random.Generator, end: datetime, days: int, leads: int) -> Lived:
    firms = companies(rng, max(10, round(leads * COMPANIES_PER_LEAD)))
    persons = people(rng, firms, leads, end, days)
    until = pd.Timestamp(end).tz_localize(None)
    done = behaviour(rng, persons, until)
    return Lived(firms, persons, done, outcomes(rng, persons, until), until - timedelta(days=days), until)


def _write_crm(rng: np.random.Generator, folder: Path, lived: Lived) -> None:
    leads = exports.crm_leads(rng, lived)
    _csv(folder / "leads.csv", leads, rng)
    _csv(folder / "accounts.csv", exports.crm_accounts(rng, lived))
    _csv(folder / "contacts.csv", exports.crm_contacts(rng, lived))
    _csv(folder / "opportunities.csv", exports.crm_opportunities(rng, lived))
    _csv(folder / "users.csv", exports.crm_users())
    _csv(folder / "outcomes.csv", exports.outcomes_of(lived, "crm", "00L"))
    _parquet(folder / "touches.parquet", exports.touches(rng, lived, leads))


def _write_web(rng: np.random.Generator, folder: Path, lived: Lived) -> None:
    forms = exports.submissions(rng, lived)
    _daily(folder, "submissions", forms, "submitted_at", rng)
    _daily(folder, "events", exports.web_events(rng, lived, forms), "at")
    _csv(folder / "outcomes.csv", exports.outcomes_of(lived, "web", "s-"))


def _write_product(rng: np.random.Generator, folder: Path, lived: Lived) -> None:
    _csv(folder / "signups.csv", exports.signups(rng, lived))
    _csv(folder / "outcomes.csv", exports.outcomes_of(lived, "product", "w-"))
    _parquet(folder / "events.parquet", exports.product_events(rng, lived))


def _csv(path: Path, frame: pd.DataFrame, ragged: np.random.Generator | None = None) -> None:
    text = _moments(frame).to_csv(index=False, lineterminator="\n")
    head, *lines = text.splitlines(keepends=True)
    if ragged is not None:
        broken = ragged.random(len(lines)) < RAGGED
        lines = [f"{line[:-1]},,by hand\n" if bad else line for line, bad in zip(lines, broken, strict=True)]
    _text(path, head + "".join(lines))


def _daily(
    folder: Path, name: str, frame: pd.DataFrame, at: str, ragged: np.random.Generator | None = None
) -> None:
    """JSON Lines by day; what has no day is written with the first."""
    days = frame[at].dt.strftime("%Y-%m-%d")
    lines = pd.Series(list(_json_lines(_moments(frame))), index=frame.index, dtype=object)
    if ragged is not None:
        lines = lines.mask(ragged.random(len(lines)) < RAGGED, lines.str[:40])
    for stale in sorted(folder.glob(f"{name}-*.jsonl")):
        stale.unlink()
    for day, of_day in lines.groupby(days.fillna(days.min())):
        _text(folder / f"{name}-{day}.jsonl", "\n".join(of_day) + "\n")


def _json_lines(frame: pd.DataFrame) -> Iterator[str]:
    """What a record does not hold is left out, as web forms do."""
    for record in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        yield json.dumps(
            {key: value for key, value in record.items() if value is not None}, ensure_ascii=False
        )


def _moments(frame: pd.DataFrame) -> pd.DataFrame:
    times = frame.select_dtypes("datetime").columns
    return frame.assign(**{name: frame[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in times})


def _parquet(path: Path, frame: pd.DataFrame) -> None:
    times = frame.select_dtypes("datetime").columns
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.assign(**{name: frame[name].dt.tz_localize("UTC") for name in times}).to_parquet(path, index=False)


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
