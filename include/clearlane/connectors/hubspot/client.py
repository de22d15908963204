"""HubSpot's own client (`hubspot-api-client`) carried by our Http: its paths and names, our time-outs and retries.

What it would do itself is left out: it waits without end, logs bodies at DEBUG and quotes them in exceptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from clearlane.connectors.http import Answer, Http, Refused, Spent
from clearlane.connectors.protocol import SourceFailed

_DAY_IS_SPENT: Final = 3600.0
"""seconds to leave HubSpot alone then; it says when the day ends only in words (midnight of the account)"""
_WORD: Final = re.compile(r"[A-Za-z0-9_.\-]{1,80}")


class Client:
    """The requests that the connector makes. Each answers 2xx, or raises Refused or Unanswered.

    All of them may be sent again, for they read, or set what they set; but for a merge.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def search(self, type: str, request: Mapping[str, Any]) -> Answer:
        return self._given(self._crm.objects.search_api.do_search(type, request, **_RAW))

    def page(self, type: str, **params: Any) -> Answer:
        return self._given(self._crm.objects.basic_api.get_page(type, **params, **_RAW))

    def read(self, type: str, request: Mapping[str, Any], **params: Any) -> Answer:
        return self._given(self._crm.objects.batch_api.read(type, request, **params, **_RAW))

    def update(self, type: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        return self._given(self._crm.objects.batch_api.update(type, {"inputs": list(inputs)}, **_RAW))

    def one(self, type: str, id: str, **params: Any) -> Answer:
        return self._given(self._crm.objects.basic_api.get_by_id(type, id, **params, **_RAW))

    def merge(self, into: str, other: str) -> Answer:
        request = {"primaryObjectId": into, "objectIdToMerge": other}
        return self._given(self._crm.contacts.basic_api.merge(request, **_RAW))

    def associations(self, type: str, to: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        request = {"inputs": list(inputs)}
        return self._given(self._crm.associations.v4.batch_api.get_page(type, to, request, **_RAW))

    def owners(self, **params: Any) -> Answer:
        return self._given(self._crm.owners.owners_api.get_page(**params, **_RAW))

    def properties(self, type: str) -> Answer:
        return self._given(self._crm.properties.core_api.get_all(type, **_RAW))

    def groups(self, type: str) -> Answer:
        return self._given(self._crm.properties.groups_api.get_all(type, **_RAW))

    def create_group(self, type: str, group: Mapping[str, Any]) -> Answer:
        return self._given(self._crm.properties.groups_api.create(type, group, **_RAW))

    def create_properties(self, type: str, inputs: Sequence[Mapping[str, Any]]) -> Answer:
        return self._given(self._crm.properties.batch_api.create(type, {"inputs": list(inputs)}, **_RAW))

    @staticmethod
    def _given(answer: Any) -> Answer:
        assert isinstance(answer, Answer)  # `_RAW` hands on what the carrier answered
        return answer

    @cached_property
    def _crm(self) -> Any:
        from hubspot import HubSpot  # takes a while to load: only whoever has a HubSpot pays

        return HubSpot(api_factory=self._api).crm

    def _api(self, package: Any, name: str, config: Mapping[str, Any]) -> Any:
        client = package.ApiClient(package.Configuration(host=self._http.base))
        client.rest_client = _Carrier(self._http)
        return getattr(package, name)(client)


_RAW: Final[Mapping[str, Any]] = {"_preload_content": False}
"""the answer itself: the client's own reading of it takes what is no JSON for text and fails later, unclearly"""


class _Carrier:
    """What stands where the client keeps its connections."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def GET(self, url: str, *, query_params: Any = None, **_: Any) -> Answer:
        return asked(self._http, "GET", url, params=_grouped(query_params))

    def POST(self, url: str, *, query_params: Any = None, body: Any = None, **_: Any) -> Answer:
        again = not url.endswith("/merge")
        return asked(self._http, "POST", url, params=_grouped(query_params), json=body, idempotent=again)


def spent(answer: Answer) -> Spent | None:
    """Whether the requests of the account's day are used up ("API usage guidelines and limits")."""
    if answer.status == 429 and _body(answer).get("policyName") == "DAILY":
        return Spent("the requests of the day are spent, until midnight there", _DAY_IS_SPENT)
    return None


def asked(http: Http, method: str, path: str, **options: Any) -> Answer:
    """As Http.ask; a refusal also says its category and the scopes that are missing."""
    try:
        return http.ask(method, path, **options)
    except Refused as refused:
        failure = _explained(refused)
    raise failure


def _grouped(pairs: Sequence[tuple[str, Any]] | None) -> Mapping[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for name, value in pairs or ():
        grouped.setdefault(name, []).append(_lower(value))
    return grouped


def _lower(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _explained(refused: Refused) -> Refused:
    """With the words that HubSpot's errors hold beside people: category, property and scope names."""
    words = _words(_body(refused.answer))
    text = f"{refused} ({', '.join(words)})" if words else str(refused)
    return Refused(text, refused.answer, again=refused.again, retry_after=refused.retry_after)


def _body(answer: Answer) -> Mapping[str, Any]:
    try:
        said = answer.json()
    except SourceFailed:
        return {}
    return said if isinstance(said, Mapping) else {}


def _words(said: Mapping[str, Any]) -> list[str]:
    errors = said.get("errors")
    contexts = [said.get("context"), *(one.get("context") for one in _mappings(errors))]
    named = [
        word
        for context in _mappings(contexts)
        for name in ("propertyName", "requiredGranularScopes", "requiredScopes", "missingScopes")
        for word in _list(context.get(name))
    ]
    words = [str(word) for word in (said.get("category"), *named) if word]
    return list(dict.fromkeys(word for word in words if _WORD.fullmatch(word)))


def _mappings(values: Any) -> list[Mapping[str, Any]]:
    return [one for one in _list(values) if isinstance(one, Mapping)]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
