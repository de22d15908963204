"""6sense: what its models know of a lead's company, by e-mail and country, one paid request a lead.

Credits are paid by the request: nobody is asked about twice, no answer that was paid for is lost, and no request
without an answer is sent again. Lead Scoring and Firmographics API v2.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from clearlane.connectors.address import placed
from clearlane.connectors.credentials import Header
from clearlane.connectors.http import Http, Pace, Patience, Refused
from clearlane.connectors.protocol import Secrets, SourceFailed
from clearlane.connectors.values import at
from clearlane.enrich.provider import Abort, Skip
from clearlane.policy.model import Source

_LOG: Final = logging.getLogger(__name__)
NAME: Final = "sixsense"
PATH: Final = "/v2/people/full"
MINUTE: Final = Pace(100, 60)
"""requests that 6sense allows a token (api.6sense.com/docs, rate limits)"""
_SENT: Final = {
    "email": "email",
    "country": "country",
    "company": "company",
    "website": "website",
    "title": "title",
}
_COMPANY: Final = {"employees": "employeeCount", "industry": "industry", "annual_revenue": "annualRevenue"}
_SCORES: Final = {
    "buying_stage": "company_buying_stage",
    "intent_score": "company_intent_score",
    "company_fit": "company_profile_fit",
    "contact_grade": "contact_grade",
}
_FATAL: Final = {
    402: "its credits are gone",
    401: "its token is not accepted",
    403: "its token lacks the API 'Lead Scoring and Firmographics'",
}


class SixSense:
    """Asks about leads with e-mail and country, `most` in a run; the others are left to later runs.

    Of several products `product` counts, else the one with the highest intent. Provides `employees, industry,
    annual_revenue` (as 6sense has it), `buying_stage` (Target … Purchase), `intent_score` (0 to 100), `company_fit`
    (Strong, Moderate, Weak) and `contact_grade` (A to D).
    """

    name: str = NAME
    needs: Sequence[str] = tuple(_SENT)
    provides: Sequence[str] = (*_COMPANY, *_SCORES)

    def __init__(self, secrets: Secrets, *, most: int = MINUTE.requests, **client: Any) -> None:
        """The connection `sixsense`: host, API token as password, extra `product`. `client` goes to Http."""
        source = Source(NAME, NAME, f"connection:{NAME}", {})
        place = placed(source, secrets)
        if not place.password:
            raise Abort(f"{NAME}: its connection has no password (an API token)")
        self._product, self._left, self._stopped = place.extras.get("product"), most, False
        options: dict[str, Any] = {"pace": (MINUTE,), "patience": Patience(read=20, tries=2), **client}
        self._http = Http(NAME, place.base, Header("Authorization", f"Token {place.password}"), **options)

    def enrich(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What 6sense says; rows that are not in the answer were not asked about and wait for a later run.

        Without e-mail or country 6sense cannot be asked: such rows are known to be unknown. Raises Abort where the
        credits are gone or the token is refused, Skip where 6sense is away.
        """
        askable = frame["email"].notna() & frame["country"].notna()
        rows = {str(name): None for name in self.provides}
        said: dict[Hashable, Mapping[str, Any]] = dict.fromkeys(frame.index[~askable], rows)
        said |= dict(self._answers(frame[askable]))
        values = [[facts[name] for name in self.provides] for facts in said.values()]
        return pd.DataFrame(values, index=list(said), columns=list(self.provides), dtype=object)

    def _answers(self, frame: pd.DataFrame) -> Iterator[tuple[Hashable, Mapping[str, Any]]]:
        given = False
        for row, known in zip(frame.index, frame[list(_SENT)].to_dict("records"), strict=True):
            if self._stopped or self._left <= 0:
                return
            self._left -= 1
            try:
                yield row, self._facts(known)
            except SourceFailed as failed:
                self._stop(failed, given)
                return
            given = True

    def _stop(self, failed: SourceFailed, given: bool) -> None:
        """No more is asked in this run. What was answered, and paid for, is kept; the next run says what is wrong."""
        _LOG.warning("%s; nothing more is asked in this run", failed)
        fresh, self._stopped = not self._stopped, True
        why = _FATAL.get(failed.status) if isinstance(failed, Refused) else None
        if given or not fresh:
            return
        raise Abort(f"{NAME}: {why}") if why else Skip(str(failed))

    def _facts(self, known: Mapping[Hashable, Any]) -> Mapping[str, Any]:
        form = {theirs: known[ours] for ours, theirs in _SENT.items() if known[ours] is not None}
        answer = self._http.ask("POST", PATH, data=form, accept=(400, 404, 422))
        if answer.status != 200:  # this lead cannot be looked up, or nobody knows it
            return dict.fromkeys(self.provides)
        try:
            return self._read(answer.json())
        except (AttributeError, TypeError) as error:
            said = f"{answer.asked} answered in another form than described ({type(error).__name__})"
            raise SourceFailed(said) from None

    def _read(self, body: Any) -> Mapping[str, Any]:
        company = {ours: at(body, f"company.{theirs}") for ours, theirs in _COMPANY.items()}
        score = self._score(at(body, "scores") or ())
        facts = company | {ours: score.get(theirs) for ours, theirs in _SCORES.items()}
        return {name: None if value in ("", None) else value for name, value in facts.items()}

    def _score(self, scores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        chosen = [one for one in scores if self._product in (None, one.get("product"))]
        return max(chosen, key=lambda one: one.get("company_intent_score") or 0, default={})
