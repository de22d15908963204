"""6sense: what its models know of a lead's company, by e-mail and country, one paid request a lead.

Lead Scoring and Firmographics API v2 (api.6sense.com/docs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from clearlane.connectors.address import placed
from clearlane.connectors.credentials import Header
from clearlane.connectors.http import Http
from clearlane.connectors.protocol import Secrets, SourceFailed
from clearlane.connectors.values import at
from clearlane.enrich.provider import Abort, Found
from clearlane.enrich.providers.json_api import LARGEST, patience
from clearlane.policy.model import PaidProvider, Source

PATH: Final = "/v2/people/full"
_COMPANY: Final = {"employees": "employeeCount", "industry": "industry", "annual_revenue": "annualRevenue"}
_SCORES: Final = {
    "buying_stage": "company_buying_stage",
    "intent_score": "company_intent_score",
    "company_fit": "company_profile_fit",
    "contact_grade": "contact_grade",
}


class SixSense:
    """Asks about a lead with e-mail and country; company, website and title help it.

    Of several products `product` counts, else the one with the highest intent. Provides `employees, industry,
    annual_revenue` (as 6sense has it), `buying_stage` (Target … Purchase), `intent_score` (0 to 100), `company_fit`
    (Strong, Moderate, Weak) and `contact_grade` (A to D).
    """

    needs: Sequence[str] = ("email", "country", "company", "website", "title")

    def __init__(self, settings: PaidProvider, secrets: Secrets, **client: Any) -> None:
        """The connection has host, API token as password, extra `product`. `client` goes to Http."""
        place = placed(Source(settings.name, settings.kind, settings.address, {}), secrets)
        if not place.password:
            raise Abort(f"provider {settings.name}: its connection has no password (an API token)")
        self._product = place.extras.get("product")
        options: dict[str, Any] = {"patience": patience(settings), "largest": LARGEST, **client}
        token = Header("Authorization", f"Token {place.password}")
        self._http = Http(settings.name, place.base, token, **options)

    def ask(self, known: Mapping[str, str], key: str) -> Found:
        """What 6sense says of the lead. Raises SourceFailed; 6sense knows no idempotency key."""
        form = {name: known[name] for name in self.needs if name in known}
        answer = self._http.ask("POST", PATH, data=form, accept=(400, 404, 422))
        if answer.status != 200:  # this lead cannot be looked up, or nobody knows it
            return Found()
        try:
            return Found(self._read(answer.json()))
        except (AttributeError, TypeError) as error:
            said = f"{answer.asked} answered in another form than described ({type(error).__name__})"
            raise SourceFailed(said) from None

    def _read(self, body: Any) -> Mapping[str, Any]:
        company = {ours: at(body, f"company.{theirs}") for ours, theirs in _COMPANY.items()}
        score = self._score(at(body, "scores") or ())
        facts = company | {ours: score.get(theirs) for ours, theirs in _SCORES.items()}
        return {name: value for name, value in facts.items() if value not in ("", None)}

    def _score(self, scores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        chosen = [one for one in scores if self._product in (None, one.get("product"))]
        return max(chosen, key=lambda one: one.get("company_intent_score") or 0, default={})
